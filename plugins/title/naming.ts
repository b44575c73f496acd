/**
 * Finds a session's title a moment after its work was done. It costs the work no time: it begins when nobody waits any
 * more, has a deadline, and whatever goes wrong leaves the title as it is.
 */
import { messageOf, type Graft } from "graft"
import { paths } from "../lib/paths.ts"
import { promptNamed } from "../lib/prompt.ts"
import { firstWords } from "../lib/title.ts"
import { usageOf } from "../lib/usage.ts"
import type { Json } from "../eventlog/contract.ts"
import type { Model } from "../model/contract.ts"
import type { Durable, SessionFacts, Usage } from "../session/contract.ts"
import { settingsOf } from "./section.ts"
import { beginningOf, titleIn, toName } from "./words.ts"

/** A process that only runs one prompt is gone by then, and pays for no title, in ms. */
const MOMENT = 1_000
const DEADLINE = 20_000
/** Activities after which it is tried, while the title is still the first words. */
const TRIES = 3
/** Characters after which nobody listens any more, and tokens that may be written. */
const MOST_TEXT = 400
const MOST_TOKENS = 1_000
/** Messages that are looked at: the beginning says what it is about. */
const BEGINNING = 50
const DEMO = "demo"

export interface Naming { settled(fact: Durable<SessionFacts["activity.settled"]>): void }

export function makeNaming(graft: Graft): Naming {
  async function name(id: string): Promise<void> {
    const { auto, model: wanted } = await settingsOf(graft)
    if (!auto) return
    const [session, messages] = await Promise.all([graft.session.get(id), graft.session.messages(id, { limit: BEGINNING })])
    const beginning = beginningOf(messages)
    // Any other title was given by somebody.
    if (!session || !beginning || session.title !== firstWords(beginning.asked)) return
    const model = await smallOf(beginning.model, wanted)
    if (!model) return
    const { title, usage } = await ask(model, toName(beginning.asked, beginning.answered))
    const data: SessionFacts["session.updated"] = { ...(title !== "" && title !== session.title && { title, was: session.title }), ...(usage && { usage }) }
    if (Object.keys(data).length > 0) await graft.eventlog.append({ aggregate: id, actor: "plugin:title", location: session.location, events: [{ type: "session.updated", data: data as Json }] })
  }

  /** The one that the config names, else the small one of the provider that has heard the conversation already. The demo finds no titles. */
  async function smallOf(used: string | undefined, wanted: string | undefined): Promise<Model | undefined> {
    const named = wanted ?? (await graft.config.get<string>("small_model", graft.location).catch(() => undefined))
    if (named !== undefined) return graft.model.resolve(named).then((model) => (model.provider === DEMO ? undefined : model))
    const provider = used?.split("/")[0]
    const small = [...graft.all("provider")].findLast(({ id }) => id === provider)?.smallModel
    if (provider === undefined || provider === DEMO || small === undefined) return undefined
    return graft.model.get(small.startsWith(`${provider}/`) ? small : `${provider}/${small}`)
  }

  async function ask(model: Model, text: string): Promise<{ title: string; usage?: Usage }> {
    const late = new AbortController()
    const cancel = graft.timeout(DEADLINE, () => late.abort())
    let said = ""
    let usage: Usage | undefined
    try {
      const request = {
        model: model.ref, system: [promptNamed("title", paths(graft.kernel.host.dataDir).config)], tools: [], headers: {},
        messages: [{ role: "user" as const, content: [{ type: "text" as const, text }] }], options: { maxOutputTokens: Math.min(model.limits?.output ?? MOST_TOKENS, MOST_TOKENS) },
      }
      for await (const part of graft.llm.stream(request, { signal: AbortSignal.any([late.signal, graft.signal]) })) {
        if (part.type === "text-delta" && (said += part.delta).length > MOST_TEXT) break
        if (part.type === "finish") usage = usageOf(part.usage, model.cost)
      }
      return { title: titleIn(said), ...(usage && { usage }) }
    } finally {
      cancel()
    }
  }

  return {
    settled({ session, data: { activity, outcome } }) {
      if (outcome !== "completed" || Number(activity.slice(1)) > TRIES) return
      graft.timeout(MOMENT, () => name(session).catch((error: unknown) => graft.log.debug(`no title for ${session}: ${messageOf(error)}`)))
    },
  }
}
