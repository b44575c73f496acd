/** What the log refuses. What the database refuses comes through with its own `store.*` code. */
export type EventLogErrorCode =
  | "eventlog.fenced" | "eventlog.owned" | "eventlog.replica" | "eventlog.divergent" | "eventlog.conflict"
  | "eventlog.gap" | "eventlog.corrupt" | "eventlog.unknown" | "eventlog.cursor" | "eventlog.invalid" | "eventlog.projection" | "eventlog.upcast"

export class EventLogError extends Error {
  readonly code: EventLogErrorCode
  /** The event that it is about, where it is about one. */
  declare readonly seq?: number
  constructor(code: EventLogErrorCode, message: string, options?: ErrorOptions & { seq?: number }) {
    super(message, options)
    this.name = "EventLogError"
    this.code = code
    if (options?.seq !== undefined) this.seq = options.seq
  }
}

export const unknownAggregate = (id: string) => new EventLogError("eventlog.unknown", `there is no aggregate "${id}" in this log`)
export const replicaOf = (id: string, owner: string) => new EventLogError("eventlog.replica", `"${id}" is a replica that ${owner} keeps: write to the original`)
export const corrupt = (id: string, seq: number, what: string) => new EventLogError("eventlog.corrupt", `event ${seq} of "${id}" cannot be read: ${what}. What stands before it can; older states of the database may be in its backups`, { seq })
