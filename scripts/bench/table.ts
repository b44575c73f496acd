/** A figure, its goal and the peers' column, printed as one table. Ratios and medians; never a test that can fail by the weather. */
export interface Figure { what: string; value: string; goal: string; met: boolean | undefined; peers?: string }

export const median = (values: readonly number[]): number => quantile(values, 0.5)
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

export const figure = (what: string, value: number, unit: string, goal: number, kind: "at most" | "at least", peers?: string): Figure => ({
  what, value: `${value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString("en")} ${unit}`, goal: `${kind === "at most" ? "≤" : "≥"} ${goal.toLocaleString("en")} ${unit}`, met: kind === "at most" ? value <= goal : value >= goal, peers,
})

export const ratio = (what: string, value: number, goal: number): Figure => figure(what, value, "×", goal, "at most")

export function print(title: string, figures: readonly Figure[]): void {
  const rows = [["", "what", "measured", "goal", "peers"], ...figures.map(({ what, value, goal, met, peers }) => [met === undefined ? " " : met ? "✓" : "✗", what, value, goal, peers ?? ""])]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  process.stdout.write(`\n${title}\n${rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()).join("\n")}\n`)
}
