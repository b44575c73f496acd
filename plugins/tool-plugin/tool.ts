/** `plugin`: a plugin is written, checked, tried against the laws, and made live; nothing of it runs before a person, or a rule of theirs, has agreed to these very bytes. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as v from "valibot"
import type { Graft } from "graft"
import { unifiedDiff } from "../lib/diffs.ts"
import type { ToolDefinition, ToolResult } from "../tool/contract.ts"
import { check } from "./check.ts"
import { install, MARK, ownPlugins, remove } from "./install.ts"
import { placesOf } from "./places.ts"

const input = v.object({
  do: v.pipe(v.picklist(["guide", "write", "remove", "list"]), v.description("guide: how a plugin is written, read it first. write: checks it and makes it live. remove: takes one out that you wrote. list: those that you wrote")),
  name: v.optional(v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,63}$/, "lower-case letters, digits and dashes"), v.description("write, remove: its name"))),
  source: v.optional(v.pipe(v.string(), v.maxLength(200_000), v.description("write: all of its TypeScript"))),
  project: v.optional(v.pipe(v.boolean(), v.description("write: for this project alone; it runs once its owner trusts it"))),
})
type Input = v.InferOutput<typeof input>

/** Milliseconds: the check of types and the laws, and what comes after them. */
const PATIENCE = 180_000

export const makePluginTool = (graft: Graft): ToolDefinition<typeof input> => ({
  name: "plugin",
  description: "Extends this very program while it runs: with a plugin it has a new tool, hook, provider or command from the next turn on, without a restart. For wishes such as \"add a tool that …\".",
  input,
  effects: ["write", "run"],
  limits: { milliseconds: PATIENCE },
  permission(asked, { location }) {
    if (asked.do === "guide" || asked.do === "list" || asked.name === undefined) return undefined
    return askFor(graft, asked, location)
  },
  async execute(asked, { directory, location, signal, progress }): Promise<ToolResult> {
    const places = placesOf(graft, location)
    if (asked.do === "guide") return readFileSync(join(places.home, "config/skills/write-a-plugin/SKILL.md"), "utf8").replace(/^---[\s\S]*?---\s*/, "")
    if (asked.do === "list") return ownPlugins(places).map(({ id, file }) => `${id}  ${file}`).join("\n") || "you have written none"
    const { name } = asked
    if (name === undefined) return refusal(`${asked.do} needs a name`)
    if (asked.do === "remove") return remove(graft, places, name)
    if (asked.source === undefined) return refusal("write needs the source: read the guide first")
    const reason = taken(graft, asked, location)
    if (reason) return refusal(reason)
    const source = `${MARK}\n${asked.source.replace(`${MARK}\n`, "")}`
    progress({ title: name, output: "checking types, and the laws that every plugin keeps" })
    // A compiler that the project brings along is code of the project.
    const trusted = await graft.trust.allowed(location).catch(() => false)
    const found = await check({ name, source, places, compilers: trusted ? [places.user, directory] : [places.user], signal })
    if (found.problems.length > 0) return { output: `nothing was made live: ${found.problems.join("\n")}`, title: name, failed: true }
    progress({ title: name, output: "making it live" })
    return install(graft, { name, source, directory: asked.project ? places.project : places.user, notes: found.notes })
  },
})

const refusal = (output: string): ToolResult => ({ output, failed: true })

/** What a person reads before they agree: what it registers, by its words, and every line that is new. */
async function askFor(graft: Graft, { do: verb, name, source = "", project }: Input, location: string) {
  const places = placesOf(graft, location)
  const file = join(project ? places.project : places.user, `${name}.ts`)
  const before = existsSync(file) ? readFileSync(file, "utf8") : ""
  const words = [...new Set([...source.matchAll(/\bgraft\.(\w+)(?:\.register)?\(\s*(["'][\w.*-]+["'])?/g)].map(([, word, of = ""]) => `${word}${of && ` ${of}`}`))]
  const detail = verb === "remove" ? "is taken out again" : `${words.length > 0 ? `uses ${words.join(", ")}\n` : ""}${before ? await unifiedDiff(file, before, source) : source}`
  return { action: "plugin", resource: file, detail, rule: `plugin:${file}` }
}

/** A name that is somebody else's is not taken. */
function taken(graft: Graft, { name, project }: Input, location: string): string | undefined {
  const places = placesOf(graft, location)
  const file = join(project ? places.project : places.user, `${name}.ts`)
  if (existsSync(join(places.home, "plugins", name!, "index.ts"))) return `"${name}" is a built-in plugin: choose another name`
  if (existsSync(join(file, "..", name!))) return `there is a plugin "${name}" already, in a folder: choose another name`
  if (existsSync(file) && !readFileSync(file, "utf8").startsWith(MARK)) return `${file} was not written by you: choose another name, or change it with edit`
  return undefined
}
