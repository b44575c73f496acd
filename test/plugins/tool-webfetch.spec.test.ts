/** webfetch always comes back, reads no more than its bounds, and goes nowhere that it was not allowed to. */
import { isIPv4 } from "node:net"
import { gzipSync } from "node:zlib"
import fc from "fast-check"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { isPrivate } from "../../plugins/lib/webget.ts"
import { markdownOf } from "../../plugins/tool-webfetch/markdown.ts"
import { openProject, type Project } from "../fixtures/project.ts"
import { answers, VendorServer } from "../fixtures/vendor-server.ts"

let project: Project
let server: VendorServer
const localhost = () => `http://localhost:${server.port}`

beforeAll(async () => {
  server = await VendorServer.open()
  project = await openProject({ only: ["tool", "permission", "tool-webfetch"], allow: ["webfetch:http://127.0.0.1:*"] })
})
afterAll(async () => {
  await project[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})
beforeEach(() => Object.assign(project.settings, { offline: false, web: { private: ["127.0.0.1"] } }))

const fetched = (path: string, input: object = {}) => project.call("webfetch", { url: `${server.origin}${path}`, ...input })
const html = { "content-type": "text/html; charset=utf-8" }

describe("a page", () => {
  test("is Markdown: headings, links, lists, code; scripts, styles and forms are not in it", async () => {
    server.route("GET /page", answers(200, "<html><head><title>t</title><style>p{}</style></head><body><nav>menu</nav><h1>Head</h1><p>See <a href='https://example.com/x'>this</a>.</p><ul><li>one</li></ul><pre><code>a &lt; b</code></pre><img alt='a cat' src='data:x'><script>alert(1)</script></body></html>", html))
    const { output, outcome, metadata } = await fetched("/page")
    expect(outcome).toBe("ok")
    expect(output).toBe("# Head\n\nSee [this](https://example.com/x).\n\n-   one\n\n```\na < b\n```\n\n[image: a cat]")
    expect(metadata).toMatchObject({ status: 200, media: "text/html" })
    expect((await fetched("/page", { format: "text" })).output).toContain("See this.")
    expect((await fetched("/page", { format: "html" })).output).toContain("<nav>menu</nav>")
  })

  test("in another charset is read by it, and packed ones are unpacked", async () => {
    server.route("GET /latin", (exchange) => exchange.head(200, { "content-type": "text/plain; charset=iso-8859-1" }).end(Buffer.from("caf\xe9", "latin1")))
    server.route("GET /gzip", (exchange) => exchange.head(200, { "content-type": "text/plain", "content-encoding": "gzip" }).end(gzipSync("packed")))
    expect((await fetched("/latin")).output).toBe("café")
    expect((await fetched("/gzip")).output).toBe("packed")
  })

  test("that is no text, and one that is an error, say so", async () => {
    server.route("GET /image", (exchange) => exchange.head(200, { "content-type": "image/png" }).end(Buffer.from([137, 80, 0, 0])))
    server.route("GET /gone", answers(410, "it was here"))
    expect(await fetched("/image")).toMatchObject({ outcome: "error", output: expect.stringContaining("is not text (200 image/png, 4 bytes)") })
    expect(await fetched("/gone")).toMatchObject({ outcome: "error", output: "it was here\n(the server answered 410)" })
  })

  test("nested deeper than can be converted is given as it is; one that takes too long is given up, and holds up nobody", async () => {
    server.route("GET /deep", answers(200, `${"<div>".repeat(6_000)}x`, html))
    expect((await fetched("/deep")).output).toContain("could not be converted")
    let turns = 0
    const beat = setInterval(() => turns++, 5)
    expect(await markdownOf("<div>".repeat(100_000), new AbortController().signal, 150)).toBeUndefined()
    clearInterval(beat)
    expect(turns).toBeGreaterThan(5)
  })
})

describe("bounds", () => {
  test("a body that never ends, and one that unpacks for ever, are read up to 5 MiB", async () => {
    const block = Buffer.alloc(1024 * 1024, 97)
    server.route("GET /endless", async (exchange) => {
      exchange.head(200, { "content-type": "text/plain" })
      const gone = exchange.request.closed.then(() => true)
      while (!(await Promise.race([gone, exchange.write(block)]))) { /* as long as somebody reads */ }
    })
    server.route("GET /bomb", (exchange) => exchange.head(200, { "content-type": "text/plain", "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(64 * 1024 * 1024, 97))))
    for (const path of ["/endless", "/bomb"]) {
      const { outcome, metadata } = await fetched(path)
      expect({ outcome, bytes: metadata?.bytes }).toEqual({ outcome: "ok", bytes: 5 * 1024 * 1024 })
    }
  })

  test("a server that says nothing ends at the timeout, an interrupt at once", async () => {
    server.route("GET /silent", (exchange) => { exchange.head(200, { "content-type": "text/plain" }) })
    expect(await fetched("/silent", { timeout: 1 })).toMatchObject({ outcome: "error", output: expect.stringContaining("within 1 s") })
    const stop = new AbortController()
    const call = project.call("webfetch", { url: `${server.origin}/silent` }, { signal: stop.signal, started: async () => void setTimeout(() => stop.abort(), 50) })
    expect((await call).outcome).toBe("interrupted")
  })

  test("a chain of redirects, a broken answer and a refused connection are errors with a reason", async () => {
    server.route("GET /loop", (exchange) => exchange.head(302, { location: "/loop" }).end())
    server.route("GET /cut", (exchange) => { exchange.head(200, { "content-length": "100", "content-type": "text/plain" }); exchange.cut() })
    server.route("GET /lie", (exchange) => exchange.head(200, { "content-encoding": "gzip", "content-type": "text/plain" }).end("not packed at all"))
    expect((await fetched("/loop")).output).toMatch(/redirects more than 5 times/)
    for (const path of ["/cut", "/lie"]) expect(await fetched(path)).toMatchObject({ outcome: "error", output: expect.stringContaining("cannot be reached") })
    expect((await project.call("webfetch", { url: "http://127.0.0.1:1/" })).output).toMatch(/127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/)
  })
})

describe("walls", () => {
  test("each URL needs permission, by its own text", async () => {
    expect(await project.call("webfetch", { url: `${localhost()}/page` })).toMatchObject({ outcome: "blocked", rule: expect.stringContaining("webfetch") })
    expect(await project.call("webfetch", { url: "file:///etc/passwd" })).toMatchObject({ output: expect.stringContaining("no http or https URL") })
    expect((await project.call("webfetch", { url: "http://a:b@127.0.0.1:2/" })).output).toContain("name or password")
  })

  test("a redirect to another host asks again, one on the same host does not", async () => {
    server.route("GET /near", (exchange) => exchange.head(301, { location: "/page" }).end())
    server.route("GET /far", (exchange) => exchange.head(307, { location: `${localhost()}/page` }).end())
    expect((await fetched("/near")).output).toContain("# Head")
    expect(await fetched("/far")).toMatchObject({ outcome: expect.stringMatching(/blocked|denied/) })
    expect(server.requests.at(-1)?.path).toBe("/far")
  })

  test("addresses of this machine are refused unless the config names the host, names that lead there too", async () => {
    project.rules.flag!.allow!.push("webfetch:http://localhost:*")
    const before = server.requests.length
    project.settings.web = {}
    for (const url of [`${server.origin}/page`, `${localhost()}/page`, `http://[::1]:${server.port}/page`, `http://0x7f.1:${server.port}/page`]) {
      project.rules.flag!.allow!.push(`webfetch:${new URL(url).origin}/*`)
      expect((await project.call("webfetch", { url })).output, url).toMatch(/is an address of this machine or its network/)
    }
    expect(server.requests.length).toBe(before)
    project.settings.web = { private: ["localhost"] }
    expect((await project.call("webfetch", { url: `${localhost()}/page` })).output).toContain("# Head")
  })

  test("no spelling of a private address passes (property)", () => {
    const inside = fc.oneof(fc.tuple(fc.constant(10), fc.nat(255), fc.nat(255), fc.nat(255)), fc.tuple(fc.constant(127), fc.nat(255), fc.nat(255), fc.nat(255)), fc.tuple(fc.constant(192), fc.constant(168), fc.nat(255), fc.nat(255)), fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), fc.nat(255), fc.nat(255)))
    fc.assert(fc.property(inside, (bytes) => {
      const dotted = bytes.join(".")
      const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")
      expect(isIPv4(dotted)).toBe(true)
      return [dotted, `::ffff:${dotted}`, `::ffff:${hex.slice(0, 4)}:${hex.slice(4)}`, `64:ff9b::${hex.slice(0, 4)}:${hex.slice(4)}`, `2002:${hex.slice(0, 4)}:${hex.slice(4)}::1`].every(isPrivate)
    }))
    expect(["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"].map(isPrivate)).toEqual([false, false, false])
  })

  test("offline, nothing is fetched", async () => {
    project.settings.offline = true
    expect(await fetched("/page")).toMatchObject({ outcome: "error", output: "nothing was fetched: Graft runs offline" })
  })
})
