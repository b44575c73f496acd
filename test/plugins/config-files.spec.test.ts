/** Where the config is read from, whichever way somebody says it, and what of it is shown: every layer has its place, every change its two values, and no secret is told. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createKernel, definePlugin, type EmbeddedKernel } from "graft"
import fc from "fast-check"
import * as v from "valibot"
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest"
import type { ConfigChange, ConfigSection, ConfigSource } from "../../plugins/config/contract.ts"
import config from "../../plugins/config/index.ts"
import { masked } from "../../plugins/config/secret.ts"
import trust from "../../plugins/trust/index.ts"

const open: EmbeddedKernel[] = []
afterEach(async () => {
  for (const kernel of open.splice(0)) await kernel.close()
  vi.unstubAllEnvs()
})

const sections: ConfigSection[] = [
  { id: "model", schema: v.string(), description: "The model of a turn." },
  { id: "servers", schema: v.record(v.string(), v.looseObject({})), description: "" },
  { id: "catalogue", schema: v.unknown(), description: "" },
  { id: "compat", schema: v.unknown(), description: "", safe: true },
]

/** `packages/web` is a project in the repository. Files by path: `/…` of the repository, `@/…` of the user, `managed`. */
async function world(files: Record<string, string> = {}, { sources = [], below = "packages/web" }: { sources?: ConfigSource[]; below?: string } = {}) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-files-")))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  const [repository, data] = [join(base, "repository"), join(base, "graft")]
  const location = join(repository, below)
  for (const made of [join(repository, ".git"), join(location, ".graft")]) mkdirSync(made, { recursive: true })
  vi.stubEnv("GRAFT_MANAGED_CONFIG", join(base, "managed.jsonc"))
  let aged = Math.floor(Date.now() / 1000) - 100_000
  const at = (path: string) => (path === "managed" ? join(base, "managed.jsonc") : path.startsWith("@/") ? join(data, "config", path.slice(2)) : join(repository, path.slice(1)))
  const write = (path: string, text: string) => {
    mkdirSync(dirname(at(path)), { recursive: true })
    writeFileSync(at(path), text)
    utimesSync(at(path), ++aged, aged)
  }
  for (const [path, text] of Object.entries(files)) write(path, text)
  const kernel = createKernel({ dataDir: data })
  open.push(kernel)
  const told: { paths: string[]; changes?: ConfigChange[]; location?: string }[] = []
  kernel.on("config.changed", (fact) => { told.push(fact) })
  await kernel.start()
  await kernel.put("trust", trust as never)
  await kernel.put("config", config as never)
  await kernel.put("readers", definePlugin({ setup: (graft) => { graft.add("configSection", sections); graft.add("configSource", sources) } }))
  await kernel.graft.trust.allow(location)
  await kernel.child(location)
  const settle = async () => {
    await kernel.graft.config.get("")
    await kernel.settled()
  }
  await kernel.graft.config.warnings(location)
  await settle()
  told.splice(0)
  return {
    kernel, graft: kernel.graft, base, repository, location, at, told, settle,
    async edit(path: string, text: string) {
      write(path, text)
      kernel.emit("watch.changed", { paths: [at(path)] })
      await settle()
      return told.splice(0)
    },
  }
}

const DEFAULT = join(import.meta.dirname, "../../config/default.jsonc")

describe("layers", () => {
  test("lie over each other in one order, each by itself and all explained", async () => {
    const names = { managed: '{ "model": "1-managed" }', "@/config.jsonc": '{ "model": "2-user" }', "/graft.jsonc": '{ "model": "3-top" }', "/.graft/config.jsonc": '{ "model": "4-top-graft" }', "/packages/web/graft.jsonc": '{ "model": "5-project" }', "/packages/web/.graft/config.jsonc": '{\n "model": "6-graft" }' }
    const { graft, location, at, base } = await world(names)
    writeFileSync(join(base, "named.jsonc"), '{\n\n "model": "7-named" }')
    vi.stubEnv("GRAFT_CONFIG", join(base, "named.jsonc"))
    vi.stubEnv("GRAFT_CONFIG_CONTENT", '{ // in a variable\n "model": "8-content", }')
    vi.stubEnv("GRAFT_CONFIG_MODEL", "9-variable")
    await graft.config.flags({ model: "flag" })
    const { winner, losers } = await graft.config.explain("model", location)
    expect([winner, ...losers].map((origin) => [origin!.layer, origin!.file, origin!.line, origin!.value])).toEqual([
      ["flag", undefined, undefined, "flag"], ["env", "GRAFT_CONFIG_MODEL", undefined, "9-variable"], ["env", "GRAFT_CONFIG_CONTENT", 2, "8-content"], ["env", join(base, "named.jsonc"), 3, "7-named"],
      ["project", at("/packages/web/.graft/config.jsonc"), 2, "6-graft"], ["project", at("/packages/web/graft.jsonc"), 1, "5-project"], ["project", at("/.graft/config.jsonc"), 1, "4-top-graft"], ["project", at("/graft.jsonc"), 1, "3-top"],
      ["user", at("@/config.jsonc"), 1, "2-user"], ["managed", at("managed"), 1, "1-managed"],
    ])
    expect((await graft.config.files(location)).filter(({ there }) => there).map(({ layer, file }) => [layer, file])).toEqual([
      ["default", DEFAULT], ["managed", at("managed")], ["user", at("@/config.jsonc")], ["project", at("/graft.jsonc")], ["project", at("/.graft/config.jsonc")],
      ["project", at("/packages/web/graft.jsonc")], ["project", at("/packages/web/.graft/config.jsonc")], ["env", join(base, "named.jsonc")],
    ])
  })

  test("of a project end at the repository's top; without a repository at the project", async () => {
    const { graft, location, base, repository } = await world({}, { below: "a/b" })
    expect((await graft.config.files(location)).filter(({ layer }) => layer === "project").map(({ file }) => file.slice(repository.length))).toEqual(["/graft.jsonc", "/.graft/config.jsonc", "/a/graft.jsonc", "/a/.graft/config.jsonc", "/a/b/graft.jsonc", "/a/b/.graft/config.jsonc"])
    const alone = join(base, "alone")
    mkdirSync(join(alone, ".graft"), { recursive: true })
    expect((await graft.config.files(alone)).filter(({ layer }) => layer === "project").map(({ file }) => file)).toEqual([join(alone, "graft.jsonc"), join(alone, ".graft", "config.jsonc")])
  })

  test("are hot, each of them", async () => {
    const { graft, location, edit } = await world()
    for (const path of ["managed", "@/config.jsonc", "/graft.jsonc", "/packages/web/graft.jsonc", "/packages/web/.graft/config.jsonc"]) {
      expect([path, (await edit(path, `{ "model": "${path}" }`)).map(({ paths }) => paths), await graft.config.get("model", location)]).toEqual([path, [["model"]], path])
    }
  })

  test("of the environment say where they break, and the rest holds", async () => {
    const { graft, location, base } = await world({ "@/config.jsonc": '{ "model": "user" }' })
    vi.stubEnv("GRAFT_CONFIG_CONTENT", '{\n "model": }')
    vi.stubEnv("GRAFT_CONFIG", join(base, "nowhere.jsonc"))
    await graft.config.flags({})
    expect([await graft.config.get("model", location), await graft.config.warnings(location)]).toEqual(["user", [{ file: "GRAFT_CONFIG_CONTENT", line: 2, path: "", message: "value expected; nothing of it holds" }]])
  })

  test("are written one at a time: the nearest file of the layer", async () => {
    const { graft, location, at } = await world({ "/graft.jsonc": '{ "model": "top" }' })
    expect(await graft.config.set("model", "mine", { layer: "project", location })).toEqual({ file: at("/packages/web/.graft/config.jsonc"), line: 2 })
    expect([await graft.config.get("model", location), readFileSync(at("/graft.jsonc"), "utf8")]).toEqual(["mine", '{ "model": "top" }'])
  })
})

describe("a change", () => {
  test("carries what was and what is, and no secret", async () => {
    const { edit } = await world({ "@/config.jsonc": '{ "servers": { "a": { "url": "http://x", "apiKey": "sk-0123456789-old" } } }' })
    expect(await edit("@/config.jsonc", '{ "model": "m", "servers": { "a": { "apiKey": "sk-0123456789-new", "headers": { "Authorization": "Bearer {env:T}" } } } }')).toEqual([{
      paths: ["model", "servers.a.url", "servers.a.apiKey", "servers.a.headers.Authorization"],
      changes: [{ path: "model", after: "m" }, { path: "servers.a.url", before: "http://x" }, { path: "servers.a.apiKey", before: "••••-old", after: "••••-new" }, { path: "servers.a.headers.Authorization", after: "Bearer {env:T}" }],
    }])
  })

  test("of a great many leaves says all their paths, and the first hundred values", async () => {
    const { edit } = await world()
    const [fact] = await edit("@/config.jsonc", JSON.stringify({ servers: { many: Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`k${i}`, i])) } }))
    expect([fact!.paths.length, fact!.changes!.length]).toEqual([250, 100])
  })

  test("is explained with secrets masked, and read with them", async () => {
    const { graft, location } = await world({ "@/config.jsonc": '{ "servers": { "a": { "token": "t-0123456789abcdef" } } }' })
    expect(await graft.config.explain("servers", location)).toMatchObject({ value: { a: { token: "••••cdef" } }, winner: { value: { a: { token: "••••cdef" } } } })
    expect(await graft.config.get("servers.a.token", location)).toBe("t-0123456789abcdef")
  })

  test("shows everything that is no secret as it is", () => {
    for (const key of ["key", "apiKey", "api_key", "API_KEY", "x-api-key", "GITHUB_TOKEN", "client_secret", "password", "Authorization", "cookie", "accessToken"]) expect([key, masked([key], "a-long-secret-value")]).toEqual([key, "••••alue"])
    for (const key of ["model", "keys", "tokens", "monkey", "keyboard", "url", "tokenizer"]) expect([key, masked([key], "a-long-secret-value")]).toEqual([key, "a-long-secret-value"])
    expect([masked(["key"], "{env:X}"), masked(["key"], ""), masked(["key"], "short"), masked(["token"], 5)]).toEqual(["{env:X}", "", "••••", 5])
    fc.assert(fc.property(fc.string({ minLength: 13 }), (secret) => {
      fc.pre(!/\{(?:env|file):/.test(secret) && !"••••".includes(secret.slice(0, 9)))
      expect(JSON.stringify(masked([], { a: [{ token: secret }] }))).not.toContain(JSON.stringify(secret).slice(1, -1))
    }))
  })
})

describe("files of other programs", () => {
  const source = (files: (location?: string) => string[], read: ConfigSource["read"] = async (text) => ({ tree: JSON.parse(text) as Record<string, unknown>, line: () => 7 })): ConfigSource => ({ id: "other", from: "other", files, read })

  test("lie directly below one's own of the same layer, and can be switched off", async () => {
    const paths: Record<string, string> = {}
    const { graft, location, at, edit } = await world({ "@/config.jsonc": '{ "servers": { "u": {} } }', "/other.json": '{ "model": "theirs", "servers": { "o": {} }, "strange": 1 }' }, { sources: [source((place) => (place === undefined ? [paths.user!].filter(Boolean) : [join(place, "../../other.json")]))] })
    paths.user = at("@/other.json")
    expect([await graft.config.get("model", location), await graft.config.get("servers", location)]).toEqual(["theirs", { u: {}, o: {} }])
    expect(await graft.config.explain("model", location)).toMatchObject({ winner: { layer: "project", from: "other", file: at("/other.json"), line: 7 } })
    expect(await graft.config.warnings(location)).toEqual([])
    await edit("@/config.jsonc", '{ "compat": { "other": false } }')
    expect(await graft.config.get("model", location)).toBe(undefined)
  })

  test("whose reader fails are as good as broken, and harm nothing", async () => {
    const { graft, location, at } = await world({ "@/config.jsonc": '{ "model": "mine" }', "/x.json": "{}" }, { sources: [source(() => { throw new Error("no") }), { ...source((place) => (place ? [join(place, "../../x.json")] : []), async () => { throw new Error("cannot") }), id: "second" }] })
    expect([await graft.config.get("model", location), await graft.config.warnings(location)]).toEqual(["mine", [{ file: at("/x.json"), line: 1, path: "", message: "it cannot be read as other's: cannot; nothing of it holds" }]])
  })
})

describe("the schema beside the config", () => {
  test("is written where it is asked for, with the blocks of all plugins, and follows them once a config points at it", async () => {
    const { kernel, graft, location, at, settle } = await world()
    const file = at("@/config.schema.json")
    expect(existsSync(file)).toBe(false)
    await graft.config.schema(location, { write: true })
    const read = () => JSON.parse(readFileSync(file, "utf8")) as { properties: Record<string, unknown> }
    expect(read().properties).toMatchObject({ model: { type: "string", description: "The model of a turn." }, plugins: {} })
    await graft.config.set("$schema", "./config.schema.json")
    await kernel.put("third-party", definePlugin({ setup: (there) => void there.add("configSection", { id: "acme", schema: v.strictObject({ level: v.optional(v.picklist(["low", "high"])) }), description: "Acme's." }) }))
    await settle()
    await vi.waitFor(() => expect(read().properties.acme).toMatchObject({ description: "Acme's.", properties: { level: { enum: ["low", "high"] } } }), { timeout: 10_000 })
  })

  test("is not written by itself for a config that does not point at it", async () => {
    const { at, edit } = await world({ "@/config.jsonc": "{}" })
    await edit("@/config.jsonc", '{ "model": "x" }')
    expect(existsSync(at("@/config.schema.json"))).toBe(false)
  })
})

describe("a linked file", () => {
  test("is read through its link and watched at both ends", async () => {
    const { kernel, graft, location, at, base, settle } = await world()
    writeFileSync(join(base, "real.jsonc"), '{ "model": "linked" }')
    symlinkSync(join(base, "real.jsonc"), at("/graft.jsonc"))
    kernel.emit("watch.changed", { paths: [at("/graft.jsonc")] })
    await settle()
    expect(await graft.config.get("model", location)).toBe("linked")
    expect([...graft.all("watched")].map(({ path }) => path)).toEqual(expect.arrayContaining([at("/graft.jsonc"), join(base, "real.jsonc")]))
  })
})
