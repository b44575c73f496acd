/** "Did you mean": the few candidates nearest to a word, nearest first. */

/** Bounded work: words are compared up to 64 characters, and only the first 2,000 candidates. */
export function near(word: string, candidates: Iterable<string>, limit = 3): string[] {
  const wanted = word.toLowerCase().slice(0, 64)
  const close: { candidate: string; distance: number }[] = []
  let seen = 0
  for (const candidate of candidates) {
    if (++seen > 2_000) break
    const name = candidate.toLowerCase().slice(0, 64)
    const contained = wanted.length > 2 && name.length > 2 && (name.includes(wanted) || wanted.includes(name))
    const distance = contained ? 1 : editDistance(wanted, name)
    if (distance <= Math.max(1, Math.floor(wanted.length / 3))) close.push({ candidate, distance })
  }
  return close.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1)).slice(0, limit).map(({ candidate }) => candidate)
}

/** Insertions, deletions, substitutions, and swaps of two neighbours (optimal string alignment), one row at a time. */
function editDistance(a: string, b: string): number {
  let [before, previous]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, index) => index)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before![j - 2]! + 1 : Infinity
      row[j] = Math.min(previous![j]! + 1, row[j - 1]! + 1, previous![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1), swapped)
    }
    ;[before, previous] = [previous!, row]
  }
  return previous![b.length]!
}
