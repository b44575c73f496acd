/**
 * The lookout: opens eyes where the plan wants them, tells the kernel which of its files moved, and the owners of rows
 * which of theirs. What a change means is not decided here: the kernel compares by hash, owners by content.
 */
import type { Stats } from "node:fs"
import { isAbsolute, join } from "node:path"
import { messageOf, type Board, type Graft, type Remove } from "graft"
import type { Watched } from "./contract.ts"
import { closeEye, closeEyes, makeEyes, openEye, POLL, SHAPE, type Eye, type Eyes, type Sink } from "./eyes.ts"
import { ignores, leadOf, Plan, type Lead, type Sight } from "./plan.ts"
import { touched, trace } from "./trace.ts"

/** What a generation leaves to the next: was it waked, and did it say that some eyes are bad? */
export interface WatchState { awake: boolean; warned: boolean }

/** Milliseconds in which whoever asked for the first look goes first. */
const AFTER = 100
/** Milliseconds in which what happens to rows is gathered into one event, and how many paths one event holds. */
const GATHER = 30
const MOST = 1_000
/** Milliseconds by which the times of files may be behind the clock. */
const BEHIND = 20

export class Lookout {
  readonly #graft: Graft<WatchState>
  readonly #boards = new Map<string, { board: Board<Watched>; stop: Remove }>()
  readonly #told = new Set<string>()
  /** Rows that were asked for since it was last looked: what becomes of them meanwhile is news. */
  readonly #asked = new Map<string, { lead: Lead; at: number }>()
  #eyes: Eyes | undefined
  #plan = new Plan({ roots: [], kernel: [], rows: [] })
  #queued = false

  constructor(graft: Graft<WatchState>) {
    this.#graft = graft
    graft.retiring.addEventListener("abort", () => this.#end(), { once: true })
  }

  /** In setup, when a generation before this one had been waked: its eyes see for this one from the commit on. */
  async takeOver(): Promise<void> {
    for (const location of this.#graft.kernel.locations()) await this.follow(location)
    const eyes = this.#graft.state.value.awake ? await this.#keep() : undefined
    this.#graft.onCommit(() => (eyes ? this.#begin(eyes) : this.ask()))
  }

  /** Shortly. Once is enough. */
  wake(): void {
    if (this.#graft.state.value.awake) return
    this.#graft.state.update((draft) => { draft.awake = true })
    this.#graft.timeout(AFTER, async () => this.#begin(await this.#keep()))
  }

  /** There may be new rows. */
  ask(): void {
    for (const { path } of this.#rows()) if (!this.#asked.has(path) && !this.#eyes?.leads.has(path)) this.#asked.set(path, { lead: leadOf(trace(path)), at: Date.now() })
    this.lookSoon()
  }

  /** What is wished for, or what is there, may be something else now. */
  lookSoon(): void {
    if (!this.#eyes || this.#queued) return
    this.#queued = true
    this.#graft.timeout(0, () => {
      this.#queued = false
      this.#look()
    })
  }

  /** A project's rows are seen only from its realm. */
  async follow(location: string): Promise<void> {
    if (!this.#graft.kernel.locations().includes(location)) return
    using there = await this.#graft.at(location)
    if (this.#boards.has(location)) return
    const board = there.all("watched")
    this.#boards.set(location, { board, stop: board.onChange(() => this.ask()) })
    this.ask()
  }

  unfollow(location: string): void {
    this.#boards.get(location)?.stop()
    this.#boards.delete(location)
    this.lookSoon()
  }

  #keep(): Promise<Eyes> { return this.#graft.keep("eyes", SHAPE, makeEyes, closeEyes) }

  #begin(eyes: Eyes): void {
    this.#eyes = eyes
    this.#look()
    eyes.sink = this.#sink
  }

  #end(): void {
    if (this.#eyes?.sink === this.#sink) this.#eyes.sink = undefined
    this.#eyes = undefined
    this.#flush()
  }

  #rows(): Watched[] { return [this.#graft.all("watched"), ...[...this.#boards.values()].map(({ board }) => board)].flatMap((board) => [...board]) }

  #look(): void {
    const eyes = this.#eyes!
    const { kernel } = this.#graft
    const roots = kernel.roots().flatMap(({ dir }) => (isAbsolute(dir) ? [dir] : kernel.locations().map((location) => join(location, dir))))
    const { sights, leads } = (this.#plan = new Plan({ roots, kernel: kernel.watched(), rows: this.#rows() }))
    this.#tell([...leads].filter(([path, lead]) => this.#isNews(eyes.leads.get(path), path, lead)).map(([path]) => path))
    const since = Math.min(Date.now(), ...[...this.#asked.values()].map(({ at }) => at)) - BEHIND
    this.#asked.clear()
    eyes.leads = leads
    for (const eye of eyes.open.values()) if (!serves(eye, sights.get(eye.directory))) closeEye(eyes, eye)
    for (const [directory, sight] of sights) if (!eyes.open.has(directory)) openEye(eyes, directory, sight, since)
  }

  /** Once there are eyes on it, they tell of its bytes. */
  #isNews(known: Lead | undefined, path: string, { to, touched }: Lead): boolean {
    if (known) return known.to !== to
    const asked = this.#asked.get(path)?.lead
    return asked !== undefined && (asked.to !== to || asked.touched !== touched)
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
    openEye(this.#eyes!, eye.directory, eye, Date.now() - BEHIND, true)
    if (this.#graft.state.value.warned) return
    this.#graft.state.update((draft) => { draft.warned = true })
    this.#graft.log.warn(`${eye.directory} ${whyBlind(error)}: it is looked at every ${POLL / 1_000} s instead, as may be others`)
  }
}

function serves(eye: Eye, sight: Sight | undefined): boolean {
  return sight !== undefined && sight.inode === eye.inode && sight.depth === eye.depth && [...sight.names].every((name) => eye.names.has(name))
}

function whyBlind({ code, message }: Error & { code?: string }): string {
  if (code === "ENOSPC") return "cannot be watched: this system's limit of file watches is used up. Raise it (sudo sysctl fs.inotify.max_user_watches=524288) and start again; until then"
  if (code === "EMFILE" || code === "ENFILE") return "cannot be watched: too many files are open, or too many programs watch. Raise the limit (ulimit -n, or sudo sysctl fs.inotify.max_user_instances=512) and start again; until then"
  return `cannot be watched (${message})`
}
