/** websearch is there while an engine is; an answer is cut by bytes before it is parsed, and the next engine is asked when one fails. */
import { gzipSync } from "node:zlib"
import { afterAll, afterEach, beforeAll, expect, test } from "vitest"
import { definePlugin } from "graft"
import type { Found } from "../../plugins/tool-websearch/contract.ts"
import { openProject, type Project } from "../fixtures/project.ts"
import { answers, VendorServer, type Act } from "../fixtures/vendor-server.ts"

let project: Project
let server: VendorServer
let secret: string | undefined
const changed = async (event: string, payload: unknown) => {
  project.kernel.graft.emit(event as "auth.removed", payload as { provider: string; account: string })
  await new Promise((resolve) => setImmediate(resolve))
  await project.kernel.settled()
}

beforeAll(async () => {
  server = await VendorServer.open()
  project = await openProject({ only: ["tool", "permission", "tool-websearch", "search-brave", "search-searxng"], allow: ["websearch"], with: (graft) => {
    graft.provide("auth", { get: async () => (secret === undefined ? undefined : { secret }) } as never)
  } })
})
afterAll(async () => {
  await project[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})
afterEach(async () => {
  secret = undefined
  project.settings.searxng = undefined
  await changed("auth.removed", { provider: "brave" })
  await changed("config.changed", { paths: ["searxng.url"] })
  await expect.poll(isThere).toBe(false)
})

const isThere = async () => (await project.graft.tool.list()).some(({ name }) => name === "websearch")
const search = (query = "hot reload") => project.call("websearch", { query })
async function withBrave(): Promise<void> {
  secret = "key-for-brave"
  project.settings.brave = { url: `${server.origin}/brave` }
  await changed("auth.added", { provider: "brave" })
  await expect.poll(isThere).toBe(true)
}
async function withSearxng(): Promise<void> {
  project.settings.searxng = { url: `${server.origin}/` }
  await changed("config.changed", { paths: ["searxng.url"] })
  await expect.poll(isThere).toBe(true)
}

test("without an engine there is no such tool; a key, or an address in the config, brings it, and takes it away again", async () => {
  expect(await isThere()).toBe(false)
  await withBrave()
  secret = undefined
  await changed("auth.removed", { provider: "brave" })
  await expect.poll(isThere).toBe(false)
  await withSearxng()
})

test("Brave is asked as it documents, and its results are a list", async () => {
  await withBrave()
  server.route("GET /brave", answers(200, { web: { results: [{ title: "Vite <strong>HMR</strong>", url: "https://vite.dev", description: "Hot\n module" }, { title: "", url: "https://b.example" }] } }))
  expect(await search()).toMatchObject({ outcome: "ok", title: "hot reload (2, brave)", output: "1. Vite HMR\n   https://vite.dev\n   Hot module\n\n2. https://b.example\n   https://b.example" })
  const asked = server.requests.at(-1)!
  expect(asked.headers["x-subscription-token"]).toBe("key-for-brave")
})

test("SearXNG is asked for JSON", async () => {
  await withSearxng()
  server.route("GET /search", answers(200, { results: [{ title: "One", url: "https://one.example", content: null }] }))
  expect((await search()).output).toBe("1. One\n   https://one.example")
})

test("an answer that never ends, a bomb, HTML, another shape and an error are one clear failure each, and the next engine answers", async () => {
  await withBrave()
  const block = Buffer.alloc(1024 * 1024, 32)
  const endless: Act = async (exchange) => {
    exchange.head(200, { "content-type": "application/json" })
    const gone = exchange.request.closed.then(() => true)
    while (!(await Promise.race([gone, exchange.write(block)]))) { /* as long as somebody reads */ }
  }
  const cases: [Act, RegExp][] = [
    [endless, /sent more than 2097152 bytes/],
    [(exchange) => exchange.head(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(64 * 1024 * 1024, 32))), /sent more than 2097152 bytes/],
    [answers(200, "<html>"), /not JSON/],
    [answers(200, { web: { results: "many" } }), /brave: /],
    [answers(429, { message: "slow down" }), /answered 429: .*slow down/],
    [(exchange) => exchange.head(302, { location: "http://localhost:1/" }).end(), /redirects to localhost:1/],
  ]
  for (const [act, message] of cases) {
    server.route("GET /brave", act)
    expect(await search()).toMatchObject({ outcome: "error", output: expect.stringMatching(message) })
  }
  await withSearxng()
  server.route("GET /search", answers(200, { results: [] }))
  expect(await search()).toMatchObject({ outcome: "ok", output: "nothing was found", title: "hot reload (0, searxng)" })
})

test("an engine is a row of anybody's, and what it gives too much is cut", async () => {
  await project.kernel.put("mine", definePlugin({ setup(graft) {
    graft.add("searchEngine", { id: "mine", search: async (): Promise<Found[]> => Array.from({ length: 30 }, (_, n) => ({ title: `t${n}`, url: `https://x/${n}`, text: "y".repeat(2_000) })) })
  } }))
  await expect.poll(isThere).toBe(true)
  const { output } = await search()
  expect(output.match(/^\d+\. /gm)).toHaveLength(8)
  expect(output).not.toContain("y".repeat(501))
  await project.kernel.drop("mine")
})

test("offline, nothing is searched", async () => {
  await withSearxng()
  project.settings.offline = true
  expect((await search()).output).toBe("nothing was searched: Graft runs offline")
  project.settings.offline = false
})
