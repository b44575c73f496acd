/**
 * One server, seen to: connected, listed, and when it is gone connected again, at first after a second and at last once a
 * minute. What it offered stays offered until an attempt to bring it back has failed, so that a hiccup costs no prompt's
 * cached prefix.
 */
import { resolve } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { messageOf, type Graft } from "graft"
import { expanded } from "../lib/expanded.ts"
import type { ToolContext, ToolResult } from "../tool/contract.ts"
import { openLink, type Address, type Ears, type Link } from "./connection/link.ts"
import type { ServerLog } from "../lib/serverlog.ts"
import { logIn, type Pool } from "./connection/pool.ts"
import { reasonOf, statusOf } from "./connection/reason.ts"
import type { McpServer } from "./contract.ts"
import { fill } from "./form.ts"
import { Login } from "./login.ts"
import { listPrompts, type Prompt } from "./offer/prompts.ts"
import { CallResult, resultOf } from "./offer/result.ts"
import { listTools, type Offered } from "./offer/tools.ts"
import { sample } from "./sampling.ts"
import { Silence } from "./silence.ts"
import type { Configured } from "./wanted.ts"

/** Milliseconds between attempts; and how long it has to stand for the next trouble to count as the first. */
const FIRST = 1_000
const LAST = 60_000
const STEADY = 60_000
/** Seconds that a call may go without news, where nobody says otherwise; and for all of it. */
const SILENCE = 120
export const LONGEST = 3_600

type Standing = Pick<McpServer, "state" | "reason" | "since">

export class Server {
  readonly name: string
  readonly settings: Configured
  readonly #graft: Graft<never>
  readonly #pool: Pool
  readonly #changed: () => void
  readonly #stop = new AbortController()
  #link: Link | undefined
  #standing: Standing
  #tools: readonly Offered[] = []
  #login: Login | undefined
  #warned: ReadonlySet<string> = new Set()
  #started = false
  #hurry: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()

  /** `changed`: it is in another state, or offers something else. A connection of the generation before is taken over. */
  constructor(graft: Graft<never>, pool: Pool, name: string, settings: Configured, changed: () => void) {
    this.name = name
    this.settings = settings
    this.#graft = graft
    this.#pool = pool
    this.#changed = changed
    this.#link = this.#standingLink()
    this.#tools = this.#link?.tools ?? []
    this.#standing = this.#link ? { state: "ready", since: this.#link.since } : settings.resting !== undefined ? { state: "disabled", reason: settings.resting, since: Date.now() } : { state: "connecting", since: Date.now() }
  }

  get kind(): McpServer["kind"] { return this.settings.url === undefined ? "stdio" : "http" }
  get standing(): Standing { return this.#standing }
  get tools(): readonly Offered[] { return this.#tools }
  get prompts(): readonly Prompt[] { return this.#link?.prompts ?? [] }
  get link(): Link | undefined { return this.#link }
  get login(): Login | undefined { return this.#login }
  /** For the prompt, as long as its tools are offered. */
  get instructions(): string { return this.#standing.state === "ready" && this.settings.instructions !== false ? (this.#link?.instructions ?? "") : "" }
  get #log(): ServerLog { return logIn(this.#pool, this.name) }

  /** Once is enough. */
  start(): void {
    if (this.#started || this.#standing.state === "disabled") return
    this.#started = true
    this.#graft.fork((signal) => (this.#running = this.#run(AbortSignal.any([this.#stop.signal, this.#graft.retiring, signal]))))
  }

  /** Ends when its connection, and whatever ran for it, is gone. */
  async end(): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.#login?.end()
    await this.#drop()
  }

  /** Somebody has logged in: the next attempt is now. */
  hurry(): void { this.#hurry?.() }

  async call(tool: string, input: unknown, { session, call, signal, progress }: ToolContext): Promise<ToolResult> {
    const link = this.#link
    if (!link || link.lost !== undefined) return { output: this.#absent(link), failed: true }
    const title = `${this.name} ${tool}`
    const mine = { session, call }
    link.calls.add(mine)
    const silence = new Silence((this.settings.timeout ?? SILENCE) * 1_000, () => link.forms > 0)
    try {
      const result = await link.client.request({ method: "tools/call", params: { name: tool, arguments: input as Record<string, unknown> } }, CallResult, {
        signal: AbortSignal.any([signal, silence.signal]), timeout: LONGEST * 1_000,
        onprogress: ({ progress: done, total, message }) => {
          silence.broken()
          progress({ title, output: message ?? (total === undefined ? String(done) : `${done} of ${total}`) })
        },
      })
      return resultOf(result, title)
    } catch (error) {
      const why = silence.signal.aborted ? "it did not answer in time" : this.#why(error)
      const output = link.lost === undefined ? `the MCP server "${this.name}": ${why}` : `${this.#absent(link)}; this call may have taken effect all the same`
      return { output, title, failed: true }
    } finally {
      silence.end()
      link.calls.delete(mine)
    }
  }

  /** What it gives for a request that is no call; rejects with the reason. */
  async ask<T>(work: (link: Link) => Promise<T>): Promise<T> {
    const link = this.#link
    if (!link || link.lost !== undefined) throw new Error(this.#absent(link))
    return work(link).catch((error: unknown) => { throw new Error(`the MCP server "${this.name}": ${reasonOf(error, link.lost)}`) })
  }

  #absent(link: Link | undefined): string {
    return `the MCP server "${this.name}" is not there, and is being connected again: ${link?.lost ?? this.#standing.reason ?? "that has not ended"}`
  }

  /** One that a generation before this one left, or leaves right now. */
  #standingLink(): Link | undefined {
    const link = this.#pool.links.get(this.name)
    return link && link.lost === undefined && link.tools !== undefined && isDeepStrictEqual(link.settings, this.settings) ? link : undefined
  }

  async #run(stop: AbortSignal): Promise<void> {
    if (this.#link && this.settings.url !== undefined) this.#link.keys = await this.#loginAt(this.settings.url).catch(() => undefined)
    for (let wait = FIRST; !stop.aborted; wait = Math.min(wait * 2, LAST)) {
      const why = await this.#live(stop).catch((error: unknown) => this.#why(error))
      // A generation that retires leaves its connections to the next one.
      if (stop.aborted) return
      if (this.#link && Date.now() - this.#link.since > STEADY) wait = FIRST
      this.#log.say(`${why}; the next attempt is in ${wait / 1_000} s`)
      await this.#drop()
      if (this.#standing.state === "ready") this.#become({ state: "connecting", reason: why })
      else {
        this.#tools = []
        this.#become({ state: "failed", reason: why })
      }
      await pause(this.#graft, wait, stop, (hurry) => { this.#hurry = hurry })
    }
  }

  #why(error: unknown): string {
    const status = statusOf(error)
    return this.#login && (status === 401 || status === 403) ? `it answered ${status}: log in with graft mcp login ${this.name.includes(" ") ? JSON.stringify(this.name) : this.name}` : reasonOf(error)
  }

  /** From one connection to its end; gives the reason. */
  async #live(stop: AbortSignal): Promise<string> {
    const { promise: lost, resolve: lose } = Promise.withResolvers<string>()
    const stopped = () => lose("it was stopped")
    stop.addEventListener("abort", stopped, { once: true })
    try {
      const link = (this.#link ??= this.#standingLink() ?? (await this.#open(stop)))
      link.ears = this.#ears(link, lose, stop)
      if (link.lost !== undefined) lose(link.lost)
      else if (this.#standing.state !== "ready") await this.#take(link, stop)
      return await lost
    } finally {
      stop.removeEventListener("abort", stopped)
    }
  }

  async #open(stop: AbortSignal): Promise<Link> {
    const { kernel, location } = this.#graft
    const log = this.#log
    const link = await openLink({ address: await this.#address(), settings: this.settings, location: location!, version: kernel.version, log, leash: this.#pool.leash, signal: stop })
    if (stop.aborted) await link.close()
    stop.throwIfAborted()
    this.#pool.links.set(this.name, link)
    const { name, version } = link.client.getServerVersion() ?? { name: "?", version: "?" }
    log.say(`connected to ${name} ${version}`)
    return link
  }

  async #take(link: Link, stop: AbortSignal): Promise<void> {
    if (link.tools === undefined) {
      link.prompts = await listPrompts(link.client, stop).catch((error: unknown) => (this.#log.say(`its prompts could not be listed: ${reasonOf(error)}`), []))
      await this.#list(link, stop)
    }
    link.since = Date.now()
    this.#tools = link.tools ?? []
    this.#become({ state: "ready" })
  }

  async #list(link: Link, stop: AbortSignal): Promise<void> {
    const { tools, problems } = await listTools(link.client, stop)
    for (const problem of problems) if (!this.#warned.has(problem)) this.#graft.log.warn(`the MCP server "${this.name}": ${problem}`)
    this.#warned = new Set(problems)
    link.tools = tools
    this.#tools = tools
  }

  #ears(link: Link, lost: (why: string) => void, stop: AbortSignal): Ears {
    let listing: Promise<void> | undefined
    const again = new Set<"tools" | "prompts" | "resources">()
    const list = async () => {
      while (again.size > 0 && !stop.aborted) {
        const what = [...again]
        again.clear()
        await Promise.all([what.includes("tools") && this.#list(link, stop), what.includes("prompts") && listPrompts(link.client, stop).then((prompts) => { link.prompts = prompts })])
          .then(() => this.#changed(), (error: unknown) => this.#log.say(`its ${what.join(" and ")} could not be listed again: ${reasonOf(error)}`))
      }
    }
    // Where several calls are on their way nobody can tell whose a question is.
    const whose = () => (link.calls.size === 1 ? [...link.calls][0] : undefined)
    return {
      lost,
      changed: (what) => {
        again.add(what)
        listing ??= list().finally(() => { listing = undefined })
      },
      asked: (form, signal) => {
        link.forms++
        return fill(this.name, form, (question) => this.#graft.question.ask({ ...question, ...whose() }, { signal })).finally(() => link.forms--)
      },
      sampled: (wanted, signal) => {
        link.forms++
        return sample(this.#graft, this.name, wanted, { ...whose(), signal }).finally(() => link.forms--)
      },
    }
  }

  /** With what the variables and files that it names say now. */
  async #address(): Promise<Address> {
    const { config, location } = this.#graft
    const { command, args = [], env = {}, cwd = ".", url, headers = {} } = this.settings
    const text = (value: string) => (value.includes("{") ? config.expand(value, location) : value)
    const texts = (values: Readonly<Record<string, string>>) => expanded(config, location, values)
    if (url !== undefined) {
      const login = await this.#loginAt(url)
      return { kind: "http", url: await text(url), headers: await texts(headers), ...(login && { keys: login }) }
    }
    if (command === undefined) throw new Error('its block has neither a "command" nor a "url"')
    return { kind: "stdio", start: { command: await text(command), args: await Promise.all(args.map(text)), env: await texts(env), directory: resolve(location!, await text(cwd)) } }
  }

  /** Whose config names a key needs no login. */
  async #loginAt(address: string): Promise<Login | undefined> {
    const { config, location } = this.#graft
    const { headers = {}, oauth } = this.settings
    if (this.#login || Object.keys(headers).some((name) => name.toLowerCase() === "authorization")) return this.#login
    const url = await config.expand(address, location)
    if (!URL.canParse(url)) return undefined
    const { id, secret } = oauth?.client ?? {}
    const client = id === undefined ? undefined : { id: await config.expand(id, location), ...(secret !== undefined && { secret: await config.expand(secret, location) }) }
    return (this.#login ??= new Login(this.#graft, this.name, new URL(url), this.settings, client))
  }

  async #drop(): Promise<void> {
    const link = this.#link
    this.#link = undefined
    if (!link) return
    if (this.#pool.links.get(this.name) === link) this.#pool.links.delete(this.name)
    await link.close().catch((error: unknown) => this.#log.say(messageOf(error)))
  }

  #become(standing: Omit<Standing, "since">): void {
    const { state, reason } = this.#standing
    if (state === standing.state && reason === standing.reason) return
    this.#standing = { ...standing, since: standing.state === "ready" && this.#link ? this.#link.since : Date.now() }
    this.#changed()
  }
}

function pause(graft: Graft<never>, milliseconds: number, stop: AbortSignal, hurry: (done: (() => void) | undefined) => void): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      hurry(undefined)
      cancel()
      stop.removeEventListener("abort", done)
      resolve()
    }
    const cancel = stop.aborted ? () => {} : graft.timeout(milliseconds, done)
    stop.addEventListener("abort", done, { once: true })
    hurry(done)
    if (stop.aborted) done()
  })
}
