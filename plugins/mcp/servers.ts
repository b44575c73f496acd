/** All servers of a project: what is wanted compared with what is there, and every difference told. */
import { isDeepStrictEqual } from "node:util"
import { Moved, type Graft } from "graft"
import type { McpServer } from "./contract.ts"
import type { OAuthMethod } from "../auth/contract.ts"
import { McpError, unknown } from "./errors.ts"
import { instruct } from "./instructions.ts"
import type { Link } from "./connection/link.ts"
import { Offers } from "./offer/offers.ts"
import { Prompts } from "./offer/prompts.ts"
import { closePool, logIn, openPool, SHAPE, type Pool } from "./connection/pool.ts"
import { Server } from "./server.ts"
import type { McpOptions } from "./section.ts"
import { wantedServers } from "./wanted.ts"

/** `told` and `problems`: what was said, so that a reload says nothing again. `found`: names that `mcp_find` gave. */
export interface McpState { begun: boolean; told: Record<string, McpServer>; problems: string[]; found: string[] }

/** Milliseconds that somebody waits for all to be connected or not. */
const PATIENCE = 90_000

export const openServers = async (graft: Graft<McpState, McpOptions>): Promise<Servers> => new Servers(graft, await graft.keep("servers", SHAPE, openPool, closePool))

export class Servers {
  readonly #graft: Graft<McpState, McpOptions>
  readonly #pool: Pool
  readonly #offers: Offers
  readonly #prompts: Prompts
  readonly #servers = new Map<string, Server>()
  /** Looks go one after the other. */
  #looking: Promise<void> = Promise.resolve()
  #started: Promise<void> | undefined
  readonly #waiting = new Set<() => void>()

  constructor(graft: Graft<McpState, McpOptions>, pool: Pool) {
    this.#graft = graft
    this.#pool = pool
    this.#offers = new Offers(this.#own, { get: () => graft.state.value.found, set: (names) => graft.state.update((state) => { state.found = [...names] }) }, graft.options.many)
    for (const [name, { settings, lost, tools }] of pool.links) if (lost === undefined && tools) this.#servers.set(name, this.#make(name, settings))
    this.#prompts = new Prompts(this.#own)
    this.#offers.sync(this.#sorted())
    this.#prompts.sync(this.#sorted())
    graft.retiring.addEventListener("abort", () => this.#wake(), { once: true })
  }

  /** Once is enough, and not before the commit; ends when it is known which servers there are to be. */
  start(): Promise<void> {
    return (this.#started ??= this.look().catch((error: unknown) => {
      this.#started = undefined
      throw error
    }))
  }

  async list({ settled = false }: { settled?: boolean } = {}): Promise<McpServer[]> {
    await this.#looking
    if (settled) await this.#settled()
    return this.#sorted().map((server) => this.#describe(server))
  }

  restart(name: string): Promise<void> { return this.#next(() => this.#restart(name)) }

  async logs(name: string): Promise<string[]> {
    if (!this.#servers.has(name)) throw unknown(name, [...this.#servers.keys()])
    return logIn(this.#pool, name).lines()
  }

  async login(name: string): Promise<OAuthMethod> {
    const server = this.#servers.get(name)
    if (!server) throw unknown(name, [...this.#servers.keys()])
    if (!server.login) throw new McpError("mcp.login", server.kind === "stdio" ? `"${name}" is a program here: it takes no login, but what its "env" gives it` : `"${name}" takes no login: the config gives it a key, or its address cannot be read`)
    return server.login.method
  }

  /** Somebody has logged in. */
  loggedIn(integration: string): void {
    for (const server of this.#servers.values()) if (server.login?.integration === integration) server.hurry()
  }

  instruct(request: Parameters<typeof instruct>[0]): void { instruct(request, this.#sorted(), (server) => this.#offers.namesOf(server)) }

  /** Compares what is wanted with what is there. */
  look(): Promise<void> { return this.#next(() => this.#compare()) }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#looking.then(work)
    this.#looking = done.catch(() => {})
    return done
  }

  async #compare(): Promise<void> {
    const { servers: wanted, problems } = await wantedServers(this.#own)
    if (this.#graft.retiring.aborted) return
    this.#say(problems)
    const stale = [...this.#servers.values()].filter(({ name, settings }) => !isDeepStrictEqual(wanted.get(name), settings))
    for (const { name } of stale) this.#servers.delete(name)
    const fresh = [...wanted].flatMap(([name, settings]) => (this.#servers.has(name) ? [] : { name, settings }))
    await Promise.all([...stale.map((server) => server.end()), ...this.#left().map((link) => link.close())])
    for (const { name } of stale) if (!wanted.has(name)) this.#pool.logs.delete(name)
    if (this.#graft.retiring.aborted) return
    for (const { name, settings } of fresh) this.#servers.set(name, this.#make(name, settings))
    this.#begin()
  }

  /** Connections that a generation before this one made, and nobody took over. */
  #left(): Link[] {
    const left = [...this.#pool.links].filter(([name]) => !this.#servers.has(name))
    for (const [name] of left) this.#pool.links.delete(name)
    return left.map(([, link]) => link)
  }

  async #restart(name: string): Promise<void> {
    const server = this.#servers.get(name)
    if (!server) throw unknown(name, [...this.#servers.keys()])
    logIn(this.#pool, name).say("it is started anew, as somebody asked")
    await server.end()
    if (this.#graft.retiring.aborted) return
    this.#servers.set(name, this.#make(name, server.settings))
    this.#begin()
  }

  #begin(): void {
    for (const server of this.#servers.values()) server.start()
    this.#tell()
  }

  #make(name: string, settings: Server["settings"]): Server {
    return new Server(this.#own, this.#pool, name, settings, () => this.#tell())
  }

  get #own(): Graft<never> { return this.#graft as unknown as Graft<never> }

  #sorted(): Server[] { return [...this.#servers.values()].sort((a, b) => (a.name < b.name ? -1 : 1)) }

  #describe(server: Server): McpServer {
    return { name: server.name, kind: server.kind, ...server.standing, tools: this.#offers.namesOf(server) }
  }

  /** What is there, with what was told of it. */
  #tell(): void {
    const { state, retiring } = this.#graft
    if (retiring.aborted) return
    this.#offers.sync(this.#sorted())
    this.#prompts.sync(this.#sorted())
    const before = state.value.told
    const now = Object.fromEntries(this.#sorted().map((server) => [server.name, this.#describe(server)]))
    if (!isDeepStrictEqual(before, now)) state.update((draft) => { draft.told = now as typeof draft.told })
    for (const [name, server] of Object.entries(now)) {
      if (!Object.hasOwn(before, name)) this.#graft.emit("mcp.added", { server })
      else if (!isDeepStrictEqual(before[name], server)) this.#graft.emit("mcp.updated", { server })
    }
    for (const name of Object.keys(before)) if (!Object.hasOwn(now, name)) this.#graft.emit("mcp.removed", { name })
    this.#wake()
  }

  #say(problems: readonly string[]): void {
    const before = this.#graft.state.value.problems
    for (const problem of problems) if (!before.includes(problem)) this.#graft.log.warn(problem)
    if (!isDeepStrictEqual(before, problems)) this.#graft.state.update((draft) => { draft.problems = [...problems] })
  }

  async #settled(): Promise<void> {
    let late = false
    const cancel = this.#graft.timeout(PATIENCE, () => {
      late = true
      this.#wake()
    })
    while (!late && [...this.#servers.values()].some(({ standing }) => standing.state === "connecting")) {
      if (this.#graft.retiring.aborted) throw new Moved()
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
    cancel()
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
}
