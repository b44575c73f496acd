/** How many cells text takes on a terminal, and where it wraps. */

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
      const wraps = row.length === 0 ? 0 : Math.floor((end - 1) / columns)
      rows += wraps
      column = end - wraps * columns
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
