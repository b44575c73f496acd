/**
 * Reads a shell line as far as it can be read for certain: which simple commands would run, wherever they stand in it, and
 * which files would be read and written by redirects. It is a judge, not a shell: whatever it does not understand makes the
 * line `unclear`, and an unclear line is asked about (demand.md asks 26, 27). What is found in such a line still counts.
 */
import { isAbsolute } from "node:path"
import type { Node } from "web-tree-sitter"
import type { Parse } from "./grammar.ts"
import { isHeredocWhole, leftOf } from "./heredoc.ts"
import { runsMore, setsMore } from "./programs.ts"
import { simpleOf, type SimpleCommand } from "./simple.ts"
import { literal, readWord, readWords, type Line, type Word } from "./word.ts"

export interface CommandLine { commands: readonly SimpleCommand[]; writes: readonly string[]; reads: readonly string[]; unclear?: string }

const MAX_LENGTH = 32_768
const MAX_DEPTH = 60
/** Statements and words. */
const MAX_STEPS = 5_000
/** Commands in arguments of commands. */
const MAX_CARRIED = 5

const MOVERS: ReadonlySet<string> = new Set(["cd", "pushd", "popd"])
const HARMLESS = new Set(["/dev/null", "/dev/stdout", "/dev/stderr"])
/** What only holds statements, and the words and signs that hold them together. */
const HOLDERS = new Set(["program", "list", "pipeline", "negated_command", "subshell", "compound_statement", "do_group", "if_statement", "elif_clause", "else_clause", "while_statement", "command_substitution", "process_substitution"])
const WORD = /^(word|number|concatenation|brace_expression|.*string|.*expansion|.*substitution)$/
const JOINTS = new Set(["", ";", "&", "&&", "|", "||", "|&", "\n", "!", "(", ")", "{", "}", "$(", "<(", ">(", "`", "if", "then", "elif", "else", "fi", "while", "until", "do", "done"])

export function readCommand(line: string, parse: Parse): CommandLine {
  const found: Found = { commands: [], writes: [], reads: [], steps: 0 }
  new Reader(line, parse, found).readAll()
  if (found.commands.length === 0 && found.writes.length === 0) found.unclear ??= "no command"
  const astray = found.commands.some(({ name }) => MOVERS.has(name)) ? found.writes.find((target) => !isAbsolute(target)) : undefined
  if (astray !== undefined) found.unclear ??= `it changes directory, and writes ${astray}`
  return found
}

interface Found { commands: SimpleCommand[]; writes: string[]; reads: string[]; unclear?: string; steps: number }

class Reader implements Line {
  readonly #text: string
  readonly #parse: Parse
  readonly #found: Found
  readonly #carried: number
  #depth = 0
  #sets: ReadonlySet<string>

  /** `sets`: the variables of the line in which this one stands. */
  constructor(text: string, parse: Parse, found: Found, carried = 0, sets: ReadonlySet<string> = new Set()) {
    this.#text = text
    this.#parse = parse
    this.#found = found
    this.#carried = carried
    this.#sets = sets
  }

  readAll(): void {
    if (this.#text.length > MAX_LENGTH) return this.unclear(`a command of more than ${MAX_LENGTH} characters`)
    if (this.#carried > MAX_CARRIED) return this.unclear("commands in commands too deep")
    if (/[^\P{C}\t\n]|[^\P{Z} ]/u.test(this.#text)) return this.unclear("control characters or unusual spaces")
    const read = this.#parse(this.#text, (tree) => {
      if (tree.hasError) this.unclear("it is not whole, or not bash")
      this.#sets = new Set([...this.#sets, ...variablesOf(tree)])
      this.#statement(tree)
    })
    if (!read) this.unclear("it takes too long to read")
  }

  unclear(reason: string): void { this.#found.unclear ??= reason }
  isSet(variable: string): boolean { return this.#sets.has(variable) }
  nested(node: Node): void {
    if (node.text.trimStart().startsWith("`") && node.text.includes("<<")) this.unclear("a here document in backticks")
    if (HOLDERS.has(node.type)) this.#statement(node)
    else this.#search(node)
  }

  /** In what is not understood, commands are looked for all the same. */
  #search(node: Node): void {
    for (const child of node.namedChildren) this.#statement(child)
  }

  #statement(node: Node): void {
    if (++this.#depth > MAX_DEPTH) this.unclear("commands nested too deep")
    else if (this.#steps()) {
      this.#gaps(node)
      this.#read(node)
    }
    this.#depth--
  }

  #steps(): boolean {
    if (++this.#found.steps > MAX_STEPS) this.unclear("it is too long to be read")
    return this.#found.steps <= MAX_STEPS
  }

  /** Between its parts are blanks, and nothing that only the tree takes for one. The words of a command are looked at one by one. */
  #gaps(node: Node): void {
    let end = node.startIndex
    let before: Node | undefined
    for (const child of node.children) {
      const gap = this.#text.slice(end, child.startIndex)
      if (!/^(?:\s|\\\n)*$/.test(gap)) this.unclear("something between words")
      if (!/[ \t]/.test(gap) && node.type !== "command" && before && WORD.test(before.type) && WORD.test(child.type)) this.unclear("words without a gap")
      end = child.endIndex
      before = child
    }
  }

  #read(node: Node): void {
    if (HOLDERS.has(node.type)) return this.#holder(node)
    switch (node.type) {
      case "command": return this.#add(this.#command(node))
      case "variable_assignment": case "variable_assignments": return this.#add(this.#words(node.type === "variable_assignment" ? [node] : node.children))
      case "declaration_command": return this.#add(this.#words(node.children))
      case "redirected_statement": return this.#redirected(node)
      case "test_command": return this.#test(node)
      case "for_statement": return this.#for(node)
      case "case_statement": case "case_item": return this.#case(node)
      case "function_definition": return this.#function(node)
      case "comment": return this.#comment(node)
      // A group may have redirects of its own.
      case "file_redirect": case "herestring_redirect": case "heredoc_redirect": return void this.#redirect(node)
      case "string_content": case "heredoc_content": case "variable_name": case "heredoc_start": case "heredoc_end": return
      default:
        this.unclear(`the shell's "${node.type.replaceAll("_", " ")}"`)
        this.#search(node)
    }
  }

  #holder(node: Node): void {
    for (const child of node.children) {
      if (child.isNamed) this.#statement(child)
      else if (!JOINTS.has(child.text.trim())) this.unclear(`the shell's "${child.text.trim()}"`)
    }
  }

  /** The words of a simple command; its redirects are taken on the way. */
  #command(node: Node): Word[] {
    return this.#words(node.children.flatMap((child) => (child.type === "command_name" ? child.children : [child])))
  }

  #words(nodes: readonly Node[]): Word[] {
    const words: Word[] = []
    let before: Node | undefined
    for (const [index, node] of nodes.entries()) {
      const gap = before ? this.#text.slice(before.endIndex, node.startIndex) : " "
      if (!/^(?:[ \t]|\\\n)*$/.test(gap)) this.unclear("something between words")
      const isRedirect = node.type.endsWith("_redirect")
      const touches = before !== undefined && !/[ \t]/.test(gap)
      before = node
      if (isRedirect) {
        if (touches && node.namedChildren[0]?.type === "file_descriptor") this.unclear("a redirect")
        words.push(...this.#redirect(node))
        continue
      }
      const read = this.#word(node, nodes[index + 1])
      // A line may be broken in the midst of a word.
      const previous = nodes[index - 1]
      if (touches && previous && !previous.type.endsWith("_redirect")) {
        if (gap === "" && previous.text !== "$") this.unclear("words without a gap")
        const [first, last] = [read.shift(), words.pop()]
        if (first && last) read.unshift({ ...first, text: last.text + first.text, sure: last.sure && first.sure, one: last.one && first.one, fed: last.fed || first.fed })
      } else if (touches && !/^[<>]&-$/.test(previous?.text.replace(/^\d+/, "") ?? "")) this.unclear("a word behind a redirect")
      words.push(...read)
    }
    return words
  }

  #word(node: Node, next: Node | undefined): Word[] {
    if (!this.#steps()) return []
    if (node.type === "variable_assignment") return [this.#assignment(node)]
    if (node.isNamed && node.type !== "subshell" && !node.isError) return node.type === "variable_name" ? [literal(node.text)] : readWords(node, this)
    if (!node.isNamed) {
      // `$"…"` is what a translation says.
      if (node.text === "$" && next?.startIndex === node.endIndex) return [{ text: "$", sure: false, one: true, fed: false }]
      if (/^(\$|=~|==|export|declare|typeset|readonly|local|unset|unsetenv)$/.test(node.text)) return [literal(node.text)]
    }
    this.unclear(`the shell's "${node.isNamed ? node.type : node.text}"`)
    this.#search(node)
    return []
  }

  #assignment(node: Node): Word {
    const [name, operator, value] = [node.children[0], node.children[1], node.children[2]]
    const sets = name?.text ?? ""
    if (name?.type !== "variable_name" || !operator || !["=", "+="].includes(operator.text) || node.childCount > 3) {
      this.unclear(name?.type === "subscript" ? "an assignment with a subscript" : "an assignment")
      this.#search(node)
    }
    if (value?.type === "array") {
      for (const child of value.namedChildren) readWord(child, this)
      return { text: node.text, sure: false, one: true, fed: false, sets }
    }
    const word = value ? readWord(value, this) : literal("")
    return { ...word, text: `${sets}${operator?.text ?? "="}${word.text}`, one: true, sets }
  }

  /** What stands behind the file of a redirect are words of its command. */
  #redirect(node: Node): Word[] {
    if (node.type === "heredoc_redirect") return this.#heredoc(node)
    this.#gaps(node)
    const operator = node.children.find((child) => !child.isNamed)?.text ?? ""
    const [target, ...more] = node.namedChildren.filter((child) => child.type !== "file_descriptor")
    if (node.namedChildren.some((child) => child.type === "file_descriptor" && !/^\d+$/.test(child.text))) this.unclear("a redirect")
    if (node.type === "herestring_redirect") {
      if (target) readWord(target, this)
      return more.flatMap((child) => readWords(child, this))
    }
    if (operator.endsWith("&-")) {
      // Closed: what follows is a word of its own, though nothing stands between.
      if (target) this.unclear("a redirect")
    } else if (!target) this.unclear("a redirect without a file")
    else this.#file(operator, target)
    return more.flatMap((child) => readWords(child, this))
  }

  #file(operator: string, target: Node): void {
    const { text, sure } = readWord(target, this)
    if (/^[<>]&$/.test(operator) && /^\d+-?$/.test(target.text)) return
    // What stands after >& is expanded twice: quotes around it keep nothing back.
    if (!sure || text === "" || (operator.endsWith("&") && target.text !== text) || operator === "<&" || /^\/dev\/(tcp|udp)\//.test(text)) return this.unclear("a redirect whose file is not certain")
    if (HARMLESS.has(text)) return
    if (operator === "<") this.#found.reads.push(text)
    else if ([">", ">>", ">|", ">&", "&>", "&>>", "<>"].includes(operator)) this.#found.writes.push(text)
    else this.unclear("a redirect")
  }

  #heredoc(node: Node): Word[] {
    if (!isHeredocWhole(node, this.#text)) this.unclear("a here document")
    const words: Word[] = []
    for (const child of node.children) {
      if (child.type === "heredoc_body") {
        for (const piece of child.namedChildren) if (piece.type !== "heredoc_content") readWord(piece, this)
        if (leftOf(node, child) !== "") this.unclear("a here document")
      } else if (["heredoc_start", "heredoc_end", "file_descriptor"].includes(child.type)) continue
      else if (child.type.endsWith("_redirect")) words.push(...this.#redirect(child))
      else if (!child.isNamed) { if (!JOINTS.has(child.text.trim()) && !child.text.startsWith("<<")) this.unclear("a here document") }
      else if (HOLDERS.has(child.type) || /command|statement|definition|assignment/.test(child.type)) this.#statement(child)
      else words.push(...readWords(child, this))
    }
    return words
  }

  #redirected(node: Node): void {
    const [first, ...rest] = node.namedChildren
    const body = first && !first.type.endsWith("_redirect") ? first : undefined
    const words = (body ? rest : node.namedChildren).flatMap((child) => this.#redirect(child))
    if (body?.type === "command") return this.#add([...this.#command(body), ...words])
    if (body) this.#statement(body)
    if (body && words.length > 0) this.unclear("words behind a redirect")
    else this.#add(words)
  }

  /** `[` is a command like any other, `[[` has a grammar of its own. Numbers are evaluated in it, and `-v` looks into subscripts: both run what stands there. */
  #test(node: Node): void {
    const { text } = node
    const double = text.startsWith("[[")
    if (!(double ? /^\[\[\s[^]*\s\]\]$/ : /^\[[ \t][^]*[ \t]\]$/).test(text)) this.unclear("a test")
    if ((double ? /\s-(eq|ne|lt|le|gt|ge|v|R)\s/ : /\s-[vR]\s/).test(text)) this.unclear("a test that evaluates")
    let end = node.startIndex
    for (const leaf of leaves(node)) {
      if (!(double ? /^\s*$/ : /^(?:[ \t]|\\\n)*$/).test(this.#text.slice(end, leaf.startIndex))) this.unclear("a test")
      end = leaf.endIndex
      if (leaf.isNamed && !["test_operator", "extglob_pattern", "regex"].includes(leaf.type)) readWord(leaf, this)
      else if (!(double ? /^(?:[\w.*?+=~!<>&|()^$:/@[\]-]|\\.)*$/ : /^[\w=!-]*$|^[[\]]$/).test(leaf.text.trim()) || leaf.text.includes("$(")) this.unclear("a test")
    }
    this.#found.commands.push({ name: "[", head: 0, words: [literal("[")], text, harmless: true })
  }

  #for(node: Node): void {
    for (const child of node.children) {
      if (child.type === "variable_name") { if (setsMore(`${child.text}=`)) this.unclear(`an assignment to ${child.text}`) }
      else if (child.type === "do_group" || child.type === "compound_statement") this.#statement(child)
      else if (child.isNamed) readWords(child, this)
      else if (!["for", "in", ";", "\n", ""].includes(child.text.trim())) this.unclear(`the shell's "${child.text.trim()}"`)
    }
  }

  #case(node: Node): void {
    let patterns = node.type === "case_item"
    for (const child of node.children) {
      const text = child.text.trim()
      if (!child.isNamed) {
        if (text === ")") patterns = false
        else if (!["case", "in", "esac", "(", "|", ";;", ";&", ";;&", ";", "&", "\n", ""].includes(text)) this.unclear(`the shell's "${text}"`)
      } else if (child.type === "case_item") this.#statement(child)
      else if (node.type === "case_statement") { if (child.type === "comment") this.#comment(child); else readWord(child, this) }
      else if (!patterns) this.#statement(child)
      else if (child.type === "extglob_pattern" || child.type === "word") { if (!/^[\w.*?:/@+=,-]+$/.test(child.text)) this.unclear("a pattern") }
      else readWord(child, this)
    }
  }

  #function(node: Node): void {
    for (const child of node.children) {
      if (!child.isNamed) { if (!["function", "(", ")"].includes(child.text.trim())) this.unclear("a function") }
      else if (child.type !== "word") this.#statement(child)
      // What it hides keeps its name in what follows.
      else if (!/^[\w.-]+$/.test(child.text) || MOVERS.has(child.text) || runsMore(child.text, []) !== undefined) this.unclear("a function of that name")
    }
  }

  #comment(node: Node): void {
    const before = this.#text.slice(0, node.startIndex)
    if (!/^#[^\n]*$/.test(node.text) || !/(^|[\s;&|()])$/.test(before) || /\\[\s;&|()]$/.test(before)) this.unclear("a comment")
  }

  #add(given: readonly Word[]): void {
    const made = simpleOf(given)
    if (!made) return
    const { command, carried, doubts } = made
    this.#found.commands.push(command)
    for (const inner of carried?.commands ?? []) this.#carry(() => this.#add(inner))
    if (carried?.script !== undefined) new Reader(carried.script, this.#parse, this.#found, this.#carried + 1, this.#sets).readAll()
    for (const doubt of doubts) this.unclear(doubt)
  }

  #carry(work: () => void): void {
    this.#depth += 10
    if (this.#depth > MAX_DEPTH) this.unclear("commands in commands too deep")
    else work()
    this.#depth -= 10
  }
}

/** The variables that a line sets to what may be more than a name or a path. */
function variablesOf(tree: Node): string[] {
  return tree.descendantsOfType(["variable_assignment", "for_statement", "command"]).flatMap((node) => {
    if (node?.type === "command") return node.namedChild(0)?.text === "read" ? node.namedChildren.slice(1).map(({ text }) => text) : []
    const [variable, ...values] = node?.namedChildren.filter(({ type }) => type !== "do_group" && type !== "compound_statement") ?? []
    return variable && !values.every(({ text }) => /^[\w./*?@:+,][\w./*?@:+,=-]*$/.test(text)) ? [variable.text] : []
  })
}

const leaves = (node: Node): Node[] => node.children.flatMap((child) => (child.type.endsWith("_expression") && child.type !== "brace_expression" ? leaves(child) : [child]))
