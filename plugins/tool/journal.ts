/**
 * What is about to be done to several files, written down first, so that whoever comes after a death can finish it or
 * take it back. One private file a change; its name says whose it is and how far it has come, so that to go on, and to
 * take over what a dead process left, is one rename, which one of many wins.
 */
import { createHash, randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import * as v from "valibot"
import { bootId, startOf } from "../lib/processes.ts"
import { syncDirectory } from "./disk.ts"

/**
 * open: new contents and old ones are being laid beside; no file was touched. ready: files are being changed. done: all
 * are. back: one could not be, and those that were are put back.
 */
export const PHASES = ["open", "ready", "done", "back"] as const
export type Phase = (typeof PHASES)[number]

/** Versions of one path before and after; absent: nothing is there. */
const Step = v.object({ path: v.string(), before: v.optional(v.string()), after: v.optional(v.string()) })
/** `made`: directories that were not there, from the top down. */
const Course = v.object({ steps: v.array(Step), made: v.array(v.string()) })
export type Step = v.InferOutput<typeof Step>
export type Course = v.InferOutput<typeof Course>

export interface Entry extends Course { readonly id: string; phase: Phase }

/** Entries that one sweep takes over. */
const MOST = 1_000
const NAME = /^([0-9a-f]{16})\.((\d+)-\d+-[0-9a-f]{8})\.(open|ready|done|back)$/

export class Journal {
  readonly #directory: string
  #boot: string | undefined

  constructor(directory: string) { this.#directory = directory }

  async open(course: Course): Promise<Entry> {
    const entry: Entry = { id: randomBytes(8).toString("hex"), phase: "open", ...course }
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    {
      await using file = await open(this.#pathOf(entry.id, "open"), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
      await file.writeFile(JSON.stringify(course))
      await file.sync()
    }
    await syncDirectory(this.#directory)
    return entry
  }

  /** Fails where another process has taken it over. */
  async move(entry: Entry, phase: Phase): Promise<void> {
    await rename(this.#pathOf(entry.id, entry.phase), this.#pathOf(entry.id, phase))
    entry.phase = phase
    await syncDirectory(this.#directory)
  }

  async drop({ id, phase }: Entry): Promise<void> { await rm(this.#pathOf(id, phase), { force: true }) }

  /** What dead processes left; it is this one's now. */
  async inherit(): Promise<Entry[]> {
    const entries: Entry[] = []
    for (const name of (await readdir(this.#directory).catch(() => [])).slice(0, MOST)) {
      const [, id, owner, pid, phase] = (NAME.exec(name) ?? []) as unknown as [string, string, string, string, Phase]
      if (id === undefined || owner === this.#ownerOf(Number(pid))) continue
      const mine = this.#pathOf(id, phase)
      if (!(await rename(join(this.#directory, name), mine).then(() => true, () => false))) continue
      const course = v.safeParse(Course, await readFile(mine, "utf8").then(JSON.parse, () => undefined).catch(() => undefined))
      // It died while it wrote this down: nothing was begun.
      if (course.success) entries.push({ id, phase, ...course.output })
      else await rm(mine, { force: true })
    }
    return entries
  }

  #pathOf(id: string, phase: Phase): string { return join(this.#directory, `${id}.${this.#ownerOf(process.pid)}.${phase}`) }

  /** A process's number means nothing without its start, and neither does in another start of the system. */
  #ownerOf(pid: number): string {
    this.#boot ??= createHash("sha256").update(bootId()).digest("hex").slice(0, 8)
    return `${pid}-${startOf(pid) ?? 0}-${this.#boot}`
  }
}
