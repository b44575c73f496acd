/** What a file holds where something was looked for and not found: the lines most like it. Pure. */

const MOST_LINES = 50_000

/** The text around the lines most like the wanted ones, with line numbers; for the error when nothing matches. */
export function nearestText(text: string, wanted: string): string | undefined {
  const file = text.split("\n", MOST_LINES)
  const piece = wanted.split("\n").map((line) => line.trim()).filter((line) => line !== "").slice(0, 50)
  if (piece.length === 0 || file.length === 0) return undefined
  const words = new Set(piece.join(" ").match(/\w+/g) ?? [])
  const scores = file.map((line) => {
    const trimmed = line.slice(0, 2_000).trim()
    if (trimmed === "") return 0
    if (piece.includes(trimmed)) return 3
    const own = trimmed.slice(0, 500).match(/\w+/g) ?? []
    return own.length === 0 ? 0 : own.filter((word) => words.has(word)).length / own.length
  })
  const size = Math.min(piece.length, file.length)
  let sum = scores.slice(0, size).reduce((total, score) => total + score, 0)
  let best = { at: 0, sum }
  for (let at = 1; at + size <= file.length; at++) {
    sum += scores[at + size - 1]! - scores[at - 1]!
    if (sum > best.sum + 1e-9) best = { at, sum }
  }
  if (best.sum < 0.5) return undefined
  const [from, to] = [Math.max(0, best.at - 2), Math.min(file.length, best.at + Math.min(size, 20) + 2)]
  return file.slice(from, to).map((line, index) => `${from + index + 1}\t${line.trimEnd().slice(0, 300)}`).join("\n")
}
