/** One run of a formatter: text in, text out, in bounded time and memory, and nothing of it left. */
import type { Leash } from "../lib/leash.ts"
import { readable } from "../lib/collector.ts"
import { Companion, type Program } from "../lib/companion.ts"

export type Ran = { kind: "text"; text: string } | { kind: "failed"; why: string } | { kind: "late" }

/** Bytes that it may write: more is no formatted text. */
const MOST_OUTPUT = 4 * 1024 * 1024
const MOST_ERROR = 16 * 1024
/** Characters of its own words that are passed on. */
const MOST_SAID = 800

export async function run(program: Program, input: string, leash: Leash, late: AbortSignal): Promise<Ran> {
  if (late.aborted) return { kind: "late" }
  let companion: Companion
  try {
    companion = new Companion(program, leash)
  } catch (error) {
    return { kind: "failed", why: error instanceof Error ? error.message : String(error) }
  }
  const output: Buffer[] = []
  const errors: Buffer[] = []
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Ran>()
  const tooLate = () => stop({ kind: "late" })
  late.addEventListener("abort", tooLate, { once: true })
  let written = 0
  companion.stdout.on("data", (chunk: Buffer) => {
    written += chunk.length
    if (written > MOST_OUTPUT) return stop({ kind: "failed", why: `it wrote more than ${MOST_OUTPUT / 1024 / 1024} MiB` })
    output.push(chunk)
  })
  let said = 0
  companion.stderr.on("data", (chunk: Buffer) => {
    if (said < MOST_ERROR) errors.push(chunk)
    said += chunk.length
  })
  companion.stdin.end(input)
  const ended = companion.gone.then((how): Ran => {
    const words = readable(Buffer.concat(errors).toString("utf8")).trim().slice(0, MOST_SAID)
    if (how === 0) return { kind: "text", text: Buffer.concat(output).toString("utf8") }
    return { kind: "failed", why: [typeof how === "number" ? `exit code ${how}` : how, words].filter(Boolean).join(": ") }
  })
  try {
    return await Promise.race([ended, stopped])
  } finally {
    late.removeEventListener("abort", tooLate)
    await companion.end({ leave: 0 })
  }
}
