/**
 * Reads a shell line as far as it can be read for certain: which simple commands would run, which files would be
 * written by redirects. It is a judge, not a shell: whatever it does not understand makes the line `unclear`, and an
 * unclear line is asked about (demand.md asks 26, 27).
 */

import { isAbsolute } from "node:path"
import { runsMore, setsMore } from "./programs.ts"

/** `text` is the command as its rules see it: words unquoted unless they hold a space, joined by one; `head` is where its name stands, after its assignments (-1: there is none). */
export interface SimpleCommand { name: string; head: number; words: readonly string[]; text: string }
export interface CommandLine { commands: readonly SimpleCommand[]; writes: readonly string[]; unclear?: string }

const MAX_LENGTH = 8_192
const MAX_DEPTH = 8

const MOVERS = new Set(["cd", "pushd", "popd"])
const HARMLESS = new Set(["/dev/null", "/dev/stdout", "/dev/stderr"])

/** Thrown inside the reader, caught by `readCommand`: the line is not understood. */
class Unclear extends Error {}

export function readCommand(line: string): CommandLine {
  const reader = new Reader(line)
  try {
    reader.readAll()
  } catch (error) {
    if (!(error instanceof Unclear)) throw error
    return { ...reader.result(), unclear: error.message }
  }
  return reader.result()
}

/** A word being read. `plain`: no quote, escape, expansion or pattern in it, so it is surely what it looks like. */
interface Word { text: string; plain: boolean; expands: boolean }

class Reader {
  readonly #text: string
  #at = 0
  readonly #commands: SimpleCommand[] = []
  readonly #writes: string[] = []

  constructor(text: string) { this.#text = text }

  result(): CommandLine {
    return { commands: this.#commands, writes: this.#writes }
  }

  readAll(): void {
    if (this.#text.length > MAX_LENGTH) throw new Unclear(`a command of more than ${MAX_LENGTH} characters`)
    if (/[^\P{C}\t\n]|[^\P{Z} ]/u.test(this.#text)) throw new Unclear("control characters or unusual spaces")
    this.#list(undefined, 0)
    if (this.#commands.length === 0 && this.#writes.length === 0) throw new Unclear("no command")
    const astray = this.#commands.some(({ name }) => MOVERS.has(name)) ? this.#writes.find((target) => !isAbsolute(target)) : undefined
    if (astray !== undefined) throw new Unclear(`it changes directory, and writes ${astray}`)
  }

  /** Commands up to `end` (")" or "`") or the end of the text. */
  #list(end: string | undefined, depth: number): void {
    if (depth > MAX_DEPTH) throw new Unclear("commands nested too deep")
    let words: Word[] = []
    const finish = () => {
      if (words.length > 0) this.#command(words)
      words = []
    }
    for (;;) {
      const char = this.#text[this.#at]
      if (char === undefined || char === end) {
        if (char === undefined && end !== undefined) throw new Unclear(`"${end}" is missing`)
        return finish()
      }
      if (char === " " || char === "\t") this.#at++
      else if (char === "#") this.#comment()
      else if (char === "\n" || char === ";" || char === "&" || char === "|") {
        if (this.#redirectsBoth()) this.#redirect(depth, end)
        else this.#separator(finish)
      } else if (char === ">" || char === "<" || /^\d+[<>]/.test(this.#text.slice(this.#at, this.#at + 12))) this.#redirect(depth, end)
      else words.push(this.#word(depth, end))
    }
  }

  #comment(): void {
    while (this.#at < this.#text.length && this.#text[this.#at] !== "\n") this.#at++
  }

  #redirectsBoth(): boolean {
    return this.#text.startsWith("&>", this.#at)
  }

  #separator(finish: () => void): void {
    const operator = /^(&&|\|\||\|&|;|&|\||\n)/.exec(this.#text.slice(this.#at, this.#at + 2))![0]
    if (this.#text.startsWith(";;", this.#at) || this.#text.startsWith(";&", this.#at)) throw new Unclear("a case branch")
    finish()
    this.#at += operator.length
  }

  #redirect(depth: number, end: string | undefined): void {
    const operator = /^(\d*)(&>>|&>|>>|>\||>&|<<<|<<-|<<|<>|<&|<\(|>\(|>|<)/.exec(this.#text.slice(this.#at, this.#at + 16))
    if (!operator) throw new Unclear("a redirect")
    const kind = operator[2]!
    if (kind.startsWith("<<")) throw new Unclear("a here document")
    if (kind.endsWith("(")) throw new Unclear("a process substitution")
    this.#at += operator[0].length
    while (this.#text[this.#at] === " " || this.#text[this.#at] === "\t") this.#at++
    const char = this.#text[this.#at]
    // Closed: what follows is a word of its own, though nothing stands between.
    if (kind.endsWith("&") && char === "-") return void this.#at++
    if (char === undefined || /[\n;&|<>()]/.test(char) || char === end) throw new Unclear("a redirect without a file")
    const target = this.#word(depth, end)
    if (kind.endsWith("&") && /^\d+$/.test(target.text)) return
    // What stands after >& is expanded twice: quotes around it keep nothing back.
    if (target.expands || (kind.endsWith("&") && !target.plain) || target.text === "" || /^\/dev\/(tcp|udp)\//.test(target.text)) throw new Unclear("a redirect whose file is not certain")
    if (kind === "<" || HARMLESS.has(target.text)) return
    this.#writes.push(target.text)
  }

  #word(depth: number, end: string | undefined): Word {
    const word: Word = { text: "", plain: true, expands: false }
    const start = this.#at
    for (;;) {
      const char = this.#text[this.#at]
      if (char === undefined || char === end || /[\s;&|<>]/.test(char)) break
      if (char === "(" || char === ")") throw new Unclear("a subshell or function")
      if (char === "{" || char === "}") this.#brace(word)
      else if (char === "'") this.#single(word)
      else if (char === '"') this.#double(word, depth)
      else if (char === "\\") this.#escape(word)
      else if (char === "$" || char === "`") this.#expansion(word, depth, false)
      else {
        if ("*?[]~".includes(char)) Object.assign(word, { plain: false, expands: true })
        word.text += char
        this.#at++
      }
    }
    if (this.#at === start) throw new Unclear(`an unexpected ${JSON.stringify(this.#text[start] ?? "end")}`)
    return word
  }

  /** `{}` alone is the placeholder of find; any other brace may expand to several words. */
  #brace(word: Word): void {
    if (word.text !== "" || !/^\{\}([\s;&|]|$)/.test(this.#text.slice(this.#at, this.#at + 3))) throw new Unclear("braces")
    Object.assign(word, { text: "{}", plain: false })
    this.#at += 2
  }

  #single(word: Word): void {
    const close = this.#text.indexOf("'", this.#at + 1)
    if (close < 0) throw new Unclear("a quote that is not closed")
    word.text += this.#text.slice(this.#at + 1, close)
    word.plain = false
    this.#at = close + 1
  }

  #double(word: Word, depth: number): void {
    word.plain = false
    this.#at++
    for (;;) {
      const char = this.#text[this.#at]
      if (char === undefined) throw new Unclear("a quote that is not closed")
      if (char === '"') return void this.#at++
      if (char === "$" || char === "`") this.#expansion(word, depth, true)
      else if (char === "\\") {
        const next = this.#text[this.#at + 1]
        if (next === undefined || next === "\n") throw new Unclear("a line continuation")
        word.text += '$`"\\'.includes(next) ? next : `\\${next}`
        this.#at += 2
      } else {
        word.text += char
        this.#at++
      }
    }
  }

  #escape(word: Word): void {
    const next = this.#text[this.#at + 1]
    if (next === undefined || next === "\n") throw new Unclear("a line continuation")
    word.text += next
    word.plain = false
    this.#at += 2
  }

  /** `$NAME`, `${NAME}` and single special parameters stay as they are; commands inside are read like any other. */
  #expansion(word: Word, depth: number, quoted: boolean): void {
    Object.assign(word, { plain: false, expands: true })
    const start = this.#at
    const rest = this.#text.slice(start, start + 128)
    const parameter = /^\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\}|[?$!#@*0-9-])/.exec(rest)
    if (parameter) this.#at += parameter[0].length
    else if (rest.startsWith("$((") || rest.startsWith("$[")) throw new Unclear("arithmetic")
    else if (rest.startsWith("$(")) {
      this.#at += 2
      this.#list(")", depth + 1)
      this.#at++
    } else if (rest.startsWith("`")) this.#backticks(depth)
    else if ((quoted ? /^\$[^{]/ : /^\$(?=[\s/:.,%=+]|$)/).test(rest)) this.#at++
    else throw new Unclear("an expansion")
    word.text += this.#text.slice(start, this.#at)
  }

  #backticks(depth: number): void {
    const close = this.#text.indexOf("`", this.#at + 1)
    if (close < 0 || this.#text.slice(this.#at, close).includes("\\")) throw new Unclear("backticks")
    const inner = new Reader(this.#text.slice(this.#at + 1, close))
    inner.#list(undefined, depth + 1)
    this.#commands.push(...inner.#commands)
    this.#writes.push(...inner.#writes)
    this.#at = close + 1
  }

  #command(words: readonly Word[]): void {
    const values = words.map((word) => word.text)
    const head = words.findIndex((word) => !/^[A-Za-z_]\w*(\[[^\]]*\])?\+?=/.test(word.text))
    const name = head < 0 ? "" : values[head]!
    this.#commands.push({ name: baseName(name), head, words: values, text: values.map(quoted).join(" ") })
    for (const word of values.slice(0, head < 0 ? undefined : head)) refuse(setsMore(word))
    if (head < 0) return
    if (!words[head]!.plain || !/^[\w./+@%:,-]+$/.test(name)) throw new Unclear("a command whose name is not certain")
    refuse(runsMore(baseName(name), values.slice(head + 1)))
  }
}

function refuse(reason: string | undefined): void {
  if (reason !== undefined) throw new Unclear(reason)
}

const baseName = (name: string): string => name.slice(name.lastIndexOf("/") + 1)
/** A word with a space in it is not two words. */
const quoted = (word: string): string => (word === "" || /\s/.test(word) ? `'${word}'` : word)
