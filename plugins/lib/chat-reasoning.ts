/**
 * Some endpoints write what their model thinks as `reasoning_content`, others as `reasoning`, and the strict ones take it
 * back only where they wrote it. So each piece remembers where it came from, and goes back there.
 */
import type { LanguageModelV4Prompt, LanguageModelV4StreamPart } from "@ai-sdk/provider"
import { isRecord } from "./provider-settings.ts"

const OTHER = "reasoning"
type Stream = ReadableStream<LanguageModelV4StreamPart>

export class Reasoning {
  readonly #provider: string
  #came = false
  #goes = false

  constructor(provider: string) { this.#provider = provider }

  /** What goes back in this turn. */
  read(prompt: LanguageModelV4Prompt): void {
    this.#goes = prompt.some((message) => message.role === "assistant" && message.content.some((part) => part.type === "reasoning" && part.providerOptions?.[this.#provider]?.field === OTHER))
  }

  /** The request as the SDK wrote it, with its reasoning where this endpoint has it. */
  readonly write = (body: Record<string, unknown>): Record<string, unknown> => {
    if (!this.#goes || !Array.isArray(body.messages)) return body
    return { ...body, messages: body.messages.map((message: unknown) => {
      if (!isRecord(message) || message.reasoning_content === undefined) return message
      const { reasoning_content, ...rest } = message
      return { ...rest, [OTHER]: reasoning_content }
    }) }
  }

  /** Sees each chunk before the SDK makes parts of it. */
  readonly extractor = {
    extractMetadata: async () => undefined,
    createStreamExtractor: () => ({
      processChunk: (chunk: unknown) => {
        const delta = isRecord(chunk) && Array.isArray(chunk.choices) && isRecord(chunk.choices[0]) ? chunk.choices[0].delta : undefined
        if (isRecord(delta) && typeof delta[OTHER] === "string" && !delta.reasoning_content) this.#came = true
      },
      buildMetadata: () => undefined,
    }),
  }

  /** The stream, with a note at the beginning of what was thought. One pull a part: a TransformStream costs four times as much. */
  noted(stream: Stream): Stream {
    const reader = stream.getReader()
    return new ReadableStream({
      pull: async (controller) => {
        const { done, value: part } = await reader.read()
        if (done) controller.close()
        else controller.enqueue(part.type === "reasoning-start" && this.#came ? { ...part, providerMetadata: { ...part.providerMetadata, [this.#provider]: { field: OTHER } } } : part)
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 })
  }
}
