/** What a model is told of a job's end: how it ended, the end of what it wrote, and how to read the rest. Pure. */
import type { Job } from "./contract.ts"
import type { Settle } from "./decide.ts"

/** What a job left: `text` is all of an answer, or the end of an output of so many `bytes`. */
export interface Result { text: string; bytes: number; blob?: string; /** `text` is not all of it. */ cut?: boolean }

const ENDED = { succeeded: "has ended well", failed: "failed", cancelled: "was cancelled", lost: "is lost", "not-started": "was never started" } as const

export function summaryOf({ id, title, spec, child }: Pick<Job, "id" | "title" | "spec" | "child">, { outcome, exit, why }: Omit<Settle, "kind">, { text, bytes, blob, cut }: Result): string {
  const how = [why, exitWords(exit)].filter(Boolean).join("; ")
  const head = `The background job ${id} (${oneLine(title)}) ${ENDED[outcome]}${how ? `: ${how}` : ""}.`
  const what = spec.kind === "subagent" ? "Its answer" : cut ? `The end of its output, of ${bytes} bytes` : "Its output"
  const rest = cut && blob ? `\n\nThe whole can be read with read {"path":"blob:${blob}"}.` : ""
  const session = child ? `\n\n(Its session is ${child}.)` : ""
  return text.trim() === "" ? `${head}${session}` : `${head}\n\n${what}:\n${text.trimEnd()}${rest}${session}`
}

function exitWords(exit: Settle["exit"]): string {
  switch (exit?.kind) {
    case undefined: case "done": return ""
    case "exit": return exit.code === 0 ? "" : `exit code ${exit.code}`
    case "signal": return `ended by ${exit.signal}`
    case "flood": return "it wrote too much, and was stopped"
    case "error": return exit.message
    case "not-started": return "this program stopped before it could begin"
    default: return exit satisfies never
  }
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim().slice(0, 120).toWellFormed()

/** The last lines of a text that fit. */
export function endOf(text: string, bytes: number): { text: string; cut: boolean } {
  const buffer = Buffer.from(text)
  if (buffer.length <= bytes) return { text, cut: false }
  const end = buffer.subarray(-bytes).toString("utf8")
  const line = end.indexOf("\n") + 1
  return { text: line > 0 && line < end.length ? end.slice(line) : end.replace(/^�+/, ""), cut: true }
}
