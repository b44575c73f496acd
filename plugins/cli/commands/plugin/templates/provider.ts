/**
 * A provider: it lists its models and speaks for them. This one only echoes; put your endpoint where it says so. Save
 * this file and its models can be used on the next turn; change one, and exactly that one `model.updated` is told.
 */
import { definePlugin } from "graft"
import type { LanguageModelV4, LanguageModelV4StreamPart } from "@ai-sdk/provider"

export default definePlugin({
  setup(graft) {
    graft.add("model", { provider: "NAME", id: "echo", name: "Echo", limits: { context: 8_000 }, cost: { input: 0, output: 0 }, capabilities: { tools: false } })
    graft.add("provider", { id: "NAME", name: "NAME", ready: true, rank: -1, defaultModel: "echo", languageModel: (model) => speak(model.id) })
  },
})

const unknown = undefined
const usage = { inputTokens: { total: unknown, noCache: unknown, cacheRead: unknown, cacheWrite: unknown }, outputTokens: { total: unknown, text: unknown, reasoning: unknown } }

const speak = (modelId: string): LanguageModelV4 => ({
  specificationVersion: "v4",
  provider: "NAME",
  modelId,
  supportedUrls: {},
  async doStream({ prompt, abortSignal }) {
    // Here: fetch your endpoint with `prompt`, pass `abortSignal` on, and turn what it streams into the parts below.
    const last = prompt.findLast((message) => message.role === "user")
    const said = last ? last.content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n") : ""
    abortSignal?.throwIfAborted()
    const parts: LanguageModelV4StreamPart[] = [
      { type: "stream-start", warnings: [] },
      { type: "text-start", id: "0" },
      { type: "text-delta", id: "0", delta: `You said: ${said}` },
      { type: "text-end", id: "0" },
      { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage },
    ]
    return { stream: ReadableStream.from(parts) }
  },
  doGenerate: () => Promise.reject(new Error("Graft only streams")),
})
