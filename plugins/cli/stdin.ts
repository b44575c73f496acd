/** A prompt from stdin. Nobody waits on a stdin that nobody writes: without a first byte in time there is no prompt. */
import { UsageError } from "./arguments.ts"

/** Milliseconds to the first byte, when stdin was not asked for by name. */
const FIRST_BYTE = 3_000
/** Bytes; more is a file, not a prompt. */
const MOST = 10_485_760

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
      if (length > MOST) throw new UsageError(`stdin is longer than ${MOST} bytes: write it to a file and name the file in the prompt`)
    }
  } finally {
    clearTimeout(timer)
  }
  return Buffer.concat(chunks).toString("utf8").trim() || undefined
}
