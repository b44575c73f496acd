/**
 * When states are kept: before the first call of a turn that may write, and when an activity ends that wrote. One at a
 * time, in the order of what happened. A call waits for its turn's state; without git, or when it takes too long, it goes
 * on, and later its files are not put back.
 */
import { lstatSync } from "node:fs"
import { join } from "node:path"
import { messageOf, type Graft } from "graft"
import type { Effect } from "../tool/contract.ts"
import { paths } from "../lib/paths.ts"
import type { Plan, Snapshots } from "./contract.ts"
import { spansOf, undo, type Course } from "./course.ts"
import { SnapshotError } from "./errors.ts"
import { make } from "./files.ts"
import { MARK, Repository } from "./repository.ts"

/** Sessions whose current activity wrote, by its number: its end is to be kept. */
export interface KeeperState { wrote: Record<string, number> }

const WRITES: readonly Effect[] = ["write", "run"]

export const makeKeeper = (graft: Graft<KeeperState>): Keeper => new Keeper(graft, new Repository(paths(graft.kernel.host.dataDir).data, graft.location!))

export class Keeper implements Snapshots {
  readonly #graft: Graft<KeeperState>
  readonly #repository: Repository
  readonly #location: string
  #queue: Promise<unknown> = Promise.resolve()
  #warmed = false
  #warned = false
  /** The turn of a session before which a state was taken. */
  readonly #taken = new Map<string, { turn: string; state: Promise<void> }>()

  constructor(graft: Graft<KeeperState>, repository: Repository) {
    this.#graft = graft
    this.#repository = repository
    this.#location = graft.location!
  }

  /** The first state is the slow one: it is taken while the first answer comes in, and later ones only look at what changed. */
  warm(): void {
    if (this.#warmed) return
    this.#warmed = true
    void this.#alone(async () => {
      await this.#repository.take()
      await this.#repository.tidy()
    }).catch((error: unknown) => this.#complain(error))
  }

  async before(session: string, name: string): Promise<void> {
    const effects = this.#graft.all("tool").get(name)?.effects
    if (effects && !effects.some((effect) => WRITES.includes(effect))) return
    const { activities } = await this.#graft.session.describe(session)
    const latest = activities.at(-1)
    if (!latest) return
    const activity = Number(latest.id.slice(1))
    const turn = `${activity}.${latest.turns}`
    let taken = this.#taken.get(session)
    if (taken?.turn !== turn) {
      taken = { turn, state: this.#alone(() => this.#keep(session, turn, true)).catch((error: unknown) => this.#complain(error)) }
      this.#taken.set(session, taken)
      this.#graft.state.update((draft) => { draft.wrote[session] = activity })
    }
    await taken.state
  }

  /** Held: a process that ends after its work ends after this. */
  ended(session: string): void {
    const activity = this.#graft.state.value.wrote[session]
    if (activity === undefined) return
    this.#taken.delete(session)
    this.#graft.state.update((draft) => { delete draft.wrote[session] })
    this.#graft.fork(() => this.#alone(() => this.#keep(session, `${activity}.end`, false)).catch((error: unknown) => this.#complain(error)), { hold: true })
  }

  forget(session: string): void {
    this.#taken.delete(session)
    void this.#alone(() => this.#repository.forget(session)).catch((error: unknown) => this.#complain(error))
  }

  plan(session: string, from: { activity: number; turn: number }): Promise<Plan> {
    return this.#alone(async () => {
      const repository = this.#repository
      const { tree } = await repository.take()
      const courses: Course[] = []
      for (const { before, after } of spansOf(await repository.states(session), from, tree)) courses.push({ before, changes: await repository.changes(before.tree, after) })
      const { put, kept } = undo(courses, await repository.files(tree), MARK, (path, at) => this.#bornBefore(path, at))
      if (put.size === 0) return { files: [], kept }
      const wanted = await repository.derive(session, tree, put)
      return { snapshot: `${tree}:${wanted}`, files: [...put.keys()].sort(), kept }
    })
  }

  apply(snapshot: string, way: "there" | "back"): Promise<{ files: string[]; kept: string[] }> {
    return this.#alone(async () => {
      const repository = this.#repository
      const [, before, after] = /^([0-9a-f]{40}):([0-9a-f]{40})$/.exec(snapshot) ?? []
      await repository.open()
      if (!before || !after || !(await repository.has(before)) || !(await repository.has(after))) throw new SnapshotError("snapshot.unknown", "what was done to files is not kept any more, or not here: they are left as they are")
      const changes = await (way === "there" ? repository.changes(before, after) : repository.changes(after, before))
      return make(repository, this.#location, changes)
    })
  }

  async #keep(session: string, name: string, only: boolean): Promise<void> {
    await this.#repository.name(session, name, await this.#repository.take(), only)
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => {})
    return done
  }

  #bornBefore(path: string, at: number): boolean {
    const status = lstatSync(join(this.#location, path), { throwIfNoEntry: false })
    return status !== undefined && status.birthtimeMs < at
  }

  /** Once: a project without git needs no reminder at every turn. */
  #complain(error: unknown): void {
    if (this.#warned) return
    this.#warned = true
    if ((error as { code?: unknown }).code === "snapshot.unable") this.#graft.log.debug(`files are not kept: ${messageOf(error)}`)
    else this.#graft.log.warn("what files hold could not be kept:", error)
  }
}
