/** A server at an address that wants to know who asks is logged in to through `auth`: its token goes to that address and to no other, is renewed when it is refused, and is asked for anew when the login has ended. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createKernel, systemClock, type EmbeddedKernel, type Graft } from "graft"
import { bearing, challengeIn, integrationOf } from "../../plugins/mcp/connection/bearer.ts"
import { makeBrain, type Message } from "../fixtures/mcp-server.ts"
import { OAuthServer } from "../fixtures/oauth.ts"

const root = join(import.meta.dirname, "../..")
const PLUGINS = ["tool", "permission", "config", "trust", "question", "command", "store", "auth", "mcp"]
const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-mcp-login-")))
const [home, directory] = [join(base, "home"), join(base, "project")]
let kernel: EmbeddedKernel
let graft: Graft & Disposable
let oauth: OAuthServer
let listener: Server
let url: string
/** What came with each request: a token that is good, one that is not, or none. */
const seen: string[] = []
/** Tokens that this server takes no more, whatever the other one says. */
const spent = new Set<string | undefined>()
let latest: string | undefined

/** Streamable HTTP with JSON answers, for whoever brings a good token. */
async function hear(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const json = (status: number, body?: unknown, headers = {}) => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body ?? {}))
  const { origin } = new URL(url)
  if (request.url === "/.well-known/oauth-protected-resource/mcp") return json(200, { resource: url, authorization_servers: [oauth.origin] })
  if (request.url !== "/mcp") return json(404)
  const token = request.headers.authorization?.replace("Bearer ", "")
  const good = oauth.isGood(token) && !spent.has(token)
  seen.push(token === undefined ? "none" : good ? "good" : "bad")
  latest = token
  if (!good) return json(401, {}, { "www-authenticate": `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", scope="read write"` })
  if (request.method !== "POST") return json(405)
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const message = JSON.parse(Buffer.concat(chunks).toString()) as Message
  if (message.id === undefined) return json(202)
  makeBrain((answer) => json(200, answer)).hear(message)
}

beforeAll(async () => {
  for (const made of [join(directory, ".git"), join(home, "config")]) mkdirSync(made, { recursive: true })
  oauth = await OAuthServer.open()
  listener = createServer((request, response) => void hear(request, response)).listen(0, "127.0.0.1")
  await new Promise((resolve) => listener.once("listening", resolve))
  url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`
  // Nobody waits for the next attempt but who has logged in: an hour is what the others have.
  const clock = { now: systemClock.now, after: (milliseconds: number, work: () => void) => systemClock.after([1_000, 2_000, 4_000].includes(milliseconds) ? 3_600_000 : milliseconds, work) }
  kernel = createKernel({ roots: [{ dir: join(root, "plugins"), kind: "built-in" }], dataDir: home, only: PLUGINS, clock })
  await kernel.start()
  graft = await kernel.child(directory)
  await kernel.settled()
  await kernel.graft.config.flags({ permissions: { allow: ["mcp"] } })
})
afterAll(async () => {
  graft?.[Symbol.dispose]()
  await kernel?.close()
  await oauth?.[Symbol.asyncDispose]()
  listener?.closeAllConnections()
  listener?.close()
  rmSync(base, { recursive: true, force: true })
})

async function echo(text: string): Promise<string> {
  const set = await graft.tool.advertise()
  try {
    return (await set.settle({ id: "c", name: "far_echo", input: JSON.stringify({ text }), session: "s", directory }, { signal: new AbortController().signal, started: async () => {} })).output
  } finally {
    set.dispose()
  }
}
const becomes = (state: string) => expect.poll(async () => (await graft.mcp.list())[0]?.state, { interval: 10, timeout: 15_000 }).toBe(state)
/** As `graft mcp login` does it, with somebody at the browser. */
async function logIn(): Promise<void> {
  const method = await graft.mcp.login("far")
  for await (const step of graft.auth.login(method.provider, { method })) if (step.kind === "open") await graft.auth.answer(step.login, await oauth.agree(step.url, { follow: false }))
}

describe("a server that answers 401", () => {
  it("says how to log in, and what it said of that is known to whoever does", async () => {
    await graft.config.set("mcp", { far: { url } })
    await graft.mcp.list({ settled: true })
    expect((await graft.mcp.list())[0]).toMatchObject({ state: "failed", reason: "it answered 401: log in with graft mcp login far" })
    expect(await graft.mcp.login("far")).toMatchObject({ kind: "oauth", provider: `mcp:${new URL(url).host}/mcp`, resource: url, metadata: `${new URL(url).origin}/.well-known/oauth-protected-resource/mcp`, scopes: ["read", "write"] })
    expect((await graft.auth.methods()).map(({ provider }) => provider)).toContain(`mcp:${new URL(url).host}/mcp`)
    expect(new Set(seen)).toEqual(new Set(["none"]))
  })

  it("is connected at once when somebody has logged in, and every request brings the token", async () => {
    seen.length = 0
    await logIn()
    await becomes("ready")
    expect(await echo("hello")).toBe("hello")
    expect(new Set(seen)).toEqual(new Set(["good"]))
    expect(oauth.asked.at(-1)!.form.resource).toBe(url)
  })

  it("that refuses a token that has ended is asked again with a new one, in the same call", async () => {
    seen.length = 0
    spent.add(latest)
    expect(await echo("again")).toBe("again")
    expect([seen, oauth.refreshes.length]).toEqual([["bad", "good"], 1])
  })

  it("to whose login an end was put says so; after another one it goes on", async () => {
    oauth.revoke()
    expect(await echo("refused")).toContain("log in with graft mcp login far")
    await logIn()
    expect(await echo("welcome")).toBe("welcome")
  })

  it("leaves no secret in its log, in what is told of it, or in the config", async () => {
    const said = [...(await graft.mcp.logs("far")), JSON.stringify(await graft.mcp.list()), JSON.stringify(await graft.config.get("mcp")), JSON.stringify(graft.kernel.logs())].join("\n")
    expect(oauth.secrets.length).toBeGreaterThan(2)
    expect(oauth.secrets.filter((secret) => said.includes(secret))).toEqual([])
  })

  it("a program takes no login, nor does whom the config gives a key; and a name that nobody has is said", async () => {
    await graft.config.set("mcp", { program: { command: "false" }, keyed: { url, headers: { Authorization: "Bearer x" } } })
    await graft.mcp.list({ settled: true })
    for (const name of ["program", "keyed"]) await expect(graft.mcp.login(name)).rejects.toMatchObject({ code: "mcp.login" })
    await expect(graft.mcp.login("far")).rejects.toMatchObject({ code: "mcp.unknown" })
  })
})

describe("a token", () => {
  const keys = { token: async () => "secret", renew: async () => undefined, challenged: () => {} }
  const sent = async (address: string, to: string) => {
    let header: string | null = null
    await bearing(async (_, init) => (header = new Headers(init?.headers).get("authorization"), new Response("{}")), new URL(address), () => keys)(to)
    return header
  }

  it("goes to its own address alone, and in the clear only to this machine", async () => {
    expect(await sent("https://a.example/mcp", "https://a.example/other")).toBe("Bearer secret")
    expect(await sent("http://127.0.0.1:8080/mcp", "http://127.0.0.1:8080/mcp")).toBe("Bearer secret")
    for (const to of ["https://b.example/mcp", "http://a.example/mcp", "https://a.example:444/mcp"]) expect(await sent("https://a.example/mcp", to), to).toBeNull()
    expect(await sent("http://a.example/mcp", "http://a.example/mcp")).toBeNull()
  })

  it("belongs to an address, not to a name in somebody's config", () => {
    expect(integrationOf(new URL("https://mcp.example/mcp?x=1"))).toBe("mcp:mcp.example/mcp")
    expect(integrationOf(new URL("https://mcp.example/"))).toBe("mcp:mcp.example")
    expect(integrationOf(new URL("https://mcp.example:8443/a b"))).toBe("mcp:mcp.example:8443/a_20b")
  })

  it("is asked for as the refusal says, where that makes sense", () => {
    expect(challengeIn('Bearer error="invalid_token", resource_metadata="https://a.example/m", scope="a  b"')).toEqual({ metadata: "https://a.example/m", scopes: ["a", "b"] })
    expect(challengeIn('Bearer resource_metadata="no address", scope=""')).toEqual({})
    expect(challengeIn("")).toEqual({})
  })
})
