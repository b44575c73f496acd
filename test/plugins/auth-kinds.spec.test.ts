/** Every kind of credential gives its secret when it is needed, one of several is used, and where it is kept is the config's choice. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { accountsOf, activeOf, choosing, entryIn, idOf, partsOf, type Entries } from "../../plugins/auth/kept/entries.ts"
import { originOf } from "../../plugins/auth/secret/gateway.ts"
import { printed, readPrinted } from "../../plugins/auth/secret/program.ts"
import { MemoryKeychain, oauth, openRing, type Ring } from "../fixtures/keyring.ts"
import { OAuthServer } from "../fixtures/oauth.ts"
import { answers, VendorServer } from "../fixtures/vendor-server.ts"
import { openWorld, soon } from "../fixtures/vendor-world.ts"

async function ring(options?: Parameters<typeof openRing>[0]): Promise<Ring> {
  const open = await openRing(options)
  onTestFinished(() => open[Symbol.asyncDispose]())
  return open
}
function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "graft-kinds-"))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}
const fails = (work: Promise<unknown>) => work.then(() => { throw new Error("it did not fail") }, (error: Error & { code: string }) => error)
const KEY = "sk-canary-0123456789"
const SOON = { timeout: 10_000, interval: 5 }
const events = async (open: Ring) => (await open.told()).map(({ event, payload }) => `${event} ${payload.account}`)

describe("several accounts of one integration", () => {
  test("one is used; switching needs no restart; who leaves makes room for another", async () => {
    const open = await ring()
    const { auth } = open.graft
    await auth.set("acme", `${KEY}-home`)
    await auth.set("acme", `${KEY}-work`, "work")
    expect((await auth.get("acme"))!).toMatchObject({ account: "work", secret: `${KEY}-work` })
    expect((await auth.list()).map(({ account, active }) => [account, active])).toEqual([["default", false], ["work", true]])
    expect(await events(open)).toEqual(["auth.added default", "auth.added work"])
    await auth.switch("acme", "default")
    await auth.switch("acme", "default")
    expect((await auth.get("acme"))!.account).toBe("default")
    expect(await events(open)).toEqual(["auth.updated default"])
    await auth.switch("acme", "work")
    expect(await auth.remove("acme", "work")).toBe(true)
    expect((await auth.get("acme"))!.account).toBe("default")
    expect(await events(open)).toEqual(["auth.updated work", "auth.updated default", "auth.removed work"])
    expect(await fails(auth.switch("acme", "work"))).toMatchObject({ code: "auth.unknown", message: expect.stringContaining("there are default") })
    for (const account of ["", "env", "a#b", "a/b", "x".repeat(65)]) expect(await fails(auth.set("acme", KEY, account))).toMatchObject({ code: "auth.invalid" })
    await auth.set("acme", KEY, "third")
    expect([await auth.remove("acme"), await auth.remove("acme"), await auth.get("acme")]).toEqual([true, false, undefined])
  })

  test("what an earlier version wrote is read as it is, and goes on being read by it", async () => {
    const open = await ring()
    mkdirSync(join(open.home, "data"), { mode: 0o700 })
    writeFileSync(open.file, JSON.stringify({ acme: { kind: "key", secret: KEY }, beta: { kind: "key", secret: `${KEY}-b` }, later: { kind: "passkey", x: 1 } }), { mode: 0o600 })
    expect((await open.graft.auth.get("acme"))!.secret).toBe(KEY)
    await open.graft.auth.set("acme", `${KEY}-work`, "work")
    expect(JSON.parse(readFileSync(open.file, "utf8"))).toEqual({ acme: { kind: "key", secret: KEY }, beta: { kind: "key", secret: `${KEY}-b` }, later: { kind: "passkey", x: 1 }, "acme#work": { kind: "key", secret: `${KEY}-work` }, "#active": { acme: "work" } })
  })

  test("there is always exactly one active account where there is any, whatever was chosen", () => {
    const account = fc.constantFrom("default", "a", "b", "c")
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom("set", "drop", "choose"), fc.constantFrom("p", "q"), account), { maxLength: 30 }), (steps) => {
      let entries: Entries = {}
      for (const [what, provider, name] of steps) {
        const id = idOf(provider, name)
        if (what === "set") entries = choosing({ ...entries, [id]: { kind: "key", secret: "s" } }, provider, name)
        else if (what === "drop") entries = Object.fromEntries(Object.entries(entries).filter(([each]) => each !== id))
        else if (entryIn(entries, id)) entries = choosing(entries, provider, name)
        for (const each of ["p", "q"]) {
          const [accounts, active] = [accountsOf(entries, each), activeOf(entries, each)]
          expect(accounts.length === 0 ? active === undefined : accounts.includes(active!)).toBe(true)
          if (what !== "drop" && each === provider && accounts.includes(name)) expect(active).toBe(name)
        }
        expect(partsOf(id)).toEqual({ provider, account: name })
      }
    }))
  })
})

describe("a command", () => {
  test("runs when its secret is needed, once until that ends, and anew when it is refused", async () => {
    const open = await ring()
    const count = join(directory(), "count")
    const command = (rest: string) => `echo run >> '${count}'; ${rest}`
    const runs = () => readFileSync(count, "utf8").split("\n").length - 1
    await open.graft.auth.set("acme", { kind: "command", command: command(`echo ${KEY}-$(wc -l < '${count}' | tr -d ' ')`) })
    expect(await open.graft.auth.peek("acme")).toMatchObject({ kind: "command", hint: "" })
    expect(await open.graft.auth.list()).toHaveLength(1)
    await expect(async () => runs()).rejects.toThrow("ENOENT")
    const found = await Promise.all([1, 2, 3].map(() => open.graft.auth.get("acme")))
    expect([new Set(found.map((each) => each!.secret)), runs()]).toEqual([new Set([`${KEY}-1`]), 1])
    await open.graft.auth.renew("acme", "another one")
    expect((await open.graft.auth.get("acme"))!.secret).toBe(`${KEY}-1`)
    await open.graft.auth.renew("acme", `${KEY}-1`)
    expect((await open.graft.auth.get("acme"))!.secret).toBe(`${KEY}-2`)
    await open.graft.auth.set("acme", { kind: "command", command: command(`echo '{"token":"${KEY}","expires":"2999-01-01T00:00:00Z"}'`) })
    expect(await open.graft.auth.get("acme")).toMatchObject({ secret: KEY, expires: Date.parse("2999-01-01T00:00:00Z"), token: false })
    vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2999-01-01T00:00:00Z") - 59_000 })
    onTestFinished(() => void vi.useRealTimers())
    await open.graft.auth.get("acme")
    expect(runs()).toBe(4)
  })

  test("that fails, hangs, floods or says nonsense is named, with nothing of what it said, and told once", async () => {
    const open = await ring()
    for (const [command, says] of [[`echo ${KEY} >&2; exit 3`, "exit code 3"], [`echo ${KEY}; echo more`, "one line is expected"], ["true", "one line is expected"], [`head -c 100000 /dev/zero | tr '\\0' x`, "more than 65536 bytes"]] as const) {
      await open.graft.auth.set("acme", { kind: "command", command })
      await open.told()
      const error = await fails(open.graft.auth.get("acme"))
      expect(error).toMatchObject({ code: "auth.command", message: expect.stringContaining(says) })
      expect(error.message).not.toContain("canary")
      await fails(open.graft.auth.get("acme"))
      await open.graft.auth.set("acme", KEY)
      await open.graft.auth.get("acme")
      await open.graft.auth.remove("acme")
      await open.told()
    }
    expect(await fails(printed("sleep 60 & sleep 60", "acme", 50))).toMatchObject({ code: "auth.command", message: expect.stringContaining("did not end within 0.05 s") })
    // A child that holds the pipe holds nobody up.
    expect(await printed("echo s; sleep 60 &", "acme")).toEqual({ secret: "s" })
    await open.graft.auth.set("acme", { kind: "command", command: "exit 1" })
    await open.told()
    for (let n = 0; n < 3; n++) await fails(open.graft.auth.get("acme"))
    expect((await open.told()).map(({ event, payload }) => [event, payload.code])).toEqual([["auth.failed", "auth.command"]])
    expect(readPrinted('{"apiVersion":"v1","status":{"token":"t","expirationTimestamp":"2030-01-01T00:00:00Z"}}')).toEqual({ secret: "t", expires: Date.parse("2030-01-01T00:00:00Z") })
    expect([readPrinted('{"access_token":"t","expires":1900000000}'), readPrinted('{"key":"k"}'), readPrinted("{"), readPrinted("{}"), readPrinted('{"token":7}')]).toEqual([{ secret: "t", expires: 1_900_000_000_000 }, { secret: "k" }, undefined, undefined, undefined])
  })
})

test("a file is read each time, and one that holds no secret is named", async () => {
  const open = await ring()
  const path = join(directory(), "token")
  writeFileSync(path, `${KEY}\n`)
  await open.graft.auth.set("acme", { kind: "file", path })
  expect((await open.graft.auth.get("acme"))!.secret).toBe(KEY)
  writeFileSync(path, `${KEY}-next\n`)
  expect((await open.graft.auth.get("acme"))!.secret).toBe(`${KEY}-next`)
  for (const text of ["", `${KEY}\nand more`]) {
    writeFileSync(path, text)
    const error = await fails(open.graft.auth.get("acme"))
    expect([error.code, error.message.includes(path), error.message.includes("canary")]).toEqual(["auth.file", true, false])
  }
  for (const wrong of ["token", "/nowhere/at/all", "/", "/dev/null"]) expect(await fails(open.graft.auth.set("acme", { kind: "file", path: wrong }))).toMatchObject({ code: "auth.invalid" })
})

describe("a company's gateway", () => {
  const describing = (server: VendorServer, auth: unknown, providers: unknown) => server.route("GET /.well-known/graft", answers(200, { version: 1, name: "Acme AI", auth, providers }))

  test("says how one logs in; one login opens all that it offers, at its own addresses", async () => {
    await using gateway = await VendorServer.open()
    const open = await ring()
    describing(gateway, { kind: "key", label: "Acme key" }, { anthropic: { url: `${gateway.origin}/anthropic`, headers: { "x-team": "red" } }, openai: { url: `${gateway.origin}/openai` } })
    const found = await open.graft.auth.gateway(`${gateway.origin}/any/page`)
    expect(found).toEqual({ url: gateway.origin, provider: `gateway:127.0.0.1:${gateway.port}`, name: "Acme AI", method: expect.objectContaining({ kind: "key", label: "Acme key" }), providers: ["anthropic", "openai"] })
    await open.graft.auth.set("anthropic", { kind: "well-known", url: gateway.origin }, "acme")
    expect(await fails(open.graft.auth.get("anthropic"))).toMatchObject({ code: "auth.gateway", message: expect.stringContaining(`run graft auth login ${gateway.origin}`) })
    await open.graft.auth.set(found.provider, KEY)
    expect(await open.graft.auth.get("anthropic")).toMatchObject({ kind: "well-known", secret: KEY, token: true, url: `${gateway.origin}/anthropic`, headers: { "x-team": "red" } })
    expect(gateway.requests).toHaveLength(1)
    describing(gateway, { kind: "key" }, { openai: { url: `${gateway.origin}/openai` } })
    await open.graft.auth.renew("anthropic")
    expect(await fails(open.graft.auth.get("anthropic"))).toMatchObject({ code: "auth.gateway", message: expect.stringContaining("does not offer anthropic any more") })
  })

  test("may ask for a login in a browser, whose token is renewed like any other", async () => {
    await using gateway = await VendorServer.open()
    await using server = await OAuthServer.open()
    const open = await ring()
    describing(gateway, { kind: "oauth", issuer: server.origin, client: { id: "graft-test" } }, { anthropic: { url: `${gateway.origin}/anthropic` } })
    const { provider, method } = await open.graft.auth.gateway(gateway.origin)
    await open.login(provider, { method: method as never }, (step) => server.agree((step as { url: string }).url))
    await open.graft.auth.set("anthropic", { kind: "well-known", url: gateway.origin })
    const first = (await open.graft.auth.get("anthropic"))!.secret
    await open.graft.auth.renew("anthropic", first)
    const second = (await open.graft.auth.get("anthropic"))!.secret
    expect([server.isGood(first), server.isGood(second), server.refreshes.length]).toEqual([false, true, 1])
  })

  test("whose description is wrong, endless, elsewhere or not safe is refused", async () => {
    await using gateway = await VendorServer.open()
    const open = await ring()
    for (const body of ["<html>", "[]", { version: 2 }, { version: 1, auth: { kind: "magic" }, providers: {} }, { version: 1, auth: { kind: "key" }, providers: { a: { url: "http://plain.example" } } }, { version: 1, auth: { kind: "key" }, providers: { "../x": { url: "https://x" } } }, "x".repeat(3_000_000)]) {
      gateway.route("GET /.well-known/graft", answers(200, body))
      expect((await fails(open.graft.auth.gateway(gateway.origin))).code).toBe("auth.gateway")
    }
    gateway.route("GET /.well-known/graft", (exchange) => exchange.head(302, { location: "https://elsewhere.example/" }).end())
    expect((await fails(open.graft.auth.gateway(gateway.origin))).message).toContain("redirects")
    for (const address of ["http://ai.example.com", "ftp://x", "https://user:pass@ai.example.com", "https://"]) expect((await fails((async () => originOf(address))())).code).toBe("auth.gateway")
    expect([originOf("ai.example.com/x"), originOf("HTTPS://ai.example.com:8443/a?b#c"), originOf("http://localhost:1")]).toEqual(["https://ai.example.com", "https://ai.example.com:8443", "http://localhost:1"])
  })
})

describe("a keychain", () => {
  test("holds the secrets where the config wants it, and the file all else; both ways without loss", async () => {
    const keychain = new MemoryKeychain()
    const open = await ring({ keychain, store: "file" })
    await using server = await OAuthServer.open()
    await open.graft.auth.set("acme", KEY)
    await open.login("oauth", { method: oauth(server.origin, { provider: "oauth" }) }, (step) => server.agree((step as { url: string }).url))
    await open.graft.auth.set("beta", { kind: "command", command: "echo x" })
    const before = JSON.parse(readFileSync(open.file, "utf8")) as unknown
    const secrets = [KEY, ...server.secrets]
    const inFile = () => secrets.filter((secret) => readFileSync(open.file, "utf8").includes(secret)).length
    expect([inFile(), keychain.items.size]).toEqual([3, 0])
    await open.told()
    open.settings.store = "keychain"
    open.kernel.graft.emit("config.changed", { paths: ["auth.store"] })
    await open.told()
    expect([inFile(), keychain.items.size]).toEqual([0, 2])
    expect((await open.graft.auth.get("acme"))!).toMatchObject({ secret: KEY, source: "keychain" })
    expect((await open.graft.auth.list()).map(({ provider, hint }) => [provider, hint])).toEqual([["acme", "6789"], ["beta", ""], ["oauth", secrets[1]!.slice(-4)]])
    // A renewal goes there as well, and leaves nothing behind.
    await open.graft.auth.renew("oauth")
    expect([inFile(), keychain.items.size, server.isGood((await open.graft.auth.get("oauth"))!.secret)]).toEqual([0, 2, true])
    await open.graft.auth.set("acme", `${KEY}-2`)
    expect([keychain.items.size, (await open.told()).map(({ event }) => event)]).toEqual([2, ["auth.refreshed", "auth.updated"]])
    await open.graft.auth.set("acme", KEY)
    open.settings.store = "file"
    expect(await open.graft.auth.move()).toBe(2)
    expect(keychain.items.size).toBe(0)
    const after = JSON.parse(readFileSync(open.file, "utf8")) as Record<string, object>
    expect(Object.keys(after)).toEqual(Object.keys(before as object))
    expect(after.acme).toEqual({ kind: "key", secret: KEY })
    open.settings.store = "keychain"
    await open.graft.auth.move()
    await open.graft.auth.remove("acme")
    await open.graft.auth.remove("oauth")
    expect(keychain.items.size).toBe(0)
  })

  test("that is locked: the secret stays where it was, or goes into the file when the choice is ours, and one that lies in it is not lost", async () => {
    const keychain = new MemoryKeychain()
    const open = await ring({ keychain, store: "keychain" })
    await open.graft.auth.set("acme", KEY)
    keychain.locked = true
    expect(await fails(open.graft.auth.get("acme"))).toMatchObject({ code: "auth.keychain", message: expect.stringContaining("the keychain is locked") })
    expect(await fails(open.graft.auth.set("beta", KEY))).toMatchObject({ code: "auth.keychain" })
    expect(await open.graft.auth.move()).toBe(0)
    expect((await open.graft.auth.inspect())[0]!.problems).toEqual([expect.stringContaining("cannot be read")])
    open.settings.store = "file"
    expect(await open.graft.auth.move()).toBe(0)
    keychain.locked = false
    expect((await open.graft.auth.get("acme"))!.secret).toBe(KEY)
    // One that works when it is tried, and then does not.
    open.settings.store = "auto"
    await open.graft.auth.set("gamma", KEY)
    expect(keychain.items.size).toBe(2)
    keychain.locked = true
    expect((await open.graft.auth.set("delta", `${KEY}-d`)).source).toBe("file")
    expect(open.kernel.logs("auth").at(-1)!.text).toMatch(/does not take the secret of delta .* it is kept in /)
  })

  test("that does not work is not chosen by itself", async () => {
    const keychain = new MemoryKeychain()
    keychain.locked = true
    const open = await ring({ keychain, store: "auto" })
    expect((await open.graft.auth.set("acme", KEY)).source).toBe("file")
    expect(open.kernel.logs("auth")).toEqual([])
  })

  test("of the system's is not touched by a home that was put elsewhere", async () => {
    const open = await ring({ store: "auto" })
    expect((await open.graft.auth.set("acme", KEY)).source).toBe("file")
    expect(statSync(open.file).mode & 0o777).toBe(0o600)
  })
})

test("a report says of each where it lies, who can read it, when it ends, who renews it, and what hides it", async () => {
  const open = await ring()
  await using server = await OAuthServer.open()
  open.graft.add("authMethod", { id: "acme.key", provider: "acme", kind: "key", label: "Acme", env: ["GRAFT_TEST_ACME"] })
  await open.graft.auth.set("acme", KEY)
  await open.login("oauth", { method: oauth(server.origin, { provider: "oauth" }) }, (step) => server.agree((step as { url: string }).url))
  const path = join(directory(), "token")
  writeFileSync(path, KEY)
  chmodSync(path, 0o644)
  await open.graft.auth.set("file", { kind: "file", path })
  process.env.GRAFT_TEST_ACME = `${KEY}-env`
  onTestFinished(() => void delete process.env.GRAFT_TEST_ACME)
  const reports = await open.graft.auth.inspect()
  expect(reports).toMatchObject([
    { provider: "acme", source: "env", name: "GRAFT_TEST_ACME", problems: [] },
    { provider: "acme", source: "file", name: open.file, mode: "0600", shadowed: "GRAFT_TEST_ACME", problems: [] },
    { provider: "file", kind: "file", mode: "0644", problems: [`${path} can be read by others: chmod 600 ${path}`] },
    { provider: "oauth", kind: "oauth", expires: expect.any(Number), refresh: `Graft, at 127.0.0.1:${server.port}: one process for all`, problems: [] },
  ])
  server.revoke()
  await fails(open.graft.auth.renew("oauth"))
  rmSync(path)
  expect((await open.graft.auth.inspect()).map(({ problems }) => problems.length)).toEqual([0, 0, 1, 1])
  expect(JSON.stringify(await open.graft.auth.inspect())).not.toContain("canary")
})

test("a login while a session runs makes its provider appear, a switch is used by the next turn, and a login that ends takes it away with the reason", async () => {
  await using vendor = await VendorServer.open()
  vendor.route("POST /v1/messages", answers(401, { type: "error", error: { type: "authentication_error", message: "no" } }))
  await using world = await openWorld({ plugins: ["provider-anthropic"], env: { ANTHROPIC_BASE_URL: vendor.origin } })
  await using server = await OAuthServer.open()
  const ready = async () => (await world.graft.model.providers()).find(({ id }) => id === "anthropic")
  expect((await ready())!.ready).toBe(false)
  const added = soon("the provider", world.next("provider.updated"))
  await world.graft.auth.set("anthropic", "sk-ant-first-0123456789")
  await added
  expect((await ready())!.ready).toBe(true)
  const sent = async () => {
    await world.failure({ model: "anthropic/claude-sonnet-5-5" })
    const { headers } = vendor.requests.at(-1)!
    return headers["x-api-key"] ?? headers.authorization
  }
  expect(await sent()).toBe("sk-ant-first-0123456789")
  await world.graft.auth.set("anthropic", "sk-ant-work-0123456789", "work")
  expect(await sent()).toBe("sk-ant-work-0123456789")
  await world.graft.auth.switch("anthropic", "default")
  expect(await sent()).toBe("sk-ant-first-0123456789")
  for await (const step of world.graft.auth.login("anthropic", { account: "browser", method: oauth(server.origin, { provider: "anthropic" }) })) if (step.kind === "open") await world.graft.auth.answer(step.login, await server.agree(step.url, { follow: false }))
  // A command that fails is the turn's failure, and the provider stays: it may be another one in a moment.
  await world.graft.auth.set("anthropic", { kind: "command", command: "exit 7" }, "vault")
  expect(await world.failure({ model: "anthropic/claude-sonnet-5-5" })).toMatchObject({ code: "llm.auth", message: expect.stringContaining("failed (exit code 7)") })
  expect((await ready())!.ready).toBe(true)
  await world.graft.auth.switch("anthropic", "browser")
  // A token goes where tokens go; the refusal makes it be renewed for the next turn.
  const first = await sent()
  expect(first).toBe(`Bearer ${server.secrets[0]}`)
  await vi.waitFor(() => expect(server.refreshes.length).toBe(1), SOON)
  await world.kernel.settled()
  server.revoke()
  const gone = soon("the provider", world.next("provider.updated", (payload) => payload.provider.ready === false))
  await sent()
  await gone
  expect((await ready())!.reason).toContain("Run graft auth login anthropic")
})
