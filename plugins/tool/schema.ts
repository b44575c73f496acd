/** What a tool takes: JSON Schema for the model, and a check that tells it path and reason. Heavy libraries are imported at first use. */
import type { StandardSchemaV1 } from "@standard-schema/spec"
import type { ToolInput } from "./contract.ts"

type JsonSchema = Record<string, unknown>
/** The converters that libraries offer: the Standard JSON Schema of the specification, or a method of their own. */
interface Converters { "~standard": { jsonSchema?: { input(options: { target: string }): JsonSchema } }; toJSONSchema?(options?: object): JsonSchema; toJsonSchema?(): JsonSchema }

const TARGET = "draft-07"
const known = new WeakMap<object, Promise<JsonSchema>>()
const compiled = new WeakMap<object, Promise<StandardSchemaV1 | undefined>>()

export const isStandard = (input: ToolInput): input is StandardSchemaV1 => typeof (input as Partial<StandardSchemaV1>)["~standard"]?.validate === "function"

/** The same schema object gives the same bytes, so that a prompt's cached prefix holds. */
export function jsonSchemaOf(input: ToolInput): Promise<JsonSchema> {
  let schema = known.get(input)
  if (!schema) known.set(input, (schema = convert(input).then(normalise)))
  return schema
}

async function convert(input: ToolInput): Promise<JsonSchema> {
  if (!isStandard(input)) return input
  const converters = input as unknown as Converters
  const standard = converters["~standard"].jsonSchema
  if (standard) return standard.input({ target: TARGET })
  if (input["~standard"].vendor === "valibot") {
    // What JSON Schema cannot say (a check, a transformation) is left to the validation of the call.
    const { toJsonSchema } = await import("@valibot/to-json-schema")
    return { ...toJsonSchema(input as unknown as Parameters<typeof toJsonSchema>[0], { typeMode: "input", target: TARGET, errorMode: "ignore" }) }
  }
  const own = converters.toJSONSchema?.({ target: TARGET, io: "input" }) ?? converters.toJsonSchema?.()
  if (own) return own
  throw new TypeError(`input: a schema of "${input["~standard"].vendor}" offers no JSON Schema; give the JSON Schema itself, or a valibot or zod schema`)
}

/** Providers want an object at the top, and no `$schema`. */
function normalise(converted: JsonSchema): JsonSchema {
  const schema = { ...converted }
  delete schema.$schema
  if (Object.keys(schema).length === 0) return { type: "object", properties: {} }
  if (schema.type !== "object") throw new TypeError(`input: must describe an object, not ${JSON.stringify(schema.type ?? Object.keys(schema))}`)
  return { properties: {}, ...schema }
}

export type Checked = { ok: true; value: unknown } | { ok: false; problems: string[] }

/** Validates; at most five problems, each `path: reason`. */
export async function check(input: ToolInput, value: unknown, warn: (message: string) => void): Promise<Checked> {
  const schema = isStandard(input) ? input : await compile(input, warn)
  if (!schema) return isObject(value) ? { ok: true, value } : { ok: false, problems: ["the arguments must be an object"] }
  const result = await schema["~standard"].validate(value)
  if (!result.issues) return { ok: true, value: result.value }
  return { ok: false, problems: result.issues.slice(0, 5).map((issue) => `${pathOf(issue)}: ${issue.message}`) }
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value)
const pathOf = (issue: StandardSchemaV1.Issue): string => issue.path?.map((step) => String(typeof step === "object" ? step.key : step)).join(".") || "arguments"

/** JSON Schema is checked by zod; what zod does not know of it is left to the tool, and said once. */
function compile(input: Record<string, unknown>, warn: (message: string) => void): Promise<StandardSchemaV1 | undefined> {
  let schema = compiled.get(input)
  if (!schema) {
    schema = import("zod").then(({ fromJSONSchema }) => fromJSONSchema(input as Parameters<typeof fromJSONSchema>[0]) as StandardSchemaV1).catch((error: unknown) => {
      warn(`its JSON Schema is only checked to be an object: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    })
    compiled.set(input, schema)
  }
  return schema
}

/** JSON as a model writes it; nothing at all is no arguments. */
export function parseArguments(text: string): { ok: true; value: unknown } | { ok: false; problem: string } {
  if (text.trim() === "") return { ok: true, value: {} }
  try {
    return { ok: true, value: JSON.parse(text) as unknown }
  } catch (error) {
    return { ok: false, problem: `the arguments are not JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
}
