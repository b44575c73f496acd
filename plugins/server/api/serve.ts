/** A table of routes, served: Effect's HttpApi finds the one that a request is for, and what it answers is made by `answer`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpApi from "effect/http-api/HttpApi"
import type { Entry } from "./table.ts"

/** Answers for one entry; never rejects. */
export type Answer = (entry: Entry, params: Readonly<Record<string, string | undefined>>) => Promise<Response>

/** A parameter may be as long as an address may be: its route's schema says what is too long. */
const ROUTER = { maxParamLength: 65_536, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, caseSensitive: true }

class Answering extends Context.Service<Answering, Answer>()("graft/server/Answering") {}

/** Undefined where no route is meant. */
export type Serve = (request: Request, answer: Answer) => Promise<Response | undefined>

export function serve(api: HttpApi.Top, entries: readonly Entry[]): Serve {
  const groups = [...Map.groupBy(entries, ({ noun }) => noun)].map(([noun, verbs]) => HttpApiBuilder.group(api, noun, (handlers) => {
    for (const entry of verbs) handlers.handleRaw(entry.verb as never, (({ params }: { params?: Record<string, string> }) => Effect.flatMap(Answering, (answer) => Effect.map(Effect.promise(() => answer(entry, params ?? {})), (response) => HttpServerResponse.raw(response)))) as never)
    return handlers as never
  }))
  const routes = HttpApiBuilder.layer(api).pipe(Layer.provide(groups as unknown as [Layer.Layer<never>]), Layer.provide(HttpServer.layerServices)) as Layer.Layer<never>
  const { handler } = HttpRouter.toWebHandler(routes, { disableLogger: true, routerConfig: ROUTER })
  return async (request, answer) => {
    let found = false
    const response = await handler(request, Context.make(Answering, (entry, params) => {
      found = true
      return answer(entry, params)
    }) as Context.Context<never>)
    return found ? response : undefined
  }
}
