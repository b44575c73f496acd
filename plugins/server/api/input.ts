/**
 * What a request asks, as the route's schema sees it: from the path, then from the query or the JSON body. It is judged by
 * that schema alone, once, and the first thing wrong is named with its field.
 */
import type { Schema } from "graft"
import type { JsonSchema } from "@valibot/to-json-schema"
import type { Route } from "../contract.ts"
import { ApiError } from "./errors.ts"
import { jsonOf } from "./schema.ts"
import type { Entry } from "./table.ts"

/** Belongs to every request: which project it is about. */
export const DIRECTORY = "directory"

export const namesIn = (path: string): string[] => [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!)

/** With what the body says; the others say it in the query. */
export const hasBody = ({ method, accepts }: Pick<Route, "method" | "accepts">): boolean => accepts === undefined && method !== "GET" && method !== "DELETE"

/** `body`: what was in it, where the route has one. */
export async function inputOf({ route, body: inBody, params: names }: Entry, params: Readonly<Record<string, string | undefined>>, query: URLSearchParams, body: Record<string, unknown>): Promise<unknown> {
  const { input } = route
  if (input === undefined) return undefined
  const given: Record<string, unknown> = { ...fromQuery(query, inBody ? undefined : input), ...body }
  for (const name of names) given[name] = params[name]
  const result = await input["~standard"].validate(given)
  if (!result.issues) return result.value
  const [issue] = result.issues
  const field = issue!.path?.map((part) => String(typeof part === "object" ? part.key : part)).join(".")
  throw new ApiError("server.input", 400, `${field ? `${field}: ` : ""}${issue!.message}`, { ...(field && { field }) })
}

/** Text becomes what the schema wants there, where it is that; else the schema says what is wrong with the text. A body's route takes nothing from its query. */
function fromQuery(query: URLSearchParams, schema: Schema | undefined): Record<string, unknown> {
  const properties = schema && jsonOf(schema, "input").properties
  const given: Record<string, unknown> = {}
  for (const name of new Set(query.keys())) {
    if (name === DIRECTORY && properties?.[name] === undefined) continue
    if (schema === undefined) throw new ApiError("server.input", 400, `${name}: this is said in the body, not in the query`, { field: name })
    const wanted = properties?.[name]
    const texts = query.getAll(name)
    if (typeof wanted === "object" && wanted.type === "array") given[name] = texts.map((text) => valueOf(text, wanted.items))
    else if (texts.length > 1) throw new ApiError("server.input", 400, `${name}: it is given ${texts.length} times`, { field: name })
    else given[name] = valueOf(texts[0]!, wanted)
  }
  return given
}

function valueOf(text: string, wanted: JsonSchema["items"] | boolean | undefined): unknown {
  const type = typeof wanted === "object" && !Array.isArray(wanted) ? wanted.type : undefined
  if ((type === "integer" || type === "number") && /^-?\d{1,17}(\.\d{1,17})?$/.test(text)) return Number(text)
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true"
  return text
}
