/** A secret is stored privately, given to who asks for it, and never lost, logged or told. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execFileSync, fork } from "node:child_process"
import fc from "fast-check"
import { createKernel, type EmbeddedKernel, type Graft } from "graft"
import { afterEach, describe, expect, onTestFinished, test } from "vitest"
import type { AuthMethod } from "../../plugins/auth/contract.ts"
import { endOf, entryIn, type KeyEntry } from "../../plugins/auth/kept/entries.ts"
import auth from "../../plugins/auth/index.ts"
import { Vault } from "../../plugins/auth/kept/vault.ts"

const kernels: EmbeddedKernel[] = []
afterEach(async () => { for (const kernel of kernels.splice(0)) await kernel.close() })

const SECRET = "sk-canary-0123456789abcdef"

async function world() {
  const home = mkdtempSync(join(tmpdir(), "graft-auth-"))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const file = join(home, "data", "auth.json")
  const kernel = createKernel({ dataDir: home })
  kernels.push(kernel)
  const heard: { event: string; payload: unknown }[] = []
  kernel.on("*", (payload, { event }) => { heard.push({ event, payload }) })
  await kernel.put("auth", auth as never)
  const told = async () => {
    await kernel.settled()
    return heard.splice(0).filter(({ event }) => event.startsWith("auth."))
  }
  const write = (content: string, mode = 0o600) => {
    mkdirSync(join(home, "data"), { recursive: true })
    writeFileSync(file, content)
    chmodSync(file, mode)
  }
  return { kernel, graft: kernel.graft, home, file, heard, told, write }
}

const method = (provider: string, ...env: string[]): AuthMethod => ({ id: `${provider}-key`, provider, kind: "key", label: provider, env })
const keyIn = (entries: Record<string, unknown>, id: string) => (entryIn(entries, id) as KeyEntry | undefined)?.secret
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

describe("credentials", () => {
  test("from the environment, read at each call, come before the file's", async () => {
    const { graft, file } = await world()
    graft.add("authMethod", method("acme", "GRAFT_TEST_FIRST", "GRAFT_TEST_SECOND"))
    onTestFinished(() => { delete process.env.GRAFT_TEST_FIRST; delete process.env.GRAFT_TEST_SECOND })
    expect(await graft.auth.get("acme")).toBeUndefined()
    await graft.auth.set("acme", SECRET)
    expect(await graft.auth.get("acme")).toEqual({ provider: "acme", account: "default", kind: "key", secret: SECRET, source: "file", name: file, token: false })
    process.env.GRAFT_TEST_SECOND = " from-second "
    expect(await graft.auth.get("acme")).toEqual({ provider: "acme", account: "env", kind: "key", secret: "from-second", source: "env", name: "GRAFT_TEST_SECOND", token: false })
    process.env.GRAFT_TEST_FIRST = "from-first"
    expect((await graft.auth.get("acme"))?.name).toBe("GRAFT_TEST_FIRST")
    expect((await graft.auth.list()).map(({ source, name }) => [source, name])).toEqual([["env", "GRAFT_TEST_FIRST"], ["file", file]])
    process.env.GRAFT_TEST_FIRST = ""
    delete process.env.GRAFT_TEST_SECOND
    expect((await graft.auth.get("acme"))?.source).toBe("file")
  })

  test("methods of a project's providers are known to the process", async () => {
    const { kernel, graft, home } = await world()
    const location = join(home, "project")
    mkdirSync(join(location, ".git"), { recursive: true })
    using there = await kernel.child(location)
    await kernel.put("provider-acme", { setup: (instance: Graft) => { instance.add("authMethod", method("acme", "GRAFT_TEST_PROJECT")) } }, location)
    onTestFinished(() => { delete process.env.GRAFT_TEST_PROJECT })
    process.env.GRAFT_TEST_PROJECT = "x"
    expect(await graft.auth.methods()).toEqual([method("acme", "GRAFT_TEST_PROJECT")])
    expect((await there.auth.get("acme"))?.source).toBe("env")
  })

  test("each real change is told once, without the secret, and nothing at a reload", async () => {
    const { kernel, graft, file, told, write } = await world()
    const info = await graft.auth.set("acme", ` ${SECRET}\n`)
    expect(info).toEqual({ provider: "acme", account: "default", kind: "key", source: "file", name: file, hint: "cdef", active: true })
    expect(await told()).toEqual([{ event: "auth.added", payload: info }])
    await graft.auth.set("acme", SECRET)
    await kernel.put("auth", auth as never)
    expect((await graft.auth.get("acme"))?.secret).toBe(SECRET)
    expect(await told()).toEqual([])
    await graft.auth.set("acme", "short")
    expect(await told()).toEqual([{ event: "auth.updated", payload: { ...info, hint: "" } }])
    expect(await graft.auth.remove("acme")).toBe(true)
    expect(await graft.auth.remove("acme")).toBe(false)
    expect(await told()).toEqual([{ event: "auth.removed", payload: { provider: "acme", account: "default" } }])
    write(JSON.stringify({ other: { kind: "key", secret: SECRET } }))
    expect((await graft.auth.get("other"))?.secret).toBe(SECRET)
    expect((await told()).map(({ event }) => event)).toEqual(["auth.added"])
  })

  test("what is there at the first look is no change", async () => {
    const { graft, told, write } = await world()
    write(JSON.stringify({ acme: { kind: "key", secret: SECRET } }))
    expect((await graft.auth.list()).map(({ provider }) => provider)).toEqual(["acme"])
    await graft.auth.set("beta", SECRET)
    expect((await told()).map(({ event, payload }) => [event, (payload as { provider: string }).provider])).toEqual([["auth.added", "beta"]])
  })

  test("no event, log, error or view of the kernel ever holds a secret", async () => {
    const { kernel, graft, heard, write } = await world()
    await graft.auth.set("acme", SECRET)
    await graft.auth.set("acme", `${SECRET}-2`)
    const errors: unknown[] = []
    const failing = async (promise: Promise<unknown>) => { await promise.then(() => { throw new Error("it did not fail") }, (error: Error & { code: string }) => errors.push(error.code, error.message, error.stack)) }
    await failing(graft.auth.set("acme", `${SECRET} ${SECRET}`))
    await failing(graft.auth.set(`${SECRET}/`.repeat(9), SECRET))
    write(`{ "acme": { "kind": "key", "secret": "${SECRET}" `, 0o644)
    await failing(graft.auth.get("acme"))
    await failing(graft.auth.set("beta", SECRET))
    await kernel.settled()
    expect(errors.filter((text) => String(text).startsWith("auth.")).length).toBe(4)
    expect(JSON.stringify([heard, kernel.logs(), kernel.journal(), kernel.inspect(), errors])).not.toContain(SECRET)
  })

  test("a hint is at most four characters, of long secrets only", () => {
    fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 40 }), (secret) => {
      const hint = endOf(secret)
      expect(hint.length).toBeLessThanOrEqual(4)
      expect(secret.length > 12 ? secret.endsWith(hint) : hint === "").toBe(true)
    }))
  })

  test("what is no key or no provider is refused", async () => {
    const { graft, file } = await world()
    for (const [provider, secret] of [["acme", ""], ["acme", "  "], ["acme", "two keys"], ["acme", "a\nb"], ["acme", "a\u0000b"], ["", SECRET], ["__proto__", SECRET], ["a/b", SECRET]] as const) {
      await expect(graft.auth.set(provider, secret)).rejects.toMatchObject({ code: "auth.invalid" })
    }
    expect(existsSync(file)).toBe(false)
  })
})

describe("the file", () => {
  test("is private, and so is its directory; nothing is left beside it", async () => {
    const { graft, file, home } = await world()
    await graft.auth.set("acme", SECRET)
    expect([mode(file), mode(join(home, "data"))]).toEqual(["600", "700"])
    expect(readdirSync(join(home, "data"))).toEqual(["auth.json"])
  })

  test("that others can read is repaired, and that is said once", async () => {
    const { kernel, graft, file, write } = await world()
    write(JSON.stringify({ acme: { kind: "key", secret: SECRET } }), 0o644)
    expect((await graft.auth.get("acme"))?.secret).toBe(SECRET)
    await graft.auth.get("acme")
    expect(mode(file)).toBe("600")
    expect(kernel.logs("auth").map(({ level, text }) => [level, text])).toEqual([["warn", expect.stringContaining("could be read by others (mode 0644); it is private (0600) now")]])
  })

  test.each(["", "{", "[]", '"text"', "\u0000\u0001", '{"acme":{"kind":"key"'])("that is damaged (%j) is refused, named, and never written over", async (content) => {
    const { graft, file, write } = await world()
    write(content)
    const calls = [() => graft.auth.get("acme"), () => graft.auth.list(), () => graft.auth.set("acme", SECRET), () => graft.auth.remove("acme")]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: "auth.unreadable", message: expect.stringContaining(file) })
    expect(readFileSync(file, "utf8")).toBe(content)
    graft.add("authMethod", method("acme", "GRAFT_TEST_DAMAGE"))
    onTestFinished(() => { delete process.env.GRAFT_TEST_DAMAGE })
    process.env.GRAFT_TEST_DAMAGE = "from-env"
    expect((await graft.auth.get("acme"))?.secret).toBe("from-env")
    write(JSON.stringify({ acme: { kind: "key", secret: SECRET } }))
    delete process.env.GRAFT_TEST_DAMAGE
    expect((await graft.auth.get("acme"))?.secret).toBe(SECRET)
  })

  test("keeps entries of a kind that it does not know, and entries that make no sense", async () => {
    const { graft, file, write } = await world()
    const others = { later: { kind: "passkey", handle: "h" }, torn: { kind: "oauth", refresh: "r", access: "a" }, odd: 7, empty: { kind: "key", secret: "" } }
    write(JSON.stringify(others))
    await graft.auth.set("acme", SECRET)
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ ...others, acme: { kind: "key", secret: SECRET } })
    expect((await graft.auth.list()).map(({ provider }) => provider)).toEqual(["acme"])
    expect(await graft.auth.get("toString")).toBeUndefined()
  })

  test("may be a link, and stays one", async () => {
    const { graft, file, home } = await world()
    mkdirSync(join(home, "data"))
    writeFileSync(join(home, "elsewhere.json"), "{}", { mode: 0o600 })
    symlinkSync(join(home, "elsewhere.json"), file)
    await graft.auth.set("acme", SECRET)
    expect(keyIn(JSON.parse(readFileSync(join(home, "elsewhere.json"), "utf8")) as Record<string, unknown>, "acme")).toBe(SECRET)
  })

  test("loses nothing when many write at once, in one process or in several; a dead writer's lock is not waited for", async () => {
    const { home } = await world()
    const file = join(home, "data", "auth.json")
    mkdirSync(join(home, "data"), { mode: 0o700 })
    writeFileSync(`${file}.lock`, "1")
    utimesSync(`${file}.lock`, new Date(0), new Date(0))
    const script = join(home, "writer.mjs")
    writeFileSync(script, `import { Vault } from ${JSON.stringify(new URL("../../plugins/auth/kept/vault.ts", import.meta.url).href)}
const vault = new Vault(process.argv[2], () => {})
await Promise.all([1, 2, 3].map((n) => vault.change((entries) => ({ ...entries, [process.argv[3] + n]: { kind: "key", secret: "s" } }))))`)
    const children = ["a", "b"].map((name) => new Promise<number | null>((resolve) => fork(script, [file, name], { stdio: "inherit", execArgv: [] }).on("exit", resolve)))
    const vaults = [new Vault(file, () => {}), new Vault(file, () => {})]
    await Promise.all(vaults.flatMap((vault, index) => [1, 2, 3].map((n) => vault.change((entries) => ({ ...entries, [`here${index}${n}`]: { kind: "key", secret: "s" } })))))
    expect(await Promise.all(children)).toEqual([0, 0])
    expect(Object.keys(await vaults[0]!.read()).sort()).toEqual(["a1", "a2", "a3", "b1", "b2", "b3", "here01", "here02", "here03", "here11", "here12", "here13"])
    expect(readdirSync(join(home, "data"))).toEqual(["auth.json"])
  })

  test("that is a pipe, or endless, is refused at once", async () => {
    const { graft, file, home, write } = await world()
    mkdirSync(join(home, "data"))
    execFileSync("mkfifo", [file])
    await expect(graft.auth.get("acme")).rejects.toMatchObject({ code: "auth.unreadable", message: expect.stringContaining("no regular file") })
    rmSync(file)
    write("{}")
    truncateSync(file, 1024 ** 3)
    await expect(graft.auth.get("acme")).rejects.toMatchObject({ code: "auth.unreadable", message: expect.stringContaining("1073741824 bytes") })
  })

  test("loses the remains of a writer that died, with the secrets in them", async () => {
    const { graft, home, write } = await world()
    write("{}")
    writeFileSync(join(home, "data", ".auth.json.0123456789ab"), SECRET)
    writeFileSync(join(home, "data", ".auth.json.mine"), "kept")
    await graft.auth.set("acme", SECRET)
    expect(readdirSync(join(home, "data")).sort()).toEqual([".auth.json.mine", "auth.json"])
  })

  test("that cannot be written says so, and a variable still serves", async () => {
    const { graft, home } = await world()
    writeFileSync(join(home, "data"), "a file where the directory should be")
    await expect(graft.auth.set("acme", SECRET)).rejects.toMatchObject({ code: expect.stringMatching(/^auth\.un(writ|read)able$/), message: expect.stringContaining(join(home, "data", "auth.json")) })
    graft.add("authMethod", method("acme", "GRAFT_TEST_READONLY"))
    onTestFinished(() => { delete process.env.GRAFT_TEST_READONLY })
    process.env.GRAFT_TEST_READONLY = "from-env"
    expect((await graft.auth.get("acme"))?.secret).toBe("from-env")
  })
})
