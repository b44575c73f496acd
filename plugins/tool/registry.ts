/** The live tools: what they are to a model, what a turn holds still, and the facts that tell of changes. */
import { isDeepStrictEqual } from "node:util"
import type { Graft } from "graft"
import { near } from "../lib/near.ts"
import { arranged, pluginOf, type Registrations, type Tool } from "./arranged.ts"
import type { ShownCall, ToolCall, ToolInfo, ToolSet, Tools } from "./contract.ts"
import type { SightState } from "./files.ts"
import { jsonSchemaOf } from "./schema.ts"
import type { Bounds } from "./section.ts"
import { probe, readsOnly, settle, settleUnknown } from "./settle.ts"
import { shown } from "./shown.ts"

/** `tools` is the list as last told, kept over reloads, so that a reload tells only what changed. */
export interface ToolState extends SightState { tools: ToolInfo[] }
const SLOTS = ["tool", "toolReplace", "toolWrap", "toolRender"] as const

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
      show: async (call: ShownCall) => {
        const tool = this.#arranged(this.#rows()).get(call.name)
        return tool ? shown(tool, call) : {}
      },
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
    const tools = await this.#describe(this.#arranged(this.#rows()))
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

  #rows(): Registrations {
    const [tools, replaces, wraps, renders] = SLOTS.map((slot) => this.#graft.all(slot).rows())
    return { tools, replaces, wraps, renders } as Registrations
  }

  #arranged(rows: Registrations): Map<string, Tool> { return arranged(rows, (about, message) => this.#warnOnce(about, message)) }

  async #describe(rows: Map<string, Tool>): Promise<ToolInfo[]> {
    const all = await Promise.all([...rows.values()].map((row) => this.#describeOne(row)))
    return all.filter((info) => info !== undefined)
  }

  /** A tool whose schema cannot be told is left out alone. */
  async #describeOne(tool: Tool): Promise<ToolInfo | undefined> {
    const { name, description, input, effects = ["run"], recovery } = tool.item
    const { replaced, wraps, render } = tool
    try {
      const inputSchema = await tool.run(() => jsonSchemaOf(input))
      const { value } = await this.#graft.mutate("tool.definition", { name, description, inputSchema })
      return {
        ...value, name, owner: pluginOf(tool), effects, recovery: recovery ?? (readsOnly(tool.item) ? "rerun" : "unknown"),
        ...(replaced !== undefined && { replaced }), ...(wraps.length > 0 && { wraps: wraps.map(pluginOf) }), ...(render && { render: pluginOf(render) }),
      }
    } catch (error) {
      this.#warnOnce(tool.item, `the tool "${name}" of ${pluginOf(tool)} is left out: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }

  async #advertise(): Promise<ToolSet> {
    const pinned = SLOTS.map((slot) => this.#graft.all(slot).pin())
    const dispose = () => { for (const held of pinned) held[Symbol.dispose]() }
    try {
      const [tools, replaces, wraps, renders] = pinned.map(({ rows }) => rows)
      const rows = this.#arranged({ tools, replaces, wraps, renders } as Registrations)
      const [infos, bounds] = await Promise.all([this.#describe(rows), this.#bounds()])
      const known = new Map(infos.map((info) => [info.name, info]))
      const graft = this.#graft as unknown as Graft<never>
      return {
        tools: infos.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })),
        recovery: (name) => known.get(name)?.recovery ?? "unknown",
        settle: (call: ToolCall, settling) => {
          const row = known.has(call.name) ? rows.get(call.name) : undefined
          const names = [...known.keys()]
          return row ? settle(graft, row, this.#location, call, settling, bounds[call.name]) : settleUnknown(graft, call, names, near(call.name, names))
        },
        probe: async (call, plan) => {
          const row = known.has(call.name) ? rows.get(call.name) : undefined
          return row ? probe(graft, row, this.#location, call, plan) : "unknown"
        },
        dispose,
      }
    } catch (error) {
      dispose()
      throw error
    }
  }

  /** As the config says; where there is none, the tools say so themselves. */
  async #bounds(): Promise<Record<string, Bounds>> {
    return ((await this.#graft.config.get<Record<string, Bounds>>("tools", this.#location).catch(() => undefined)) ?? {})
  }

  #warnOnce(about: object, message: string): void {
    if (this.#warned.has(about)) return
    this.#warned.add(about)
    this.#graft.log.warn(message)
  }
}
