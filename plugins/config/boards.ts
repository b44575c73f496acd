/** Who knows which key: the sections of the process and of every project that is open, and whether all have come who could know one. */
import type { Board, Graft, Remove } from "graft"
import type { ConfigSection } from "./contract.ts"
import type { Sections } from "./scope.ts"
import type { ConfigState } from "./state.ts"

/** Milliseconds after which what has not come up is not waited for. */
const PATIENCE = 60_000

export class Boards {
  readonly #graft: Graft<ConfigState>
  readonly #changed: () => void
  readonly #open = new Map<string, { there: Graft; board: Board<ConfigSection>; stop: Remove }>()

  /** `changed` hears of every section that comes, goes, or is another one. */
  constructor(graft: Graft<ConfigState>, changed: () => void) {
    this.#graft = graft
    this.#changed = changed
  }

  /** The process's own. */
  follow(): void {
    this.#graft.all("configSection").onChange(this.#changed)
  }

  /** The projects that are open, each as its plugins see it. */
  projects(): Map<string, Graft> {
    return new Map([...this.#open].flatMap(([location, { there }]) => (this.isOpen(location) ? [[location, there]] : [])))
  }

  isOpen(location: string): boolean { return this.#graft.kernel.locations().includes(location) }

  /** True when it was not looked at before. `completed` is told when its plugins have come up. */
  async attach(location: string, completed: () => Promise<void>): Promise<boolean> {
    const graft = this.#graft
    if (this.#open.has(location) || !this.isOpen(location)) return false
    const there = await graft.at(location)
    // Looked at from outside: the config keeps no project open.
    there[Symbol.dispose]()
    if (this.#open.has(location) || graft.retiring.aborted) return false
    const board = there.all("configSection")
    this.#open.set(location, { there, board, stop: board.onChange(this.#changed) })
    graft.fork(async (signal) => {
      if (!graft.state.value.complete.includes(location)) await Promise.race([graft.kernel.settled(PATIENCE).catch(() => {}), aborted(signal)])
      if (this.judge(location)) await completed()
    })
    return true
  }

  detach(location: string): void {
    this.#open.get(location)?.stop()
    this.#open.delete(location)
    this.#graft.state.update((draft) => { draft.complete = draft.complete.filter((other) => other !== location) })
  }

  /** A project sees the process's sections among its own; the process knows what any project knows. */
  sections(location: string | undefined): Sections {
    const own = this.#graft.all("configSection")
    const boards = location === undefined ? [...[...this.#open.values()].map(({ board }) => board), own] : [this.#open.get(location)?.board ?? own]
    return new Map(boards.flatMap((board) => board.rows()).map((row) => [row.item.id, row]))
  }

  /** From now on a key that nobody knows is a mistake, unless a plugin is still on its way. True when that is news. */
  judge(location: string): boolean {
    const { kernel, state, retiring } = this.#graft
    const loading = kernel.inspect().realms.some((realm) => (realm.location === undefined || realm.location === location) && realm.plugins.some(({ status }) => status === "loading"))
    if (loading || retiring.aborted || !this.#open.has(location) || state.value.complete.includes(location)) return false
    state.update((draft) => { draft.complete.push(location) })
    return true
  }

  /** The ids of the plugins that there are; undefined while one may still come that knows more. */
  plugins(location: string | undefined): string[] | undefined {
    const { kernel, state } = this.#graft
    const { complete } = state.value
    if (location === undefined ? complete.length === 0 : !complete.includes(location)) return undefined
    return kernel.inspect().realms.filter((realm) => location === undefined || realm.location === undefined || realm.location === location).flatMap(({ plugins }) => plugins.map(({ id }) => id))
  }
}

const aborted = (signal: AbortSignal): Promise<void> => new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
