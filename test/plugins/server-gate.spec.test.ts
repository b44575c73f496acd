/** Nobody comes in who should not: no foreign page, no made-up name, no wrong token, nothing too large, too slow or too often. */
import { chmodSync, statSync, writeFileSync } from "node:fs"
import { mkdtempSync, rmSync } from "node:fs"
import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makePolicy } from "../../plugins/server/gate/index.ts"
import { hostnameOf, isGranted, isOurs } from "../../plugins/server/gate/origin.ts"
import { Rate } from "../../plugins/server/gate/rate.ts"
import { Token, tokenFile } from "../../plugins/server/gate/token.ts"
import { openApi, type Served } from "../fixtures/api.ts"

let api: Served
beforeAll(async () => { api = await openApi({ server: { cors: ["https://app.example", "http://localhost:*"], body: 1_000, bodyTimeout: 150 } }, ["config", "eventlog", "server", "session", "store"]) }, 60_000)
afterAll(async () => { await api[Symbol.asyncDispose]() })

interface Answer { status: number; headers: IncomingHttpHeaders; error: { code: string; field?: string; hint?: string } | undefined }

/** As a client that says whatever it likes: fetch would not let it. */
function raw(headers: Record<string, string>, { method = "GET", path = "/health", body, agent }: { method?: string; path?: string; body?: string; agent?: Agent } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: "127.0.0.1", port: api.port, method, path, headers, ...(agent && { agent }) }, async (response) => {
      const text = (await response.toArray()).join("")
      resolve({ status: response.statusCode!, headers: response.headers, error: text.startsWith("{\"error\"") ? JSON.parse(text).error : undefined })
    })
    asked.on("error", reject)
    asked.end(body)
  })
}
const bearer = (token = api.token) => ({ authorization: `Bearer ${token}` })

describe("the token", () => {
  it("is asked of everything, and what to do is said", async () => {
    for (const path of ["/health", "/openapi.json", "/docs", "/nowhere", "/events", "/sessions"]) {
      expect(await raw({}, { path }), path).toMatchObject({ status: 401, error: { code: "server.token", field: "authorization", hint: expect.stringContaining("graft server token") } })
    }
  })

  it("is the whole token, a bearer's or the password that a browser asks for", async () => {
    expect((await raw(bearer())).status).toBe(200)
    expect((await raw({ authorization: `Basic ${Buffer.from(`anybody:${api.token}`).toString("base64")}` })).status).toBe(200)
    for (const wrong of [api.token.slice(0, -1), `${api.token}x`, "", "undefined", api.token.toUpperCase()]) expect((await raw(bearer(wrong))).status, wrong).toBe(401)
    expect((await raw({ authorization: api.token })).status).toBe(401)
    expect((await raw({ accept: "text/html" })).headers["www-authenticate"]).toContain("Basic")
    expect((await raw({ accept: "*/*" })).headers["www-authenticate"]).toBe("Bearer")
  })

  it("lies in a file that only its owner reads, and is made anew where others could have read it", async () => {
    const home = mkdtempSync(join(tmpdir(), "graft-token-"))
    try {
      const file = tokenFile(home)
      const [one, two] = await Promise.all([new Token(file).value(), new Token(file).value()])
      expect(one).toBe(two)
      expect(statSync(file).mode & 0o777).toBe(0o600)
      chmodSync(file, 0o644)
      const token = new Token(file)
      expect(token.accepts(one)).toBe(false)
      expect(await token.value()).not.toBe(one)
      expect(statSync(file).mode & 0o777).toBe(0o600)
      writeFileSync(file, "")
      expect(token.accepts("")).toBe(false)
      rmSync(file)
      expect(token.accepts(one)).toBe(false)
    } finally {
      rmSync(home, { recursive: true })
    }
  })

  it("is refused from the moment that anybody has rotated it", async () => {
    const before = api.token
    api.token = await new Token(tokenFile(api.home)).rotate()
    expect((await raw(bearer(before))).status).toBe(401)
    expect((await raw(bearer())).status).toBe(200)
    expect(await api.graft.server.token()).toBe(api.token)
  })
})

describe("pages and names", () => {
  it("refuses a name that is not ours: somebody's DNS leads here", async () => {
    for (const host of ["evil.example", `evil.example:${api.port}`, "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost", "localhost:99999"]) {
      expect(await raw({ ...bearer(), host }), host).toMatchObject({ status: 403, error: { code: "server.host" } })
    }
    for (const host of [`localhost:${api.port}`, "LOCALHOST", `127.0.0.1:${api.port}`, "[::1]:80"]) expect((await raw({ ...bearer(), host })).status, host).toBe(200)
  })

  it("refuses foreign pages, even with the right token, and says nothing about the token to them", async () => {
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1", "https://app.example.evil.example", "http://localhost.evil.example:80"]) {
      const refused = await raw({ ...bearer(), origin })
      expect(refused, origin).toMatchObject({ status: 403, error: { code: "server.origin" } })
      expect(refused.headers["access-control-allow-origin"]).toBeUndefined()
      expect(await raw({ origin }), origin).toMatchObject({ status: 403 })
    }
    expect((await raw({ ...bearer(), "sec-fetch-site": "cross-site" })).error?.code).toBe("server.origin")
    expect((await raw({ ...bearer(), "sec-fetch-site": "none" })).status).toBe(200)
    expect((await raw({ ...bearer(), origin: `http://127.0.0.1:${api.port}` })).status).toBe(200)
  })

  it("lets the pages in that the config names, refusals included, and answers their preflight without a token", async () => {
    for (const origin of ["https://app.example", "http://localhost:5173"]) {
      const preflight = await raw({ origin, "access-control-request-method": "POST" }, { method: "OPTIONS", path: "/sessions" })
      expect(preflight).toMatchObject({ status: 204, headers: { "access-control-allow-origin": origin, "access-control-allow-headers": expect.stringContaining("authorization") } })
      expect((await raw({ ...bearer(), origin })).headers["access-control-allow-origin"]).toBe(origin)
      expect(await raw({ origin })).toMatchObject({ status: 401, headers: { "access-control-allow-origin": origin } })
    }
    expect((await raw({ origin: "https://evil.example", "access-control-request-method": "POST" }, { method: "OPTIONS" })).status).toBe(403)
    expect((await raw({ origin: "https://app.example" }, { method: "OPTIONS" })).status).toBe(401)
  })

  it("follows the config", async () => {
    const origin = "https://new.example"
    expect((await raw({ ...bearer(), origin })).status).toBe(403)
    await api.graft.config.set("server.cors", [origin, "https://app.example", "http://localhost:*"])
    await api.kernel.settled()
    expect((await raw({ ...bearer(), origin })).status).toBe(200)
  })
})

describe("what comes in", () => {
  const json = { "content-type": "application/json" }

  it("is refused when nothing here could carry it", async () => {
    expect(await raw(bearer(), { method: "TRACE" })).toMatchObject({ status: 405, error: { code: "server.method" } })
  })

  it("is refused when it is too large, whether it says so or not", async () => {
    const large = JSON.stringify({ title: "x".repeat(2_000) })
    expect(await raw({ ...bearer(), ...json, "content-length": String(large.length) }, { method: "POST", path: "/sessions", body: large })).toMatchObject({ status: 413, error: { code: "server.large" } })
    expect(await raw({ ...bearer(), ...json, "transfer-encoding": "chunked" }, { method: "POST", path: "/sessions", body: large })).toMatchObject({ status: 413, error: { code: "server.large" } })
  })

  it("is told so, however much of it is still on its way", async () => {
    const large = JSON.stringify({ title: "x".repeat(4_000_000) })
    for (const length of [{ "content-length": String(large.length) }, { "transfer-encoding": "chunked" }] as Record<string, string>[]) {
      const answer = await raw({ ...bearer(), ...json, ...length }, { method: "POST", path: "/sessions", body: large }).catch((error: NodeJS.ErrnoException) => error.code)
      // Who goes on sending may hear the end of the connection before the answer.
      expect(answer).toSatisfy((heard: unknown) => heard === "EPIPE" || heard === "ECONNRESET" || (heard as Answer).error?.code === "server.large")
    }
    expect((await raw(bearer())).status).toBe(200)
  })

  it("does not stand in the way of the next request when nobody has read it", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    try {
      const unread = await raw({ ...bearer(), ...json, "content-length": "300000" }, { method: "DELETE", path: "/nowhere", body: "x".repeat(300_000), agent })
      expect(unread).toMatchObject({ status: 404, headers: { connection: "close" } })
      expect((await raw(bearer(), { agent })).status).toBe(200)
    } finally {
      agent.destroy()
    }
  })

  it("is refused when it does not come to its end", async () => {
    const socket = connect(api.port, "127.0.0.1")
    socket.write(`POST /sessions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${api.token}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"ti`)
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ""
      socket.on("data", (chunk) => { text += chunk }).once("close", () => resolve(text)).once("error", reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toContain("server.slow")
  })

  it("is refused when it comes too often, by the address that it comes from", () => {
    let now = 0
    const policy = makePolicy({ rate: 3 }, { accepts: (token) => token === "right" }, undefined, () => now)
    const ask = (remoteAddress: string, token = "right") => policy.admit({ method: "GET", headers: { host: "localhost", authorization: `Bearer ${token}` }, socket: { localAddress: "127.0.0.1", remoteAddress } } as IncomingMessage)
    expect([ask("a"), ask("a"), ask("a")]).toEqual([undefined, undefined, undefined])
    expect(ask("a")).toMatchObject({ status: 429, code: "server.rate", headers: { "retry-after": "1" } })
    expect(ask("b")).toBeUndefined()
    for (const code of ["server.token", "server.token", "server.token", "server.rate"]) expect(ask("c", "wrong")?.code).toBe(code)
    expect(ask("c")).toBeUndefined()
    now = 1_000
    expect(ask("a")).toBeUndefined()
  })
})

describe("the pure part", () => {
  it("lets no more in than the rate, in any stretch of time beyond the first second", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 }), (perSecond, gaps) => {
      let now = 0
      const rate = new Rate(perSecond, () => now)
      const admitted = gaps.filter((gap) => { now += gap; return rate.take("one") }).length
      return admitted <= perSecond + (now / 1_000) * perSecond + 1e-6
    }))
  })

  it("forgets addresses, so that many of them cost nothing", () => {
    const rate = new Rate(1, () => 0)
    for (let i = 0; i < 3_000; i++) expect(rate.take(`address ${i}`)).toBe(true)
    expect(rate.take("address 2999")).toBe(false)
  })

  it.each([
    ["localhost", "localhost"], ["localhost:4747", "localhost"], ["[::1]:4747", "::1"], ["EXAMPLE.org.", "example.org"], ["127.0.0.1", "127.0.0.1"],
    [undefined, undefined], ["", undefined], ["a b", undefined], ["user@localhost", undefined], ["localhost/", undefined], ["localhost:99999", undefined], ["a:b:c", undefined],
  ])("reads the name %s as %s", (host, name) => { expect(hostnameOf(host)).toBe(name) })

  it("knows the address that a request came in on, which nobody can rebind, and the names of the config", () => {
    expect(isOurs("192.168.1.5:4747", "192.168.1.5", [])).toBe(true)
    expect(isOurs("192.168.1.5", "::ffff:192.168.1.5", [])).toBe(true)
    expect(isOurs("192.168.1.6", "192.168.1.5", [])).toBe(false)
    expect(isOurs("Box.local:80", "192.168.1.5", ["box.local"])).toBe(true)
  })

  it("grants an origin as it is written, or with any port", () => {
    expect(isGranted("http://localhost:1", ["http://localhost:*"])).toBe(true)
    expect(isGranted("http://localhost", ["http://localhost:*"])).toBe(true)
    expect(isGranted("http://localhost:1.evil.example", ["http://localhost:*"])).toBe(false)
    expect(isGranted("https://localhost:1", ["http://localhost:*"])).toBe(false)
    expect(isGranted("https://app.example:444", ["https://app.example"])).toBe(false)
  })
})
