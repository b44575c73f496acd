/** Values that a schema takes, made from its JSON Schema: the edges first, the rest by a seed, so that a failure comes again. */
import type { Schema } from "graft"

type Json = Record<string, any>
interface Converters { "~standard": { vendor: string; jsonSchema?: { input(options: { target: string }): Json } }; toJSONSchema?(options?: object): Json; toJsonSchema?(): Json }

/** undefined: nobody knows what this schema takes. */
export async function jsonSchemaOf(schema: Schema | Json): Promise<Json | undefined> {
  if (!("~standard" in schema)) return schema
  const converters = schema as unknown as Converters
  const { vendor, jsonSchema } = converters["~standard"]
  try {
    if (jsonSchema) return jsonSchema.input({ target: "draft-2020-12" })
    if (vendor === "valibot") return { ...(await import("@valibot/to-json-schema")).toJsonSchema(schema as never, { typeMode: "input", errorMode: "ignore" }) }
    return converters.toJSONSchema?.({ io: "input" }) ?? converters.toJsonSchema?.()
  } catch {
    return undefined
  }
}

/** Gives the value as the schema makes it, or undefined where it does not take it. */
export function accepted(schema: Schema | Json, value: unknown): { value: unknown } | undefined {
  if (!("~standard" in schema)) return { value }
  const result = (schema as Schema)["~standard"].validate(value)
  return result instanceof Promise || result.issues ? undefined : { value: result.value }
}

export function* values(schema: Json, count: number, seed = 1): Generator<unknown> {
  const random = generator(seed)
  for (let size = 0; size < count; size++) yield make(schema, size / count, random, schema.$defs ?? schema.definitions ?? {}, 0)
}

/** `size` 0 makes the least that fits, 1 much of it. */
function make(schema: Json, size: number, random: () => number, defs: Json, depth: number): unknown {
  const pick = <T>(from: readonly T[]): T => from[Math.min(from.length - 1, Math.floor(random() * from.length))]!
  const inner = (other: Json) => make(other, size, random, defs, depth + 1)
  if (typeof schema.$ref === "string") return depth > 8 ? null : inner((defs[schema.$ref.split("/").at(-1)!] ?? {}) as Json)
  if ("const" in schema) return schema.const
  if (Array.isArray(schema.enum)) return pick(schema.enum)
  const choices = (schema.anyOf ?? schema.oneOf) as Json[] | undefined
  if (choices?.length) return inner(pick(choices))
  if (Array.isArray(schema.allOf)) return inner(Object.assign({}, schema, ...schema.allOf, { allOf: undefined }) as Json)
  if ("default" in schema && random() < 0.3) return schema.default
  const type = Array.isArray(schema.type) ? pick(schema.type as string[]) : (schema.type as string | undefined)
  if (type === "object" || schema.properties) return objectOf(schema, size, random, inner, depth)
  if (type === "array") {
    const [least, most] = [schema.minItems ?? 0, schema.maxItems ?? 4]
    return Array.from({ length: depth > 5 ? least : Math.max(least, Math.round(size * Math.min(most, least + 4) * random())) }, () => inner((schema.items ?? {}) as Json))
  }
  if (type === "integer" || type === "number") return numberOf(schema, type, size, random)
  if (type === "boolean") return random() < 0.5
  if (type === "null") return null
  if (type === "string" || type === undefined) return textOf(schema, size, pick)
  return null
}

function objectOf({ properties = {}, required = [], additionalProperties }: Json, size: number, random: () => number, inner: (schema: Json) => unknown, depth: number): Json {
  const named = Object.entries(properties as Record<string, Json>).filter(([name]) => (required as string[]).includes(name) || (depth < 6 && random() < size))
  const others = additionalProperties && typeof additionalProperties === "object" && depth < 4 && random() < size ? [["any", additionalProperties as Json] as const] : []
  return Object.fromEntries([...named, ...others].map(([name, schema]) => [name, inner(schema)]))
}

function numberOf(schema: Json, type: string, size: number, random: () => number): number {
  const least = schema.minimum ?? (schema.exclusiveMinimum === undefined ? 0 : schema.exclusiveMinimum + 1)
  const most = schema.maximum ?? (schema.exclusiveMaximum === undefined ? least + 1_000 : schema.exclusiveMaximum - 1)
  const value = size < 0.2 ? least : size > 0.9 ? most : least + random() * (most - least)
  return type === "integer" ? Math.round(value) : value
}

const WORDS = ["", "a", "name", "two words", "ünïcödé ✓", "../up", "*", "{env:NOBODY_SET_THIS}", "line\nbreak"]

function textOf({ minLength = 0, maxLength = 1_000, format, pattern }: Json, size: number, pick: <T>(from: readonly T[]) => T): string {
  if (format === "uri" || format === "url") return "https://example.invalid/path"
  if (format === "date-time") return "2026-01-02T03:04:05Z"
  if (format === "email") return "who@example.invalid"
  const word = pattern ? "abc" : pick(size < 0.3 ? WORDS.slice(1, 3) : WORDS)
  return word.padEnd(minLength, "x").slice(0, maxLength)
}

/** A small generator of numbers below 1: the same seed, the same values. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The least of a value for which this still holds: what can go without it, goes. */
export async function least(value: unknown, holds: (value: unknown) => Promise<boolean>, tries = 40): Promise<unknown> {
  for (let left = tries; left > 0; ) {
    let smaller: unknown
    for (const candidate of smallerThan(value)) {
      if (left-- <= 0) break
      if (await holds(candidate)) { smaller = candidate; break }
    }
    if (smaller === undefined) return value
    value = smaller
  }
  return value
}

function* smallerThan(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) for (const index of value.keys()) yield value.toSpliced(index, 1)
  else if (value !== null && typeof value === "object") {
    for (const [name, inner] of Object.entries(value)) {
      const { [name]: _gone, ...rest } = value as Json
      yield rest
      for (const smaller of smallerThan(inner)) yield { ...value, [name]: smaller }
    }
  }
}
