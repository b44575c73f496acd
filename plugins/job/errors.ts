/** What can be wrong with a request about a job. */
export type JobErrorCode = "job.unknown" | "job.session" | "job.invalid" | "job.limit" | "job.depth" | "job.busy"

export class JobError extends Error {
  readonly code: JobErrorCode
  constructor(code: JobErrorCode, message: string) {
    super(message)
    this.name = "JobError"
    this.code = code
  }
}

export const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code
/** Of a plugin that is away for a moment, or of the disk. */
export const isPassing = (error: unknown): boolean => /^(Unavailable|Retired|Moved|Timeout|store\.|eventlog\.)/.test(String(codeOf(error)))
/** Somebody else moved it in between: look again. */
export const isConflict = (error: unknown): boolean => codeOf(error) === "store.conflict"
