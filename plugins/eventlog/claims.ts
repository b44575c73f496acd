/**
 * Who works on an aggregate. A claim is a new epoch, and the epoch is the fence: nothing of an earlier one is appended
 * again, also when its owner was only asleep. Whether an owner is alive only decides who may claim, never who may append.
 */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import type { Graft } from "graft"
import type { Store } from "../store/contract.ts"
import { EventLogError, replicaOf, unknownAggregate } from "./errors.ts"
import { CLAIM } from "./tables.ts"

/** Claims that may be snatched away between the look and the attempt before this one gives up. */
const TRIES = 5
/** Milliseconds after the first claim at which the remains of dead processes are cleared away, and how many at once. */
const SWEEP = 10_000
const SWEPT = 100

/** Sortable by start, and never used again. */
export const newRuntime = (): string => `rt_${Date.now().toString(36).padStart(9, "0")}${randomBytes(6).toString("hex")}`

export class Claims {
  readonly #graft: Graft
  readonly #store: Store
  readonly #runtime: string
  readonly #ready: () => Promise<void>
  /** Others can see whether this process lives; and there is a row that says who it is. */
  #visible = false
  #written = false

  constructor(graft: Graft, runtime: string, ready: () => Promise<void>) {
    this.#graft = graft
    this.#store = graft.store
    this.#runtime = runtime
    this.#ready = ready
  }

  async claim(aggregate: string, owner: string): Promise<{ epoch: number }> {
    await this.#ready()
    if (owner === this.#runtime) await this.#becomeVisible()
    let holder: string | null = null
    for (let n = 0; n < TRIES; n++) {
      const row = await this.#store.get<{ owner: string | null; replay_owner: string | null }>("SELECT owner, replay_owner FROM aggregate WHERE id = ?", [aggregate])
      if (!row) throw unknownAggregate(aggregate)
      if (row.replay_owner !== null) throw replicaOf(aggregate, row.replay_owner)
      holder = row.owner
      if (holder !== null && holder !== owner && (await this.#isAlive(holder))) break
      const introduce = owner === this.#runtime && !this.#written
      const claimed = await this.#store.write((tx) => {
        if (introduce) tx.run("INSERT INTO runtime (id, pid, host, started) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", [owner, process.pid, hostname(), Date.now()])
        return tx.get<{ epoch: number }>(CLAIM, [owner, aggregate, owner, holder])
      })
      this.#written ||= introduce
      if (claimed) return claimed
    }
    throw new EventLogError("eventlog.owned", `"${aggregate}" is being worked on by another process (${await this.#describe(holder)}): wait until it is done, or end it`)
  }

  async release(aggregate: string, epoch: number): Promise<void> {
    await this.#ready()
    await this.#store.write((tx) => tx.run("UPDATE aggregate SET owner = NULL WHERE id = ? AND epoch = ?", [aggregate, epoch]))
  }

  async #becomeVisible(): Promise<void> {
    if (this.#visible) return
    if (!(await this.#store.hold(this.#runtime))) throw new EventLogError("eventlog.owned", `the name ${this.#runtime} of this process is held by another one`)
    if (!this.#visible && !this.#graft.retiring.aborted) this.#graft.timeout(SWEEP, () => this.#sweep())
    this.#visible = true
  }

  async #isAlive(owner: string): Promise<boolean> {
    return /^rt_\w+$/.test(owner) && (await this.#store.isHeld(owner))
  }

  async #describe(owner: string | null): Promise<string> {
    const row = await this.#store.get<{ pid: number; host: string }>("SELECT pid, host FROM runtime WHERE id = ?", [owner])
    return row ? `process ${row.pid} on ${row.host}` : String(owner)
  }

  /** Of processes that are gone and own nothing. */
  async #sweep(): Promise<void> {
    const rows = await this.#store.all<{ id: string }>("SELECT id FROM runtime WHERE id <> ? AND id NOT IN (SELECT owner FROM aggregate WHERE owner IS NOT NULL) LIMIT ?", [this.#runtime, SWEPT])
    const dead: string[] = []
    for (const { id } of rows) if (!(await this.#isAlive(id))) dead.push(id)
    if (dead.length > 0) await this.#store.write((tx) => tx.run("DELETE FROM runtime WHERE id IN (SELECT value FROM json_each(?))", [JSON.stringify(dead)]))
  }
}
