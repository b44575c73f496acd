/**
 * Everything that the demo understands, as one table: what a person writes, and the tool calls that it means. The
 * README, the answer to anything else, and the spec are made from it.
 */

/** What is done with a result when it is there. */
export type Use = "show" | "explain" | "project" | { plan: string }
/** One tool call, and why it is made. */
export interface Step { tool: string; input: Record<string, unknown>; says: string; use: Use }
/** Stages follow each other; the steps of a stage are made at once. */
export type Stages = Step[][]

export interface Rule {
  id: string
  example: string
  does: string
  /** Matched at the beginning of what is left of the request. */
  pattern: RegExp
  /** The request goes on right behind the match; without it the match is one clause, up to the next "and", comma or "then". */
  whole?: true
  stages(match: RegExpExecArray): Stages
}

const one = (step: Step): Stages => [[step]]
const bare = (text: string): string => text.trim().replace(/^(["'`])([\s\S]*)\1$/, "$2").trim()
const path = (text: string): string => bare(text.trim().replace(/^(?:the\s+)?(?:files?|folder|directory|dir)\s+(?=\S)/i, "")).replace(/(?<=[^.])[.?!]$/, "") || "."

const read = (file: string, use: Use = "show"): Step => ({ tool: "read", input: { path: file }, says: `Reading \`${file}\`.`, use })
const list = (directory: string): Step => ({ tool: "ls", input: { path: directory }, says: `Listing \`${directory}\`.`, use: "show" })

/** A text in quotes, or up to where the request goes on. */
const TEXT = String.raw`(?:"([^"]*)"|'([^']*)'|` + "`([^`]*)`" + String.raw`|(.+?))`
const quoted = (match: RegExpExecArray, from: number): string => match.slice(from, from + 4).find((group) => group !== undefined) ?? ""
/** The request may go on with "then", with a new line, or with "and" after quotes. */
const END = String.raw`(?=\s*$|\s*\n|,?\s+(?:and\s+)?then\b|(?<=["'` + "`" + String.raw`])\s*(?:,|\band\b))`

/** A tool's input as it was written; what is no JSON object is left to the tool to refuse. */
function inputOf(text = "{}"): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}

export const RULES: readonly Rule[] = [
  {
    id: "run", example: "run: npm test", does: "runs a shell command; what follows the colon is taken as it is, to the end",
    pattern: /^(?:run|execute|bash|shell)\s*:\s*(\S[\s\S]*)$/i, whole: true,
    stages: (match) => one({ tool: "bash", input: { command: match[1]!.trim() }, says: `Running \`${match[1]!.trim()}\`.`, use: "show" }),
  },
  {
    id: "write", example: "write notes.txt: remember the milk", does: "writes a file; what follows the colon is its content, to the end",
    pattern: /^(?:write|create)\s+([^\s:][^:\n]*?)\s*:[ \t]*\n?([\s\S]+)$/i, whole: true,
    stages: (match) => one({ tool: "write", input: { path: path(match[1]!), content: match[2]!.endsWith("\n") ? match[2]! : `${match[2]!}\n` }, says: `Writing \`${path(match[1]!)}\`.`, use: "show" }),
  },
  {
    id: "edit", example: 'edit notes.txt: replace "milk" with "bread"', does: "reads a file, then replaces a text in it; quotes are optional",
    pattern: new RegExp(String.raw`^(?:edit|change)\s+([^\s:][^:\n]*?)\s*:\s*replace\s+${TEXT}\s+(?:with|by)\s+${TEXT}${END}`, "i"), whole: true,
    stages: (match) => {
      const file = path(match[1]!)
      return [[{ ...read(file), says: `Reading \`${file}\` before changing it.` }], [{ tool: "edit", input: { path: file, oldText: quoted(match, 2), newText: quoted(match, 6) }, says: `Editing \`${file}\`.`, use: "show" }]]
    },
  },
  {
    id: "use", example: 'use dice {"sides": 6}', does: "calls any tool by its name, also one that was dropped in a moment ago; its input is JSON",
    pattern: /^(?:use|call)\s+([\w-]+)(?:\s*(\{[^\n]*?\}))?(?=\s*$|\s*\n|,?\s+(?:and\s+)?then\b|(?<=\})\s*(?:,|\band\b))/i, whole: true,
    stages: (match) => one({ tool: match[1]!, input: inputOf(match[2]), says: `Using \`${match[1]!}\`.`, use: "show" }),
  },
  {
    id: "plan", example: "plan a login page", does: "looks around, and lists steps towards a goal",
    pattern: /^plan\s*:?\s+(.+)$/im, whole: true,
    stages: (match) => one({ ...list("."), use: { plan: bare(match[1]!) } }),
  },
  {
    id: "project", example: "what is this project?", does: "reads package.json, and tells what the project is from what stands there",
    pattern: /^(?:please\s+)?(?:tell me\s+|explain\s+|describe\s+|summari[sz]e\s+)?(?:what\s+)?(?:(?:is|does)\s+)?(?:this|the)\s+(?:project|repository|repo|codebase)(?:\s+(?:is|do|does|about))*\s*[?.!]*$/i,
    stages: () => one(read("package.json", "project")),
  },
  {
    id: "explain", example: "explain src/index.ts", does: "reads a file, and tells how it is built: its first comment, imports, exports, headings or keys",
    pattern: /^(?:explain|describe|summari[sz]e)\s+(?:me\s+)?(.+)$/i,
    stages: (match) => one(read(path(match[1]!), "explain")),
  },
  {
    id: "search", example: "search TODO in src", does: "searches the contents of files, literally; /between slashes/ as a regular expression",
    pattern: /^(?:search|grep|look)(?:\s+for)?\s+(.+?)(?:\s+(?:in|below|under)\s+(\S+))?$/i,
    stages: (match) => {
      const wanted = bare(match[1]!)
      const expression = /^\/(.+)\/$/.exec(wanted)?.[1]
      const where = match[2] ? path(match[2]) : "."
      return one({ tool: "grep", input: { pattern: expression ?? wanted, path: where, ...(expression === undefined ? { literal: true } : {}) }, says: `Searching \`${where}\` for \`${wanted}\`.`, use: "show" })
    },
  },
  {
    id: "find", example: "find **/*.md", does: "finds files by a pattern of their names",
    pattern: /^(?:find|glob|locate)\s+(.+?)(?:\s+(?:in|below|under)\s+(\S+))?$/i,
    stages: (match) => {
      const pattern = path(match[1]!)
      return one({ tool: "glob", input: { pattern, ...(match[2] ? { path: path(match[2]) } : {}) }, says: `Finding \`${pattern}\`.`, use: "show" })
    },
  },
  {
    id: "list", example: "list src", does: "lists a directory",
    pattern: /^(?:list|ls|dir)(?:\s+(?:all\s+)?(?:the\s+)?(?:files(?:\s+(?:in|of))?|contents\s+of))?(?:\s+(.+))?$/i,
    stages: (match) => one(list(match[1] ? path(match[1]) : ".")),
  },
  {
    id: "read", example: "read package.json", does: "reads a file",
    pattern: /^(?:read|show|cat|open|view|display)\s+(?:me\s+)?(.+)$/i,
    stages: (match) => one(read(path(match[1]!))),
  },
]
