/** Which formatters a project has: those of the config first, then the rows of plugins, of one name the first. */
import type { Row } from "graft"
import * as v from "valibot"
import type { Formatter, FormatterInfo } from "./contract.ts"
import { FormatterConfig, type Settings } from "./section.ts"

export interface Wanted extends Formatter { enabled: boolean; owner: string }

/** `config`: what stands there, judged by its section already. What is said of a formatter that nobody knows needs a command and extensions. */
export function wantedFormatters(rows: readonly Row<Formatter>[], config: unknown): { wanted: Wanted[]; problems: string[] } {
  const parsed = v.safeParse(FormatterConfig, config)
  const said = parsed.success && typeof parsed.output === "object" ? parsed.output : {}
  const none = parsed.success && parsed.output === false
  const known = new Map<string, Wanted>()
  for (const { item, owner } of rows) if (!known.has(item.name)) known.set(item.name, { ...item, owner, enabled: !none })
  const problems: string[] = []
  const first = Object.entries(said).flatMap(([name, block]) => {
    const made = asSaid(name, known.get(name), block)
    if (!made) problems.push(`formatter.${name}: it needs a "command" and "extensions"; no formatter of this name is known`)
    return made ?? []
  })
  return { wanted: [...first, ...[...known.values()].filter(({ name }) => !Object.hasOwn(said, name))], problems }
}

/** Who says how to run it needs no mark that the project uses it. */
function asSaid(name: string, known: Wanted | undefined, { enabled = true, ...block }: Settings): Wanted | undefined {
  const { command = known?.command, extensions = known?.extensions, env = known?.env, rewrites = block.command ? false : known?.rewrites } = block
  if (!command || !extensions) return undefined
  const { marks, harmless } = block.command ? {} : (known ?? {})
  return { name, command, extensions, enabled, owner: "config", ...(env && { env }), ...(rewrites && { rewrites }), ...(marks && { marks }), ...(harmless && { harmless }) }
}

export const infoOf = ({ name, extensions, enabled, owner }: Wanted): FormatterInfo => ({ name, extensions: [...extensions], enabled, owner })
