/**
 * What other processes append. While somebody follows the log the -wal file is watched; whether anybody else committed
 * is what `data_version` says. A slow look now and then makes up for a watch that the system could not give.
 */
import { watch, type FSWatcher } from "node:fs"
import type { Graft } from "graft"

/** Milliseconds. The file changes before the commit can be seen, and the fsync lies in between. */
const LOOKS = [0, 5, 25, 125]
const SLOW = 2_000

export class ForeignWriters {
  readonly #graft: Graft
  readonly #ring: () => void
  #followers = 0
  #watching: Promise<() => void> | undefined

  constructor(graft: Graft, ring: () => void) {
    this.#graft = graft
    this.#ring = ring
  }

  /** Every commit from here on rings. */
  async join(): Promise<void> {
    this.#followers++
    try {
      await (this.#watching ??= this.#watch())
    } catch (error) {
      this.leave()
      throw error
    }
  }

  leave(): void {
    if (--this.#followers > 0) return
    this.#watching?.then((stop) => stop(), () => {})
    this.#watching = undefined
  }

  async #watch(): Promise<() => void> {
    const { store } = this.#graft
    const version = async () => (await store.get<{ data_version: number }>("PRAGMA data_version"))!.data_version
    const { file } = await store.info()
    let known = await version()
    let stopped = false
    let look = 0
    let looking = false
    let cancel = () => {}
    const check = async () => {
      const now = await version()
      if (now === known || stopped) return
      known = now
      this.#ring()
    }
    const lookSoon = () => {
      looking = look < LOOKS.length && !stopped && !this.#graft.retiring.aborted
      if (!looking) return
      cancel = this.#graft.timeout(LOOKS[look++]!, () => check().finally(lookSoon))
    }
    const changed = () => {
      look = 0
      if (!looking) lookSoon()
    }
    const remove = this.#graft.retiring.aborted ? () => {} : this.#graft.every(SLOW, check)
    const watcher = watchFile(`${file}-wal`, changed)
    return () => {
      stopped = true
      cancel()
      remove()
      watcher?.close()
    }
  }
}

/** Where the system has no more watches to give, the slow look is all there is. */
function watchFile(file: string, changed: () => void): FSWatcher | undefined {
  try {
    return watch(file, { persistent: false }, changed).on("error", () => {})
  } catch {
    return undefined
  }
}
