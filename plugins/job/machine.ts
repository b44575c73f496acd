/** The state machine of a job, as `lib/machine.ts` has the session's: what is not in the table is impossible. */
import type { Machine } from "../lib/machine.ts"

/** A job that was asked to stop before it started is `cancelling` without a handle: it never runs. */
export const JOB = {
  none: { "job.opened": "opened" },
  opened: { "job.started": "running", "job.cancel.requested": "cancelling", "job.settled": "settled" },
  running: { "job.cancel.requested": "cancelling", "job.settled": "settled" },
  cancelling: { "job.settled": "settled" },
  settled: {},
} as const satisfies Machine
