/** How many cells text takes on a terminal, where it wraps, and where it should: between words. */

const WIDE = /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u
const NOTHING = /^(?:\p{Mark}|\p{Default_Ignorable_Code_Point})+$/u
const ASCII = /^[\u0020-\u007e]*$/
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

const cellsOf = (grapheme: string): number => (NOTHING.test(grapheme) ? 0 : WIDE.test(grapheme) || grapheme.includes("\ufe0f") ? 2 : 1)

/** Where the cursor stands after writing text without control characters but "\n", from a column of a row. */
export function advance(text: string, columns: number, from = 0): { rows: number; column: number } {
  let [rows, column] = [0, from]
  for (const [index, row] of text.split("\n").entries()) {
    if (index > 0) [rows, column] = [rows + 1, 0]
    if (ASCII.test(row)) {
      const end = column + row.length
      // A row that is just full wraps with the next character, not before.
      const wraps = row.length === 0 || columns === Infinity ? 0 : Math.floor((end - 1) / columns)
      rows += wraps
      column = wraps === 0 ? end : end - wraps * columns
    } else {
      for (const { segment } of graphemes.segment(row)) {
        const cells = cellsOf(segment)
        if (column + cells > columns) [rows, column] = [rows + 1, 0]
        column += cells
      }
    }
  }
  return { rows, column }
}

/**
 * Breaks rows between words where they would otherwise break within one; what fits on no row breaks where it must.
 * `spaced`: what stands before this text ended with a space.
 */
export function wrap(text: string, columns: number, from: number, spaced = false): string {
  let column = from
  return text.replace(/( *)([^ \n]*)(\n?)/g, (_, spaces: string, word: string, end: string, at: number) => {
    const cells = advance(word, Infinity).column
    const between = spaces !== "" || (at === 0 && spaced)
    const breaks = column > 0 && word !== "" && cells <= columns && column + spaces.length + cells > columns && (between || column >= columns)
    // Spaces beyond the edge are seen by nobody.
    const shown = breaks ? `\n${word}` : word === "" ? spaces.slice(0, Math.max(0, columns - column)) : spaces + word
    column = end ? 0 : advance(shown, columns, column).column
    return shown + end
  })
}
