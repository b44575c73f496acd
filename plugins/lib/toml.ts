/**
 * TOML as data, with the line of every key: what configs are written in, tables, arrays of tables, dotted keys, inline
 * tables, all four kinds of text, numbers in every base. Dates stay texts. Pure; no library of its own is needed for it.
 */
import { formatKeys, isTree, type Keys, type Tree } from "./tree.ts"

export interface Toml { readonly tree: Tree; /** The line of the deepest key on the way that is there, from 1. */ line(keys: Keys): number }
export interface TomlProblem { line: number; message: string }

/** Nesting that no config needs. */
const DEEP = 64

export function parseToml(text: string): Toml | TomlProblem {
  const reader = new Reader(text.replace(/^\uFEFF/, " "))
  try {
    const tree = reader.document()
    const lineOf = (keys: Keys): number => { for (let length = keys.length; length > 0; length--) { const line = reader.lines.get(formatKeys(keys.slice(0, length))); if (line !== undefined) return line } return 1 }
    return { tree, line: lineOf }
  } catch (error) {
    if (error instanceof Unreadable) return { line: reader.line, message: error.message }
    throw error
  }
}

class Unreadable extends Error {}

type Table = Record<string, unknown>
const newTable = (): Table => Object.create(null) as Table
const BARE = /[A-Za-z0-9_-]+/y
const SPACE = /[ \t]*/y
const NUMBER = /[+-]?(?:inf|nan|0x[\da-fA-F_]+|0o[0-7_]+|0b[01_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d[\d_]*)?)(?![\w.+:-])/y
const DATE = /\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[+-]\d{2}:\d{2})?)?|\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?/y
const ESCAPES: Readonly<Record<string, string>> = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r", e: "\u001B", '"': '"', "\\": "\\" }

class Reader {
  readonly lines = new Map<string, number>()
  readonly #text: string
  /** Tables that were written whole, inline or by their own head. */
  readonly #closed = new WeakSet<object>()
  readonly #headed = new WeakSet<object>()
  #at = 0
  #counted = { at: 0, line: 1 }

  constructor(text: string) { this.#text = text }

  get line(): number {
    if (this.#at < this.#counted.at) this.#counted = { at: 0, line: 1 }
    let { at, line } = this.#counted
    for (; at < this.#at; at++) if (this.#text[at] === "\n") line++
    this.#counted = { at, line }
    return line
  }

  document(): Tree {
    const root = newTable()
    let table = root
    let way: string[] = []
    for (this.#blank(); this.#at < this.#text.length; this.#blank()) {
      if (this.#text[this.#at] === "[") [table, way] = this.#head(root)
      else this.#pair(table, way, 0)
      this.#end()
    }
    return plainOf(root) as Tree
  }

  /** `[a.b]` or `[[a.b]]`. */
  #head(root: Table): [Table, string[]] {
    const many = this.#text.startsWith("[[", this.#at)
    const line = this.line
    this.#at += many ? 2 : 1
    const keys = this.#keys()
    if (!this.#text.startsWith(many ? "]]" : "]", this.#at)) throw new Unreadable(`"${many ? "]]" : "]"}" is expected`)
    this.#at += many ? 2 : 1
    const { table: above, way } = this.#walk(root, keys.slice(0, -1), [], line)
    const last = keys.at(-1)!
    const there = above[last]
    if (many) {
      if (there !== undefined && !Array.isArray(there)) throw new Unreadable(`"${keys.join(".")}" is there already, and is no list of tables`)
      const list = (there ?? (above[last] = [])) as Table[]
      if (this.#closed.has(list)) throw new Unreadable(`"${keys.join(".")}" is a list that was written whole`)
      const made = newTable()
      list.push(made)
      this.#mark([...way, last], line)
      return [made, this.#mark([...way, last, String(list.length - 1)], line)]
    }
    if (there !== undefined && (!isTable(there) || this.#closed.has(there) || this.#headed.has(there))) throw new Unreadable(`"${keys.join(".")}" is there already`)
    const made = (there ?? (above[last] = newTable())) as Table
    this.#headed.add(made)
    return [made, this.#mark([...way, last], line)]
  }

  /** Down to a table, made where it is not there; of a list of tables the last is meant. */
  #walk(from: Table, keys: readonly string[], start: string[], line: number): { table: Table; way: string[] } {
    let table = from
    let way = start
    for (const key of keys) {
      way = [...way, key]
      let next = table[key]
      if (next === undefined) { next = table[key] = newTable(); this.#mark(way, line) }
      if (Array.isArray(next) && !this.#closed.has(next) && next.length > 0) { way = [...way, String(next.length - 1)]; next = next.at(-1) as unknown }
      if (!isTable(next) || this.#closed.has(next)) throw new Unreadable(`"${way.join(".")}" is there already, and is no table that can be added to`)
      table = next
    }
    if (way.length > DEEP) throw new Unreadable("it is nested too deep")
    return { table, way }
  }

  #pair(table: Table, way: string[], depth: number): void {
    const line = this.line
    const keys = this.#keys()
    if (this.#text[this.#at] !== "=") throw new Unreadable('"=" is expected')
    this.#at++
    this.#space()
    const { table: at, way: above } = this.#walk(table, keys.slice(0, -1), way, line)
    const last = keys.at(-1)!
    if (at[last] !== undefined) throw new Unreadable(`"${keys.join(".")}" is said twice`)
    const place = this.#mark([...above, last], line)
    at[last] = this.#value(place, depth)
  }

  /** `a . "b c" . d` */
  #keys(): string[] {
    const keys: string[] = []
    for (;;) {
      this.#space()
      const char = this.#text[this.#at]
      keys.push(char === '"' || char === "'" ? this.#quoted(char) : this.#match(BARE) || this.#fail("a key is expected"))
      this.#space()
      if (this.#text[this.#at] !== ".") return keys
      this.#at++
    }
  }

  #value(way: string[], depth: number): unknown {
    if (depth > DEEP) throw new Unreadable("it is nested too deep")
    const char = this.#text[this.#at]
    if (char === '"' || char === "'") return this.#text.startsWith(char.repeat(3), this.#at) ? this.#long(char) : this.#quoted(char)
    if (char === "[") return this.#list(way, depth)
    if (char === "{") return this.#inline(way, depth)
    for (const [word, value] of [["true", true], ["false", false]] as const) if (this.#text.startsWith(word, this.#at) && !/[\w-]/.test(this.#text[this.#at + word.length] ?? "")) { this.#at += word.length; return value }
    const date = this.#match(DATE)
    if (date) return date
    const number = this.#match(NUMBER)
    return number ? numberOf(number) : this.#fail("a value is expected: a text in quotes, a number, true or false, a list or a table")
  }

  #list(way: string[], depth: number): unknown[] {
    const list: unknown[] = []
    this.#closed.add(list)
    this.#at++
    for (;;) {
      this.#blank()
      if (this.#text[this.#at] === "]") { this.#at++; return list }
      list.push(this.#value(this.#mark([...way, String(list.length)], this.line), depth + 1))
      this.#blank()
      if (this.#text[this.#at] === ",") this.#at++
      else if (this.#text[this.#at] !== "]") throw new Unreadable('"," or "]" is expected')
    }
  }

  /** Line ends and a comma at the end are taken: newer versions of the language have them. */
  #inline(way: string[], depth: number): Table {
    const table = newTable()
    this.#at++
    for (;;) {
      this.#blank()
      if (this.#text[this.#at] === "}") { this.#at++; this.#closed.add(table); return table }
      this.#pair(table, way, depth + 1)
      this.#blank()
      if (this.#text[this.#at] === ",") this.#at++
      else if (this.#text[this.#at] !== "}") throw new Unreadable('"," or "}" is expected')
    }
  }

  #quoted(quote: string): string {
    let out = ""
    for (this.#at++; ; ) {
      const char = this.#text[this.#at]
      if (char === undefined || char === "\n") throw new Unreadable("a text has no end on its line")
      if (char === quote) { this.#at++; return out }
      if (char === "\\" && quote === '"') out += this.#escape()
      else { out += char; this.#at++ }
    }
  }

  /** `"""` and `'''`: a line end right after it does not count. */
  #long(quote: string): string {
    const start = this.#at
    this.#at += 3
    this.#match(/\r?\n/y)
    let out = ""
    for (;;) {
      const char = this.#text[this.#at]
      if (char === undefined) { this.#at = start; throw new Unreadable(`a text that begins with ${quote.repeat(3)} has no end`) }
      if (this.#text.startsWith(quote.repeat(3), this.#at)) {
        this.#at += 3
        // Up to two more of them belong to the text.
        return out + this.#match(quote === '"' ? /"{0,2}/y : /'{0,2}/y)
      }
      if (char === "\\" && quote === '"') out += this.#match(/\\[ \t]*\r?\n\s*/y) ? "" : this.#escape()
      else { out += char; this.#at++ }
    }
  }

  #escape(): string {
    const [, code] = /^\\(u[\da-fA-F]{4}|U[\da-fA-F]{8}|x[\da-fA-F]{2})/.exec(this.#text.slice(this.#at, this.#at + 10)) ?? []
    const char = this.#text[this.#at + 1] ?? ""
    const point = code === undefined ? undefined : Number.parseInt(code.slice(1), 16)
    if (point !== undefined && point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF)) { this.#at += 1 + code!.length; return String.fromCodePoint(point) }
    if (!Object.hasOwn(ESCAPES, char)) throw new Unreadable(`"\\${char}" is nothing that a text can have; in '…' a backslash is itself`)
    this.#at += 2
    return ESCAPES[char]!
  }

  /** White space, line ends and comments. */
  #blank(): void { this.#match(/(?:\s|#[^\n]*)*/y) }
  #space(): void { this.#match(SPACE) }

  /** After a head or a pair its line is over. */
  #end(): void {
    this.#match(/[ \t]*(?:#[^\n]*)?/y)
    if (this.#at < this.#text.length && !/[\r\n]/.test(this.#text[this.#at]!)) throw new Unreadable("the end of the line is expected")
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const [found = ""] = pattern.exec(this.#text) ?? []
    this.#at += found.length
    return found
  }

  #mark(way: string[], line: number): string[] {
    const key = formatKeys(way)
    if (!this.lines.has(key)) this.lines.set(key, line)
    return way
  }

  #fail(message: string): never { throw new Unreadable(message) }
}

const isTable = (value: unknown): value is Table => isTree(value)

function numberOf(written: string): number {
  const bare = written.replaceAll("_", "")
  if (bare.endsWith("inf")) return bare.startsWith("-") ? -Infinity : Infinity
  if (bare.endsWith("nan")) return NaN
  return Number(bare.replace(/^\+/, ""))
}

/** Ordinary objects. What JSON cannot say (an endless number) is a text. */
function plainOf(value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value)
  if (Array.isArray(value)) return value.map(plainOf)
  return isTable(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plainOf(each)])) : value
}
