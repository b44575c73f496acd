/** How often the model failed a session in a row. Pure data, so that it outlives a reload. */

/** Failures in a row, after which the model is left alone for so long, in ms. */
const MOST = 3
const REST = 10 * 60_000
/** Sessions that are remembered. */
const MOST_SESSIONS = 256

export interface Breaker { failures: Record<string, { count: number; last: number }> }
export const newBreaker = (): Breaker => ({ failures: {} })

/** Until when the model is not asked; undefined when it is. After the rest one try is made. */
export function openUntil({ failures }: Breaker, session: string, now: number): number | undefined {
  const known = failures[session]
  return known && known.count >= MOST && now < known.last + REST ? known.last + REST : undefined
}

export function failed({ failures }: Breaker, session: string, now: number): void {
  const count = (failures[session]?.count ?? 0) + 1
  delete failures[session]
  failures[session] = { count, last: now }
  for (const oldest of Object.keys(failures).slice(0, -MOST_SESSIONS)) delete failures[oldest]
}

export function succeeded({ failures }: Breaker, session: string): void { delete failures[session] }
