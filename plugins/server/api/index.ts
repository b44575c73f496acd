/** The HTTP face of everything that is one question and one answer: which routes are live for a request, and what they say. */
import { locationOf, messageOf, type Graft } from "graft"
import type { Api, HttpLimits, Route } from "../contract.ts"
import { answerOf } from "../refusal.ts"
import { limitsOf } from "../section.ts"
import { Asked } from "./asked.ts"
import { describe, documentOf } from "./description.ts"
import { ApiError, refusalOf } from "./errors.ts"
import { page } from "./page.ts"
import { routes } from "./routes/index.ts"
import { serve, type Serve } from "./serve.ts"
import { methodsOf, tableOf, type Entry } from "./table.ts"

/** Tables that are kept ready: most projects see the same routes, and so have one in common. */
const MOST_TABLES = 16

/** What one set of routes is served by. */
interface Table { rows: readonly Route[]; entries: readonly Entry[]; serve: Serve; document(): unknown }

export function createApi(graft: Graft, limits: () => HttpLimits = () => limitsOf({})): Api {
  const own = routes(graft)
  const tables: Table[] = []

  function tableFor(realm: Graft): Table {
    const rows = realm.all("route").rows()
    const at = tables.findIndex((table) => table.rows.length === rows.length && table.rows.every((item, i) => item === rows[i]!.item))
    const table = at < 0 ? compile() : tables.splice(at, 1)[0]!
    tables.unshift(table)
    tables.length = Math.min(tables.length, MOST_TABLES)
    return table

    function compile(): Table {
      const entries = tableOf(own, rows, (route, taken) => graft.log.warn(`the route ${route.id} is left out: ${route.method} ${route.path} is ${taken.id}'s`))
      const api = describe(entries, graft.kernel.version)
      return { rows: rows.map(({ item }) => item), entries, serve: serve(api, entries), document: () => documentOf(api) }
    }
  }

  async function answer(request: Request, signal: AbortSignal): Promise<Response> {
    const asked = await Asked.of(graft, request, signal, limits())
    try {
      const table = tableFor(asked.realm)
      if (asked.path === "/openapi.json" && asked.method === "GET") return Response.json(table.document())
      if (asked.path === "/docs" && asked.method === "GET") return page(table.document())
      return (await table.serve(asked.routed, (entry, params) => asked.answer(entry, params))) ?? refuse(asked, table.entries)
    } finally {
      asked.done()
    }
  }

  async function answerOrRefuse(request: Request, signal: AbortSignal): Promise<Response> {
    try {
      const response = await answer(request, signal)
      if (request.method !== "HEAD") return response
      await response.body?.cancel()
      return new Response(null, response)
    } catch (error) {
      return answerOf(refusalOf(error, {}, () => graft.log.error(`${request.method} ${request.url} failed: ${messageOf(error)}`, error)))
    }
  }

  return {
    async handle(request, signal) {
      if (request.method === "OPTIONS") return new Response(null, { status: 204 })
      const response = await answerOrRefuse(request, signal)
      // What nobody has read would stand before the next request of this connection.
      if (request.body !== null && !request.bodyUsed) response.headers.set("connection", "close")
      return response
    },
    async document(directory) {
      using project = directory === undefined ? undefined : await graft.at(locationOf(directory))
      return tableFor(project ?? graft).document()
    },
  }
}

function refuse({ method, path }: Asked, entries: readonly Entry[]): never {
  const methods = methodsOf(entries, path)
  // The router leaves out what it cannot read.
  if (methods.includes(method)) throw new ApiError("server.input", 400, "the path is percent-encoded UTF-8", { field: "path" })
  if (methods.length === 0) throw new ApiError("server.route", 404, `there is no route ${path}; GET /openapi.json lists them`)
  throw new ApiError("server.method", 405, `${path} knows ${methods.join(", ")}, not ${method}`, { headers: { allow: methods.join(", ") } })
}
