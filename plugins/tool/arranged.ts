/**
 * What several plugins say of one tool, as one: who has it, who put other parts in the place of its own, who stands around
 * its work, who shows it. Pure. Whoever says the same twice is told of, by name; nothing of it ends anybody's work.
 */
import type { Row } from "graft"
import type { ToolDefinition, ToolRender, ToolReplace, ToolWrap } from "./contract.ts"

export interface Registrations { tools: readonly Row<ToolDefinition>[]; replaces: readonly Row<ToolReplace>[]; wraps: readonly Row<ToolWrap>[]; renders: readonly Row<ToolRender>[] }

/** A tool as a turn has it. `run` enters the attribution of whose work it does. */
export interface Tool { item: ToolDefinition; owner: string; run: Row<unknown>["run"]; replaced?: string; wraps: readonly Row<ToolWrap>[]; render?: Row<ToolRender> }

/** By name, in the order of names, so that a prompt's bytes stay; of two that say the same, the later in the board's order. */
export function arranged({ tools, replaces, wraps, renders }: Registrations, clash: (about: object, message: string) => void): Map<string, Tool> {
  const latest = <T extends object>(rows: readonly Row<T>[], nameOf: (item: T) => string, what: string): Map<string, Row<T>> => {
    const chosen = new Map<string, Row<T>>()
    for (const row of rows) {
      const name = nameOf(row.item)
      const earlier = chosen.get(name)
      if (earlier) clash(row.item, `two plugins ${what} "${name}": that of ${pluginOf(row)} is used, that of ${pluginOf(earlier)} is not; to change it, ${what === "have a tool" ? "rename one or " : ""}disable one with plugins.<id>: false`)
      chosen.set(name, row)
    }
    return chosen
  }
  const own = latest(tools, ({ name }) => name, "have a tool")
  const instead = latest(replaces, ({ tool }) => tool, "replace the tool")
  const shown = latest(renders, ({ tool }) => tool, "show the tool")
  return new Map([...own].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, row]): [string, Tool] => {
    const other = instead.get(name)
    const render = shown.get(name)
    return [name, {
      item: other ? merged(row.item, other.item) : row.item, owner: row.owner, run: (other?.item.execute ? other : row).run,
      ...(other && { replaced: pluginOf(other) }), wraps: wraps.filter(({ item }) => item.tool === name), ...(render && { render }),
    }]
  }))
}

/** Other work is not found out by the old one's means after a crash, and other arguments are not asked about by the old question. */
function merged(item: ToolDefinition, parts: ToolReplace): ToolDefinition {
  const { plan, probe, recovery, permission, output, ...rest } = item
  return { ...rest, ...(!parts.execute && { plan, probe, recovery, output }), ...(!parts.input && { permission }), ...parts, name: item.name }
}

/** Who has something, without the generation: a reload that changes nothing is no news. */
export const pluginOf = ({ owner }: { owner: string }): string => owner.replace(/@\d+$/, "")
