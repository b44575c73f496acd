/**
 * Reads a word of a shell line as bash would: what its quotes, escapes and braces stand for, and how far that is certain.
 * Each leaf of the tree is held against the lexical rules of bash, so that a tree which says less than bash sees is noticed.
 */
import type { Node } from "web-tree-sitter"

/** `sure`: it is exactly `text`, else `text` is how it stands there. `one`: it stays one word. `fed`: what is put in its place comes from this very line (a command's output, a variable that the line sets). */
export interface Word { text: string; sure: boolean; one: boolean; fed: boolean; /** The variable that it sets. */ sets?: string }

/** Who reads the line: is told of commands inside of words, and of what is not certain. */
export interface Line { nested(node: Node): void; unclear(reason: string): void; isSet(variable: string): boolean }

export const literal = (text: string): Word => ({ text, sure: true, one: true, fed: false })
const MOST_BRACES = 64
/** Commands whose output is a name, a path or a hash, and never an option. */
const NAMES = /^(?:\$\(|`)(?:pwd|nproc|whoami|git (?:branch --show-current|rev-parse(?: --(?:short|abbrev-ref|show-toplevel|verify))*(?: [\w./][\w./@^~-]*)?|merge-base [\w./]+ [\w./]+))(?:\)|`)$/

/** The words that a node stands for: more than one where braces say so. */
export function readWords(node: Node, line: Line): Word[] {
  const raw = node.text
  if (raw === "{}") return [literal(raw)]
  if (node.type !== "concatenation" && node.type !== "word") return [readPiece(node, line, false)]
  const alternatives = bracesOf(node, line)
  if (alternatives) return alternatives
  if (node.type === "word") return [readPiece(node, line, false)]
  const word = join(piecesOf(node, line))
  // Its parts do not show a bracket that begins in one of them.
  return [openOf(raw).includes("[") ? { ...word, sure: false, one: false } : word]
}

export const readWord = (node: Node, line: Line): Word => join(readWords(node, line))

const join = (pieces: readonly Word[]): Word => (pieces.length === 1 ? pieces[0]! : {
  text: pieces.map(({ text }) => text).join(""), sure: pieces.every(({ sure }) => sure), one: pieces.every(({ one }) => one), fed: pieces.some(({ fed }) => fed),
})

function piecesOf(node: Node, line: Line): Word[] {
  const pieces: Word[] = []
  let end = node.startIndex
  for (const [index, child] of node.children.entries()) {
    if (!/^(\\\n)*$/.test(node.text.slice(end - node.startIndex, child.startIndex - node.startIndex))) line.unclear("a word with a gap in it")
    end = child.endIndex
    if (child.isNamed) pieces.push(readPiece(child, line, false))
    else if (child.text === "$" && !["string", "raw_string"].includes(node.children[index + 1]?.type ?? "")) pieces.push(literal("$"))
    else line.unclear("a dollar before a quote")
  }
  return pieces
}

/** What of a word neither quotes nor escapes protect. */
const openOf = (raw: string): string => raw.replace(/\\[^]|'[^']*'|"[^"]*"|\$\{[^}]*\}/g, "")

/** Words with unescaped braces are read from their text: `{a,b}c` is `ac bc`. What is not as plain as that is not certain. */
function bracesOf(node: Node, line: Line): Word[] | undefined {
  if (!/[{}]/.test(openOf(node.text))) return undefined
  if (/^[\w./:@%+=,{}-]*$/.test(node.text)) {
    const words = expand(node.text)
    if (words) return words.map(literal)
  }
  line.unclear("braces")
  line.nested(node)
  return [{ text: node.text, sure: false, one: false, fed: true }]
}

function expand(text: string): string[] | undefined {
  const match = /^([^{}]*)\{([^{}]*)\}(.*)$/.exec(text)
  if (!match) return /[{}]/.test(text) ? undefined : [text]
  const [, before, inner, after] = match as unknown as [string, string, string, string]
  const rest = expand(after)
  // Only a comma or two dots make it more than a text.
  if (inner.includes("..")) return undefined
  if (!inner.includes(",")) return rest?.map((end) => `${before}{${inner}}${end}`)
  const all = rest && inner.split(",").flatMap((each) => rest.map((end) => before + each + end)).filter((word) => word !== "")
  return all && all.length <= MOST_BRACES ? all : undefined
}

const unsure = (text: string, quoted: boolean, fed: boolean): Word => ({ text, sure: false, one: quoted, fed })

function readPiece(node: Node, line: Line, quoted: boolean): Word {
  const raw = quoted ? node.text.trimStart() : node.text
  switch (node.type) {
    case "word": return readPlain(raw, line)
    case "number":
      if (!/^-?[\w.#]+$/.test(raw)) line.unclear("a number")
      return literal(raw)
    case "raw_string":
      if (!/^'[^']*'$/.test(raw)) line.unclear("a quote that is not closed")
      return literal(raw.slice(1, -1))
    case "string": return readString(node, line)
    case "ansi_c_string": {
      const text = decode(raw)
      if (text === undefined) line.unclear("an escape")
      return text === undefined ? unsure(raw, true, true) : literal(text)
    }
    case "translated_string": return { ...readString(node.namedChildren[0] ?? node, line), sure: false }
    case "concatenation": return readWord(node, line)
    case "simple_expansion": return readParameter(raw, /^\$(\w+|[?$!#@*-])$/.exec(raw)?.[1], line, quoted)
    case "expansion": {
      const [, variable, instead] = /^\$\{#?([A-Za-z_]\w*)(?:(:?[-+]|%%?|##?)[\w./:*, -]*)?\}$/.exec(raw) ?? []
      if (variable === undefined) line.nested(node)
      const word = readParameter(raw, variable, line, quoted)
      return instead ? { ...word, fed: true } : word
    }
    case "command_substitution":
      if (raw.startsWith("`") && raw.includes("\\")) line.unclear("backticks with a backslash")
      line.nested(node)
      return unsure(raw, quoted, !NAMES.test(raw))
    case "process_substitution":
      line.nested(node)
      return unsure(raw, true, false)
    // A name in it is evaluated again, and that runs what stands in its value.
    case "arithmetic_expansion":
      if (/^\$(\(\(|\[)[\d\s+*/%()<>=!&|^~?:-]*(\)\)|\])$/.test(raw)) return unsure(raw, true, false)
      line.unclear("arithmetic")
      line.nested(node)
      return unsure(raw, quoted, true)
    case "brace_expression":
      if (!/^\{[\w.-]+\}$/.test(raw)) line.unclear("braces")
      return unsure(raw, false, false)
    default:
      line.unclear(`what is read as "${node.type}"`)
      line.nested(node)
      return unsure(raw, false, true)
  }
}

function readParameter(raw: string, name: string | undefined, line: Line, quoted: boolean): Word {
  if (name === undefined) line.unclear("an expansion")
  return unsure(raw, quoted && name !== "@", name === undefined || /^[\d@*]/.test(name) || line.isSet(name))
}

/** An escaped line end is nothing at all. */
const unescaped = (char: string): string => (char === "\n" ? "" : char)

/** Without quotes: escapes, patterns of file names, and the tilde. */
function readPlain(raw: string, line: Line): Word {
  if (!/^(?:\\[^]|[^\s\\;&|<>()$`'"#])(?:\\[^]|[^\s\\;&|<>()$`'"])*$/.test(raw)) line.unclear("a word")
  const open = raw.replace(/\\[^]/g, "")
  const text = raw.replace(/\\([^])/g, (_, char: string) => unescaped(char))
  return /[*?]|^~|[:=]~/.test(open) || (open.includes("[") && raw !== "[") ? unsure(text, false, false) : literal(text)
}

function readString(node: Node, line: Line): Word {
  const raw = node.text
  const pieces: Word[] = []
  let end = 1
  const content = (text: string) => {
    if (!/^(?:\\[^]|[^"\\`$]|\$(?![\w({[?$!#@*-]))*$/.test(text)) line.unclear("a quoted text")
    pieces.push(literal(text.replace(/\\([$`"\\\n])/g, (_, char: string) => unescaped(char))))
  }
  if (!/^"[^]*"$/.test(raw) || raw.length < 2) line.unclear("a quote that is not closed")
  for (const child of node.namedChildren) {
    if (child.type === "string_content") continue
    // The tree counts blanks before it as its own.
    const start = child.startIndex - node.startIndex + (child.text.length - child.text.trimStart().length)
    content(raw.slice(end, start))
    pieces.push(readPiece(child, line, true))
    end = child.endIndex - node.startIndex
  }
  content(raw.slice(end, -1))
  return join(pieces)
}

const ESCAPES: Readonly<Record<string, string>> = { a: "\x07", b: "\b", e: "\x1b", E: "\x1b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v", "\\": "\\", "'": "'", '"': '"', "?": "?" }

/** `$'…'`; undefined where it ends a text (NUL), makes half a character, or is not understood. */
function decode(raw: string): string | undefined {
  if (!/^\$'(?:\\[^]|[^'\\])*'$/.test(raw)) return undefined
  let known = true
  const code = (digits: string, base: number, most: number) => {
    const value = Number.parseInt(digits, base)
    known &&= value > 0 && value <= most
    return known ? String.fromCodePoint(value) : ""
  }
  const text = raw.slice(2, -1).replace(/\\(?:x([\da-fA-F]{1,2})|u([\da-fA-F]{1,4})|U([\da-fA-F]{1,8})|([0-7]{1,3})|([^]))/g, (_, hex?: string, short?: string, long?: string, octal?: string, other?: string) => {
    if (hex !== undefined) return code(hex, 16, 0x7f)
    if (short !== undefined || long !== undefined) return code((short ?? long)!, 16, 0x7f)
    if (octal !== undefined) return code(octal, 8, 0x7f)
    const plain = ESCAPES[other!]
    known &&= plain !== undefined
    return plain ?? ""
  })
  return known ? text : undefined
}
