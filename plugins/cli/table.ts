/** Columns as wide as their widest cell, cut to the screen; and the shapes of numbers and times. */
import { stripVTControlCharacters } from "node:util"

export function table(rows: readonly (readonly string[])[], columns = Infinity): string {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, index) => Math.max(all[index] ?? 0, widthOf(cell))), [])
  return rows.map((row) => clip(row.map((cell, index) => (index === row.length - 1 ? cell : cell + " ".repeat(widths[index]! - widthOf(cell)))).join("  ").trimEnd(), columns) + "\n").join("")
}

const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length

/** Text with colors is left as it is: a cut could lose the end of one. */
export function clip(text: string, columns: number): string {
  if (widthOf(text) <= columns || text !== stripVTControlCharacters(text)) return text
  return `${[...text].slice(0, Math.max(0, columns - 1)).join("")}…`
}

/** What others wrote goes to a terminal as one line, without its control characters. */
export const oneLine = (text: string, columns = 100): string => clip(stripVTControlCharacters(text).replace(/[\p{Cc}\s]+/gu, " ").trim(), columns)

/** What others wrote, as it may go to a terminal: it can neither move the cursor nor change what is read. */
export const harmless = (text: string): string => stripVTControlCharacters(text).replace(/[^\P{Cc}\n\t]/gu, "")

export const count = (value: number): string => value.toLocaleString("en-US")

/** 131072 → 131k, 1048576 → 1M. */
export const tokens = (value: number | undefined): string => (value === undefined ? "?" : value < 1_000 ? String(value) : value < 1_000_000 ? `${Math.round(value / 1_000)}k` : `${Number((value / 1_000_000).toFixed(1))}M`)

export const duration = (milliseconds: number): string => (milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : milliseconds < 60_000 ? `${(milliseconds / 1_000).toFixed(1)} s` : `${Math.floor(milliseconds / 60_000)} min ${Math.round((milliseconds % 60_000) / 1_000)} s`)

export const dollars = (value: number): string => (value === 0 ? "$0" : value < 0.01 ? `$${value.toFixed(4)}` : `$${value.toFixed(2)}`)

export function ago(at: number, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - at) / 1_000))
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`
  return new Date(at).toISOString().slice(0, 10)
}
