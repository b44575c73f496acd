/**
 * The table of routes as an Effect HttpApi: a group a noun, an endpoint a verb. It carries no Effect schema: what comes in
 * is judged by the route's own (valibot) schema alone, which keeps defaults and says which field is wrong, and the document
 * gets that very schema, where a translation would lose some of it.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import type { Entry } from "./table.ts"
import { operationOf, specificationOf } from "./operation.ts"

/** No operation of this document gives them: they do not end. */
const STREAMS = "Besides the operations there are two event streams (text/event-stream): GET /sessions/{id}/events/stream?after=<cursor>&live=1, a session's durable events from an exclusive cursor on (or Last-Event-ID) and then as they come; and GET /events?location=<project>&events=<names>, a snapshot and then what happens."

export function describe(entries: readonly Entry[], version: string): HttpApi.Top {
  const groups = Map.groupBy(entries, ({ noun }) => noun)
  const [first, ...others] = [...groups].map(([noun, verbs]) => groupOf(noun, verbs))
  const api = HttpApi.make("graft").add(first!, ...others)
  return api.annotateMerge(OpenApi.annotations({ title: "Graft", version, description: STREAMS, transform: specificationOf })) as unknown as HttpApi.Top
}

function groupOf(noun: string, entries: readonly Entry[]): HttpApiGroup.Top {
  const [first, ...others] = entries.map(endpointOf)
  return HttpApiGroup.make(noun).add(first!, ...others) as unknown as HttpApiGroup.Top
}

function endpointOf({ route, verb, params: names }: Entry): HttpApiEndpoint.Top {
  const params = Object.fromEntries(names.map((name) => [name, Schema.String]))
  const endpoint = HttpApiEndpoint.make(route.method)(verb, route.path as `/${string}`, { params })
  return endpoint.annotateMerge(OpenApi.annotations({ summary: route.summary, ...(route.description !== undefined && { description: route.description }), transform: (operation) => operationOf(route, operation) })) as unknown as HttpApiEndpoint.Top
}

export const documentOf = (api: HttpApi.Top): unknown => OpenApi.fromApi(api)
