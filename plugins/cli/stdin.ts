/** A prompt from stdin. Nobody waits on a stdin that nobody writes: without a first byte in time there is no prompt. */
import { UsageError } from "./arguments.ts"

/** Milliseconds to the first byte, when stdin was not asked for by name. */
const FIRST_BYTE = 3_000
/** Bytes, as many as a session takes; more is a file, not a prompt. */
const MOST = 1_048_576

/** Undefined when nothing was written. `patient` waits for the first byte as long as it takes, or until the signal. */
export async function readPrompt(input: NodeJS.ReadableStream, options: { patient: boolean; signal: AbortSignal; firstByte?: number }): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  const give = new AbortController()
  const timer = options.patient ? undefined : setTimeout(() => give.abort(), options.firstByte ?? FIRST_BYTE)
  const stopped = new Promise<"stopped">((resolve) => {
    for (const signal of [give.signal, options.signal]) signal.addEventListener("abort", () => resolve("stopped"), { once: true })
  })
  try {
    const iterator = input[Symbol.asyncIterator]()
    for (;;) {
      const step = await Promise.race([iterator.next(), stopped])
      if (step === "stopped") return void (input as Partial<{ destroy(): void }>).destroy?.()
      clearTimeout(timer)
      if (step.done) break
      const chunk = typeof step.value === "string" ? Buffer.from(step.value) : step.value
      chunks.push(chunk)
      length += chunk.length
      if (length > MOST) throw new UsageError(`stdin is longer than ${MOST} bytes: write it to a file, and name the file in the prompt, or attach it with --file`)
    }
  } finally {
    clearTimeout(timer)
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)).trim() || undefined
  } catch {
    throw new UsageError("stdin is not text in UTF-8: convert it, or attach it with --file")
  }
}
