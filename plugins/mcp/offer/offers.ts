/**
 * What the servers offer as rows of the slot `tool`, changed one by one. Where there are many, their descriptions would
 * fill the context before the first word: then they are found by `mcp_find` first, and from the next turn on they are
 * tools like any other, with the same permissions, hooks and agents' rules.
 */
import type { Graft } from "graft"
import type { ToolDefinition } from "../../tool/contract.ts"
import { makeFind } from "./find.ts"
import { makeList, makeRead } from "./resources.ts"
import { LONGEST, type Server } from "../server.ts"
import { isOffered, nameFor, type Offered } from "./tools.ts"

/** Names that were found and are remembered. */
const MOST_FOUND = 40
const OWN = ["mcp_find", "mcp_resources", "mcp_read"] as const

/** Names that were found, the latest last. */
interface Found { get(): readonly string[]; set(names: readonly string[]): void }
export interface Offer { name: string; server: Server; tool: Offered }

export class Offers {
  readonly #graft: Graft<never>
  readonly #found: Found
  /** Tools of all servers that are offered at once. */
  readonly #many: number
  #servers: readonly Server[] = []
  #all: readonly Offer[] = []
  readonly #rows = new Map<string, { shown: string; server: Server; remove(): void }>()

  constructor(graft: Graft<never>, found: Found, many: number) {
    this.#graft = graft
    this.#many = many
    this.#found = found
  }

  /** What all of a server's tools are called. */
  namesOf(server: Server): string[] { return this.#all.flatMap((offer) => (offer.server === server ? offer.name : [])) }

  sync(servers: readonly Server[]): void {
    this.#servers = servers
    this.#all = named(servers)
    const wanted = new Map<string, { shown: string; server: Server; make(): ToolDefinition }>()
    const many = this.#all.length > this.#many
    const found = new Set(this.#found.get())
    for (const offer of many ? this.#all.filter(({ name }) => found.has(name)) : this.#all) wanted.set(offer.name, { shown: JSON.stringify(offer.tool), server: offer.server, make: () => definitionOf(offer) })
    const one = servers[0]
    if (one && many) wanted.set("mcp_find", { shown: JSON.stringify(this.#all.map(({ name }) => name)), server: one, make: () => makeFind(this.#all, (names) => this.#find(names)) })
    const holders = servers.filter(({ link }) => link?.resources)
    if (holders[0]) {
      const shown = JSON.stringify(holders.map(({ name }) => name))
      wanted.set("mcp_resources", { shown, server: holders[0], make: () => makeList(() => this.#holders()) })
      wanted.set("mcp_read", { shown, server: holders[0], make: () => makeRead(() => this.#holders()) })
    }
    this.#place(wanted)
  }

  #holders(): readonly Server[] { return this.#servers.filter(({ link }) => link?.resources) }

  /** The new row is there before the old one goes. */
  #place(wanted: Map<string, { shown: string; server: Server; make(): ToolDefinition }>): void {
    for (const [name, { remove }] of this.#rows) {
      if (wanted.has(name)) continue
      this.#rows.delete(name)
      remove()
    }
    for (const [name, { shown, server, make }] of wanted) {
      const row = this.#rows.get(name)
      if (row?.shown === shown && row.server === server) continue
      const remove = this.#graft.tool.register(make())
      row?.remove()
      this.#rows.set(name, { shown, server, remove })
    }
  }

  #find(names: readonly string[]): void {
    this.#found.set([...this.#found.get().filter((name) => !names.includes(name)), ...names].slice(-MOST_FOUND))
    this.sync(this.#servers)
  }
}

/** In the order of servers and names, so that who is called what does not depend on who came first. */
function named(servers: readonly Server[]): Offer[] {
  const taken = new Set<string>(OWN)
  return servers.flatMap((server) => [...server.tools].filter(({ name }) => isOffered(server.settings.tools ?? [], name)).sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((tool) => {
    const name = nameFor(server.name, tool.name, taken)
    if (taken.has(name)) return []
    taken.add(name)
    return { name, server, tool }
  }))
}

const definitionOf = ({ name, server, tool }: Offer): ToolDefinition => ({
  name,
  description: tool.description,
  input: tool.schema,
  effects: ["net"],
  recovery: tool.rerun ? "rerun" : "unknown",
  limits: { milliseconds: (LONGEST + 10) * 1_000 },
  permission: (input: unknown) => ({ action: "mcp", resource: `${server.name}/${tool.name}`, detail: JSON.stringify(input, null, 2).slice(0, 2_000) }),
  execute: (input: unknown, context) => server.call(tool.name, input, context),
})
