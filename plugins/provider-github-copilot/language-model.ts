/** One of Copilot's models: OpenAI's newer ones over Responses, all others over Chat Completions. The session is looked at before each request. */
import type { LanguageModelV4, LanguageModelV4CallOptions } from "@ai-sdk/provider"
import { languageModel as chatModel } from "../lib/chat-model.ts"
import { RESPONSES_END } from "../lib/end.ts"
import { fetchAs } from "../lib/provider-fetch.ts"
import { seenBy } from "../lib/provider-history.ts"
import { statelessFor } from "../lib/stateless.ts"
import type { Connection } from "../lib/vendor.ts"
import type { Model } from "../model/contract.ts"
import { sessionOf, type CopilotSession } from "./session.ts"

const RESPONSES = /^(gpt-(5\.[3-9]|[6-9])|mai-code|o\d)/

export async function languageModel(model: Model, connection: Connection): Promise<LanguageModelV4> {
  const speak = async (): Promise<LanguageModelV4> => speakIn(model, connection, await sessionOf(connection))
  const first = await speak()
  return { ...first, doGenerate: async (options) => (await speak()).doGenerate(begunBy(options)), doStream: async (options) => (await speak()).doStream(begunBy(options)) }
}

async function speakIn(model: Model, { body }: Connection, { url, headers }: CopilotSession): Promise<LanguageModelV4> {
  if (!RESPONSES.test(model.api ?? model.id)) return chatModel(model, { url, headers, body })
  const { createOpenAI } = await import("@ai-sdk/openai")
  const openai = createOpenAI({ baseURL: url, apiKey: "in its header", headers, fetch: fetchAs({ provider: model.provider, end: RESPONSES_END, body }) })
  return seenBy(openai.responses(model.api ?? model.id), statelessFor(model, "openai"))
}

/** What a person asked counts against the subscription; what follows from it does not. */
function begunBy(options: LanguageModelV4CallOptions): LanguageModelV4CallOptions {
  const person = options.prompt.at(-1)?.role === "user"
  const sees = options.prompt.some((message) => message.role === "user" && message.content.some((part) => part.type === "file" && part.mediaType.startsWith("image/")))
  return { ...options, headers: { ...options.headers, "x-initiator": person ? "user" : "agent", ...(sees && { "copilot-vision-request": "true" }) } }
}
