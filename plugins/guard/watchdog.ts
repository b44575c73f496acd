/**
 * The watchdog: a thread that notices when the main one gives no sign of life, and a marker for the next start. Both are
 * there only while somebody is at work and something runs that is not as it was shipped; they outlive a reload.
 */
import { createHash } from "node:crypto"
import type { Worker } from "node:worker_threads"
import type { Graft } from "graft"
import { aliveMarker, ownMarker, tidy } from "../lib/quarantine.ts"
import { openDeathbed, type Deathbed } from "./deathbed.ts"
import { roster } from "./roster.ts"
import { thread, type FromThread, type Orders, type ToThread } from "./thread.ts"

export interface GuardOptions { /** Milliseconds without a sign of life. */ stall: number }
export interface GuardState { working: boolean; watching: boolean }

interface Dog { readonly worker: Worker; heard: ((said: string) => void) | undefined }

/** Milliseconds of work between two signs of life that make it worth to look again soon. */
const BUSY = 5
const TEXT = `(${thread})()`

export class Watchdog {
  readonly #graft: Graft<GuardState, GuardOptions>
  readonly #data: string
  #held: { dog: Dog; deathbed: Deathbed } | undefined
  #queued = false

  constructor(graft: Graft<GuardState, GuardOptions>, data: string) {
    this.#graft = graft
    this.#data = data
  }

  /** In setup, when a generation before this one was watching. */
  async takeOver(): Promise<void> {
    if (!this.#graft.state.value.watching) return
    const held = await this.#acquire()
    this.#graft.onCommit(() => this.#attach(held))
  }

  /** Somebody is at work: look soon again. */
  work(): void {
    this.#post("awake")
    if (this.#graft.state.value.working) return
    this.#graft.state.update((draft) => { draft.working = true })
    this.changed()
  }

  /** Other plugins are live now. */
  changed(): void {
    if (!this.#graft.state.value.working || this.#queued) return
    this.#queued = true
    this.#graft.timeout(0, async () => {
      this.#queued = false
      const members = roster(this.#graft)
      if (!this.#held && members.some(({ stranger, gen }) => stranger || gen > 1)) await this.#start()
      if (this.#held) this.#held.deathbed.members = members
      this.#post({ members })
    })
  }

  async #start(): Promise<void> {
    // Under a debugger the main thread stands still because somebody wants it to.
    if ((await import("node:inspector")).url() !== undefined) return
    tidy(this.#data)
    const held = await this.#acquire()
    this.#graft.state.update((draft) => { draft.watching = true })
    this.#attach(held)
  }

  /** The thread first: it ends first, and writes no marker after the last one was taken away. */
  async #acquire(): Promise<{ dog: Dog; deathbed: Deathbed }> {
    const { keep, options: { stall } } = this.#graft
    const marker = ownMarker(this.#data)
    const version = createHash("sha256").update(TEXT).digest("hex").slice(0, 8)
    const dog = await keep("thread", `${version} ${stall} ms`, () => startDog(stall, marker), async ({ worker }) => void (await worker.terminate()))
    return { dog, deathbed: await keep("marker", marker, () => openDeathbed(this.#data), (held) => held.close()) }
  }

  #attach(held: { dog: Dog; deathbed: Deathbed }): void {
    this.#held = held
    held.dog.heard = (said) => this.#graft.log.warn(said)
    this.changed()
  }

  #post(message: ToThread): void { this.#held?.dog.worker.postMessage(message) }
}

async function startDog(stall: number, path: string): Promise<Dog> {
  const { Worker } = await import("node:worker_threads")
  const beats = new Int32Array(new SharedArrayBuffer(8))
  const worker = new Worker(TEXT, { eval: true, name: "graft watchdog", workerData: { beats, stall, path, marker: aliveMarker() } satisfies Orders, env: {}, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 } })
  const dog: Dog = { worker, heard: undefined }
  let { active } = performance.eventLoopUtilization()
  worker.on("message", (message: FromThread) => {
    if (message !== "ping") return dog.heard?.(message.said)
    const now = performance.eventLoopUtilization().active
    Atomics.store(beats, 1, Number(now - active > BUSY))
    active = now
    Atomics.add(beats, 0, 1)
  })
  worker.on("error", (error) => dog.heard?.(`nobody watches for stalls any more: ${error.message}`))
  worker.unref()
  return dog
}
