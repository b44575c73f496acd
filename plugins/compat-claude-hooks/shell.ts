/** A command that is a hook: what it is told is on its stdin; it and all that it started are gone when it ends, is late, or floods. */
import { messageOf } from "graft"
import { readable } from "../lib/collector.ts"
import { Companion } from "../lib/companion.ts"
import type { Leash } from "../lib/leash.ts"
import { SHELL } from "../lib/shell.ts"
import type { Ran } from "./contract.ts"

/** Bytes that it may write to stdout: more is no answer. Of stderr the beginning counts. */
const MOST_OUTPUT = 1024 * 1024
const MOST_ERROR = 64 * 1024

export interface Call { input: string; directory: string; project: string; seconds: number; signal: AbortSignal; leash: Leash }

export async function runCommand(command: string, { input, directory, project, seconds, signal, leash }: Call): Promise<Ran> {
  const late = AbortSignal.timeout(seconds * 1_000)
  const over = AbortSignal.any([signal, late])
  let companion: Companion
  try {
    companion = new Companion({ command: SHELL, args: ["-c", command], directory, env: { ...process.env, CLAUDE_PROJECT_DIR: project } }, leash)
  } catch (error) {
    return { kind: "failed", why: messageOf(error) }
  }
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Ran>()
  const aborted = () => stop({ kind: "failed", why: late.aborted ? `it did not end within ${seconds} s` : "it was stopped" })
  over.addEventListener("abort", aborted, { once: true })
  const [output, errors]: [Buffer[], Buffer[]] = [[], []]
  let [written, said] = [0, 0]
  companion.stdout.on("data", (chunk: Buffer) => {
    written += chunk.length
    if (written > MOST_OUTPUT) stop({ kind: "failed", why: `it wrote more than ${MOST_OUTPUT} bytes` })
    else output.push(chunk)
  })
  companion.stderr.on("data", (chunk: Buffer) => {
    if (said < MOST_ERROR) errors.push(chunk.subarray(0, MOST_ERROR - said))
    said += chunk.length
  })
  companion.stdin.end(input)
  const ended = companion.gone.then((how): Ran => {
    const stderr = readable(Buffer.concat(errors).toString("utf8"))
    return typeof how === "number" ? { kind: "exit", code: how, stdout: Buffer.concat(output).toString("utf8"), stderr } : { kind: "failed", why: [how, stderr.trim()].filter(Boolean).join(": ") }
  })
  try {
    return await Promise.race([ended, stopped])
  } finally {
    over.removeEventListener("abort", aborted)
    await companion.end({ leave: 0 })
  }
}
