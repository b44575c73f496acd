/** Names that the log gives: of a log, of an event, of a place in it. */
import { randomBytes } from "node:crypto"
import { EventLogError } from "./errors.ts"

export interface Head { id: string; log: string; seq: number }

/** 60 bits of chance. Part of every cursor, so that one of another log is noticed. */
export const newLog = (): string => randomBytes(8).toString("hex").slice(0, 15)

/** Where the writer of an event chose no id, its place is its id. Sorts as the events do. */
export const idAt = (log: string, seq: number): string => `evt_${log}_${seq.toString(36).padStart(7, "0")}`

/** The place that such an id names in this log. */
export function placeOf(log: string, id: string): number | undefined {
  const place = id.startsWith(`evt_${log}_`) ? id.slice(log.length + 5) : ""
  return /^[0-9a-z]{7,10}$/.test(place) ? Number.parseInt(place, 36) : undefined
}

export const cursorAt = (log: string, seq: number): string => `${log}:${seq}`

/** The seq after which to go on. */
export function seqOf(after: string | number | undefined, { id, log, seq: head }: Head): number {
  if (after === undefined) return 0
  const wrong = (what: string) => new EventLogError("eventlog.cursor", `the cursor ${JSON.stringify(after)} of "${id}" ${what}`)
  const [, of, place] = /^(?:(.+):)?(\d{1,15})$/.exec(String(after)) ?? []
  if (place === undefined) throw wrong("is none: it is a number, or what a page gave as next")
  if (of !== undefined && of !== log) throw wrong("belongs to another log: this one was made anew since; start from its beginning")
  if (Number(place) > head) throw wrong(`is ahead of its head ${head}: this log was put back to an earlier state; start from its beginning`)
  return Number(place)
}
