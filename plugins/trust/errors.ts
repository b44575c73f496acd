/** What can be refused. `trust.unknown`: no such question is open; `trust.unwritable`, `trust.busy`: the file of what was agreed to. */
export class TrustError extends Error {
  readonly code: "trust.unknown" | "trust.unwritable" | "trust.busy"
  constructor(code: TrustError["code"], message: string) {
    super(message)
    this.code = code
  }
}
