/** Arguments by one table a command: parsed, refused with the nearest name, and printed as help from the same table. */
import { parseArgs } from "node:util"
import { near } from "../lib/near.ts"

export interface Option { type: "string" | "boolean"; short?: string; multiple?: true; /** How its value is named in the help. */ value?: string; about: string }
export type Options = Record<string, Option>

type Value<O extends Option> = O["type"] extends "string" ? (O["multiple"] extends true ? string[] : string) : boolean
export interface Parsed<O extends Options> { values: { [K in keyof O]?: Value<O[K]> }; positionals: string[] }

/** What the person typed cannot be understood; the message says what to type instead. Exit code 2. */
export class UsageError extends Error {
  readonly code = "cli.usage"
}

export function parse<O extends Options>(argv: readonly string[], options: O): Parsed<O> {
  const config = Object.fromEntries(Object.entries(options).map(([name, { type, short, multiple }]) => [name, { type, ...(short && { short }), ...(multiple && { multiple }) }]))
  try {
    return parseArgs({ args: [...argv], options: config, allowPositionals: true, strict: true }) as Parsed<O>
  } catch (error) {
    throw new UsageError(explain(error as Error, options))
  }
}

function explain({ message }: Error, options: Options): string {
  const unknown = /Unknown option '-{1,2}([^']+)'/.exec(message)?.[1]
  if (unknown === undefined) return message.split(". ")[0]!.replace(/\.$/, "")
  const [best] = near(unknown, Object.keys(options))
  return `unknown option ${unknown.length === 1 ? "-" : "--"}${unknown}${best ? `; did you mean --${best}?` : ""}`
}

/** One of a few words, or what the first argument must be. */
export function choose<T extends string>(given: string | undefined, from: readonly T[], what: string): T {
  if (given === undefined) throw new UsageError(`say which ${what}: ${from.join(", ")}`)
  if ((from as readonly string[]).includes(given)) return given as T
  const [best] = near(given, from)
  throw new UsageError(`"${given}" is no ${what}${best ? `; did you mean "${best}"?` : ""} (${from.join(", ")})`)
}

export function usageOf(synopsis: string, options: Options = {}, notes = ""): string {
  const rows = Object.entries(options).map(([name, { short, type, value, about }]) => [`  ${short ? `-${short}, ` : "    "}--${name}${type === "string" ? ` <${value ?? name}>` : ""}`, about] as const)
  const width = Math.max(0, ...rows.map(([left]) => left.length))
  const table = rows.map(([left, about]) => `${left.padEnd(width)}  ${about}`)
  return [`usage: ${synopsis}`, ...(table.length ? ["", ...table] : []), ...(notes ? ["", notes.replace(/^\n+/, "").trimEnd()] : [])].join("\n")
}
