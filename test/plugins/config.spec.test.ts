/** The config is layered, checked by its readers, explained, and hot: each real change takes hold at once and is told once. */
import { fork } from "node:child_process"
import { appendFileSync, chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createKernel, definePlugin, type EmbeddedKernel, type Graft, type KernelOptions } from "graft"
import * as v from "valibot"
import { afterEach, describe, expect, onTestFinished, test } from "vitest"
import type { ConfigSection, ConfigWarning } from "../../plugins/config/contract.ts"
import config from "../../plugins/config/index.ts"
import trust from "../../plugins/trust/index.ts"

const open: EmbeddedKernel[] = []
afterEach(async () => { for (const kernel of open.splice(0)) await kernel.close() })

/** Sections as a plugin of the process has them, and one of a project's plugins. */
const common: ConfigSection[] = [
  { id: "model", schema: v.string(), description: "", live: "next-turn", safe: true },
  { id: "servers", schema: v.record(v.string(), v.strictObject({ url: v.string(), headers: v.optional(v.record(v.string(), v.string())) })), description: "" },
]
const local: ConfigSection = { id: "rules", schema: v.strictObject({ allow: v.optional(v.array(v.string())), deny: v.optional(v.array(v.string())) }), description: "" }

interface Fact { event: string; payload: { paths?: string[]; location?: string } & Partial<ConfigWarning> }

async function world(options: { default?: string; user?: string; project?: string; trusted?: boolean; kernel?: Partial<KernelOptions> } = {}) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-config-")))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  const [app, home, location] = [join(base, "app"), join(base, "home"), join(base, "project")]
  const files = { default: join(app, "config", "default.jsonc"), user: join(home, "config", "config.jsonc"), project: join(location, ".graft", "config.jsonc") }
  for (const made of [join(app, "plugins"), dirname(files.default), join(location, ".graft")]) mkdirSync(made, { recursive: true })
  let aged = Math.floor(Date.now() / 1000) - 100_000
  /** A file that looks long finished, so that it is believed at once. */
  const write = (file: keyof typeof files, text: string) => {
    mkdirSync(dirname(files[file]), { recursive: true })
    writeFileSync(files[file], text)
    utimesSync(files[file], ++aged, aged)
  }
  write("default", options.default ?? "{}")
  if (options.user !== undefined) write("user", options.user)
  if (options.project !== undefined) write("project", options.project)
  const kernel = createKernel({ dataDir: home, roots: [{ dir: join(app, "plugins"), kind: "built-in" }], ...options.kernel })
  open.push(kernel)
  const facts: Fact[] = []
  for (const event of ["config.changed", "config.warned"] as const) kernel.on(event, (payload) => { facts.push({ event, payload }) })
  await kernel.start()
  await kernel.put("trust", trust as never)
  await kernel.put("config", config as never)
  await kernel.put("readers", definePlugin({ setup: (graft) => void graft.add("configSection", common) }))
  const there = await kernel.child(location)
  await there.kernel.put("rules", definePlugin({ setup: (graft) => void graft.add("configSection", local) }), location)
  if (options.trusted) await kernel.graft.trust.allow(location)
  const settle = async () => {
    await kernel.graft.config.get("")
    await kernel.settled()
  }
  await kernel.graft.config.warnings(location)
  await settle()
  facts.splice(0)
  return {
    kernel, graft: kernel.graft, there, base, home, location, files, write, settle,
    /** What was told since it was last asked. */
    told: () => facts.splice(0).map(({ event, payload }) => (event === "config.changed" ? `${payload.location ? "project" : "process"}: ${payload.paths!.join(" ")}` : `warned: ${payload.path || payload.message}`)),
    /** As `watch` tells it. */
    async edit(file: keyof typeof files, text: string) {
      write(file, text)
      kernel.emit("watch.changed", { paths: [files[file]] })
      await settle()
    },
    gen: (id: string, realm = "root") => kernel.inspect().realms.find((each) => each.id === realm)?.plugins.find((plugin) => plugin.id === id)?.gen ?? 0,
    status: (id: string, realm = "root") => kernel.inspect().realms.find((each) => each.id === realm)?.plugins.find((plugin) => plugin.id === id)?.status,
  }
}

const failing = (work: Promise<unknown>): Promise<{ code?: string; message: string }> => work.then(() => { throw new Error("it did not fail") }, (error: Error & { code?: string }) => ({ code: error.code, message: error.message }))

describe("layers", () => {
  test("lie over each other: default, user, project, environment, flags", async () => {
    const { graft, location, files } = await world({ default: '{ "model": "default", "servers": { "a": { "url": "d" } } }', user: '{\n  "model": "user",\n  "servers": { "b": { "url": "u" } } }', project: '{\n  // ours\n  "model": "project" }' })
    expect([await graft.config.get("model"), await graft.config.get("model", location)]).toEqual(["user", "project"])
    expect(await graft.config.get("servers")).toEqual({ a: { url: "d" }, b: { url: "u" } })
    onTestFinished(() => { delete process.env.GRAFT_CONFIG_MODEL })
    process.env.GRAFT_CONFIG_MODEL = "environment"
    await graft.config.flags({ model: "flag" })
    expect(await graft.config.explain("model", location)).toEqual({
      path: "model", value: "flag", live: "next-turn", winner: { layer: "flag", value: "flag" },
      losers: [{ layer: "env", file: "GRAFT_CONFIG_MODEL", value: "environment" }, { layer: "project", file: files.project, line: 3, value: "project" }, { layer: "user", file: files.user, line: 2, value: "user" }, { layer: "default", file: files.default, line: 1, value: "default" }],
    })
    await graft.config.flags({})
    expect(await graft.config.get("model", location)).toBe("environment")
  })

  test("what the embedding program says is a flag", async () => {
    const { graft } = await world({ user: '{ "model": "user" }', kernel: { config: { model: "host", lab: new Date() } } })
    expect(await graft.config.explain("model")).toMatchObject({ value: "host", winner: { layer: "flag" } })
  })
})

describe("a mistake", () => {
  test("in the syntax leaves what the file said before, and is said once with its line", async () => {
    const { graft, edit, told, files } = await world({ user: '{ "model": "good" }' })
    await edit("user", '{\n  "model": "better",\n  "servers": \n}\n')
    expect([await graft.config.get("model"), told()]).toEqual(["good", ["warned: value expected; what it said before holds"]])
    expect(await graft.config.warnings()).toEqual([{ file: files.user, line: 4, path: "", message: "value expected; what it said before holds" }])
    await edit("user", '{\n  "model": "better",\n  "servers": \n}\n')
    expect(told()).toEqual([])
    await edit("user", '{\n  "model": "better"\n}\n')
    expect([await graft.config.get("model"), told(), await graft.config.warnings()]).toEqual(["better", ["process: model"], []])
  })

  test("in the syntax at the start is as if the file were not there", async () => {
    const { graft, files } = await world({ default: '{ "model": "default" }', user: '{ "model": "user" ' })
    expect([await graft.config.get("model"), await graft.config.warnings()]).toEqual(["default", [{ file: files.user, line: 1, path: "", message: "close brace expected; nothing of it holds" }]])
  })

  test("in a key is said with its line and the near name, and disables that key only", async () => {
    const { graft, location, files } = await world({ user: '{\n  "model": "a",\n  "modl": "b",\n  "rules": {\n    "alow": ["x"],\n    "deny": ["y"]\n  },\n  "plugins": { "trus": false }\n}' })
    expect(await graft.config.warnings(location)).toEqual([
      { file: files.user, line: 3, path: "modl", message: "is not known", suggestion: "model" },
      { file: files.user, line: 5, path: "rules.alow", message: "is not known", suggestion: "rules.allow" },
      { file: files.user, line: 8, path: "plugins.trus", message: "there is no plugin of this id", suggestion: "plugins.trust" },
    ])
    expect([await graft.config.get("rules", location), await graft.config.get("modl", location)]).toEqual([{ deny: ["y"] }, undefined])
  })

  test("in a type lets the lower layer's value hold", async () => {
    const { graft, edit, told, files } = await world({ default: '{ "model": "default" }', user: '{\n\n  "model": "user" }' })
    await edit("user", '{\n\n  "model": 5 }')
    expect([await graft.config.get("model"), told()]).toEqual(["default", ["process: model", "warned: model"]])
    expect(await graft.config.warnings()).toEqual([{ file: files.user, line: 3, path: "model", message: "Invalid type: Expected string but received 5" }])
  })

  test("does not repeat what may be a key in the wrong place", async () => {
    const { kernel, graft, location, edit } = await world()
    await kernel.put("picky", definePlugin({ setup: (instance) => void instance.add("configSection", { id: "pick", schema: v.object({ one: v.picklist(["a", "b"]), two: v.pipe(v.string(), v.regex(/^x/)) }), description: "" }) }))
    await edit("user", '{\n"pick": {\n"one": "sk-secret\\"0",\n"two": "sk-secret-1" },\n"model": { "sk-secret-2": 1 } }')
    const warnings = await graft.config.warnings(location)
    expect(warnings.map(({ path, message }) => `${path}: ${message}`)).toEqual(['pick.one: Invalid type: Expected ("a" | "b") but received this text', "pick.two: Invalid format: Expected /^x/ but received this text", "model: Invalid type: Expected string but received Object"])
  })

  test("that is no file at all is said", async () => {
    const { graft, write, files, edit } = await world()
    mkdirSync(files.user, { recursive: true })
    await edit("project", "{}")
    expect((await graft.config.warnings()).map(({ message }) => message)).toEqual(["it is not a regular file; nothing of it holds"])
    rmSync(files.user, { recursive: true })
    write("user", `// ${"x".repeat(1_100_000)}\n{}`)
    await edit("project", "{ }")
    expect((await graft.config.warnings())[0]!.message).toMatch(/it has \d+ bytes, which no config needs/)
  })

  test("in a schema is its owner's, and judges nothing", async () => {
    const { kernel, graft, edit } = await world()
    const broken = { "~standard": { version: 1 as const, vendor: "mine", validate: () => { throw new Error("my own fault") } } }
    const faults: string[] = []
    kernel.on("kernel.fault", ({ plugin, message }) => { faults.push(`${plugin}: ${message}`) })
    await kernel.put("faulty", definePlugin({ setup: (instance) => void instance.add("configSection", { id: "odd", schema: broken, description: "" }) }))
    await edit("user", '{ "odd": 1 }')
    expect([await graft.config.get("odd"), new Set(faults)]).toEqual([1, new Set(["faulty: my own fault"])])
  })
})

describe("a reference", () => {
  test("stays one until it is used, and says where it stands when it leads nowhere", async () => {
    const { graft, files, base, location } = await world({ trusted: true, user: '{\n  "servers": {\n    "home": { "url": "http://{env:GRAFT_TEST_HOST:-localhost}:{env:GRAFT_TEST_PORT}" } } }', project: '{ "servers": { "work": { "url": "{file:token.txt}" } } }' })
    onTestFinished(() => { delete process.env.GRAFT_TEST_PORT })
    const url = (await graft.config.get<string>("servers.home.url"))!
    expect(url).toContain("{env:GRAFT_TEST_PORT}")
    expect(await failing(graft.config.expand(url))).toEqual({ code: "config.variable", message: `${files.user}:3: "servers.home.url": the environment variable GRAFT_TEST_PORT is not set; export it, or write {env:GRAFT_TEST_PORT:-default}` })
    process.env.GRAFT_TEST_PORT = "8080"
    expect(await graft.config.expand(url)).toBe("http://localhost:8080")
    const token = (await graft.config.get<string>("servers.work.url", location))!
    expect(await failing(graft.config.expand(token, location))).toEqual({ code: "config.variable", message: `${files.project}:1: "servers.work.url": the file ${join(dirname(files.project), "token.txt")} of {file:token.txt} is not there` })
    writeFileSync(join(dirname(files.project), "token.txt"), "secret\n")
    expect(await graft.config.expand(token, location)).toBe("secret")
    expect(await graft.config.expand(`{file:${join(base, "project/.graft/token.txt")}} and plain`)).toBe("secret and plain")
    expect(await failing(graft.config.expand("{env:NOT A NAME}"))).toMatchObject({ code: "config.variable" })
  })
})

describe("a project's file", () => {
  const project = '{\n  "model": "theirs",\n  "rules": { "allow": ["everything"] },\n  "plugins": { "victim": false }\n}'

  test("counts only where a section is safe, until the project is trusted; then all of it, at once", async () => {
    const { kernel, graft, location, files, told, settle, status } = await world({ project, default: '{ "rules": { "deny": ["danger"] } }' })
    await kernel.put("victim", definePlugin({ setup() {} }), location)
    await settle()
    expect([await graft.config.get("model", location), await graft.config.get("rules", location), status("victim", location)]).toEqual(["theirs", { deny: ["danger"] }, "live"])
    expect(await graft.config.warnings(location)).toEqual([
      { file: files.project, line: 3, path: "rules", message: "is not honoured until this project is trusted (graft trust allow)" },
      { file: files.project, line: 4, path: "plugins", message: "is not honoured until this project is trusted (graft trust allow)" },
    ])
    told()
    await graft.trust.allow(location)
    await settle()
    await settle()
    expect([await graft.config.get("rules", location), await graft.config.warnings(location), status("victim", location)]).toEqual([{ deny: ["danger"], allow: ["everything"] }, [], "disabled"])
    expect(told()).toEqual(["project: plugins.victim rules.allow"])
    await graft.trust.revoke(location)
    await settle()
    await settle()
    expect([await graft.config.get("rules", location), status("victim", location), told()[0]]).toEqual([{ deny: ["danger"] }, "live", "project: plugins.victim rules.allow"])
  })

  test("may not read the environment or files of who has not trusted it", async () => {
    const { graft, location } = await world({ project: '{ "model": "{env:HOME}" }' })
    expect([await graft.config.get("model", location), (await graft.config.warnings(location)).map(({ path }) => path)]).toEqual([undefined, ["model"]])
  })

  test("of a project that is not open is read when asked about, with its plugins where that matters", async () => {
    const { kernel, graft, base } = await world()
    const other = join(base, "other")
    mkdirSync(join(other, ".graft"), { recursive: true })
    writeFileSync(join(other, ".graft", "config.jsonc"), '{ "model": "other", "modle": 1 }')
    expect(await graft.config.get("model", join(other, ".graft"))).toBe("other")
    expect(kernel.graft.kernel.locations()).not.toContain(other)
    expect((await graft.config.warnings(other)).map(({ path }) => path)).toEqual(["modle"])
  })
})

describe("an edit of a file", () => {
  test("tells exactly the leaves that changed, in the realm that sees them", async () => {
    const { edit, told } = await world({ trusted: true, default: '{ "model": "d" }', user: '{ "model": "u", "servers": { "a": { "url": "1", "headers": { "x": "1", "y": "2" } } } }', project: '{ "servers": { "b": { "url": "p" } } }' })
    await edit("user", '{ "servers": { "a": { "url": "1", "headers": { "x": "2" } }, "c": { "url": "new" } } }')
    expect(told()).toEqual(["process: model servers.a.headers.x servers.a.headers.y servers.c.url"])
    await edit("project", '{ "servers": { "b": { "url": "q" } } }')
    expect(told()).toEqual(["project: servers.b.url"])
    await edit("user", '// only a comment\n{ "servers": { "c": { "url": "new" }, "a": { "headers": { "x": "2" }, "url": "1" } } }')
    expect(told()).toEqual([])
  })

  test("that a higher layer hides is no change", async () => {
    const { edit, told, graft } = await world({ user: '{ "model": "u" }' })
    await graft.config.flags({ model: "flag" })
    expect(told()).toEqual(["process: model"])
    await edit("user", '{ "model": "v" }')
    expect(told()).toEqual([])
  })

  test("switches a plugin off and on, and its options reload it alone", async () => {
    const { kernel, edit, gen, status, told } = await world()
    await kernel.put("one", definePlugin({ setup() {} }))
    await kernel.put("two", definePlugin({ setup() {} }))
    await edit("user", '{ "plugins": { "one": { "loud": true } } }')
    expect([gen("one"), gen("two"), told()]).toEqual([2, 1, ["process: plugins.one.loud"]])
    await edit("user", '{ "plugins": { "one": false, "config": false } }')
    expect([status("one"), status("two"), status("config")]).toEqual(["disabled", "live", "live"])
    await edit("user", "{}")
    expect([status("one"), gen("one"), gen("two"), gen("config")]).toEqual(["live", 3, 1, 1])
  })

  test("that is half written, or leaves the file away for a moment, changes nothing yet", async () => {
    const { kernel, graft, files, told, settle } = await world({ user: '{ "model": "whole" }' })
    const save = async (text: string) => {
      writeFileSync(files.user, text)
      kernel.emit("watch.changed", { paths: [files.user] })
      await settle()
    }
    await save("")
    await save('{ "model": "wh')
    rmSync(files.user)
    kernel.emit("watch.changed", { paths: [files.user] })
    await settle()
    expect([await graft.config.get("model"), told()]).toEqual(["whole", []])
    const gone = new Promise((resolve) => kernel.on("config.changed", resolve))
    // It is looked at again by itself.
    await gone
    expect(await graft.config.get("model")).toBe(undefined)
  })

  test("of what a link leads to is watched as well", async () => {
    const { graft, base, files, write } = await world()
    const target = join(base, "dotfiles.jsonc")
    writeFileSync(target, '{ "model": "linked" }')
    mkdirSync(dirname(files.user), { recursive: true })
    symlinkSync(target, files.user)
    write("user", '{ "model": "linked" }')
    await graft.config.set("model", "again")
    const watched = [...graft.all("watched")].map(({ path }) => path)
    expect(watched).toEqual(expect.arrayContaining([files.default, files.user, target, files.project]))
    expect([readFileSync(target, "utf8"), realpathSync(files.user)]).toEqual(['{ "model": "again" }', target])
  })
})

describe("a section", () => {
  test("that comes later is no change, and one that goes neither", async () => {
    const { kernel, graft, settle, told, gen } = await world({ user: '{ "late": { "x": 1 } }' })
    const late = (schema: ConfigSection["schema"]) => definePlugin({ setup: (instance: Graft) => void instance.add("configSection", { id: "late", schema, description: "" }) })
    await kernel.put("late", late(v.looseObject({})))
    await settle()
    expect([await graft.config.get("late.x"), told()]).toEqual([1, []])
    await kernel.put("late", late(v.object({ x: v.string() })))
    await graft.config.get("late")
    await settle()
    expect([gen("late"), await graft.config.get("late.x"), told()]).toEqual([2, undefined, ["process: late.x", "warned: late.x"]])
    await kernel.drop("late")
    await settle()
    expect(told().filter((fact) => fact.startsWith("process"))).toEqual([])
  })
})

describe("a hook of config.load", () => {
  test("changes the tree of the realm it is in, in its own name, as soon as it is there", async () => {
    const { kernel, graft, location, settle, told, write } = await world({ user: '{ "old_model": "a" }' })
    const hook = definePlugin({ setup(instance: Graft) {
      instance.on("config.load", ({ tree }) => {
        if (typeof tree.old_model !== "string") return
        tree.model = tree.old_model
        delete tree.old_model
      })
    } })
    const came = new Promise((resolve) => kernel.on("config.changed", resolve))
    await kernel.put("compat", hook, location)
    await came
    await settle()
    expect([await graft.config.get("model"), await graft.config.get("model", location), told()]).toEqual([undefined, "a", ["project: model"]])
    expect(await graft.config.explain("model", location)).toMatchObject({ winner: { by: "compat@1", value: "a" } })
    expect(await graft.config.warnings(location)).toEqual([])
    write("user", "{}")
  })
})

describe("plugin_roots", () => {
  test("adds directories of plugins, and takes them away again", async () => {
    const { base, edit, status, settle } = await world()
    mkdirSync(join(base, "home", "config", "more"), { recursive: true })
    writeFileSync(join(base, "home", "config", "more", "extra.ts"), 'export default { per: "process", setup() {} }')
    await edit("user", '{ "plugin_roots": ["more"] }')
    await settle()
    expect(status("extra")).toBe("live")
    await edit("user", "{}")
    await settle()
    expect(status("extra")).not.toBe("live")
  })
})

describe("set", () => {
  test("writes into the layer's file, and holds when it returns", async () => {
    const { graft, files, location, told, settle } = await world({ user: '{\n  // mine\n  "model": "a", // this one\n}\n' })
    expect(await graft.config.set("model", "b")).toEqual({ file: files.user, line: 3 })
    expect(await graft.config.set("servers.x.url", "http://x")).toEqual({ file: files.user, line: 6 })
    expect(readFileSync(files.user, "utf8")).toBe('{\n  // mine\n  "model": "b", // this one\n  "servers": {\n    "x": {\n      "url": "http://x"\n    }\n  },\n}\n')
    expect([await graft.config.get("model"), await graft.config.get("servers.x.url")]).toEqual(["b", "http://x"])
    await settle()
    expect(told()).toEqual(["process: model", "process: servers.x.url"])
    expect(await graft.config.set("model", "p", { layer: "project", location })).toEqual({ file: files.project, line: 2 })
    expect([await graft.config.get("model", location), (statSync(files.project).mode & 0o777).toString(8)]).toEqual(["p", "600"])
    await graft.config.set("model", undefined)
    expect(readFileSync(files.user, "utf8")).toContain("// this one")
    expect(await graft.config.get("model")).toBe(undefined)
  })

  test("makes a private file, and keeps the mode of one that is there", async () => {
    const { graft, files, home } = await world()
    await graft.config.set("model", "a")
    expect([files.user, join(home, "config")].map((path) => (statSync(path).mode & 0o777).toString(8))).toEqual(["600", "700"])
    chmodSync(files.user, 0o644)
    await graft.config.set("model", "b")
    expect((statSync(files.user).mode & 0o777).toString(8)).toBe("644")
  })

  test("refuses what it would have to guess, and writes nothing then", async () => {
    const { graft, files, write } = await world({ user: '{ "model": ' })
    expect(await failing(graft.config.set("model", "a"))).toEqual({ code: "config.broken", message: `${files.user}:1: value expected; repair it first, nothing was written` })
    expect(readFileSync(files.user, "utf8")).toBe('{ "model": ')
    write("user", "{}")
    expect(await failing(graft.config.set("model", 5))).toEqual({ code: "config.value", message: '"model": Invalid type: Expected string but received 5; nothing was written' })
    expect((await failing(graft.config.set("servers.x.urll", "y"))).code).toBe("config.value")
    expect((await failing(graft.config.set("model", () => {}))).code).toBe("config.value")
    expect((await failing(graft.config.set("", {}))).code).toBe("config.path")
    expect((await failing(graft.config.set("model", "a", { layer: "project" }))).code).toBe("config.location")
    expect(readFileSync(files.user, "utf8")).toBe("{}")
  })

  test("many at once, in one process and in others, loses nothing; nor does the lock of a dead one stop it", async () => {
    const { graft, files, base, home } = await world({ user: "{\n  // mine\n}\n" })
    writeFileSync(`${files.user}.lock`, "999999999 dead")
    const script = join(base, "writer.mjs")
    writeFileSync(script, `import { createKernel } from ${JSON.stringify(new URL("../../kernel/index.ts", import.meta.url).href)}
const kernel = createKernel({ roots: [{ dir: ${JSON.stringify(new URL("../../plugins", import.meta.url).pathname)}, kind: "built-in" }], dataDir: ${JSON.stringify(home)}, only: ["config"] })
await kernel.start()
await Promise.all([1, 2, 3].map((n) => kernel.graft.config.set("servers." + process.argv[2] + n, { url: "x" })))
await kernel.close()`)
    const children = ["a", "b"].map((name) => new Promise<number | null>((resolve) => fork(script, [name], { stdio: "inherit", execArgv: [] }).on("exit", resolve)))
    await Promise.all([1, 2, 3, 4].map((n) => graft.config.set(`servers.here${n}.url`, "x")))
    expect(await Promise.all(children)).toEqual([0, 0])
    const text = readFileSync(files.user, "utf8")
    expect([Object.keys((JSON.parse(text.replace("// mine", "")) as { servers: object }).servers).sort(), text.includes("// mine"), readdirSync(dirname(files.user))]).toEqual([["a1", "a2", "a3", "b1", "b2", "b3", "here1", "here2", "here3", "here4"], true, ["config.jsonc"]])
  })
})

describe("the schema", () => {
  test("of the whole file comes from the sections, for an editor", async () => {
    const { graft, location } = await world()
    const schema = await graft.config.schema(location)
    expect(schema).toMatchObject({ $schema: "http://json-schema.org/draft-07/schema#", type: "object", additionalProperties: false, properties: { model: { type: "string" }, offline: { type: "boolean" }, rules: { properties: { allow: { type: "array" } }, additionalProperties: false } } })
    expect(Object.keys(schema.properties as object)).toEqual(["$schema", "model", "offline", "plugin_roots", "plugins", "rules", "servers"])
  })
})

describe("the plugin's own source", () => {
  test("edited, keeps what is known and tells nothing; broken, changes nothing", async () => {
    // A copy stays in the repository, where its packages are found.
    const sources = mkdtempSync(join(import.meta.dirname, "../fixtures/.plugins-"))
    onTestFinished(() => rmSync(sources, { recursive: true, force: true }))
    for (const folder of ["lib", "config"]) cpSync(join(import.meta.dirname, "../../plugins", folder), join(sources, folder), { recursive: true })
    const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-config-")))
    onTestFinished(() => rmSync(base, { recursive: true, force: true }))
    const [location, user] = [join(base, "project"), join(base, "config", "config.jsonc")]
    for (const made of [join(location, ".graft"), dirname(user)]) mkdirSync(made, { recursive: true })
    const write = (text: string, seconds: number) => { writeFileSync(user, text); utimesSync(user, seconds, seconds) }
    write('{ "model": "good", "modl": 1, "plugins": { "one": { "x": 1 }, "off": false } }', 1_000)
    writeFileSync(join(location, ".graft", "config.jsonc"), '{ "model": "theirs", "rules": {} }')
    const kernel = createKernel({ dataDir: base, roots: [{ dir: sources, kind: "built-in" }] })
    open.push(kernel)
    await kernel.start()
    for (const id of ["one", "off"]) await kernel.put(id, definePlugin({ setup: (graft) => void (id === "one" && graft.add("configSection", [...common, local])) }))
    using _ = await kernel.child(location)
    const { config } = kernel.graft
    await config.flags({ offline: true })
    await config.warnings(location)
    // What holds now is remembered, though the disk says nonsense.
    write('{ "model": ', 2_000)
    kernel.emit("watch.changed", { paths: [user] })
    await kernel.settled()
    const known = async () => [await config.get("", location), await config.warnings(location), [...kernel.graft.all("watched")].map(({ path }) => path)]
    const [before, generations] = [await known(), kernel.inspect().realms[0]!.plugins.map(({ id, gen }) => [id, gen])]
    expect([await config.get("model"), await config.get("offline")]).toEqual(["good", true])
    const told: string[] = []
    kernel.on("*", (_payload, { event }) => { if (event.startsWith("config.") || event.startsWith("plugin.")) told.push(event) })
    appendFileSync(join(sources, "config/scopes.ts"), "\n// edited\n")
    await kernel.graft.kernel.reconcile([join(sources, "config/scopes.ts")])
    expect(await known()).toEqual(before)
    await kernel.settled()
    expect(told).toEqual(["plugin.reloaded"])
    expect(kernel.inspect().realms[0]!.plugins.map(({ id, gen }) => [id, gen])).toEqual(generations.map(([id, gen]) => [id, id === "config" ? 2 : gen]))
    writeFileSync(join(sources, "config/service.ts"), "export const makeConfig = (")
    utimesSync(join(sources, "config/service.ts"), 1_000, 1_000)
    await kernel.graft.kernel.reconcile([join(sources, "config/service.ts")])
    expect([await known(), told]).toEqual([before, ["plugin.reloaded", "plugin.failed"]])
    write('{ "model": "healed" }', 3_000)
    kernel.emit("watch.changed", { paths: [user] })
    await kernel.settled()
    expect([await config.get("model"), told.slice(2)]).toEqual(["healed", ["config.changed", "plugin.reloaded", "plugin.loaded"]])
  })
})
