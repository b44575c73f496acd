/** The live tools: what they are to a model, what a turn holds still, and the facts that tell of changes. */
import { isDeepStrictEqual } from "node:util"
import type { Graft, Row } from "graft"
import { near } from "../lib/near.ts"
import type { ToolCall, ToolDefinition, ToolInfo, ToolSet, Tools } from "./contract.ts"
import type { SightState } from "./files.ts"
import { jsonSchemaOf } from "./schema.ts"
import { probe, readsOnly, settle, settleUnknown } from "./settle.ts"

/** `tools` is the list as last told, kept over reloads, so that a reload tells only what changed. */
export interface ToolState extends SightState { tools: ToolInfo[] }
type Tool = Row<ToolDefinition>

export class Registry {
  readonly #graft: Graft<ToolState>
  readonly #location: string
  readonly #warned = new WeakSet<object>()
  #telling: Promise<void> | undefined
  #again = false

  constructor(graft: Graft<ToolState>, location: string) {
    this.#graft = graft
    this.#location = location
  }

  service(): Omit<Tools, "register"> {
    return {
      // What is listed was also told.
      list: async () => (await this.tell(), [...this.#graft.state.value.tools]),
      advertise: () => this.#advertise(),
    }
  }

  /** Compares with what was told last and tells the difference; a burst of changes is told once. */
  tell(): Promise<void> {
    this.#again = true
    return (this.#telling ??= (async () => {
      while (this.#again) {
        this.#again = false
        await this.#tellOnce()
      }
    })().finally(() => { this.#telling = undefined }))
  }

  async #tellOnce(): Promise<void> {
    const tools = await this.#describe(this.#chosen(this.#graft.all("tool").rows()))
    if (this.#graft.retiring.aborted) return
    const before = new Map(this.#graft.state.value.tools.map((tool) => [tool.name, tool]))
    this.#graft.state.update((draft) => { draft.tools = tools as typeof draft.tools })
    for (const tool of tools) {
      const previous = before.get(tool.name)
      before.delete(tool.name)
      if (!previous) this.#graft.emit("tool.added", { tool })
      else if (!isDeepStrictEqual(previous, tool)) this.#graft.emit("tool.updated", { tool })
    }
    for (const tool of before.values()) this.#graft.emit("tool.removed", { tool })
  }

  /** By name, in the order of names, so that a prompt's bytes stay; of two with one name the later in the board's order. */
  #chosen(rows: readonly Tool[]): Map<string, Tool> {
    const chosen = new Map<string, Tool>()
    for (const row of rows) {
      const earlier = chosen.get(row.item.name)
      if (earlier) this.#warnOnce(row.item, `two plugins have a tool "${row.item.name}": that of ${pluginOf(row)} is used, that of ${pluginOf(earlier)} is not; to change it, rename one or disable one with plugins.<id>: false`)
      chosen.set(row.item.name, row)
    }
    return new Map([...chosen].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async #describe(rows: Map<string, Tool>): Promise<ToolInfo[]> {
    const all = await Promise.all([...rows.values()].map((row) => this.#describeOne(row)))
    return all.filter((info) => info !== undefined)
  }

  /** A tool whose schema cannot be told is left out alone. */
  async #describeOne(row: Tool): Promise<ToolInfo | undefined> {
    const { name, description, input, effects = ["run"], recovery } = row.item
    try {
      const inputSchema = await row.run(() => jsonSchemaOf(input))
      const { value } = await this.#graft.mutate("tool.definition", { name, description, inputSchema })
      return { ...value, name, owner: pluginOf(row), effects, recovery: recovery ?? (readsOnly(row.item) ? "rerun" : "unknown") }
    } catch (error) {
      this.#warnOnce(row.item, `the tool "${name}" of ${pluginOf(row)} is left out: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }

  async #advertise(): Promise<ToolSet> {
    const pinned = this.#graft.all("tool").pin()
    try {
      const rows = this.#chosen(pinned.rows)
      const infos = await this.#describe(rows)
      const known = new Map(infos.map((info) => [info.name, info]))
      const graft = this.#graft as unknown as Graft<never>
      return {
        tools: infos.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })),
        recovery: (name) => known.get(name)?.recovery ?? "unknown",
        settle: (call: ToolCall, settling) => {
          const row = known.has(call.name) ? rows.get(call.name) : undefined
          const names = [...known.keys()]
          return row ? settle(graft, row, this.#location, call, settling) : settleUnknown(graft, call, names, near(call.name, names))
        },
        probe: async (call, plan) => {
          const row = known.has(call.name) ? rows.get(call.name) : undefined
          return row ? probe(graft, row, this.#location, call, plan) : "unknown"
        },
        dispose: () => pinned[Symbol.dispose](),
      }
    } catch (error) {
      pinned[Symbol.dispose]()
      throw error
    }
  }

  #warnOnce(about: object, message: string): void {
    if (this.#warned.has(about)) return
    this.#warned.add(about)
    this.#graft.log.warn(message)
  }
}

/** Who has a tool, without the generation: a reload that changes nothing is no news. */
const pluginOf = (row: Tool): string => row.owner.replace(/@\d+$/, "")
