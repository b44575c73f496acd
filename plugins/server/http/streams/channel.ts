/**
 * Everybody who is told the same: what comes in one turn of the loop is joined into one buffer, which all of them share.
 * Who is slow falls out of step and reads what is stored, at its own pace, until it is level again; so a slow client
 * costs nobody anything, and nothing of it is lost.
 */
import { BACKLOG, drained, isOpen, type Connection } from "./connection.ts"

/** Bytes after which a batch is not kept waiting for the end of the turn. */
const BATCH = 262_144

/** What is stored after a place: some of it, and the place of its last. */
export interface Chunk { bytes: Buffer; to: number }
export interface Source {
  read(after: number): Chunk | Promise<Chunk>
  /** Said once, when a client has caught up. */
  level?(at: number): Buffer
  failed(connection: Connection, error: unknown): void
}

interface Said { frame: Buffer; place: number | undefined }

export class Channel {
  readonly #source: Source
  readonly #stop = new AbortController()
  readonly #members = new Set<Connection>()
  readonly #level = new Set<Connection>()
  #batch: Said[] = []
  #bytes = 0
  #pending: NodeJS.Immediate | undefined
  /** Places of the last that was told, and of the last that was written to those who are level. */
  #head: number
  #written: number

  constructor(head: number, source: Source) {
    this.#head = this.#written = head
    this.#source = source
  }

  get members(): Iterable<Connection> { return this.#members }
  get size(): number { return this.#members.size }

  join(connection: Connection): void {
    this.#members.add(connection)
    void this.#catchUp(connection)
  }

  leave(connection: Connection): void {
    this.#members.delete(connection)
    this.#level.delete(connection)
  }

  /** `place` is absent for what is not stored. */
  tell(frame: Buffer, place?: number): void {
    if (place !== undefined) this.#head = place
    if (this.#level.size === 0 && this.#batch.length === 0) return void (this.#written = this.#head)
    this.#batch.push({ frame, place })
    this.#bytes += frame.length
    if (this.#bytes >= BATCH) this.flush()
    else this.#pending ??= setImmediate(() => this.flush())
  }

  /** Something was told that is of no interest here. */
  pass(place: number): void {
    this.#head = place
    if (this.#batch.length === 0) this.#written = place
  }

  flush(): void {
    clearImmediate(this.#pending)
    this.#pending = undefined
    const from = this.#written
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    this.#written = this.#head
    const whole = batch.length > 0 ? join(batch) : undefined
    for (const connection of this.#level) {
      // What passed meanwhile was of no interest to it.
      if (connection.at < from) connection.at = from
      if (whole && !this.#write(connection, connection.at === from ? whole : join(batch.filter(({ place }) => place !== undefined && place > connection.at)))) continue
      connection.at = Math.max(connection.at, this.#written)
    }
  }

  /** False: it is too slow, and reads for itself from here. */
  #write(connection: Connection, bytes: Buffer): boolean {
    const { response } = connection
    const keepsUp = response.writableLength <= BACKLOG
    if (!keepsUp) {
      this.#level.delete(connection)
      void this.#catchUp(connection)
    } else if (bytes.length > 0) response.write(bytes)
    return keepsUp
  }

  /** Nobody is told anything more from here; each member knows where it is. */
  stop(): void {
    this.flush()
    this.#stop.abort()
    this.#level.clear()
  }

  async #catchUp(connection: Connection): Promise<void> {
    const { signal } = this.#stop
    const over = () => signal.aborted || !this.#members.has(connection) || !isOpen(connection)
    try {
      for (;;) {
        await drained(connection, signal)
        if (over()) return
        if (connection.at >= this.#written) break
        const { bytes, to } = await this.#source.read(connection.at)
        if (over()) return
        if (to <= connection.at) throw new Error(`nothing is stored between ${connection.at} and ${this.#written}`)
        if (bytes.length > 0) connection.response.write(bytes)
        connection.at = to
      }
      this.#level.add(connection)
      if (connection.synced) return
      connection.synced = true
      const level = this.#source.level?.(connection.at)
      if (level) connection.response.write(level)
    } catch (error) {
      if (!over()) this.#source.failed(connection, error)
    }
  }
}

const join = (batch: readonly Said[]): Buffer => (batch.length === 1 ? batch[0]!.frame : Buffer.concat(batch.map(({ frame }) => frame)))
