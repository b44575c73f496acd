/** What servers say, as a model reads it: errors first, and no more than helps. Pure. */
import * as v from "valibot"
import type { Diagnostic, Findings, Severity } from "./contract.ts"

/** Of one file that are kept, and that are shown. */
const MOST_KEPT = 50
const MOST_SHOWN = 20
/** Characters of one. */
const MOST_MESSAGE = 400

const SEVERITIES: readonly Severity[] = ["error", "warning", "info", "hint"]

const Position = v.object({ line: v.pipe(v.number(), v.integer()), character: v.pipe(v.number(), v.integer()) })
const Sent = v.looseObject({ range: v.looseObject({ start: Position }), severity: v.optional(v.unknown()), message: v.string(), code: v.optional(v.unknown()), source: v.optional(v.unknown()) })

/** Errors first, then by place. What is none is left out. */
export function diagnosticsOf(sent: unknown): Diagnostic[] {
  if (!Array.isArray(sent)) return []
  const read = sent.slice(0, 10_000).flatMap((each): Diagnostic[] => {
    const parsed = v.safeParse(Sent, each)
    if (!parsed.success) return []
    const { range: { start }, severity, message, code, source } = parsed.output
    return [{
      severity: SEVERITIES[Number(severity ?? 1) - 1] ?? "error", line: start.line + 1, column: start.character + 1,
      message: message.replace(/\s+/g, " ").trim().slice(0, MOST_MESSAGE).toWellFormed(),
      ...((typeof code === "string" || typeof code === "number") && { code: String(code).slice(0, 100) }), ...(typeof source === "string" && { source: source.slice(0, 100) }),
    }]
  })
  return read.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || a.line - b.line || a.column - b.column).slice(0, MOST_KEPT)
}

/** Errors and warnings; nothing where all is well. `name`: the file as the reader knows it. */
export function report({ server, diagnostics, late }: Findings, name: string): string {
  if (late) return `(${server} has not said what it thinks of ${name}: ${late})`
  const worth = diagnostics.filter(({ severity }) => severity === "error" || severity === "warning")
  if (worth.length === 0) return ""
  const lines = worth.slice(0, MOST_SHOWN).map(({ severity, line, column, message, code }) => `${name}:${line}:${column} ${severity}${code ? ` ${code}` : ""}: ${message}`)
  const more = worth.length - lines.length
  return [`${server} reports ${counted(worth)}:`, ...lines, ...(more > 0 ? [`… and ${more} more`] : [])].join("\n")
}

function counted(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter(({ severity }) => severity === "error").length
  const warnings = diagnostics.length - errors
  const plural = (count: number, noun: string) => (count === 0 ? [] : [`${count} ${noun}${count === 1 ? "" : "s"}`])
  return [...plural(errors, "error"), ...plural(warnings, "warning")].join(" and ")
}
