/**
 * What would have to be written so that Graft's own files say what the others say now. What stands in our own already
 * counts, so a second time there is nothing left to write. Secrets stay where they are.
 */
import { readFile } from "node:fs/promises"
import { dirname, isAbsolute, join } from "node:path"
import type { Graft } from "graft"
import type { ConfigWarning } from "../config/contract.ts"
import { isDocument, parseDocument } from "../lib/jsonc.ts"
import { edit } from "../lib/jsonc-edit.ts"
import { formatKeys, isTree, leaves, valueAt, type Keys, type Tree } from "../lib/tree.ts"
import { besides } from "./beside.ts"
import type { Conversion, Fate, Plan, Question, Step } from "./contract.ts"
import { agentsOf, ConvertError } from "./errors.ts"
import { PLACES, type Agent } from "./places.ts"
import { readForeign, type Reading } from "./reading.ts"

type Layer = Conversion["layer"]
interface Read { agent: Agent; file: string; layer: Layer; reading: Reading }
/** One value that is to stand in a file of ours. */
interface Wish { keys: Keys; value: unknown }

export async function plan(graft: Graft, question: Question = {}): Promise<Plan> {
  const { conversions, wishes } = await survey(graft, question)
  const steps: Step[] = []
  for (const [layer, wanted] of wishes) {
    const file = await fileOf(graft, layer, question.location)
    const before = (await textOf(file)) ?? ""
    let after = before
    for (const { keys, value } of wanted) after = await edit(after, await treeOf(file, after), keys, value)
    if (wanted.length > 0) steps.push({ file, layer, before, after, paths: wanted.map(({ keys }) => formatKeys(keys)) })
  }
  const agents = agentsOf(question.from)
  const { location } = question
  const mine = (await besides(agents)).map((each) => ({ ...each, layer: "user" as const }))
  const theirs = location === undefined ? [] : (await besides(agents, location)).map((each) => ({ ...each, layer: "project" as const }))
  return { conversions, neighbours: [...mine, ...theirs], steps }
}

export async function migrate(graft: Graft, question: Question = {}): Promise<string[]> {
  const { wishes } = await survey(graft, question)
  const changed = new Set<string>()
  for (const [layer, wanted] of wishes) {
    for (const { keys, value } of wanted) changed.add((await graft.config.set(formatKeys(keys), value, { layer, ...(question.location !== undefined && { location: question.location }) })).file)
  }
  return [...changed]
}

async function survey(graft: Graft, { from, location }: Question): Promise<{ conversions: Conversion[]; wishes: Map<Layer, Wish[]> }> {
  const schema = await graft.config.schema(location)
  const plugins = new Set(graft.kernel.inspect().realms.flatMap((realm) => realm.plugins.filter(({ status }) => status === "live").map(({ id }) => id)))
  const known = new Set(Object.keys(schema.properties as object))
  const warnings = await graft.config.warnings(location)
  const conversions: Conversion[] = []
  const read: Read[] = []
  for (const layer of location === undefined ? (["user"] as const) : (["user", "project"] as const)) {
    for (const agent of agentsOf(from)) for (const file of PLACES[agent](layer === "user" ? undefined : location)) {
      const text = await textOf(file)
      if (text === undefined) continue
      const reading = await readForeign(agent, text, { file, ...(layer === "project" && { location: location! }) })
      const refused = (keys: Keys) => refusal(warnings, file, keys)
      if ("message" in reading) conversions.push({ agent, file, layer, fates: [], broken: reading })
      else {
        read.push({ agent, file, layer, reading })
        const fates = await fatesOf(reading, { known, plugins, refused }, file.endsWith(".claude.json") && layer === "project" ? ["projects", location!] : [])
        conversions.push({ agent, file, layer, fates })
      }
    }
  }
  const wishes = new Map<Layer, Wish[]>()
  for (const layer of ["user", "project"] as const) {
    const mine = read.filter((each) => each.layer === layer)
    if (mine.length === 0) continue
    const own = await fileOf(graft, layer, location)
    wishes.set(layer, wishesOf(mine, await treeOf(own, (await textOf(own)) ?? ""), known, warnings))
  }
  return { conversions, wishes }
}

// ── what becomes of each word ────────────────────────────────────────────────────────────────────────────────────

interface House { known: ReadonlySet<string>; plugins: ReadonlySet<string>; refused(keys: Keys): string | undefined }

async function fatesOf({ moved, left, line }: Reading, { known, plugins, refused }: House, below: Keys): Promise<Fate[]> {
  const fates = new Map<string, Fate>()
  const of = async (from: Keys): Promise<Fate> => {
    const key = formatKeys(from)
    if (!fates.has(key)) fates.set(key, { from: key, line: await line(from) })
    return fates.get(key)!
  }
  const within = (from: Keys) => below.every((key, i) => from[i] === key)
  for (const { from, to, note } of moved) {
    if (!within(from)) continue
    const fate = await of(from)
    const problem = known.has(to[0]!) ? refused(to) : `nothing here reads "${to[0]}"`
    if (problem === undefined) fate.to = [...new Set([...(fate.to ?? []), formatKeys(to)])]
    if (problem ?? note) fate.reason ??= problem ?? note
  }
  for (const { from, reason, reader, implied } of left) {
    if (!within(from)) continue
    const fate = await of(from)
    fate.reason ??= reader === undefined || plugins.has(reader) ? reason : `${reader} would read it, and is not there`
    if (reader !== undefined && plugins.has(reader)) fate.reader ??= reader
    if (implied) fate.implied = true
  }
  return [...fates.values()].sort((a, b) => a.line - b.line)
}

/** What the section says of it, where it does not take it. */
function refusal(warnings: readonly ConfigWarning[], file: string, keys: Keys): string | undefined {
  const path = formatKeys(keys)
  return warnings.find((warning) => warning.file === file && warning.path !== "" && (path === warning.path || path.startsWith(`${warning.path}.`)) && !warning.message.startsWith("is not honoured"))?.message
}

// ── what would be written ────────────────────────────────────────────────────────────────────────────────────────

/** Lists that grow; any other is one value. */
const grows = ([first, second]: Keys): boolean => first === "permissions" || first === "instructions" || (first === "models" && (second === "allow" || second === "deny"))

function wishesOf(read: readonly Read[], own: Tree, known: ReadonlySet<string>, warnings: readonly ConfigWarning[]): Wish[] {
  const wanted = new Map<string, Wish>()
  for (const { file, reading } of read) {
    const secrets = new Set(reading.moved.filter(({ secret }) => secret).map(({ to }) => formatKeys(to)))
    for (const { keys, value } of leaves(reading.tree)) {
      const path = formatKeys(keys)
      if (!known.has(keys[0]!) || keys.includes("") || secrets.has(path) || refusal(warnings, file, keys) !== undefined) continue
      const before = wanted.get(path)?.value
      const found = anchored(value, dirname(file))
      wanted.set(path, { keys, value: grows(keys) ? [...new Set([...asList(before), ...asList(found)])] : found })
    }
  }
  return [...wanted.values()].flatMap(({ keys, value }): Wish[] => {
    const there = valueAt(own, keys)
    if (there === undefined) return blocked(own, keys) ? [] : [{ keys, value }]
    if (!grows(keys) || !Array.isArray(there)) return []
    const more = asList(value).filter((item) => !there.includes(item))
    return more.length > 0 ? [{ keys, value: [...(there as unknown[]), ...more] }] : []
  })
}

/** Something else than an object stands on the way: our own file says otherwise. */
function blocked(own: Tree, keys: Keys): boolean {
  return keys.some((_, i) => { const on = valueAt(own, keys.slice(0, i)); return on !== undefined && !isTree(on) })
}

const asList = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : value === undefined ? [] : [value])

/** A path that starts at the other file starts there still. */
function anchored(value: unknown, directory: string): unknown {
  if (typeof value === "string") return value.replace(/\{file:([^{}]+)\}/g, (whole, path: string) => (isAbsolute(path) || path.startsWith("~") ? whole : `{file:${join(directory, path)}}`))
  return Array.isArray(value) ? value.map((each: unknown) => anchored(each, directory)) : value
}

// ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The one of ours that is written. */
async function fileOf(graft: Graft, layer: Layer, location: string | undefined): Promise<string> {
  const own = (await graft.config.files(location)).findLast((each) => each.layer === layer && each.from === undefined)
  return own!.file
}

async function textOf(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(() => undefined)
}

async function treeOf(file: string, text: string): Promise<Tree> {
  const parsed = await parseDocument(text)
  if (!isDocument(parsed)) throw new ConvertError("convert.broken", `${file}:${parsed.line}: ${parsed.message}; repair it first, nothing was written`)
  return parsed.tree
}
