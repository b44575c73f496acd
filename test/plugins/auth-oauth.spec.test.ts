/** A login in a browser or on another device ends in a token that is renewed before it ends, by one process for all, and never said. */
import { fork, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { readFileSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest"
import type { LoginStep } from "../../plugins/auth/contract.ts"
import { queryOf } from "../../plugins/auth/oauth/code.ts"
import { isDue, isOver } from "../../plugins/auth/secret/refresher.ts"
import { OAuthServer } from "../fixtures/oauth.ts"
import { oauth, openRing, type Ring } from "../fixtures/keyring.ts"
import { openWorld, soon } from "../fixtures/vendor-world.ts"

let server: OAuthServer
beforeEach(async () => { server = await OAuthServer.open() })
afterEach(async () => {
  vi.useRealTimers()
  await server[Symbol.asyncDispose]()
})
async function ring(options?: Parameters<typeof openRing>[0]): Promise<Ring> {
  const open = await openRing(options)
  onTestFinished(() => open[Symbol.asyncDispose]())
  return open
}
const HOUR = 3_600_000
const SOON = { timeout: 10_000, interval: 5 }
/** A login as if made in a browser before. */
async function loggedIn(open: Ring, options: Parameters<Ring["login"]>[1] = {}) {
  await open.login("acme", { method: oauth(server.origin), ...options }, (step) => server.agree((step as { url: string }).url))
  await open.told()
}
const later = (milliseconds: number) => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + milliseconds })
const fails = (work: Promise<unknown>) => work.then(() => { throw new Error("it did not fail") }, (error: Error & { code: string }) => error)

describe("a login in a browser", () => {
  test("comes back to loopback by itself, with PKCE, and is kept", async () => {
    const open = await ring()
    const steps = await open.login("acme", { method: oauth(server.origin, { scopes: ["read", "write"] }) }, (step) => server.agree((step as { url: string }).url))
    expect(steps.map(({ kind }) => kind)).toEqual(["open", "done"])
    const url = new URL((steps[0] as { url: string }).url)
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ response_type: "code", client_id: "graft-test", code_challenge_method: "S256", scope: "read write", redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/callback$/) })
    expect(await open.graft.auth.get("acme")).toMatchObject({ provider: "acme", account: "default", kind: "oauth", token: true, secret: expect.stringContaining("at-canary"), source: "file" })
    expect((await open.told()).map(({ event }) => event)).toEqual(["auth.added"])
  })

  test("without a browser here: what it ends at elsewhere is pasted, whole or in part", async () => {
    for (const part of [(url: string) => url, (url: string) => new URL(url).search.slice(1), (url: string) => new URL(url).searchParams.get("code")!, (url: string) => `${new URL(url).searchParams.get("code")}#${new URL(url).searchParams.get("state")}`]) {
      await using open = await openRing({ door: false })
      const steps = await open.login("acme", { method: oauth(server.origin) }, async (step) => {
        expect(step).not.toHaveProperty("redirect")
        await open.graft.auth.answer(step.login, part(await server.agree((step as { url: string }).url, { follow: false })))
      })
      expect(steps.at(-1)!.kind).toBe("done")
    }
  })

  test("a stranger at the door, another state, or no login of that name: nothing comes of it", async () => {
    const open = await ring()
    const steps = await open.login("acme", { method: oauth(server.origin) }, async (step) => {
      const { redirect, url } = step as Extract<LoginStep, { kind: "open" }>
      for (const [method, path] of [["GET", "?code=x&state=forged"], ["GET", "?code=x"], ["POST", `?code=x&state=${new URL(url).searchParams.get("state")}`]] as const) expect((await fetch(redirect! + path, { method })).status).toBe(404)
      expect((await fetch(new URL("/", redirect))).status).toBe(404)
      await server.agree(url)
    })
    expect(steps.at(-1)!.kind).toBe("done")
    expect(await fails(open.graft.auth.answer("none", "code"))).toMatchObject({ code: "auth.unknown" })
    expect((await fails(fetch((steps[0] as { redirect: string }).redirect))).name).toBe("TypeError")
  })

  test("that is refused, forged or too late says so, and changes nothing", async () => {
    const open = await ring()
    expect(await fails(open.login("acme", { method: oauth(server.origin) }, (step) => server.agree((step as { url: string }).url, { refuse: true })))).toMatchObject({ code: "auth.login", message: expect.stringContaining("access_denied: they said no") })
    expect(await fails(open.login("acme", { method: oauth(server.origin) }, (step) => open.graft.auth.answer(step.login, "?code=code-canary-x&state=another")))).toMatchObject({ code: "auth.login" })
    const wrong = await fails(open.login("acme", { method: oauth(server.origin) }, (step) => open.graft.auth.answer(step.login, "code-canary-x")))
    expect(wrong.message).toContain("invalid_grant")
    expect(wrong.message).not.toContain("code-canary-x")
    expect(await fails(open.login("acme", { method: oauth(server.origin) }, () => open.clock.pass(600_000, 600_000)))).toMatchObject({ code: "auth.login", message: expect.stringContaining("within 10 minutes") })
    const stop = new AbortController()
    await fails(open.login("acme", { method: oauth(server.origin), signal: stop.signal }, () => stop.abort()))
    expect(await open.told()).toEqual([])
    expect(open.clock.waits(600_000)).toEqual([])
  })

  test("at a server that is found by the resource: it names its issuer, registers the client, and gives a token for that resource alone", async () => {
    const open = await ring()
    for (const secretClients of [false, true]) {
      server.secretClients = secretClients
      const method = oauth(server.origin, { id: "mcp:files.oauth", provider: "mcp:files", issuer: undefined, client: undefined, resource: server.resource })
      const [first] = await open.login("mcp:files", { method, scopes: ["tools", "admin"] }, (step) => server.agree((step as { url: string }).url))
      expect(Object.fromEntries(new URL((first as { url: string }).url).searchParams)).toMatchObject({ resource: server.resource, scope: "tools admin", client_id: `client-${server.registered.length}` })
      expect(server.registered.at(-1)).toMatchObject({ client_name: "Graft", token_endpoint_auth_method: "none", redirect_uris: [new URL((first as { url: string }).url).searchParams.get("redirect_uri")] })
      const ask = async () => fetch(server.resource, { headers: { authorization: `Bearer ${(await open.graft.auth.get("mcp:files"))!.secret}` } })
      expect((await ask()).status).toBe(200)
      // What was refused is renewed once, however many ask.
      const { secret } = (await open.graft.auth.get("mcp:files"))!
      const before = server.refreshes.length
      await Promise.all([1, 2, 3].map(() => open.graft.auth.renew("mcp:files", secret)))
      expect(server.refreshes.length).toBe(before + 1)
      expect([server.refreshes.at(-1)!.form.resource, server.refreshes.at(-1)!.headers.authorization?.split(" ")[0]]).toEqual([server.resource, secretClients ? "Basic" : undefined])
      await open.graft.auth.renew("mcp:files", secret)
      expect(server.refreshes.length).toBe(before + 1)
      expect((await ask()).status).toBe(200)
      await open.graft.auth.remove("mcp:files")
    }
  })

  test("at a server that says nothing of itself goes to where such servers are", async () => {
    const open = await ring()
    server.silent = true
    const steps = await open.login("mcp:old", { method: oauth(server.origin, { provider: "mcp:old", issuer: undefined, client: undefined, resource: server.resource }) }, (step) => server.agree((step as { url: string }).url))
    expect(steps.at(-1)!.kind).toBe("done")
    expect(await fails(open.login("acme", { method: oauth(server.origin) }, () => {}))).toMatchObject({ code: "auth.login", message: expect.stringContaining("says nothing of how one logs in") })
    expect(await fails(open.login("acme", { method: oauth("http://acme.example") }, () => {}))).toMatchObject({ code: "auth.login", message: expect.stringContaining("no https address") })
    expect(await fails(open.login("acme", {}, () => {}))).toMatchObject({ code: "auth.unknown" })
    const written = { endpoints: { authorize: `${server.origin}/authorize`, token: `${server.origin}/token` }, issuer: undefined }
    expect((await open.login("acme", { method: oauth(server.origin, written) }, (step) => server.agree((step as { url: string }).url))).at(-1)!.kind).toBe("done")
    expect(await fails(open.login("acme", { method: oauth(server.origin, { ...written, client: undefined }) }, () => {}))).toMatchObject({ code: "auth.login", message: expect.stringContaining("a client id is needed") })
  })

  test("goes on over an edit of the plugin, and is told once", async () => {
    const open = await ring({ door: false })
    expect(await open.graft.auth.list()).toEqual([])
    const steps = await open.login("acme", { method: oauth(server.origin) }, async (step) => {
      await open.reload()
      await open.graft.auth.answer(step.login, await server.agree((step as { url: string }).url, { follow: false }))
    })
    expect(steps.at(-1)!.kind).toBe("done")
    expect(await open.graft.auth.list()).toHaveLength(1)
    expect((await open.told()).map(({ event }) => event)).toEqual(["auth.added"])
  })

  test("what a person pastes is read in every shape", () => {
    const of = (text: string) => Object.fromEntries(queryOf(text, "S", "https://i", true))
    expect(of("http://127.0.0.1:1/callback?code=C&state=T&iss=I")).toEqual({ code: "C", state: "T", iss: "I" })
    expect(of(" code=C&state=T ")).toEqual({ code: "C", state: "T" })
    expect(of("C#T")).toEqual({ code: "C", state: "T", iss: "https://i" })
    expect(of("C\n")).toEqual({ code: "C", state: "S", iss: "https://i" })
    expect(of("http://127.0.0.1/callback?error=no#x")).toEqual({ error: "no" })
  })
})

describe("a login on another device", () => {
  const device = () => oauth(server.origin, { flow: "device" })
  /** Lets the next question out as soon as it waits. */
  const ask = (open: Ring) => vi.waitFor(() => { if (open.clock.pass(1_000, 590_000) === 0) throw new Error("nobody waits") }, SOON)

  test.each([false, true])("shows a code, asks as often as it may, and ends when it was typed (refusals in a 200: %s)", async (github) => {
    const open = await ring()
    server.github = github
    server.device = "slow"
    let waited: number[] = []
    const steps = await open.login("acme", { method: device() }, async (step) => {
      expect(step).toMatchObject({ kind: "code", code: "WDJB-MJHT", url: `${server.origin}/device`, complete: `${server.origin}/device?code=WDJB-MJHT` })
      for (let n = 0; n < 3; n++) {
        await vi.waitFor(() => expect(open.clock.waits(1_000, 590_000)).toHaveLength(1), SOON)
        waited = [...waited, ...open.clock.waits(1_000, 590_000)]
        if (n === 2) server.device = "yes"
        await ask(open)
      }
    })
    expect(waited).toEqual([1_000, 6_000, 6_000])
    expect(steps.map(({ kind }) => kind)).toEqual(["code", "done"])
    expect((await open.graft.auth.get("acme"))!.token).toBe(true)
  })

  test("goes on over an edit of the plugin", async () => {
    const open = await ring()
    const steps = await open.login("acme", { method: device() }, async () => {
      server.device = "yes"
      await vi.waitFor(() => expect(open.clock.waits(1_000, 590_000)).toHaveLength(1), SOON)
      await open.reload()
    })
    expect(steps.at(-1)!.kind).toBe("done")
  })

  test.each(["no", "expired"] as const)("that ends otherwise (%s) says so", async (how) => {
    const open = await ring()
    server.device = how
    expect(await fails(open.login("acme", { method: device() }, () => ask(open)))).toMatchObject({ code: "auth.login", message: expect.stringContaining(how === "no" ? "access_denied" : "expired_token") })
  })
})

test("GitHub Copilot is there once its code was typed at GitHub", async () => {
  server.github = true
  server.device = "yes"
  server.expiresIn = undefined
  await using world = await openWorld({ plugins: ["provider-github-copilot"], env: { GITHUB_API_URL: server.origin } })
  const there = soon("the provider", world.next("provider.updated", ({ provider }) => provider.ready))
  const steps: LoginStep[] = []
  for await (const step of world.graft.auth.login("github-copilot")) steps.push(step)
  expect(steps).toMatchObject([{ kind: "code", code: "WDJB-MJHT" }, { kind: "done", credential: { provider: "github-copilot", kind: "oauth" } }])
  expect((await there).provider).toMatchObject({ id: "github-copilot", ready: true })
  expect(server.asked.at(-1)!.path).toBe("/login/oauth/access_token")
})

describe("a token that ends", () => {
  test("is renewed before, by a timer, once; who sleeps wakes nobody", async () => {
    const open = await ring()
    await loggedIn(open)
    const first = (await open.graft.auth.get("acme"))!
    await open.graft.auth.get("acme")
    expect(open.clock.waits(HOUR / 2).map((wait) => Math.round(wait / 60_000))).toEqual([55])
    later(56 * 60_000)
    open.clock.pass(HOUR / 2)
    await vi.waitFor(async () => expect((await open.told()).map(({ event }) => event)).toEqual(["auth.refreshed"]), SOON)
    expect(server.refreshes.length).toBe(1)
    expect(open.clock.waits(HOUR / 2)).toEqual([])
    const second = (await open.graft.auth.get("acme"))!
    expect(second.secret).not.toBe(first.secret)
    expect(server.refreshes.length).toBe(1)
    expect(open.clock.waits(HOUR / 2)).toHaveLength(1)
  })

  test("is renewed by who needs it, once for all who ask, also over a reload", async () => {
    const open = await ring()
    await loggedIn(open)
    later(HOUR)
    const found = await Promise.all(Array.from({ length: 8 }, () => open.graft.auth.get("acme")))
    expect(new Set(found.map((each) => each!.secret)).size).toBe(1)
    expect(server.refreshes.length).toBe(1)
    later(HOUR)
    const { promise: gate, resolve } = Promise.withResolvers<void>()
    server.gate = () => gate
    const old = open.graft.auth.get("acme")
    await vi.waitFor(() => expect(server.refreshes.length).toBe(2), SOON)
    await open.reload()
    const next = open.graft.auth.get("acme")
    resolve()
    expect((await old)!.secret).toBe((await next)!.secret)
    expect(server.refreshes.length).toBe(2)
    // One that a timer began, which nobody waits for, is brought to its end as well.
    const third = Promise.withResolvers<void>()
    server.gate = () => third.promise
    later(HOUR)
    open.clock.pass(HOUR / 2)
    await vi.waitFor(() => expect(server.refreshes.length).toBe(3), SOON)
    await open.reload()
    const last = open.graft.auth.get("acme")
    third.resolve()
    expect(server.isGood((await last)!.secret)).toBe(true)
    expect(server.refreshes.length).toBe(3)
    expect((await open.told()).filter(({ event }) => event !== "auth.refreshed")).toEqual([])
    expect(readdirSync(join(open.home, "data"))).toEqual(["auth.json"])
  })

  test("whose clock jumps is renewed once, not for ever", async () => {
    const open = await ring()
    await loggedIn(open)
    later(400 * 24 * HOUR)
    for (let n = 0; n < 3; n++) await open.graft.auth.get("acme")
    expect(server.refreshes.length).toBe(1)
    later(-800 * 24 * HOUR)
    for (let n = 0; n < 3; n++) await open.graft.auth.get("acme")
    expect(server.refreshes.length).toBe(2)
    // By a timer that came too early, because the clock was set back meanwhile: it looks again, and sets another.
    later(HOUR / 3)
    await open.graft.auth.get("acme")
    later(-10_000)
    open.clock.pass(HOUR / 2)
    await vi.waitFor(() => expect(open.clock.waits(HOUR / 2)).toHaveLength(1), SOON)
    expect(server.refreshes.length).toBe(2)
    const entry = (times: object) => ({ kind: "oauth", login: "l", access: "a", refresh: "r", issuer: "i", token: "t", client: "c", ...times }) as never
    expect([isDue(entry({ obtained: 0 }), 9e15), isOver(entry({ obtained: 0 }), 9e15)]).toEqual([false, false])
    expect([isDue(entry({ obtained: 0, expires: 1_000 }), 899), isDue(entry({ obtained: 0, expires: 1_000 }), 901)]).toEqual([false, true])
    expect([isDue(entry({ obtained: HOUR, expires: 2 * HOUR }), HOUR - 59_000), isDue(entry({ obtained: HOUR, expires: 2 * HOUR }), HOUR - 61_000)]).toEqual([false, true])
  })

  test("that was taken back: told once with what to do, kept as it is, asked for no second time; other accounts and providers stay", async () => {
    const open = await ring()
    await loggedIn(open)
    const [entry] = Object.values(JSON.parse(readFileSync(open.file, "utf8")) as Record<string, { refresh: string }>)
    await loggedIn(open, { account: "work" })
    await open.graft.auth.set("other", "sk-other-key-012345")
    await open.told()
    await open.graft.auth.switch("acme", "default")
    server.revoke(0)
    later(HOUR)
    const error = await fails(open.graft.auth.get("acme"))
    expect(error).toMatchObject({ code: "auth.revoked", message: expect.stringMatching(/does not renew the login to acme \(invalid_grant: the refresh token \[redacted\] .*\)\. Run graft auth login acme$/) })
    expect(error.message).not.toContain(entry!.refresh)
    for (const call of [() => open.graft.auth.get("acme"), () => open.graft.auth.peek("acme")]) expect((await fails(call())).message).toBe(error.message)
    expect(server.refreshes.length).toBe(1)
    expect((await open.told()).filter(({ event }) => event === "auth.failed")).toEqual([{ event: "auth.failed", payload: { provider: "acme", account: "default", code: "auth.revoked", message: error.message } }])
    expect((await open.graft.auth.list()).map(({ provider, account, failed }) => [provider, account, failed !== undefined])).toEqual([["acme", "default", true], ["acme", "work", false], ["other", "default", false]])
    await open.graft.auth.switch("acme", "work")
    expect((await open.graft.auth.get("acme"))!.account).toBe("work")
    await loggedIn(open)
    expect((await open.graft.auth.get("acme"))!.account).toBe("default")
  })

  test("whose server fails is used while it holds; then the failure is told once, and tried again later", async () => {
    const open = await ring()
    await loggedIn(open)
    const { secret } = (await open.graft.auth.get("acme"))!
    server.instead = () => ({ status: 502, body: "<html>no</html>", type: "text/html" })
    later(57 * 60_000)
    expect((await open.graft.auth.get("acme"))!.secret).toBe(secret)
    expect((await open.graft.auth.get("acme"))!.secret).toBe(secret)
    expect(server.refreshes.length).toBe(1)
    later(HOUR)
    expect((await fails(open.graft.auth.get("acme"))).message).toMatch(/^the login to acme could not be renewed now: 127\.0\.0\.1:\d+: it answered 502, and not as such a server does$/)
    expect((await open.told()).map(({ event }) => event)).toEqual(["auth.failed"])
    await open.reload()
    server.instead = undefined
    expect((await open.graft.auth.get("acme"))!.secret).not.toBe(secret)
    expect((await open.told()).map(({ event }) => event)).toEqual(["auth.refreshed"])
  })

  test("that was renewed and could not be kept is used all the same, and kept as soon as that goes", async () => {
    const open = await ring()
    await loggedIn(open)
    const before = readFileSync(open.file, "utf8")
    later(HOUR)
    server.gate = async () => writeFileSync(open.file, "{ damaged")
    const { secret } = (await open.graft.auth.get("acme"))!
    expect([server.isGood(secret), open.kernel.logs("auth").at(-1)!.text]).toEqual([true, expect.stringContaining("is used, and could not be kept")])
    writeFileSync(open.file, before)
    expect((await open.graft.auth.get("acme"))!.secret).toBe(secret)
    expect(readFileSync(open.file, "utf8")).toContain(secret)
    expect(server.refreshes.length).toBe(1)
  })

  test("of a server that keeps the refresh token, or never says when it ends", async () => {
    const open = await ring()
    server.rotates = false
    await loggedIn(open)
    for (let n = 1; n <= 2; n++) {
      later(HOUR)
      await open.graft.auth.get("acme")
      expect(server.refreshes.length).toBe(n)
    }
    server.expiresIn = undefined
    await loggedIn(open)
    later(1_000 * HOUR)
    expect(server.isGood((await open.graft.auth.get("acme"))!.secret)).toBe(true)
    expect(server.refreshes.length).toBe(2)
  })

  test("of two processes, one asks, and the other takes what it got; who dies over it holds nobody up", async () => {
    const open = await ring()
    await loggedIn(open)
    const entries = JSON.parse(readFileSync(open.file, "utf8")) as { acme: { expires: number } }
    entries.acme.expires = Date.now() - 1_000
    writeFileSync(open.file, JSON.stringify(entries))
    const start = async (): Promise<ChildProcess> => {
      const child = fork(new URL("../fixtures/auth-process.ts", import.meta.url).pathname, [open.home, "acme"], { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: [] })
      onTestFinished(() => void child.kill("SIGKILL"))
      await once(child, "message")
      return child
    }
    const children = await Promise.all([start(), start(), start()])
    const answers = (asked: readonly ChildProcess[]) => Promise.all(asked.map(async (child) => {
      const [answer] = (await Promise.all([once(child, "message"), child.send("get")]))[0] as [{ secret?: string; code?: string }]
      return answer
    }))
    // The first one dies while the server thinks about it.
    const { promise: gate, resolve } = Promise.withResolvers<void>()
    server.gate = () => gate
    children[0]!.send("get")
    await vi.waitFor(() => expect(server.asked.filter(({ form }) => form.grant_type === "refresh_token").length).toBe(1), SOON)
    server.asked.length = 0
    const two = answers(children.slice(1))
    server.instead = () => (server.instead = undefined, { status: 503, body: "" })
    children[0]!.kill("SIGKILL")
    await once(children[0]!, "exit")
    resolve()
    const [first, second] = await two
    expect(first).toEqual({ secret: expect.stringContaining("at-canary"), code: undefined })
    expect(second).toEqual(first)
    expect(server.refreshes.length).toBe(1)
    expect(server.isGood(first!.secret)).toBe(true)
    expect(readdirSync(join(open.home, "data"))).toEqual(["auth.json"])
  }, 20_000)
})
