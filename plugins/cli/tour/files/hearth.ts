/** A provider in one small file: its models, and how it speaks to a server that knows OpenAI's chat protocol. */
import { definePlugin } from "graft"
import type { LanguageModelV4, LanguageModelV4StreamPart } from "@ai-sdk/provider"

const ENDPOINT = "http://127.0.0.1:4711/v1"
const EDITION = "first"

export default definePlugin({
  setup(graft) {
    graft.add("model", { provider: "hearth", id: "ember", name: "Ember", limits: { context: 8_000 }, cost: { input: 0, output: 0 } })
    graft.add("provider", { id: "hearth", name: "Hearth", ready: true, rank: 1, defaultModel: "ember", languageModel: (model) => speaks(model.id) })
  },
})

const speaks = (modelId: string): LanguageModelV4 => ({
  specificationVersion: "v4", provider: "hearth", modelId, supportedUrls: {},
  async doStream({ abortSignal }) {
    const body = JSON.stringify({ model: modelId, stream: true, messages: [{ role: "user", content: EDITION }] })
    const response = await fetch(`${ENDPOINT}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body, signal: abortSignal })
    return { stream: ReadableStream.from(partsOf(response)) }
  },
  doGenerate: () => Promise.reject(new Error("Graft only streams")),
})

async function* partsOf(response: Response): AsyncGenerator<LanguageModelV4StreamPart> {
  yield { type: "stream-start", warnings: [] }
  yield { type: "text-start", id: "0" }
  let rest = ""
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n")
    rest = lines.pop()!
    for (const line of lines) {
      const delta = /^data: (\{.*)/.exec(line)?.[1]
      if (delta) yield { type: "text-delta", id: "0", delta: JSON.parse(delta).choices[0].delta.content }
    }
  }
  yield { type: "text-end", id: "0" }
  const none = undefined
  yield { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage: { inputTokens: { total: 9, noCache: none, cacheRead: none, cacheWrite: none }, outputTokens: { total: 30, text: none, reasoning: none } } }
}
