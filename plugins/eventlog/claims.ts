/**
 * Who works on an aggregate. A claim is a new epoch, and the epoch is the fence: nothing of an earlier one is appended
 * again, also when its owner was only asleep. Whether an owner is alive only decides who may claim, never who may append.
 */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import type { Graft } from "graft"
import type { Store, Tx } from "../store/contract.ts"
import { isText } from "./append.ts"
import { EventLogError, replicaOf, unknownAggregate } from "./errors.ts"
import { CLAIM, CLAIM_REPLAY, CREATE } from "./tables.ts"

/** Claims that may be snatched away between the look and the attempt before this one gives up. */
const TRIES = 5
/** Milliseconds after the first claim at which the remains of dead processes are cleared away, and how many at once. */
const SWEEP = 10_000
const SWEPT = 100

/** Sortable by start, and never used again. */
export const newRuntime = (): string => `rt_${Date.now().toString(36).padStart(9, "0")}${randomBytes(6).toString("hex")}`

/** Of others it cannot be seen whether they live. */
const isRuntime = (owner: string): boolean => /^rt_\w+$/.test(owner)
const HELD = "SELECT key, coalesce(owner, replay_owner) AS holder FROM aggregate WHERE id = ?"

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
      const claimed = await this.#introduced(owner, (tx) => tx.get<{ epoch: number }>(CLAIM, [owner, aggregate, owner, holder]))
      if (claimed) return claimed
    }
    throw await this.#owned(aggregate, holder)
  }

  async release(aggregate: string, epoch: number): Promise<void> {
    await this.#ready()
    await this.#store.write((tx) => tx.run("UPDATE aggregate SET owner = NULL WHERE id = ? AND epoch = ?", [aggregate, epoch]))
  }

  /** The same for who keeps a replica: nobody works on what somebody replicates. */
  async claimReplay(aggregate: string, owner: string, create?: { kind: string; logId: string }): Promise<void> {
    if (!isText(aggregate) || !isText(owner) || (create && !(isText(create.kind) && /^[\w-]{1,64}$/.test(create.logId)))) throw new EventLogError("eventlog.invalid", `the claim of ${JSON.stringify(aggregate)} as a replica: names are texts, and that of a log is letters, digits, "_" and "-"`)
    await this.#ready()
    if (owner === this.#runtime) await this.#becomeVisible()
    let holder: string | null = null
    for (let n = 0; n < TRIES; n++) {
      const row = await this.#store.get<{ log: string; owner: string | null; replay_owner: string | null }>("SELECT log, owner, replay_owner FROM aggregate WHERE id = ?", [aggregate])
      if (!row && !create) throw unknownAggregate(aggregate)
      if (row && create && row.log !== create.logId) throw new EventLogError("eventlog.divergent", `there is another "${aggregate}" in this log, which is no copy of that one: remove it first, or choose another id`)
      holder = row?.owner ?? row?.replay_owner ?? null
      if (holder !== null && row?.replay_owner !== owner && (!isRuntime(holder) || (await this.#isAlive(holder)))) break
      const claimed = await this.#introduced(owner, (tx) => {
        if (create) tx.run(CREATE, [aggregate, create.kind, create.logId, Date.now()])
        return tx.get(CLAIM_REPLAY, [owner, aggregate, create?.logId ?? null, holder])
      })
      if (claimed) return
    }
    throw await this.#owned(aggregate, holder)
  }

  async releaseReplay(aggregate: string, owner: string): Promise<void> {
    await this.#ready()
    await this.#store.write((tx) => tx.run("UPDATE aggregate SET replay_owner = NULL WHERE id = ? AND replay_owner = ?", [aggregate, owner]))
  }

  /** Takes an aggregate away, unless somebody else works on it; `forget` does the same, in the transaction, to what was made of it. */
  async remove(aggregate: string, forget: (tx: Tx) => void): Promise<void> {
    await this.#ready()
    for (let n = 0; n < TRIES; n++) {
      const row = await this.#store.get<{ key: number; holder: string | null }>(HELD, [aggregate])
      if (!row) throw unknownAggregate(aggregate)
      if (row.holder !== null && row.holder !== this.#runtime && (await this.#isAlive(row.holder))) throw await this.#owned(aggregate, row.holder)
      const removed = await this.#store.write((tx) => {
        const now = tx.get<{ key: number; holder: string | null }>(HELD, [aggregate])
        if (now?.key !== row.key || now.holder !== row.holder) return false
        tx.run("DELETE FROM event WHERE aggregate = ?", [row.key])
        tx.run("DELETE FROM command WHERE aggregate = ?", [row.key])
        forget(tx)
        tx.run("DELETE FROM aggregate WHERE key = ?", [row.key])
        return true
      })
      if (removed) return
    }
    throw new EventLogError("eventlog.owned", `"${aggregate}" changes hands all the time: try again when nobody works on it`)
  }

  /** Runs in one transaction with the row that tells who this process is. */
  async #introduced<T>(owner: string, work: (tx: Tx) => T): Promise<T> {
    const introduce = owner === this.#runtime && !this.#written
    const done = await this.#store.write((tx) => {
      if (introduce) tx.run("INSERT INTO runtime (id, pid, host, started) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", [owner, process.pid, hostname(), Date.now()])
      return work(tx)
    })
    this.#written ||= introduce
    return done
  }

  async #owned(aggregate: string, holder: string | null): Promise<EventLogError> {
    return new EventLogError("eventlog.owned", `"${aggregate}" is being worked on by another process (${await this.#describe(holder)}): wait until it is done, or end it`)
  }

  async #becomeVisible(): Promise<void> {
    if (this.#visible) return
    if (!(await this.#store.hold(this.#runtime))) throw new EventLogError("eventlog.owned", `the name ${this.#runtime} of this process is held by another one`)
    if (!this.#visible && !this.#graft.retiring.aborted) this.#graft.timeout(SWEEP, () => this.#sweep())
    this.#visible = true
  }

  async #isAlive(owner: string): Promise<boolean> {
    return isRuntime(owner) && (await this.#store.isHeld(owner))
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
