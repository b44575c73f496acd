/** The parts of one reply as they come: errors end it, one that ends without saying so was cut, and reasoning bears the name of who thought it. */
import type { LanguageModelV4FinishReason, LanguageModelV4StreamPart, LanguageModelV4StreamResult, SharedV4ProviderMetadata } from "@ai-sdk/provider"
import type { Clock } from "./ending.ts"
import { NothingMore } from "./facts.ts"

type Part = LanguageModelV4StreamPart
type Read = Awaited<ReturnType<ReadableStreamDefaultReader<Part>["read"]>>
/** How long the rest of a body may take once all was said, in ms. */
const REST = 500

export class Parts {
  readonly #reader: ReadableStreamDefaultReader<Part>
  readonly #provider: string
  readonly #type: string
  #count = 0
  /** All was said. */
  finished = false
  /** What the vendor calls it, where its content filter ended the reply. */
  filtered: string | undefined

  constructor({ stream, response }: LanguageModelV4StreamResult, provider: string, signal: AbortSignal) {
    this.#reader = stream.getReader()
    this.#provider = provider
    this.#type = response?.headers?.["content-type"] ?? ""
    const leave = () => void this.#reader.cancel().catch(() => {})
    if (signal.aborted) leave()
    else signal.addEventListener("abort", leave, { once: true })
  }

  /** What came instead of a stream of events, if nothing of one came. */
  get strange(): string | undefined {
    return this.#count > 0 || this.#type === "" || this.#type.startsWith("text/event-stream") ? undefined : this.#type.slice(0, 60)
  }

  read(): Promise<Read> { return this.#reader.read() }

  /** What was read, or a throw. */
  take({ done, value: part }: Read): Part {
    if (done || (part.type === "finish" && isNoEnd(part.finishReason))) throw new NothingMore()
    if (part.type === "error") throw part.error
    if (part.type !== "stream-start") this.#count++
    this.finished = part.type === "finish"
    if (part.type === "finish" && part.finishReason.unified === "content-filter") this.filtered = part.finishReason.raw ?? "content-filter"
    return part.type === "reasoning-start" ? signed(part, this.#provider) : part
  }

  /** Reads the rest of a body in which all was said, so that its connection can be used again. True when it came to its end. */
  async readOut(clock: Clock): Promise<boolean> {
    const late = Promise.withResolvers<boolean>()
    const cancel = clock.after(REST, () => late.resolve(false))
    const rest = async () => {
      while (!(await this.#reader.read()).done);
      return true
    }
    const ended = await Promise.race([rest().catch(() => false), late.promise])
    cancel()
    return ended
  }
}

/** Some SDKs say so, others end with a reason that nobody gave. */
const isNoEnd = ({ unified, raw }: LanguageModelV4FinishReason): boolean => unified === "interrupted" || (unified === "other" && raw === undefined)

/** Reasoning goes back to where it came from, and nowhere else; so it must be known where that was. */
function signed<P extends { providerMetadata?: SharedV4ProviderMetadata }>(part: P, provider: string): P {
  return part.providerMetadata?.[provider] ? part : { ...part, providerMetadata: { ...part.providerMetadata, [provider]: {} } }
}
