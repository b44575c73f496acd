/**
 * The config as one realm sees it: the layers laid over each other, hooks applied, checked by the sections. What a
 * project's file says before that project is trusted counts only where a section is marked safe.
 */
import type { Contribution, Row } from "graft"
import { near } from "../lib/near.ts"
import { check, UNKNOWN, type Judge, type Problem } from "./check.ts"
import type { ConfigSection, ConfigWarning, Layer } from "./contract.ts"
import { overlay } from "./hooks.ts"
import { formatPath } from "./path.ts"
import { refers } from "./reference.ts"
import { jsonSchemaOf, knownBeside } from "./schema.ts"
import type { Sheet } from "./sheet.ts"
import { fold, isTree, own, valueAt, type Tree } from "../lib/tree.ts"

/** What holds, who says it, and what was wrong. */
export interface Standing { readonly tree: Tree; readonly sheets: readonly Sheet[]; readonly warnings: readonly ConfigWarning[]; readonly known: readonly string[] }
export type Sections = ReadonlyMap<string, Row<ConfigSection>>

/** Warnings that are told of one realm; who has more has seen enough. */
const MOST = 50

export interface Realm {
  readonly sections: Sections
  /** The ids of the plugins, once all are there that could know a key; undefined before. */
  readonly plugins: readonly string[] | undefined
  allowed(): Promise<boolean>
  load(tree: Tree): Promise<{ tree: Tree; patches: readonly Contribution[] }>
}

export async function standing(sheets: readonly Sheet[], realm: Realm): Promise<Standing> {
  const honoured = await Promise.all(sheets.map((sheet) => (sheet.layer === "project" ? gate(sheet, realm) : { sheet, problems: [] })))
  const layers = honoured.map(({ sheet }) => sheet)
  const merged = fold(layers.map(({ tree }) => tree))
  const loaded = await realm.load(merged)
  const checked = check(overlay(layers, merged, loaded.tree, loaded.patches), judges(realm.sections), realm.plugins !== undefined)
  const problems = [...honoured.flatMap((each) => each.problems), ...checked.problems, ...strangers(checked.sheets, realm.plugins)]
  return {
    tree: fold(checked.sheets.map(({ tree }) => tree)), sheets: checked.sheets, known: [...realm.sections.keys()],
    warnings: await describeAll(problems.slice(0, MOST), realm),
  }
}

/** A schema that fails itself is its owner's fault, and judges nothing. */
export const judges = (sections: Sections): Map<string, Judge> => new Map([...sections].map(([id, row]) => [id, (value) => {
  try {
    const result = row.run(() => row.item.schema["~standard"].validate(value))
    if (result instanceof Promise || !result.issues) return []
    return result.issues.flatMap((issue) => {
      const keys = (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step))
      const message = discreet(issue.message, valueAt(value, keys))
      // Some libraries name unknown keys beside the path of their object.
      const beside = (issue as { keys?: unknown }).keys
      return Array.isArray(beside) ? beside.map((key) => ({ keys: [...keys, String(key)], message })) : { keys, message }
    })
  } catch {
    return []
  }
}]))

/** What stands there may be a key in the wrong place: it is not repeated. */
const discreet = (message: string, value: unknown): string => (typeof value === "string" ? message.replaceAll(`"${value}"`, "this text").replaceAll(JSON.stringify(value), "this text") : message)

async function gate(sheet: Sheet, { sections, plugins, allowed }: Realm): Promise<{ sheet: Sheet; problems: Problem[] }> {
  const held = new Set(Object.keys(sheet.tree).filter((key) => sections.get(key)?.item.safe !== true || refers(sheet.tree[key])))
  if (held.size === 0 || (await allowed())) return { sheet, problems: [] }
  const tree = Object.fromEntries(Object.entries(sheet.tree).filter(([key]) => !held.has(key)))
  const problems = [...held].flatMap((key): Problem[] => (sections.has(key) ? [{ sheet, keys: [key], message: UNTRUSTED }] : plugins && sheet.from === undefined ? [{ sheet, keys: [key], message: UNKNOWN }] : []))
  return { sheet: { ...sheet, tree }, problems }
}

/** The lowest first. */
export const LAYERS: readonly Layer[] = ["default", "managed", "user", "project", "env", "flag"]
const UNTRUSTED = "is not honoured until this project is trusted (graft trust allow)"
const STRANGER = "there is no plugin of this id"

/** Blocks of plugins that do not exist; they disturb nobody, but somebody meant something. */
function strangers(sheets: readonly Sheet[], plugins: readonly string[] | undefined): Problem[] {
  if (!plugins) return []
  return sheets.flatMap((sheet) => {
    const blocks = own(sheet.tree, "plugins")
    return isTree(blocks) ? Object.keys(blocks).filter((id) => !plugins.includes(id)).map((id): Problem => ({ sheet, keys: ["plugins", id], message: STRANGER })) : []
  })
}

/** Layer by layer, and in the order in which a reader of the file finds them. */
async function describeAll(problems: readonly Problem[], realm: Realm): Promise<ConfigWarning[]> {
  const found = await Promise.all(problems.map(async (problem) => ({ rank: LAYERS.indexOf(problem.sheet.layer), warning: await describe(problem, realm) })))
  return found.sort((a, b) => a.rank - b.rank || (a.warning.line ?? 0) - (b.warning.line ?? 0)).map(({ warning }) => warning)
}

async function describe({ sheet, keys, message }: Problem, { sections, plugins }: Realm): Promise<ConfigWarning> {
  const place = await sheet.place(keys)
  const [id, ...rest] = keys as [string, ...string[]]
  const section = sections.get(id)
  const known = message === STRANGER ? plugins! : section ? message === UNTRUSTED ? undefined : knownBeside(await jsonSchemaOf(section.item), rest) : [...sections.keys()]
  const [best] = known ? near(keys.at(-1)!, known) : []
  return {
    ...place, path: formatPath(keys), message: known && section && message !== STRANGER ? UNKNOWN : message,
    ...(best !== undefined && { suggestion: formatPath([...keys.slice(0, -1), best]) }),
  }
}
