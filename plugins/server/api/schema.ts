/** Valibot schemas as JSON Schema: for the document, and for what the text of a query stands for. Each is converted once. */
import { toJsonSchema, toJsonSchemaDefs, type ConversionConfig, type JsonSchema } from "@valibot/to-json-schema"
import type { GenericSchema } from "valibot"
import type { Schema } from "graft"
import { WIRE } from "../../lib/wire/index.ts"

const HOW = { target: "draft-2020-12", errorMode: "ignore", overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}` } as const satisfies ConversionConfig

const known = { input: new WeakMap<Schema, JsonSchema>(), output: new WeakMap<Schema, JsonSchema>() }

/** With references to the document's components where a schema has a name. What another library made is any value. */
export function jsonOf(schema: Schema, typeMode: "input" | "output"): JsonSchema {
  let json = known[typeMode].get(schema)
  if (!json) known[typeMode].set(schema, (json = schema["~standard"].vendor === "valibot" ? convert(schema as GenericSchema, typeMode) : {}))
  return json
}

function convert(schema: GenericSchema, typeMode: "input" | "output"): JsonSchema {
  const { $schema: _schema, $defs: _defs, ...json } = toJsonSchema(schema, { ...HOW, typeMode, definitions: WIRE })
  return json
}

/** The schemas that have a name. */
export const components = (): Record<string, JsonSchema> => toJsonSchemaDefs(WIRE, { ...HOW, typeMode: "output" })
