/** Which servers a project has: those of the config first, then the rows of plugins, of one name the first. */
import type { Row } from "graft"
import * as v from "valibot"
import type { LanguageServer } from "./contract.ts"
import { LspConfig, type Settings } from "./section.ts"

/** `config`: what stands there, judged by its section already. Without a word in it there are none. */
export function wantedServers(rows: readonly Row<LanguageServer>[], config: unknown): { wanted: LanguageServer[]; problems: string[] } {
  const parsed = v.safeParse(LspConfig, config)
  if (!parsed.success || parsed.output === false) return { wanted: [], problems: [] }
  const said = parsed.output === true ? {} : parsed.output
  const known = new Map<string, LanguageServer>()
  for (const { item } of rows) if (!known.has(item.name)) known.set(item.name, item)
  const problems: string[] = []
  const first = Object.entries(said).flatMap(([name, block]) => {
    if (block.enabled === false) return []
    const made = asSaid(name, known.get(name), block)
    if (!made) problems.push(`lsp.${name}: it needs a "command" and "extensions"; no server of this name is known`)
    return made ?? []
  })
  return { wanted: [...first, ...[...known.values()].filter(({ name }) => !Object.hasOwn(said, name))], problems }
}

function asSaid(name: string, known: LanguageServer | undefined, { enabled: _enabled, extensions: listed, ...block }: Settings): LanguageServer | undefined {
  const extensions = Array.isArray(listed) ? Object.fromEntries(listed.map((extension) => [extension, known?.extensions[extension] ?? extension.slice(1)])) : (listed ?? known?.extensions)
  const command = block.command ?? known?.command
  return command && extensions && { ...known, ...block, name, command, extensions }
}
