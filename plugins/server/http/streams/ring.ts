/**
 * The last facts that were told, encoded, for who comes back soon and for who is slow. Data only: it is kept across
 * reloads, with every fact's number.
 */
import type { Told } from "../../contract.ts"

/** Facts that are remembered, and their bytes. */
const MOST = 2_048
const MOST_BYTES = 8_388_608
/** Bytes of one reading. */
const READING = 262_144

export interface Fact { readonly n: number; readonly told: Pick<Told, "event" | "location">; readonly frame: Buffer }
/** `id` tells this feed from that of another process; `n` is the number of the latest fact. */
export interface Ring { readonly id: string; n: number; bytes: number; facts: Fact[] }

export const newRing = (id: string): Ring => ({ id, n: 0, bytes: 0, facts: [] })

export function remember(ring: Ring, told: Fact["told"], encode: (id: string) => Buffer): Fact {
  const n = ++ring.n
  const fact = { n, told, frame: encode(`${ring.id}:${n}`) }
  ring.facts.push(fact)
  ring.bytes += fact.frame.length
  // Many at once, since each time costs as much as the list is long.
  if (ring.facts.length > MOST * 1.25 || ring.bytes > MOST_BYTES) forget(ring)
  return fact
}

function forget(ring: Ring): void {
  let from = Math.max(0, ring.facts.length - MOST)
  let bytes = ring.facts.slice(from).reduce((sum, { frame }) => sum + frame.length, 0)
  while (bytes > MOST_BYTES * 0.75 && from < ring.facts.length) bytes -= ring.facts[from++]!.frame.length
  ring.facts = ring.facts.slice(from)
  ring.bytes = bytes
}

/** Number of the earliest fact that is still there. */
export const oldest = (ring: Ring): number => ring.n - ring.facts.length + 1

/** Facts after a number, some at a time. They have to be there. */
export function readRing(ring: Ring, after: number, wanted: (told: Fact["told"]) => boolean): { frames: Buffer[]; to: number } {
  const frames: Buffer[] = []
  let bytes = 0
  let to = after
  for (let i = after - oldest(ring) + 1; i < ring.facts.length && bytes < READING; i++) {
    const { n, told, frame } = ring.facts[i]!
    to = n
    if (!wanted(told)) continue
    frames.push(frame)
    bytes += frame.length
  }
  return { frames, to }
}

/** Where a client was, from its last event id: undefined where that is unknown here, or forgotten. */
export function placeIn(ring: Ring, lastEventId: string): number | undefined {
  const [, id, n] = /^([\w-]+):(\d{1,15})$/.exec(lastEventId) ?? []
  const place = Number(n)
  return id === ring.id && place <= ring.n && place >= oldest(ring) - 1 ? place : undefined
}
