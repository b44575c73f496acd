/**
 * The lookout: opens eyes where the plan wants them, tells the kernel which of its files moved, and the owners of rows
 * which of theirs. What a change means is not decided here: the kernel compares by hash, owners by content.
 */
import type { Stats } from "node:fs"
import { isAbsolute, join } from "node:path"
import { messageOf, type Board, type Graft, type Remove } from "graft"
import type { Watched } from "./contract.ts"
import { closeEye, closeEyes, makeEyes, openEye, POLL, SHAPE, type Eye, type Eyes, type Sink } from "./eyes.ts"
import { ignores, Plan, type Lead, type Sight } from "./plan.ts"
import { touched } from "./trace.ts"

/** What a generation leaves to the next: was it asked to look, and did it say that some eyes are bad? */
export interface WatchState { asked: boolean; warned: boolean }

/** Milliseconds in which whoever asked for the first look goes first. */
const AFTER = 100
/** Milliseconds in which what happens to rows is gathered into one event, and how many paths one event holds. */
const GATHER = 30
const MOST = 1_000
/** Milliseconds before a wish in which its owner may have read what it now wants to hear about. */
const BEFORE = 2_000

export class Lookout {
  readonly #graft: Graft<WatchState>
  readonly #boards = new Map<string, { board: Board<Watched>; stop: Remove }>()
  readonly #told = new Set<string>()
  #eyes: Eyes | undefined
  #plan = new Plan({ roots: [], kernel: [], rows: [] })
  #queued = false

  constructor(graft: Graft<WatchState>) {
    this.#graft = graft
    graft.retiring.addEventListener("abort", () => this.#end(), { once: true })
  }

  /** In setup, when a generation before this one was asked: its eyes see for this one from the commit on. */
  async takeOver(): Promise<void> {
    if (!this.#asked) return
    const eyes = await this.#prepare()
    this.#graft.onCommit(() => this.#begin(eyes))
  }

  /** Shortly. Once is enough. */
  openSoon(): void {
    if (this.#asked) return
    this.#graft.state.update((draft) => { draft.asked = true })
    this.#graft.timeout(AFTER, async () => this.#begin(await this.#prepare()))
  }

  /** Wishes, or what is there, may be others now. */
  lookSoon(): void {
    if (!this.#eyes || this.#queued) return
    this.#queued = true
    this.#graft.timeout(0, () => {
      this.#queued = false
      this.#look(Date.now() - BEFORE)
    })
  }

  /** A project's rows are seen only from its realm. */
  async follow(location: string): Promise<void> {
    if (!this.#asked || this.#boards.has(location) || !this.#graft.kernel.locations().includes(location)) return
    using there = await this.#graft.at(location)
    if (this.#boards.has(location)) return
    const board = there.all("watched")
    this.#boards.set(location, { board, stop: board.onChange(() => this.lookSoon()) })
    this.lookSoon()
  }

  unfollow(location: string): void {
    this.#boards.get(location)?.stop()
    this.#boards.delete(location)
    this.lookSoon()
  }

  get #asked(): boolean { return this.#graft.state.value.asked }

  async #prepare(): Promise<Eyes> {
    const eyes = await this.#graft.keep("eyes", SHAPE, makeEyes, closeEyes)
    for (const location of this.#graft.kernel.locations()) await this.follow(location)
    return eyes
  }

  #begin(eyes: Eyes): void {
    this.#eyes = eyes
    this.#look(eyes.open.size > 0 ? Date.now() - BEFORE : performance.timeOrigin)
    eyes.sink = this.#sink
  }

  #end(): void {
    if (this.#eyes?.sink === this.#sink) this.#eyes.sink = undefined
    this.#eyes = undefined
    this.#flush()
  }

  #look(since: number): void {
    const eyes = this.#eyes!
    const { kernel } = this.#graft
    const roots = kernel.roots().flatMap(({ dir }) => (isAbsolute(dir) ? [dir] : kernel.locations().map((location) => join(location, dir))))
    const rows = [this.#graft.all("watched"), ...[...this.#boards.values()].map(({ board }) => board)].flatMap((board) => [...board])
    const { sights, leads } = (this.#plan = new Plan({ roots, kernel: kernel.watched(), rows }))
    const moved = ([path, lead]: [string, Lead]) => (eyes.leads.has(path) ? eyes.leads.get(path)!.to !== lead.to : lead.touched >= since)
    this.#tell([...leads].filter(moved).map(([path]) => path))
    eyes.leads = leads
    for (const eye of eyes.open.values()) if (!serves(eye, sights.get(eye.directory))) closeEye(eyes, eye)
    for (const [directory, sight] of sights) if (!eyes.open.has(directory)) openEye(eyes, directory, sight, since)
  }

  readonly #sink: Sink = {
    ignores: (eye, path) => ignores(eye.directory, eye, path),
    noticed: (eye, kind, path, stats) => this.#noticed(eye, kind, path, stats),
    ready: (eye) => {
      eye.ready = true
      // All may have changed before anybody looked.
      this.#reconcile(eye.directory)
      this.lookSoon()
    },
    failed: (eye, error) => this.#failed(eye, error),
  }

  #noticed(eye: Eye, kind: string, path: string, stats: Stats | undefined): void {
    const found = !eye.ready && (kind === "add" || kind === "addDir")
    if (found && (!stats || touched(stats) < eye.since)) return
    const { kernel, rows, hinge } = this.#plan.about(path)
    this.#tell(rows)
    if (found) return
    if (kernel) this.#reconcile(path)
    if (kind === "unlinkDir" && path === eye.directory) closeEye(this.#eyes!, eye)
    if (hinge || kind.endsWith("Dir") || (rows.length > 0 && kind !== "change")) this.lookSoon()
  }

  #reconcile(path: string): void {
    this.#graft.kernel.reconcile([path]).catch((error: unknown) => this.#graft.log.error(`${path} changed, and could not be compared: ${messageOf(error)}`))
  }

  #tell(paths: readonly string[]): void {
    if (paths.length === 0) return
    if (this.#told.size === 0) this.#graft.timeout(GATHER, () => this.#flush())
    for (const path of paths) this.#told.add(path)
    if (this.#told.size >= MOST) this.#flush()
  }

  #flush(): void {
    if (this.#told.size > 0) this.#graft.emit("watch.changed", { paths: [...this.#told] })
    this.#told.clear()
  }

  /** Where the system cannot tell, one looks by oneself, now and then. */
  #failed(eye: Eye, error: Error): void {
    if (eye.polling) return
    closeEye(this.#eyes!, eye)
    openEye(this.#eyes!, eye.directory, eye, Date.now() - BEFORE, true)
    if (this.#graft.state.value.warned) return
    this.#graft.state.update((draft) => { draft.warned = true })
    this.#graft.log.warn(`${eye.directory} ${whyBlind(error)}: it is looked at every ${POLL / 1_000} s instead, as may be others`)
  }
}

function serves(eye: Eye, sight: Sight | undefined): boolean {
  return sight !== undefined && sight.inode === eye.inode && sight.depth === eye.depth && [...sight.names].every((name) => eye.names.has(name))
}

export function whyBlind({ code, message }: Error & { code?: string }): string {
  if (code === "ENOSPC") return "cannot be watched: this system's limit of file watches is used up. Raise it (sudo sysctl fs.inotify.max_user_watches=524288) and start again; until then"
  if (code === "EMFILE" || code === "ENFILE") return "cannot be watched: too many files are open, or too many programs watch. Raise the limit (ulimit -n, or sudo sysctl fs.inotify.max_user_instances=512) and start again; until then"
  return `cannot be watched (${message})`
}
