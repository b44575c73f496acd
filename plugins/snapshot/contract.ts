/** A change of files that is written down before it is made, so that it can be made and unmade: names of two states, for `apply`. */
export interface Plan {
  /** Absent: nothing is to be done. */
  snapshot?: string
  /** Paths below the project that are put back; and those that are left, because somebody else changed them since, or they were too large to keep. */
  files: string[]
  kept: string[]
}

/**
 * What the work of sessions did to a project's files, and how to undo it: a state is kept before the first call of a turn
 * that may write, and at the end of an activity, in a git directory of our own. Of files that the project's .gitignore
 * names, that are larger than 5 MiB, or lie outside the project, nothing is kept. Errors: `snapshot.unable` (no git, no git
 * repository, too many files), `snapshot.git` (git failed, or took too long), `snapshot.unknown` (such a state is not here).
 */
export interface Snapshots {
  /** How to put back what a session did to files from a turn on. Changes nothing. */
  plan(session: string, from: { activity: number; turn: number }): Promise<Plan>
  /** Makes a plan true, or takes it back. A file that is in neither state by now is left. */
  apply(snapshot: string, way: "there" | "back"): Promise<{ files: string[]; kept: string[] }>
}

declare module "graft" {
  interface Services { snapshot: Snapshots }
}
