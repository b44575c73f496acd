/**
 * What a session's work did to files, out of the states before and after its turns; and how each file is put back. Pure:
 * what somebody else did between two pieces of work is not the session's, and what was changed since is left as it is.
 */

/** What a path holds: git's mode and the name of its content. */
export interface Entry { mode: string; blob: string }
/** The files before a turn; `turn` infinite: after the activity. `at` in ms. */
export interface State { activity: number; turn: number; tree: string; at: number }
export interface Change { path: string; from?: Entry; to?: Entry }
/** What was done by a session between two states. */
export interface Span { before: State; after: string }
export interface Course { before: State; changes: readonly Change[] }

/** In order; the last goes to `now` where its end was not written down: its process died. */
export function spansOf(states: readonly State[], from: { activity: number; turn: number }, now: string): Span[] {
  const begins = (state: State) => state.turn !== Infinity
  const first = states.findLastIndex((state) => begins(state) && state.activity === from.activity && state.turn <= from.turn)
  const since = first >= 0 ? first : states.findIndex((state) => begins(state) && (state.activity > from.activity || (state.activity === from.activity && state.turn > from.turn)))
  if (since < 0) return []
  return states.slice(since).flatMap((before, i, rest) => (begins(before) ? [{ before, after: rest[i + 1]?.tree ?? now }] : []))
}

interface Told { at: number; steps: { from: Entry | undefined; to: Entry | undefined }[] }

/**
 * What each path is to hold again. `bornBefore`: was this file there before that time? One that only came into sight (its
 * name was ignored before) was not made by the session, and is not deleted.
 */
export function undo(courses: readonly Course[], now: ReadonlyMap<string, Entry>, mark: string, bornBefore: (path: string, at: number) => boolean): { put: Map<string, Entry | undefined>; kept: string[] } {
  const paths = new Map<string, Told>()
  for (const { before, changes } of courses) {
    for (const { path, from, to } of changes) (paths.get(path) ?? paths.set(path, { at: before.at, steps: [] }).get(path)!).steps.push({ from, to })
  }
  const put = new Map<string, Entry | undefined>()
  const kept: string[] = []
  for (const [path, { at, steps }] of paths) {
    const first = steps[0]!.from
    const current = now.get(path)
    if (isSame(current, first)) continue
    const unknown = [first, current].some((entry) => entry?.blob === mark)
    if (unknown || !isOwn(steps, current) || (first === undefined && bornBefore(path, at))) kept.push(path)
    else put.set(path, first)
  }
  return { put, kept: kept.sort() }
}

/** Each step began where an earlier one, or its undoing, had left the file, and so it is now: nobody else's change is among them. */
function isOwn(steps: Told["steps"], current: Entry | undefined): boolean {
  const held = [steps[0]!.from]
  for (const { from, to } of steps) {
    if (!held.some((entry) => isSame(entry, from))) return false
    held.push(to)
  }
  return held.some((entry) => isSame(entry, current))
}

export const isSame = (a: Entry | undefined, b: Entry | undefined): boolean => a?.mode === b?.mode && a?.blob === b?.blob
