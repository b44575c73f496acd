/** JSON Schema: of a section, for hints, and of the whole file, for editors. The converters are imported when somebody asks. */
import type { StandardSchemaV1 } from "@standard-schema/spec"
import type { ConfigSection } from "./contract.ts"
import { isTree, type Keys } from "../lib/tree.ts"

type JsonSchema = Record<string, unknown>
/** The converters that libraries offer: the Standard JSON Schema of the specification, or a method of their own. */
interface Converters { "~standard": { jsonSchema?: { input(options: { target: string }): JsonSchema } }; toJSONSchema?(options?: object): JsonSchema; toJsonSchema?(): JsonSchema }

const TARGET = "draft-07"

/** Anything goes where a library offers no JSON Schema. */
async function convert(schema: StandardSchemaV1): Promise<JsonSchema> {
  try {
    const converters = schema as unknown as Converters
    const standard = converters["~standard"].jsonSchema
    if (standard) return standard.input({ target: TARGET })
    if (schema["~standard"].vendor === "valibot") {
      const { toJsonSchema } = await import("@valibot/to-json-schema")
      return { ...toJsonSchema(schema as unknown as Parameters<typeof toJsonSchema>[0], { typeMode: "input", target: TARGET, errorMode: "ignore" }) }
    }
    return converters.toJSONSchema?.({ target: TARGET, io: "input" }) ?? converters.toJsonSchema?.() ?? {}
  } catch {
    return {}
  }
}

export async function jsonSchemaOf({ schema, description }: ConfigSection): Promise<JsonSchema> {
  const { $schema: _, ...converted } = await convert(schema)
  return { ...converted, description }
}

export async function wholeSchema(sections: readonly ConfigSection[]): Promise<JsonSchema> {
  const properties = await Promise.all([...sections].sort((a, b) => (a.id < b.id ? -1 : 1)).map(async (section) => [section.id, await jsonSchemaOf(section)] as const))
  return { $schema: "http://json-schema.org/draft-07/schema#", title: "Graft", type: "object", properties: Object.fromEntries(properties), additionalProperties: false, allowComments: true, allowTrailingCommas: true }
}

/** The keys that are known beside the last one, where no other is allowed; undefined where it is itself known, or anything goes. */
export function knownBeside(schema: unknown, keys: Keys): string[] | undefined {
  const [key, ...rest] = keys
  if (key === undefined || !isTree(schema)) return undefined
  for (const variant of [schema.anyOf, schema.oneOf, schema.allOf].find(Array.isArray) ?? [schema]) {
    if (!isTree(variant)) continue
    if (variant.items !== undefined) return knownBeside(variant.items, rest)
    const properties = isTree(variant.properties) ? variant.properties : {}
    if (!Object.hasOwn(properties, key) && variant.additionalProperties === false) return Object.keys(properties)
    const found = knownBeside(Object.hasOwn(properties, key) ? properties[key] : variant.additionalProperties, rest)
    if (found) return found
  }
  return undefined
}
