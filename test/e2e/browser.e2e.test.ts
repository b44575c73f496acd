/** The client works in a browser's page of another origin that the config lets in, and streams go on there after a cut; no other page gets a word. */
import { existsSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { chromium, type Browser, type Page } from "playwright-core"
import { rolldown } from "rolldown"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type * as client from "../../plugins/server/client/index.ts"
import { Cutter } from "../fixtures/cutter.ts"
import { openServed, type Served } from "../fixtures/served.ts"
import { ROOT } from "./graft.ts"

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium"
const PAGE = `<!doctype html><script type="module">import { createClient } from "/client.mjs"; globalThis.createClient = createClient</script>`

describe.skipIf(!existsSync(CHROMIUM))("a page", () => {
  let served: Served, browser: Browser, pages: Server, page: Page, origin: string
  beforeAll(async () => {
    const made = await rolldown({ input: join(ROOT, "plugins/server/client/index.ts"), platform: "browser", logLevel: "silent" })
    const { output: [{ code }] } = await made.generate({ format: "esm" })
    pages = createServer((request, response) => void response.writeHead(200, { "content-type": request.url === "/client.mjs" ? "text/javascript" : "text/html" }).end(request.url === "/client.mjs" ? code : PAGE))
    await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve))
    origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`
    served = await openServed({ config: { server: { cors: [origin] } } })
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] })
    page = await browser.newPage()
  })
  afterAll(async () => {
    await browser?.close()
    pages?.close()
    await served?.[Symbol.asyncDispose]()
  })

  it("begins a session, says something, waits, and follows every event across cuts", async () => {
    using cutter = new Cutter(served.serving.port)
    const far = await cutter.open()
    await page.goto(origin)
    const session = await served.filled(60)
    cutter.cuts = [5_000, 3_000, 4_000, 3_000]
    const seen = await page.evaluate(async ({ url, far, token, directory, session }) => {
      const { createClient } = globalThis as unknown as typeof client
      const sdk = createClient({ url, token, directory })
      const seqs: number[] = []
      for await (const { seq } of createClient({ url: far, token }).session(session).events()) if (seqs.push(seq) === 60) break
      const { id } = await sdk.sessions.create({ title: "from a page" })
      await sdk.session(id).prompt("hello")
      const ended = await sdk.session(id).wait()
      const missing = await sdk.sessions.get({ id: "ses_none" }).catch((error: client.GraftError) => error.code)
      const feed = sdk.events()
      const first = await feed.next()
      await feed.return()
      return { seqs, state: ended.state, missing, first: first.value?.type }
    }, { url: served.serving.url, far, token: served.token, directory: served.project, session })
    expect(seen).toEqual({ seqs: Array.from({ length: 60 }, (_, i) => i + 1), state: "done", missing: "session.unknown", first: "snapshot" })
    expect(cutter.connections).toBeGreaterThan(4)
  })

  it("of an origin that nobody let in reads nothing, though it knows the token", async () => {
    await page.goto(origin.replace("127.0.0.1", "localhost"))
    const code = await page.evaluate(async ({ url, token }) => {
      const { createClient } = globalThis as unknown as typeof client
      return createClient({ url, token }).health.get().then(() => "read", (error: client.GraftError) => error.code)
    }, { url: served.serving.url, token: served.token })
    expect(code).toBe("client.unreachable")
  })
})
