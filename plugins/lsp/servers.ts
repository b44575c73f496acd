/**
 * The servers of a project: which one is for a file, started when it is first needed, ended when it is not needed for a
 * while. One that fails is tried again when it is needed, after a second, then two … at last a minute: nothing restarts by itself.
 */
import { extname } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { messageOf, type Graft } from "graft"
import { inside } from "../lib/confine.ts"
import { expanded } from "../lib/expanded.ts"
import { directoriesAbove, findProgram, nearestWith, type Found } from "../lib/findprogram.ts"
import { inherited } from "../lib/inherited.ts"
import type { Findings, LanguageServer, Lsp, LspServer, LspState } from "./contract.ts"
import { LspError, unknown } from "./errors.ts"
import { openLive, type Live } from "./live.ts"
import { logIn, type Pool } from "./pool.ts"
import { makeSymbols } from "./symbols.ts"
import { wantedServers } from "./wanted.ts"

/** Milliseconds: the first pause and the longest; how long one has to run for its next failure to count as the first; and unused until it is ended. */
const FIRST = 1_000
const LAST = 60_000
const STEADY = 60_000
const IDLE = 600_000
/** Servers of one project that run at once. */
const MOST = 8

interface Standing { name: string; root: string; state: LspState; reason?: string; since: number; wait: number; resting: boolean }
/** A server for a root, and how it is started there. */
interface Place { key: string; server: LanguageServer; root: string; found: Found }

export class Servers {
  readonly #graft: Graft
  readonly #pool: Pool
  readonly #standing = new Map<string, Standing>()
  readonly #idle = new Map<string, () => void>()
  readonly #said = new Set<string>()
  #offered: (() => void) | undefined

  constructor(graft: Graft, pool: Pool) {
    this.#graft = graft
    this.#pool = pool
    // Standing up, each becomes the latest used.
    for (const [key, live] of Array.from(pool.lives)) if (live.lost === undefined) this.#stand(key, live)
    this.#offer()
  }

  /** From the commit on this generation hears what they say. */
  takeOver(): void {
    for (const [key, live] of this.#pool.lives) this.#wear(key, live)
  }

  service(): Omit<Lsp, "register"> {
    return {
      list: async () => [...this.#standing.keys()].sort().map((key) => this.#describe(key)),
      diagnose: (paths) => this.diagnose(paths),
      logs: async (name) => {
        const log = this.#pool.logs.get(name)
        if (!log && !(await this.#wanted()).some((server) => server.name === name)) throw unknown(name, await this.#names())
        return log?.lines() ?? []
      },
      restart: async (name) => {
        const keys = [...this.#standing].flatMap(([key, standing]) => (standing.name === name ? key : []))
        if (keys.length === 0 && !(await this.#names()).includes(name)) throw unknown(name, await this.#names())
        await Promise.all(keys.map((key) => this.#end(key, "somebody asked")))
        for (const key of keys) this.#standing.delete(key)
      },
    }
  }

  async diagnose(paths: readonly string[]): Promise<Findings[]> {
    return (await Promise.all(paths.map((path) => this.#diagnose(path)))).flat()
  }

  /** The config or the rows may have changed: who is not wanted any more is ended. */
  async look(): Promise<void> {
    const wanted = await this.#wanted()
    const stale = [...this.#pool.lives].filter(([, { server }]) => !isDeepStrictEqual(wanted.find(({ name }) => name === server.name), server))
    for (const starting of this.#pool.starting.values()) void starting.then(() => this.look(), () => {})
    await Promise.all(stale.map(([key]) => this.#end(key, "the config changed")))
    for (const [key, { state }] of this.#standing) if (state !== "running" && state !== "starting") this.#standing.delete(key)
  }

  async endAll(reason: string): Promise<void> {
    await Promise.allSettled(this.#pool.starting.values())
    await Promise.all([...this.#pool.lives.keys()].map((key) => this.#end(key, reason)))
  }

  /** A file that is read is soon asked about. */
  async warm(path: string): Promise<void> {
    for (const place of await this.#places(path)) await this.#live(place).then((live) => live.show(path), () => {})
  }

  /** All that serve a file; without any, why. */
  async serving(path: string): Promise<Live[]> {
    const places = await this.#places(path)
    const lives = await Promise.allSettled(places.map((place) => this.#live(place)))
    const there = lives.flatMap((live) => (live.status === "fulfilled" ? live.value : []))
    if (there.length > 0) return there
    const [failed] = lives
    throw new LspError("lsp.off", failed?.status === "rejected" ? messageOf(failed.reason) : `no language server is there for ${extname(path) || "such"} files`)
  }

  get running(): Live[] { return [...this.#pool.lives.values()].filter(({ lost }) => lost === undefined) }

  async #diagnose(path: string): Promise<Findings[]> {
    const places = await this.#places(path)
    const findings = await Promise.all(places.map(async (place): Promise<Findings | undefined> => {
      const server = place.server.name
      try {
        const said = await (await this.#live(place)).diagnose(path)
        return said && { server, path, ...said }
      } catch (error) {
        return { server, path, diagnostics: [], late: messageOf(error) }
      }
    }))
    return findings.filter((each) => each !== undefined)
  }

  async #wanted(): Promise<LanguageServer[]> {
    const { config, location } = this.#graft
    const { wanted, problems } = wantedServers(this.#graft.all("lsp").rows(), await config.get("lsp", location))
    for (const problem of problems) this.#say(problem)
    return wanted
  }

  async #names(): Promise<string[]> { return (await this.#wanted()).map(({ name }) => name) }

  #say(what: string): void {
    if (this.#said.has(what) || this.#said.size > 100) return
    this.#said.add(what)
    this.#graft.log.warn(what)
  }

  async #places(path: string): Promise<Place[]> {
    const location = this.#graft.location!
    if (!inside(location, path)) return []
    const fitting = (await this.#wanted()).filter(({ extensions }) => Object.hasOwn(extensions, extname(path).toLowerCase()))
    if (fitting.length === 0) return []
    const directories = directoriesAbove(path, location)
    const places: Place[] = []
    for (const server of fitting) {
      const found = await findProgram(server.command[0]!, directories, location)
      if (!found || places.some(({ server: { name } }) => name === server.unless)) continue
      const root = (server.marks && (await nearestWith(server.marks, directories))) ?? location
      places.push({ key: JSON.stringify([server.name, root]), server, root, found })
    }
    if (places.length === 0 || (await this.#graft.trust.allowed(location))) return places
    this.#say("no language server is started until this project is trusted (graft trust allow): they run code of the project")
    return []
  }

  /** The one that runs, or that is started now; rejects with the reason. */
  async #live(place: Place): Promise<Live> {
    const { key, server, root } = place
    const there = this.#pool.lives.get(key)
    const standing = this.#standing.get(key)
    if (there && there.lost === undefined && isDeepStrictEqual(there.server, server)) {
      // A generation that retired meanwhile may have started it, and told nobody.
      if (standing?.state === "running") this.#used(key)
      else this.#began(key, there)
      return there
    }
    if (standing?.resting) throw new Error(`${standing.reason}; it is tried again within ${standing.wait / 1_000} s`)
    const starting = this.#pool.starting.get(key) ?? this.#start(place)
    if (standing?.state !== "starting") this.#standing.set(key, { name: server.name, root, state: "starting", since: Date.now(), wait: standing?.wait ?? FIRST, resting: false })
    try {
      const live = await starting
      if (this.#standing.get(key)?.state === "starting") this.#began(key, live)
      return live
    } catch (error) {
      if (this.#standing.get(key)?.state === "starting") this.#failed(key, messageOf(error))
      throw error
    }
  }

  #start({ key, server, root, found }: Place): Promise<Live> {
    const log = logIn(this.#pool, server.name)
    const { config, location } = this.#graft
    const open = async () => {
      await this.#room(key)
      const env = { ...inherited({ toolchains: true }), ...(await expanded(config, location, server.env)) }
      return openLive({ server, root, program: { command: found.path, args: server.command.slice(1), env, directory: root }, log, leash: this.#pool.leash }, this.#pool.over.signal)
    }
    const starting = open().then((live) => {
      log.say(`started for ${root}`)
      this.#pool.lives.set(key, live)
      return live
    }, (error: unknown) => {
      log.say(messageOf(error))
      throw error
    }).finally(() => this.#pool.starting.delete(key))
    this.#pool.starting.set(key, starting)
    return starting
  }

  /** Who was not needed for the longest time makes way, and who is in this one's place. */
  async #room(key: string): Promise<void> {
    const keys = [...this.#pool.lives.keys()].filter((each) => each !== key)
    if (this.#pool.lives.has(key)) await this.#end(key, "another one takes its place")
    await Promise.all(keys.slice(0, Math.max(0, keys.length - MOST + 1)).map((each) => this.#end(each, "others are needed more")))
  }

  #stand(key: string, live: Live): void {
    const { server: { name }, root, since } = live
    this.#standing.set(key, { name, root, state: "running", since, wait: FIRST, resting: false })
    this.#used(key)
  }

  #began(key: string, live: Live): void {
    if (this.#graft.retiring.aborted) return
    const wait = this.#standing.get(key)?.wait ?? FIRST
    this.#stand(key, live)
    this.#standing.get(key)!.wait = wait
    this.#wear(key, live)
    this.#offer()
    this.#graft.emit("lsp.started", { server: this.#describe(key) })
    if (live.lost !== undefined) this.#lost(key, live, live.lost)
  }

  #wear(key: string, live: Live): void {
    live.ears = {
      lost: (why) => this.#lost(key, live, why),
      heard: (path, diagnostics) => { if (!this.#graft.retiring.aborted) this.#graft.emit("lsp.diagnostics", { server: live.server.name, path, diagnostics }) },
    }
  }

  #lost(key: string, live: Live, why: string): void {
    if (this.#pool.lives.get(key) !== live) return
    this.#pool.lives.delete(key)
    logIn(this.#pool, live.server.name).say(why)
    if (Date.now() - live.since > STEADY) this.#standing.get(key)!.wait = FIRST
    this.#failed(key, why)
  }

  #failed(key: string, reason: string): void {
    const standing = this.#standing.get(key)
    if (!standing || this.#graft.retiring.aborted) return
    this.#forget(key)
    Object.assign(standing, { state: "failed", reason, since: Date.now(), resting: true })
    this.#graft.timeout(standing.wait, () => void Object.assign(standing, { resting: false, wait: Math.min(2 * standing.wait, LAST) }))
    this.#offer()
    this.#graft.emit("lsp.failed", { server: this.#describe(key) })
  }

  async #end(key: string, reason: string): Promise<void> {
    const live = this.#pool.lives.get(key)
    this.#pool.lives.delete(key)
    this.#forget(key)
    if (!live) return
    live.ears = undefined
    logIn(this.#pool, live.server.name).say(`it is ended: ${reason}`)
    const standing = this.#standing.get(key)
    if (standing && standing.state !== "starting") Object.assign(standing, { state: "stopped", reason, since: Date.now() })
    this.#offer()
    await live.end()
    if (!this.#graft.retiring.aborted) this.#graft.emit("lsp.stopped", { server: { name: live.server.name, root: live.root, state: "stopped", reason, since: Date.now(), files: 0 } })
  }

  /** The latest used last, which is the order in which they make way. */
  #used(key: string): void {
    const live = this.#pool.lives.get(key)
    if (!live) return
    this.#pool.lives.delete(key)
    this.#pool.lives.set(key, live)
    this.#forget(key)
    this.#idle.set(key, this.#graft.timeout(IDLE, () => this.#end(key, "it was not needed any more")))
  }

  #forget(key: string): void {
    this.#idle.get(key)?.()
    this.#idle.delete(key)
  }

  #describe(key: string): LspServer {
    const { name, root, state, reason, since } = this.#standing.get(key)!
    return { name, root, state, ...(reason !== undefined && { reason }), since, files: this.#pool.lives.get(key)?.files ?? 0 }
  }

  /** The tool `symbols` is there while somebody could answer. */
  #offer(): void {
    if (this.#graft.retiring.aborted) return
    if (this.running.length > 0) this.#offered ??= this.#graft.tool.register(makeSymbols(this, this.#graft.location!))
    else {
      this.#offered?.()
      this.#offered = undefined
    }
  }
}
