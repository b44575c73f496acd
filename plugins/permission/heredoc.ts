/** Where a here document begins and ends is found once more, by bash's own rule, and held against the tree. */
import type { Node } from "web-tree-sitter"

const partOf = (node: Node, type: string): Node | undefined => node.children.find((child) => child.type === type)
const delimiterOf = (raw: string): string | undefined => /^'([^'\n]*)'$|^"([^"\\$`\n]*)"$|^\\?([\w.-]+)$/.exec(raw)?.slice(1).find((part) => part !== undefined)

export function isHeredocWhole(node: Node, text: string): boolean {
  const [start, end] = [partOf(node, "heredoc_start"), partOf(node, "heredoc_end")]
  const delimiter = start && delimiterOf(start.text)
  if (!start || !end || delimiter === undefined || delimiter === "") return false
  const lineEnd = text.indexOf("\n", start.endIndex)
  if (lineEnd < 0) return false
  const line = text.slice(text.lastIndexOf("\n", start.startIndex) + 1, lineEnd)
  // The document begins behind this line only if the line ends here, and has no other document.
  if ((line.match(/<<(?!<)/g) ?? []).length !== 1 || line.includes("<<<") || /['"\\`(#]/.test(text.slice(start.endIndex, lineEnd).replace(/'[^']*'|"[^"\\`$]*"/g, ""))) return false
  const tabs = text.slice(0, start.startIndex).trimEnd().endsWith("<<-")
  for (let at = lineEnd + 1; at <= text.length; ) {
    const stop = text.indexOf("\n", at) < 0 ? text.length : text.indexOf("\n", at)
    const each = text.slice(at, stop)
    if ((tabs ? each.replace(/^\t+/, "") : each) === delimiter) return end.endIndex === stop && end.text.trim() === delimiter
    at = stop + 1
  }
  return false
}

/** What the shell would put something else in place of, and the tree does not show as such; nothing where the delimiter is quoted. */
export function leftOf(node: Node, body: Node): string {
  const start = partOf(node, "heredoc_start")?.text ?? ""
  if (/['"\\]/.test(start)) return ""
  let left = ""
  let end = 0
  for (const child of body.namedChildren) {
    if (child.type === "heredoc_content") continue
    left += body.text.slice(end, child.startIndex - body.startIndex)
    end = child.endIndex - body.startIndex
  }
  return /^(?:\\[^]|[^\\`$]|\$(?![\w({[?$!#@*-]))*$/.test(left + body.text.slice(end)) ? "" : left + body.text.slice(end)
}
