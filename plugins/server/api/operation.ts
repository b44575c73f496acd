/** What the OpenAPI document says of a route beyond its place: what it takes, gives, and fails with. Pure. */
import type { JsonSchema } from "@valibot/to-json-schema"
import type { Route } from "../contract.ts"
import { hasBody, namesIn } from "./input.ts"
import { components, jsonOf } from "./schema.ts"

type Plain = Record<string, any>

/** What may happen to any request. */
const ALWAYS: Readonly<Record<string, number>> = {
  "server.directory": 400, "server.request": 400, "server.token": 401, "server.host": 403, "server.origin": 403, "server.protocol": 426, "server.rate": 429,
  "server.internal": 500, "server.failed": 500, "server.unavailable": 503, "server.draining": 503, "server.timeout": 504,
}
const WITH_INPUT: Readonly<Record<string, number>> = { "server.input": 400 }
const WITH_BODY: Readonly<Record<string, number>> = { "server.json": 400, "server.slow": 408, "server.large": 413, "server.media": 415 }

const DIRECTORY = { name: "directory", in: "query", required: false, description: "The project: an absolute path. Default: where the server was started. As a header: x-graft-directory, percent-encoded.", schema: { type: "string" } }

export function operationOf(route: Route, { operationId, tags, summary, description }: Plain): Plain {
  const input = route.input && jsonOf(route.input, "input")
  const inPath = new Set(namesIn(route.path))
  const fields = Object.entries(input?.properties ?? {})
  const parameters = [
    ...[...inPath].map((name) => ({ name, in: "path", required: true, schema: input?.properties?.[name] ?? { type: "string" } })),
    ...(hasBody(route) ? [] : fields.filter(([name]) => !inPath.has(name)).map(([name, schema]) => ({ name, in: "query", required: input!.required?.includes(name) ?? false, ...describedBy(schema) }))),
    ...(fields.some(([name]) => name === "directory") && !hasBody(route) ? [] : [DIRECTORY]),
  ]
  return { operationId, tags, summary, ...(description !== undefined && { description }), parameters, ...requestOf(route, input, inPath), responses: { ...successOf(route), ...failuresOf(route) } }
}

/** A parameter says itself what it means. */
function describedBy(given: JsonSchema | boolean): Plain {
  if (typeof given !== "object" || given.description === undefined) return { schema: given }
  const { description, ...schema } = given
  return { description, schema }
}

function requestOf(route: Route, input: JsonSchema | undefined, inPath: ReadonlySet<string>): Plain {
  if (route.accepts) return { requestBody: { required: true, content: { [route.accepts]: { schema: { type: "string" } } } } }
  if (!hasBody(route) || !input) return {}
  const properties = Object.fromEntries(Object.entries(input.properties ?? {}).filter(([name]) => !inPath.has(name)))
  const required = (input.required ?? []).filter((name) => !inPath.has(name))
  return { requestBody: { required: required.length > 0, content: { "application/json": { schema: { ...input, properties, required } } } } }
}

function successOf({ output, produces }: Route): Plain {
  if (produces) return { 200: { description: "Lines, as they come", content: { [produces]: { schema: { type: "string" } } } } }
  if (!output) return { 204: { description: "Done" } }
  return { 200: { description: "Done", content: { "application/json": { schema: jsonOf(output, "output") } } } }
}

/** One answer a status, with the codes that it may carry. */
function failuresOf(route: Route): Plain {
  const all = { ...ALWAYS, ...((route.input || route.accepts) && WITH_INPUT), ...((hasBody(route) || route.accepts) && WITH_BODY), ...route.errors }
  const byStatus = Map.groupBy(Object.entries(all), ([, status]) => status)
  return Object.fromEntries([...byStatus].sort(([a], [b]) => a - b).map(([status, codes]) => {
    const list = codes.map(([code]) => code).sort()
    return [status, { description: list.join(", "), content: { "application/json": { schema: { $ref: "#/components/schemas/Failure" } } }, "x-codes": list }]
  }))
}

const FAILURE = {
  type: "object",
  required: ["error"],
  properties: { error: { type: "object", required: ["code", "message"], properties: { code: { type: "string", description: "Stable." }, message: { type: "string" }, field: { type: "string", description: "What of the request it is about." }, hint: { type: "string", description: "What to do." } } } },
}

export const specificationOf = (specification: Plain): Plain => ({
  ...specification,
  components: { schemas: { ...components(), Failure: FAILURE }, securitySchemes: { token: { type: "http", scheme: "bearer", description: "The token of this home: `graft server token` prints it, and local clients find it in the data directory (server.token)." } } },
  security: [{ token: [] }],
})
