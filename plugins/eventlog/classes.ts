/**
 * Who may append what. A session's work is written by its owner, under its epoch; these few anybody may say, because
 * they ask or answer, and decide nothing about the work itself.
 */
export const COMMANDS: ReadonlySet<string> = new Set([
  "session.created", "session.updated", "session.archived",
  "session.input.admitted", "session.input.cancelled", "session.input.delivery.changed", "session.interrupt.requested",
  "job.cancel.requested", "permission.replied", "question.replied", "activity.recovery.decided",
])

/** The kind of aggregate that has an owner. */
export const OWNED = "session"
