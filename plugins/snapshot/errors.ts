/** What can be wrong with snapshots. */
export type SnapshotErrorCode = "snapshot.unable" | "snapshot.git" | "snapshot.unknown"

export class SnapshotError extends Error {
  readonly code: SnapshotErrorCode
  constructor(code: SnapshotErrorCode, message: string) {
    super(message)
    this.name = "SnapshotError"
    this.code = code
  }
}
