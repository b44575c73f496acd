/** What can be wrong with a request about a session. */
export type SessionErrorCode =
  | "session.unknown" | "session.conflict" | "session.full" | "session.refused" | "session.directory" | "session.empty" | "session.invalid"
  | "session.attachment" | "session.busy" | "session.nothing" | "session.damaged" | "session.import"

export class SessionError extends Error {
  readonly code: SessionErrorCode
  constructor(code: SessionErrorCode, message: string) {
    super(message)
    this.name = "SessionError"
    this.code = code
  }
}
