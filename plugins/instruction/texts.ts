/** Instructions at URLs: fetched behind everybody's back, bounded, and kept in the cache directory, so that a machine without a network still has them. */
import { createHash, randomBytes } from "node:crypto"
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { messageOf, type Graft } from "graft"
import { paths } from "../lib/paths.ts"
import { webGet, webUrl } from "../lib/webget.ts"
import { MOST_BYTES, type Instructions } from "./files.ts"

/** Milliseconds that a text counts before it is fetched again, that a failure is left alone, and for one fetch. */
const FRESH = 3_600_000
const REST = 60_000
const PATIENCE = 10_000

interface Known { text: string; at: number }

type Instance = Pick<Graft<never>, "config" | "location" | "log" | "kernel" | "fork">

export class Texts {
  readonly #graft: Instance
  readonly #changed: () => void
  readonly #known = new Map<string, Known | undefined>()
  readonly #fetching = new Set<string>()
  readonly #resting = new Map<string, number>()

  /** `changed`: a text has come, or is another one. */
  constructor(graft: Instance, changed: () => void) {
    this.#graft = graft
    this.#changed = changed
  }

  /** As they were last known; what is old is fetched meanwhile. */
  async current(urls: readonly string[]): Promise<Instructions[]> {
    const read: Instructions[] = []
    for (const url of urls) {
      if (!this.#known.has(url)) this.#known.set(url, await this.#kept(url))
      const known = this.#known.get(url)
      if (!known || Date.now() - known.at > FRESH) this.#refresh(url)
      if (known) read.push({ file: url, scope: "user", bytes: Buffer.byteLength(known.text), hash: createHash("sha256").update(known.text).digest("hex"), text: known.text })
    }
    return read
  }

  #refresh(url: string): void {
    if (this.#fetching.has(url) || Date.now() < (this.#resting.get(url) ?? 0)) return
    this.#fetching.add(url)
    this.#graft.fork(async (signal) => {
      try {
        if ((await this.#graft.config.get("offline", this.#graft.location)) === true) return void this.#resting.set(url, Date.now() + REST)
        const text = await fetched(url, signal)
        const changed = this.#known.get(url)?.text !== text
        this.#known.set(url, { text, at: Date.now() })
        await this.#keep(url, text).catch((error: unknown) => this.#graft.log.debug(`${url} could not be kept: ${messageOf(error)}`))
        if (changed) this.#changed()
      } catch (error) {
        this.#resting.set(url, Date.now() + REST)
        if (!signal.aborted) this.#graft.log.warn(`the instructions at ${url} could not be fetched: ${messageOf(error)}`)
      } finally {
        this.#fetching.delete(url)
      }
    })
  }

  #fileOf(url: string): string {
    return join(paths(this.#graft.kernel.host.dataDir).cache, "instructions", `${createHash("sha256").update(url).digest("hex")}.txt`)
  }

  async #kept(url: string): Promise<Known | undefined> {
    const file = this.#fileOf(url)
    return Promise.all([readFile(file, "utf8"), stat(file)]).then(([text, { mtimeMs }]) => ({ text: text.slice(0, MOST_BYTES), at: mtimeMs }), () => undefined)
  }

  async #keep(url: string, text: string): Promise<void> {
    const file = this.#fileOf(url)
    const beside = `${file}.${randomBytes(6).toString("hex")}`
    await mkdir(join(file, ".."), { recursive: true })
    await writeFile(beside, text, { mode: 0o600 })
    await rename(beside, file).catch(async (error: unknown) => {
      await rm(beside, { force: true })
      throw error
    })
  }
}

async function fetched(url: string, signal: AbortSignal): Promise<string> {
  // The config names the address: it may be one of this machine, and where it leads is said, not followed elsewhere.
  const { status, media, body, cut } = await webGet(webUrl(url), {
    signal, most: MOST_BYTES, milliseconds: PATIENCE, accept: "text/markdown, text/plain;q=0.9",
    follow: (_, to) => { throw new Error(`it leads to ${to.host}: name that address, if it is right`) }, isAllowed: () => true,
  })
  if (status !== 200) throw new Error(`it answered ${status}`)
  if (!media.startsWith("text/") || media === "text/html") throw new Error(`it is ${media || "of no type"}, not a text`)
  if (body.includes(0)) throw new Error("it is no text")
  return new TextDecoder().decode(body, { stream: cut }).trim()
}
