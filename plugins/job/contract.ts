import type { Notify } from "graft"
import type { Durable } from "../session/contract.ts"

export type JobSpec =
  | { kind: "shell"; command: string; directory: string; env?: Record<string, string> }
  | { kind: "subagent"; prompt: string; directory: string; agent?: string; model?: string; title?: string }
export type JobState = "opened" | "running" | "cancelling" | "settled"
/** `lost`: how it ended cannot be known. `not-started`: it certainly never ran. */
export type JobOutcome = "succeeded" | "failed" | "cancelled" | "lost" | "not-started"
/** What its end does to the session: goes along with the work at its next boundary, is work of its own, or is only told. */
export type JobDelivery = "steer" | "queue" | "inform"
export interface JobRequest {
  /** Chosen by who has to name it beforehand: `job_` and letters and digits, never used before. */
  id?: string
  spec: JobSpec
  title: string
  delivery: JobDelivery
  /** What an interrupt of the session does to it. Default keep. */
  onInterrupt?: "keep" | "cancel"
}
/** Which process: its number counts only with the same start of the system and the same start of its own. What it writes lies in `directory`. */
export interface JobHandle { pid: number; ticks: number; boot: string; directory: string }
export interface Job {
  id: string
  session: string
  title: string
  spec: JobSpec
  state: JobState
  delivery: JobDelivery
  onInterrupt: "keep" | "cancel"
  /** The call that asked for it. */
  origin?: { message: string; call: string }
  outcome?: JobOutcome
  exit?: number
  /** Session of a subagent. */
  child?: string
  /** What it wrote, once it is settled; the whole of it is the blob. */
  output?: { blob?: string; bytes: number }
  created: number
  settled?: number
}

export type ShellEnding = "exit" | "signal" | "deadline" | "interrupted" | "flood" | "lost" | "error"
/** How a person's command ended; `output` is bounded, and the whole is the blob. */
export interface ShellEnd { shell: string; ending: ShellEnding; exit?: number; output: string; blob?: string; bytes: number; milliseconds: number }

/**
 * Errors: `job.unknown`, `job.session` (no such session), `job.invalid` (what was asked makes no sense), `job.limit` (8 live
 * jobs a session), `job.depth` (subagents below subagents, at most 3), `job.busy` (a person's command while the session
 * works).
 */
export interface Jobs {
  /** The event that opens a job, ids allocated (job and the input that will deliver its end): the caller appends it together with what caused it, then calls start. */
  opening(session: string, request: JobRequest, origin?: { message: string; call: string }): Promise<JobFacts["job.opened"]>
  /** After job.opened is durable; idempotent. Resolves when it runs, or is known not to. */
  start(id: string): Promise<void>
  /** All three at once, for callers outside a turn. */
  open(session: string, request: JobRequest): Promise<Job>
  /** Latest first, at most 200. */
  list(query?: { session?: string; live?: boolean }): Promise<Job[]>
  get(id: string): Promise<Job | undefined>
  /** What it wrote from `after` on (bytes of a shell's output, events of a subagent); without `after` the end of it. `limit` in bytes, default 8,192. */
  tail(id: string, options?: { after?: number; limit?: number }): Promise<{ text: string; next: number; done: boolean }>
  /** Until it is settled; `signal` stops waiting, not the job. */
  wait(id: string, options?: { signal?: AbortSignal }): Promise<Job>
  /** False when it had ended before. */
  cancel(id: string, reason?: string): Promise<boolean>
  /** Runs a command that a person typed, in the session's directory, without a question. The model is told with the next prompt. */
  shell(session: string, command: string, options?: { signal?: AbortSignal; progress?(output: string): void }): Promise<ShellEnd>
}

export interface JobFacts {
  /** It has not run, and will at most once. */
  "job.opened": { job: string; title: string; spec: JobSpec; delivery: JobDelivery; onInterrupt: "keep" | "cancel"; input: string; origin?: { message: string; call: string } }
  /** Durable before its process may begin. */
  "job.started": { job: string; handle?: JobHandle; child?: string; owner: string }
  "job.cancel.requested": { job: string; reason?: string }
  /** `summary` is what the model is told, by the input that is admitted in the same commit. */
  "job.settled": { job: string; outcome: JobOutcome; exit?: number; blob?: string; bytes?: number; summary: string }
  /** A command that a person typed into the conversation; it becomes a message with this id. */
  "shell.started": { shell: string; command: string; directory: string }
  "shell.settled": ShellEnd
}

type Told = { [T in keyof JobFacts]: Notify<Durable<JobFacts[T]>> }

declare module "../session/contract.ts" {
  interface SessionFacts extends JobFacts {}
}
declare module "graft" {
  interface Services { job: Jobs }
  interface Events extends Told {}
}
