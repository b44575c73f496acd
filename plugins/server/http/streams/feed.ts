/**
 * The live feed: a snapshot, then every fact that a client wants, each encoded once. Clients that want the same share
 * what they are told. Who was too slow for what is remembered, or comes back too late, is told so, and begins anew.
 */
import type { Graft, Meta } from "graft"
import type { Told } from "../../contract.ts"
import { Channel, type Chunk } from "./channel.ts"
import type { Connection } from "./connection.ts"
import { isFleeting, wantsFact, type Filter } from "./filter.ts"
import { frameOf } from "./frame.ts"
import { oldest, readRing, remember, type Ring } from "./ring.ts"
import { snapshotOf } from "./snapshot.ts"

/** Where a client is that has nothing: `NEW` wants a snapshot, `LATE` is told of a gap first. */
export const NEW = -1
export const LATE = -2

type Subject = Extract<Connection["subject"], { kind: "feed" }>
interface Group { readonly filter: Filter; readonly channel: Channel }

export class Feed {
  readonly #graft: Graft
  readonly #ring: Ring
  readonly #started: number
  readonly #groups = new Map<string, Group>()
  readonly #answering = new Set<Connection>()
  #face: (() => void) | undefined

  constructor(graft: Graft, ring: Ring, started: number) {
    this.#graft = graft
    this.#ring = ring
    this.#started = started
  }

  join(connection: Connection): void {
    const { filter, answers } = connection.subject as Subject
    const key = JSON.stringify(filter)
    let group = this.#groups.get(key)
    if (!group) this.#groups.set(key, (group = { filter, channel: this.#open(filter) }))
    group.channel.join(connection)
    if (!answers) return
    this.#answering.add(connection)
    this.#face ??= this.#graft.add("face", { id: "http", answers: true })
  }

  leave(connection: Connection): void {
    const key = JSON.stringify((connection.subject as Subject).filter)
    const channel = this.#groups.get(key)?.channel
    channel?.leave(connection)
    if (channel?.size === 0) {
      channel.stop()
      this.#groups.delete(key)
    }
    if (!this.#answering.delete(connection) || this.#answering.size > 0) return
    this.#face?.()
    this.#face = undefined
  }

  hear(payload: unknown, { event, by, at, location }: Meta): void {
    const told: Told = { event, payload, by, at, ...(location !== undefined && { location }) }
    const encode = (id?: string) => frameOf({ type: "fact", ...told }, id)
    if (isFleeting(event)) {
      const groups = [...this.#groups.values()].filter(({ filter }) => wantsFact(filter, told))
      const frame = groups.length > 0 ? encode() : undefined
      for (const { channel } of groups) channel.tell(frame!)
      return
    }
    const { n, frame } = remember(this.#ring, { event, ...(location !== undefined && { location }) }, encode)
    for (const { filter, channel } of this.#groups.values()) {
      if (wantsFact(filter, told)) channel.tell(frame, n)
      else channel.pass(n)
    }
  }

  /** With it a client that hears of nothing else knows where it is, too. */
  heartbeat({ at }: Connection): Buffer {
    return frameOf({ live: true, type: "heartbeat", at: Date.now() }, at < 0 ? undefined : `${this.#ring.id}:${at}`)
  }

  /** Everybody has, or will read, all that was told so far. */
  flush(): void { for (const { channel } of this.#groups.values()) channel.flush() }

  stop(): void {
    for (const { channel } of this.#groups.values()) channel.stop()
    this.#groups.clear()
  }

  #open(filter: Filter): Channel {
    let making: Promise<Chunk> | undefined
    /** Several that come at once share one; what happens meanwhile is told after it, so nothing is missed. */
    const snapshot = (): Promise<Chunk> => (making ??= this.#snapshot(filter).finally(() => { making = undefined }))
    return new Channel(this.#ring.n, {
      read: (after) => {
        if (after === NEW) return snapshot()
        const missed = oldest(this.#ring) - 1 - after
        if (missed > 0) return snapshot().then(({ bytes, to }) => ({ bytes: Buffer.concat([frameOf({ type: "gap", ...(after >= 0 && { missed }) }), bytes]), to }))
        const { frames, to } = readRing(this.#ring, after, (told) => wantsFact(filter, told))
        return { bytes: Buffer.concat(frames), to }
      },
      failed: (connection, error) => {
        this.#graft.log.warn("the live feed of a client ended:", error)
        connection.response.end()
      },
    })
  }

  async #snapshot(filter: Filter): Promise<Chunk> {
    const to = this.#ring.n
    const snapshot = await snapshotOf(this.#graft, this.#started, filter.location)
    return { bytes: frameOf({ type: "snapshot", snapshot }, `${this.#ring.id}:${to}`), to }
  }
}
