/** Mistral refuses a user right after the results of calls ("Unexpected role 'user' after role 'tool'"): the assistant says a word in between. */
import type { LanguageModelV4Message, LanguageModelV4Prompt } from "@ai-sdk/provider"

const WORD: LanguageModelV4Message = { role: "assistant", content: [{ type: "text", text: "I have these results." }] }

export const inOrder = (prompt: LanguageModelV4Prompt): LanguageModelV4Prompt =>
  prompt.flatMap((message, n) => (message.role === "user" && prompt[n - 1]?.role === "tool" ? [WORD, message] : [message]))
