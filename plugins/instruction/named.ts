/**
 * Instructions that the config names: files by path or pattern, and texts at URLs. A turn never waits long for them: patterns
 * are looked up at most every ten seconds and a URL is fetched behind the turn's back; until then what was last known counts.
 */
import { glob, realpath } from "node:fs/promises"
import { homedir } from "node:os"
import { isAbsolute, join, resolve, sep } from "node:path"
import { messageOf, type Graft } from "graft"
import * as v from "valibot"
import { inside } from "../lib/confine.ts"
import { readInstructions, type Cache, type Instructions } from "./files.ts"
import { Places } from "./section.ts"
import type { Texts } from "./texts.ts"

/** Files of all patterns. */
const MOST_FILES = 100
/** Entries of a tree that one pattern may look at. */
const MOST_SEEN = 20_000
/** Milliseconds that what was found counts, and that the first turn waits. */
const FRESH = 10_000
const PATIENCE = 500

const SKIPPED = new Set(["node_modules", ".git"])

type Instance = Pick<Graft<never>, "config" | "location" | "log">

export class Named {
  readonly #graft: Instance
  readonly #texts: () => Promise<Texts>
  readonly #cache: Cache = new Map()
  #files: string[] = []
  #looked = -Infinity
  #looking: Promise<void> | undefined
  readonly #said = new Set<string>()

  constructor(graft: Instance, texts: () => Promise<Texts>) {
    this.#graft = graft
    this.#texts = texts
  }

  /** The config says something else. */
  forget(): void { this.#looked = -Infinity }

  /** In the order of the config. */
  async current(): Promise<Instructions[]> {
    const { config, location } = this.#graft
    const places = v.safeParse(Places, await config.get("instructions", location))
    if (!places.success || places.output.length === 0) return []
    const urls = places.output.filter(isUrl)
    const paths = places.output.filter((place) => !isUrl(place))
    const first = this.#looked === -Infinity
    if (paths.length > 0 && performance.now() - this.#looked > FRESH) this.#looking ??= this.#look(paths).finally(() => { this.#looking = undefined })
    if (first && this.#looking) await Promise.race([this.#looking, new Promise((late) => setTimeout(late, PATIENCE))])
    const files = paths.length === 0 ? [] : this.#files.flatMap((file) => readInstructions(this.#cache, file, inside(location!, file) ? "project" : "user", inside(location!, file) ? location : undefined) ?? [])
    return [...files, ...(urls.length > 0 ? await (await this.#texts()).current(urls) : [])]
  }

  async #look(places: readonly string[]): Promise<void> {
    const found = new Set<string>()
    for (const place of places) for (const file of await this.#filesAt(place).catch((error: unknown) => (this.#say(`instructions: ${place}: ${messageOf(error)}`), []))) found.add(file)
    if (found.size > MOST_FILES) this.#say(`instructions: ${found.size} files are named; only ${MOST_FILES} are read`)
    this.#files = [...found].slice(0, MOST_FILES)
    this.#looked = performance.now()
  }

  async #filesAt(place: string): Promise<string[]> {
    const full = place.startsWith("~/") ? join(homedir(), place.slice(2)) : isAbsolute(place) ? place : resolve(this.#graft.location!, place)
    if (!/[*?[{]/.test(place)) return [await realpath(full).then((real) => (inside(this.#graft.location!, full) ? full : real), () => full)]
    const files: string[] = []
    let seen = 0
    for await (const file of glob(full, { exclude: (name) => ++seen > MOST_SEEN || SKIPPED.has(name.split(sep).at(-1)!) })) {
      files.push(file)
      if (files.length > MOST_FILES) break
    }
    if (seen > MOST_SEEN) this.#say(`instructions: "${place}" looks at more than ${MOST_SEEN} files; name a smaller place`)
    return files.sort()
  }

  #say(problem: string): void {
    if (this.#said.has(problem) || this.#said.size > 100) return
    this.#said.add(problem)
    this.#graft.log.warn(problem)
  }
}

const isUrl = (place: string): boolean => /^https?:\/\//.test(place)
