/** Matching with gaps (`*`) in time that no pattern can blow up: of several gaps only the last one met is tried again. */

/**
 * Is a sequence of `given` items what a pattern of `wanted` items describes? `isGap`: this item of the pattern stands for any
 * number of items; `fits`: this one stands for that item. What stood before the last gap has matched, so it is not tried again.
 */
export function wildcard(wanted: number, given: number, isGap: (at: number) => boolean, fits: (at: number, to: number) => boolean): boolean {
  let at = 0
  let to = 0
  let gap = -1
  let resume = 0
  while (to < given) {
    if (at < wanted && isGap(at)) {
      gap = at++
      resume = to
    } else if (at < wanted && fits(at, to)) {
      at++
      to++
    } else if (gap >= 0) {
      at = gap + 1
      to = ++resume
    } else return false
  }
  while (at < wanted && isGap(at)) at++
  return at === wanted
}
