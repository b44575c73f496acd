/** One request on its way to an answer: the project it is about, held open meanwhile, and the time it may take. */
import { statSync } from "node:fs"
import { isAbsolute } from "node:path"
import { locationOf, messageOf, type Graft } from "graft"
import type { HttpLimits, Route } from "../contract.ts"
import { answerOf } from "../refusal.ts"
import { checkMedia, readJson, readLines } from "./body.ts"
import { ApiError, refusalOf } from "./errors.ts"
import { DIRECTORY, inputOf } from "./input.ts"
import type { Call } from "./call.ts"
import type { Entry } from "./table.ts"

const DEADLINE = 60_000

export class Asked {
  readonly method: string
  readonly path: string
  readonly #graft: Graft
  readonly #request: Request
  readonly #query: URLSearchParams
  readonly #signal: AbortSignal
  readonly #limits: HttpLimits
  readonly #directory: string
  /** What is held until the answer has been given, all of it. */
  readonly #held = new DisposableStack()
  readonly #late = new AbortController()
  #stop: AbortSignal | undefined
  #project: Promise<Graft> | undefined
  #streams = false
  realm: Graft

  private constructor(graft: Graft, request: Request, signal: AbortSignal, limits: HttpLimits, url: URL, directory: string) {
    this.#graft = this.realm = graft
    this.#request = request
    this.#signal = signal
    this.#limits = limits
    this.#query = url.searchParams
    this.#directory = directory
    this.method = request.method === "HEAD" ? "GET" : request.method
    this.path = url.pathname
  }

  /** Only who names a project sees the routes of its plugins. */
  static async of(graft: Graft, request: Request, signal: AbortSignal, limits: HttpLimits): Promise<Asked> {
    const url = new URL(request.url)
    const directory = directoryOf(request, url)
    const asked = new Asked(graft, request, signal, limits, url, directory ?? process.cwd())
    if (directory !== undefined) asked.realm = await asked.#open()
    return asked
  }

  /** What the router reads: a question about the head is one about the whole. */
  get routed(): Request { return this.#request.method === this.method ? this.#request : new Request(this.#request, { method: this.method }) }

  #open(): Promise<Graft> {
    return (this.#project ??= this.#graft.at(locationOf(this.#directory)).then((project) => {
      if (!this.#held.disposed) return this.#held.use(project)
      // Whoever asked has been told that it takes too long.
      project[Symbol.dispose]()
      throw new ApiError("server.timeout", 504, "the project was opened too late")
    }))
  }

  done(): void { if (!this.#streams) this.#held.dispose() }

  async answer(entry: Entry, params: Readonly<Record<string, string | undefined>>): Promise<Response> {
    const { route } = entry
    try {
      if (route.accepts) checkMedia(this.#request, route.accepts)
      const body = entry.body ? await readJson(this.#request, this.#limits, this.#signal) : {}
      const input = await inputOf(entry, params, this.#query, body)
      const result = await this.#within(route, entry.run(() => route.handler(input, this.#call())))
      return route.produces ? await this.#stream(route.produces, result as AsyncIterable<string>) : respond(route, result)
    } catch (error) {
      return answerOf(refusalOf(error, route.errors ?? {}, () => this.#graft.log.error(`${route.id} failed: ${messageOf(error)}`, error)))
    }
  }

  /** A signal is made where it is asked for: most handlers ask for none, and it costs more than they do. */
  #call(): Call {
    const signal = () => (this.#stop ??= AbortSignal.any([this.#signal, this.#late.signal]))
    return { directory: this.#directory, get signal() { return signal() }, project: () => this.#open(), lines: () => readLines(this.#request, this.#limits, this.#signal) }
  }

  async #within<T>({ deadline = DEADLINE, id }: Route, work: Promise<T>): Promise<T> {
    if (deadline === Infinity) return work
    const { promise: passed, reject } = Promise.withResolvers<never>()
    // Its own clock: a request that has begun outlives the generation that took it.
    const timer = setTimeout(() => {
      this.#late.abort()
      reject(new ApiError("server.timeout", 504, `${id} did not come to its end within ${deadline} ms; it may still do so`))
    }, deadline)
    return Promise.race([work, passed]).finally(() => clearTimeout(timer))
  }

  /** The first line decides whether there is an answer at all; the rest comes as fast as it is taken. */
  async #stream(media: string, lines: AsyncIterable<string>): Promise<Response> {
    const iterator = lines[Symbol.asyncIterator]()
    let next: IteratorResult<string> | undefined = await iterator.next()
    const end = () => this.#held.dispose()
    this.#streams = true
    const encoder = new TextEncoder()
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const { done, value } = next ?? (await iterator.next())
          next = undefined
          if (!done) return controller.enqueue(encoder.encode(`${value.replace(/\n$/, "")}\n`))
          end()
          controller.close()
        } catch (error) {
          end()
          controller.error(error)
        }
      },
      async cancel() {
        await iterator.return?.()
        end()
      },
    })
    return new Response(body, { headers: { "content-type": media, "cache-control": "no-store" } })
  }
}

function respond({ output }: Route, result: unknown): Response {
  if (!output) return new Response(null, { status: 204 })
  return new Response(JSON.stringify(result ?? null), { headers: { "content-type": "application/json", "cache-control": "no-store" } })
}

function directoryOf({ headers }: Request, { searchParams }: URL): string | undefined {
  const header = headers.get("x-graft-directory")
  const given = searchParams.get(DIRECTORY) ?? (header === null ? undefined : decoded(header))
  if (given === undefined) return undefined
  const there = isAbsolute(given) && !given.includes("\0") && statSync(given, { throwIfNoEntry: false })?.isDirectory() === true
  if (!there) throw new ApiError("server.directory", 400, `${given.slice(0, 500)} is not the absolute path of a directory that is there`, { field: DIRECTORY })
  return given
}

function decoded(header: string): string {
  try {
    return decodeURIComponent(header)
  } catch {
    throw new ApiError("server.directory", 400, "x-graft-directory is percent-encoded UTF-8", { field: DIRECTORY })
  }
}
