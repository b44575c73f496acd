/**
 * One provider turn: the model's row and whoever speaks for it are looked up now, the request is made, and its stream is
 * handed on part by part. Whatever goes wrong ends it with one failure of the closed set.
 */
import type { LanguageModelV4CallOptions, LanguageModelV4StreamResult } from "@ai-sdk/provider"
import type { Graft, Row } from "graft"
import { SENT } from "../lib/provider-fetch.ts"
import type { Model, ProviderRow } from "../model/contract.ts"
import type { Llm, TurnRequest } from "./contract.ts"
import { Ending, systemClock, type Clock, type Ended } from "./ending.ts"
import { failureOf, isMistake, LlmError } from "./failure.ts"
import { Parts } from "./parts.ts"

/** Silence after which a stream is given up, unless the call or the options say otherwise; in ms. */
export const IDLE = 120_000
/** What hangs on a request that went out must not stand in its way: it is told a moment later, in ms. */
const MOMENT = 10

export interface Options { idle: number }

export function makeLlm(graft: Graft<unknown, Options>, clock: Clock = systemClock): Llm {
  return {
    async *stream(request, { signal, idle = graft.options.idle } = {}) {
      using ending = new Ending({ asked: signal, closing: graft.signal, idle, clock })
      let provider = request.model.split("/")[0]!
      let parts: Parts | undefined
      let ref: string | undefined
      try {
        const model = await ending.race(modelOf(graft, request.model))
        provider = model.provider
        ref = `${provider}/${model.id}`
        // Who speaks now speaks to the end of this stream, also when it is edited meanwhile.
        using speakers = graft.all("provider").pin()
        const speaker = speakers.rows.findLast(({ item }) => item.id === provider)
        if (!speaker) throw new LlmError({ code: "llm.request", message: `no plugin speaks for "${provider}" any more`, retryable: false, provider })
        parts = new Parts(await ask(graft, ending, clock, request, model, speaker), provider, ending.signal)
        while (!parts.finished) {
          const read = await parts.read()
          ending.heard()
          yield parts.take(read)
        }
        if (await parts.readOut(clock)) ending.over()
        if (parts.filtered !== undefined) throw new LlmError({ code: "llm.content-filter", message: `${provider}: its content filter ended the reply (${parts.filtered}). Say it otherwise, or choose another model`, retryable: false, provider, model: request.model })
      } catch (error) {
        const failure = ending.ended ? givenUp(ending.ended, provider, idle) : failureOf(error, { provider, model: ref, begun: parts !== undefined, strange: parts?.strange, advice: adviceFor(graft, provider) })
        // What was asked for is no failure.
        if (failure.code !== "llm.aborted") graft.emit("llm.failed", failure.plain)
        throw failure
      }
    },
  }
}

/** What is known is taken as it is; what is not may be coming up, or is refused with the reason. */
async function modelOf(graft: Graft, ref: string): Promise<Model> {
  const known = await graft.model.get(ref)
  return known?.usable ? known : graft.model.resolve(ref)
}

/** Sends the request, and ends when the endpoint has accepted it. */
async function ask(graft: Graft, ending: Ending, clock: Clock, request: TurnRequest, model: Model, { item, run }: Row<ProviderRow>): Promise<LanguageModelV4StreamResult> {
  const { provider } = model
  const language = await ending.race(run(async () => item.languageModel(model, { headers: request.headers })))
  const told = once(() => graft.emit("llm.requested", { model: model.ref, provider, messages: request.messages.length, tools: request.tools.length }))
  let cancel = () => {}
  ending.signal.addEventListener(SENT, () => { cancel = clock.after(MOMENT, told) }, { once: true })
  try {
    return await ending.race(run(async () => {
      try {
        return await language.doStream(optionsOf(withVariant(model, request), ending.signal))
      } catch (error) {
        // A refusal is no fault of the plugin that speaks; a mistake in its code is.
        throw isMistake(error) ? error : failureOf(error, { provider, model: `${provider}/${model.id}`, begun: false, advice: adviceFor(graft, provider) })
      }
    }))
  } finally {
    cancel()
    told()
  }
}

/** What the variant says, where the turn says nothing itself. */
function withVariant({ variant, variants }: Model, request: TurnRequest): TurnRequest {
  const own = variant === undefined ? undefined : (variants?.[variant] as TurnRequest["options"] | undefined)
  if (!own) return request
  const provider = { ...own.provider }
  for (const [name, options] of Object.entries(request.options.provider ?? {})) provider[name] = { ...provider[name], ...options }
  return { ...request, options: { ...own, ...request.options, provider } }
}

const once = (work: () => void): (() => void) => {
  let done = false
  return () => {
    if (!done) work()
    done = true
  }
}

function optionsOf({ system, messages, tools, options, headers }: TurnRequest, abortSignal: AbortSignal): LanguageModelV4CallOptions {
  const { maxOutputTokens, temperature, reasoning, provider } = options
  return {
    prompt: [...system.filter((text) => text !== "").map((content) => ({ role: "system" as const, content })), ...messages],
    ...(tools.length > 0 && { tools: tools.map((tool) => ({ type: "function" as const, ...tool })) }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(reasoning !== undefined && { reasoning }),
    ...(provider !== undefined && { providerOptions: provider as LanguageModelV4CallOptions["providerOptions"] }),
    headers, abortSignal,
  }
}

function givenUp(ended: Ended, provider: string, idle: number): LlmError {
  switch (ended) {
    case "stopped": return new LlmError({ code: "llm.aborted", message: "stopped", retryable: false, provider })
    case "closed": return new LlmError({ code: "llm.cut", message: `${provider}: the stream was cut off, because the plugin that read it was replaced long ago`, retryable: true, provider })
    case "silent": return new LlmError({ code: "llm.idle", message: `${provider} said nothing for ${Math.round(idle / 1_000)} s`, retryable: true, provider })
    default: return ended satisfies never
  }
}

/** What to do about a refused credential. */
function adviceFor(graft: Graft, provider: string): string {
  const methods = [...graft.all("authMethod")].filter((method) => method.provider === provider)
  const [variable] = methods.flatMap(({ env }) => env)
  const [url] = methods.flatMap((method) => method.url ?? [])
  return `Run \`graft auth login ${provider}\`, or set ${variable ?? `providers.${provider}.key in the config`}${url ? ` (a key: ${url})` : ""}`
}
