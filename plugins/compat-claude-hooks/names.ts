/** The same tools by two names: what a call of Graft's looks like to a hook of Claude Code's, and the way back. Pure. */
import { resolve } from "node:path"
import type { Outcome } from "../tool/contract.ts"

/** One call as a hook sees it. `names`: all names under which it may be meant, the one that is told first. */
export interface View { names: readonly string[]; input: Record<string, unknown> }

interface Field { graft: string; claude: string; kind?: "path" | "seconds" }
interface Known { names: readonly string[]; fields?: readonly Field[] }

const PATH: Field = { graft: "path", claude: "file_path", kind: "path" }
const WHERE: Field = { graft: "path", claude: "path", kind: "path" }
const BACKGROUND: Field = { graft: "background", claude: "run_in_background" }

const TOOLS: Readonly<Record<string, Known>> = {
  bash: { names: ["Bash"], fields: [{ graft: "timeout", claude: "timeout", kind: "seconds" }, BACKGROUND] },
  read: { names: ["Read"], fields: [PATH] },
  write: { names: ["Write"], fields: [PATH] },
  edit: { names: ["Edit"], fields: [PATH, { graft: "oldText", claude: "old_string" }, { graft: "newText", claude: "new_string" }, { graft: "all", claude: "replace_all" }] },
  glob: { names: ["Glob"], fields: [WHERE] },
  grep: { names: ["Grep"], fields: [WHERE, { graft: "ignoreCase", claude: "-i" }, { graft: "context", claude: "-C" }] },
  ls: { names: ["LS"], fields: [WHERE] },
  webfetch: { names: ["WebFetch"] },
  websearch: { names: ["WebSearch"] },
  task: { names: ["Task", "Agent"], fields: [{ graft: "agent", claude: "subagent_type" }, BACKGROUND] },
  todo: { names: ["TodoWrite"] },
  skill: { names: ["Skill"] },
  question: { names: ["AskUserQuestion"] },
}

const STATES: readonly (readonly [graft: string, claude: string])[] = [["pending", "pending"], ["active", "in_progress"], ["done", "completed"], ["dropped", "completed"]]

/** Most calls are one; a patch is one for each file, so that whoever guards a file guards it here too. `server`: whose tool it is. */
export function viewsOf(name: string, input: unknown, directory: string, server?: string): View[] {
  const given = record(input)
  if (server !== undefined) return [{ names: [`mcp__${server}__${name.slice(server.length + 1)}`], input: given }]
  if (name === "patch") return patchViews(String(given.patch ?? ""), directory)
  const { names, fields = [] } = knownOf(name)
  const told = Object.entries(given).map(([key, value]): [string, unknown] => {
    const field = fields.find(({ graft }) => graft === key)
    return [field?.claude ?? key, field ? toClaude(field, value, directory) : value]
  })
  return [{ names, input: name === "todo" ? { ...given, todos: list(given.todos).map(({ text, state = "pending" }) => ({ content: text, status: STATES.find(([own]) => own === state)?.[1], activeForm: text })) } : Object.fromEntries(told) }]
}

/** What a hook made of the input of a call that it saw as one. */
export function inputOf(name: string, told: Record<string, unknown>): Record<string, unknown> {
  if (name === "todo") return { ...told, todos: list(told.todos).map(({ content, status }) => ({ text: content, state: STATES.find(([, theirs]) => theirs === status)?.[0] ?? "pending" })) }
  const { fields = [] } = knownOf(name)
  return Object.fromEntries(Object.entries(told).map(([key, value]) => {
    const field = fields.find(({ claude }) => claude === key)
    return [field?.graft ?? key, field?.kind === "seconds" && typeof value === "number" ? Math.max(1, Math.ceil(value / 1_000)) : value]
  }))
}

/** What a hook is told of what came of it. */
export function responseOf(name: string, view: View, output: string, outcome: Outcome): unknown {
  if (name === "bash") return { stdout: output, stderr: "", interrupted: outcome === "interrupted", isImage: false }
  if (["edit", "write", "patch"].includes(name)) return { filePath: view.input.file_path, success: outcome === "ok", output }
  if (name === "read") return { type: "text", file: { filePath: view.input.file_path, content: output } }
  return { output }
}

const knownOf = (name: string): Known => (Object.hasOwn(TOOLS, name) ? TOOLS[name]! : { names: [name] })
const record = (value: unknown): Record<string, unknown> => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {})
const list = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.map(record) : [])

function toClaude({ kind }: Field, value: unknown, directory: string): unknown {
  if (kind === "path" && typeof value === "string" && !/^(?:~\/|blob:)/.test(value)) return resolve(directory, value)
  return kind === "seconds" && typeof value === "number" ? value * 1_000 : value
}

const ENVELOPE = /^\*\*\* (?:(Add|Update|Delete) File|Move to): (.+)$/
const UNIFIED = /^(?:---|\+\+\+) ([^\t]+)/

function patchViews(patch: string, directory: string): View[] {
  const found = new Map<string, View & { added: string[] }>()
  let current: (View & { added: string[] }) | undefined
  for (const line of patch.split(/\r?\n/)) {
    const [, kind, named] = ENVELOPE.exec(line) ?? []
    const path = (named ?? UNIFIED.exec(line)?.[1]?.replace(/^[ab]\//, ""))?.trim()
    if (path === undefined) {
      if (line.startsWith("+")) current?.added.push(line.slice(1))
    } else if (path !== "/dev/null") {
      const real = resolve(directory, path)
      current = found.get(real) ?? { names: [kind === "Add" ? "Write" : "Edit"], input: { file_path: real }, added: [] }
      found.set(real, current)
    }
  }
  const views = [...found.values()].map(({ names, input, added }): View => ({ names, input: names[0] === "Write" ? { ...input, content: added.join("\n") } : { ...input, old_string: "", new_string: added.join("\n") } }))
  return views.length > 0 ? views : [{ names: ["Edit"], input: { patch } }]
}
