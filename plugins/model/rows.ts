/** What a contribution must look like. A row that does not is left out alone, and its owner is told the field. */
import * as v from "valibot"
import type { Model, ModelRow, ProviderRow } from "./contract.ts"
import { forbidden, type Policy } from "./policy.ts"

const flag = v.optional(v.boolean())
const tokens = v.optional(v.pipe(v.number(), v.integer("a whole number of tokens"), v.minValue(1, "a limit is at least 1; leave out what is not known")))
const dollars = v.optional(v.pipe(v.number(), v.finite(), v.minValue(0, "dollars a million tokens, not negative")))
const text = v.pipe(v.string(), v.nonEmpty())

const prices = { input: dollars, output: dollars, cacheRead: dollars, cacheWrite: dollars }

const fields = {
  name: v.optional(text),
  family: v.optional(text),
  api: v.optional(text),
  capabilities: v.optional(v.looseObject({ tools: flag, parallelTools: flag, reasoning: flag, images: flag, pdf: flag, audio: flag, structured: flag, cache: flag })),
  limits: v.optional(v.looseObject({ context: tokens, input: tokens, output: tokens, source: v.optional(text) })),
  cost: v.optional(v.looseObject({ ...prices, tiers: v.optional(v.array(v.looseObject({ above: v.pipe(v.number(), v.minValue(1, "tokens of input")), ...prices }))) })),
  variants: v.optional(v.record(v.string(), v.record(v.string(), v.unknown()))),
  replay: v.optional(v.picklist(["keep", "strip", "convert", "last-turn"])),
  status: v.optional(v.picklist(["active", "preview", "deprecated"])),
  released: v.optional(text),
}
const plain = <T>() => v.check((value: T) => isPlain(value), "plain data only: no functions, no reserved names, at most 8 levels deep")
/** Names that no object of plain data may have: patches cannot carry them. */
export const RESERVED: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"])
const id = v.pipe(text, v.check((name) => !RESERVED.has(name), "a name that is no property of every object"))
const providerId = v.pipe(id, v.regex(/^[^\s/]+$/, 'a provider\'s id, without "/" and spaces'))

/** What somebody may say of a model that is named already: config, or the user's models.jsonc. */
export const ModelFields = v.pipe(v.looseObject(fields), plain())

const Row = v.pipe(v.looseObject({ id, provider: providerId, ...fields }), plain())
export const ModelRows = v.lazy((input): v.GenericSchema => (Array.isArray(input) ? v.array(Row) : Row))

export const ProviderRows = v.looseObject({
  id: providerId,
  name: text,
  ready: v.boolean(),
  reason: v.optional(v.string()),
  rank: v.optional(v.pipe(v.number(), v.finite())),
  defaultModel: v.optional(text),
  smallModel: v.optional(text),
  languageModel: v.function("speaks for one model"),
})

/** What is wrong with a row, or undefined. */
export function problemOf(row: unknown): string | undefined {
  const result = v.safeParse(Row, row)
  if (result.success) return undefined
  const [issue] = result.issues
  return `${v.getDotPath(issue) ?? "the model"}: ${issue.message}`
}

export const refOf = (row: Pick<ModelRow, "provider" | "id">): string => `${row.provider}/${row.id}`
/** The provider is what stands before the first slash: ids may have slashes of their own. */
export const splitRef = (ref: string): { provider: string; id: string } | undefined => {
  const at = ref.indexOf("/")
  return at > 0 && at < ref.length - 1 ? { provider: ref.slice(0, at), id: ref.slice(at + 1) } : undefined
}

/** A row as others see it. */
export function modelOf(row: ModelRow, provider: ProviderRow | undefined, policy: Policy = {}): Model {
  const ref = refOf(row)
  const reason = forbidden(ref, policy) ?? (provider?.ready ? undefined : provider ? (provider.reason ?? `${provider.name} is not ready`) : `no plugin speaks for "${row.provider}"`)
  return Object.freeze({ ...row, ref, name: row.name ?? row.id, usable: reason === undefined, ...(reason !== undefined && { reason }) })
}

function isPlain(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return typeof value !== "function" && typeof value !== "symbol" && typeof value !== "bigint"
  if (depth >= 8) return false
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth + 1))
  const prototype = Object.getPrototypeOf(value) as unknown
  return (prototype === Object.prototype || prototype === null) && Object.entries(value).every(([key, item]) => !RESERVED.has(key) && isPlain(item, depth + 1))
}
