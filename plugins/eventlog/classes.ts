/**
 * Who may append what. A session's work is written by its owner, under its epoch; these few anybody may say: they ask or
 * answer and decide nothing about the work itself, or, as a job's, have a fence of their own.
 */
export const COMMANDS: ReadonlySet<string> = new Set([
  "session.created", "session.updated", "session.archived",
  "session.reverted", "session.restored", "session.moved",
  "session.input.admitted", "session.input.cancelled", "session.input.delivery.changed", "session.interrupt.requested",
  "job.opened", "job.started", "job.cancel.requested", "job.settled", "shell.started", "shell.settled",
  "permission.replied", "question.replied", "activity.recovery.decided",
])

/** The kind of aggregate that has an owner. */
export const OWNED = "session"
