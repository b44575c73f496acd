/** What the log refuses. What the database refuses comes through with its own `store.*` code. */
export type EventLogErrorCode =
  | "eventlog.fenced" | "eventlog.owned" | "eventlog.replica" | "eventlog.divergent" | "eventlog.conflict"
  | "eventlog.unknown" | "eventlog.cursor" | "eventlog.invalid" | "eventlog.projection" | "eventlog.upcast"

export class EventLogError extends Error {
  readonly code: EventLogErrorCode
  constructor(code: EventLogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = "EventLogError"
    this.code = code
  }
}

export const unknownAggregate = (id: string) => new EventLogError("eventlog.unknown", `there is no aggregate "${id}" in this log`)
export const replicaOf = (id: string, owner: string) => new EventLogError("eventlog.replica", `"${id}" is a replica that ${owner} keeps: write to the original`)
