/** What a kind of job can be asked to do: its keeper knows no more of it. */
import type { JobHandle } from "./contract.ts"
import type { Seen } from "./decide.ts"
import type { Kept } from "./rows.ts"
import type { Result } from "./summary.ts"

/** Ready, and nothing has run. `go` is called after `job.started` is durable; `drop` when that was refused. */
export interface Prepared { handle?: JobHandle; child?: string; go(): Promise<void>; drop(): void }

export interface Work {
  prepare(job: Kept): Promise<Prepared>
  look(job: Kept): Promise<Seen>
  /** Until it is worth while to look again, or the signal. */
  changed(job: Kept, signal: AbortSignal): Promise<void>
  /** Ends all of it; bounded. */
  stop(job: Kept): Promise<void>
  /** What it leaves, once it has ended. */
  result(job: Kept): Promise<Result>
  tail(job: Kept, page: { after?: number; limit: number }): Promise<{ text: string; next: number; done: boolean }>
}
