/** A tool's `args`, which are zod's of whatever version the plugin has, as JSON Schema and as a check. */
import * as z from "zod"

interface Zod { _zod?: unknown; _def?: { typeName?: string; [field: string]: any }; description?: string; safeParse?(value: unknown): { success: boolean; data?: unknown; error?: { issues: { path: PropertyKey[]; message: string }[] } } }

export function schemaOf(args: Record<string, unknown>): Record<string, unknown> {
  const fields = Object.entries(args).map(([name, type]) => [name, type as Zod] as const)
  return { type: "object", properties: Object.fromEntries(fields.map(([name, type]) => [name, fieldOf(type)])), required: fields.filter(([, type]) => !isOptional(type)).map(([name]) => name), additionalProperties: false }
}

/** What a model gave, as the tool wants it: defaults filled in. Throws with the path of what is wrong. */
export function checked(args: Record<string, unknown>, input: unknown): Record<string, unknown> {
  const given = (input ?? {}) as Record<string, unknown>
  return Object.fromEntries(Object.entries(args).flatMap(([name, type]) => {
    const result = (type as Zod).safeParse?.(given[name])
    if (result === undefined) return name in given ? [[name, given[name]]] : []
    if (!result.success) throw new Error(result.error!.issues.map(({ path, message }) => `${[name, ...path].map(String).join(".")}: ${message}`).join("; "))
    return result.data === undefined ? [] : [[name, result.data]]
  }))
}

function fieldOf(type: Zod): Record<string, unknown> {
  if (type._zod !== undefined) {
    const { $schema: _, ...schema } = z.toJSONSchema(type as never, { unrepresentable: "any", io: "input" }) as Record<string, unknown>
    return schema
  }
  return { ...older(type), ...(type.description !== undefined && { description: type.description }) }
}

const isOptional = (type: Zod): boolean => type.safeParse?.(undefined).success === true

/** zod 3, which has no JSON Schema of its own. What is not known here is anything. */
function older({ _def: def }: Zod): Record<string, unknown> {
  switch (def?.typeName) {
    case "ZodString": return { type: "string" }
    case "ZodNumber": return { type: (def.checks as { kind: string }[]).some(({ kind }) => kind === "int") ? "integer" : "number" }
    case "ZodBoolean": return { type: "boolean" }
    case "ZodArray": return { type: "array", items: fieldOf(def.type as Zod) }
    case "ZodEnum": return { type: "string", enum: def.values }
    case "ZodNativeEnum": return { enum: Object.values(def.values as object) }
    case "ZodLiteral": return { const: def.value }
    case "ZodRecord": return { type: "object", additionalProperties: fieldOf(def.valueType as Zod) }
    case "ZodUnion": return { anyOf: (def.options as Zod[]).map(fieldOf) }
    case "ZodOptional": case "ZodNullable": case "ZodDefault": case "ZodReadonly": case "ZodCatch": return fieldOf(def.innerType as Zod)
    case "ZodEffects": return fieldOf(def.schema as Zod)
    case "ZodObject": return schemaOf((def.shape as () => Record<string, unknown>)())
    default: return {}
  }
}
