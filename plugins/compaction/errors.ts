/** `compaction.nothing`: too little to fold. `compaction.larger`: no summary is smaller than what it stands for. `compaction.failed`: it was stopped. */
export class CompactionError extends Error {
  readonly code: "compaction.nothing" | "compaction.larger" | "compaction.failed"
  constructor(code: CompactionError["code"], message: string) {
    super(message)
    this.name = "CompactionError"
    this.code = code
  }
}
