/** Every kind of file that belongs to a plugin is new code after an edit, whatever imports it, and nothing of the host leaks in. */
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { Lab, outcome, plugin, serving, soon } from "./harness.ts"

/** The value that plugin `a` gives for one expression. */
const value = (expression: string, head = "") => plugin(`    graft.provide("a", { value: async () => ${expression} })`, { head })
const ask = (lab: Lab): Promise<any> => lab.graft.use("a").value()
const json = (data: unknown) => JSON.stringify(data)

describe("Every kind of file", () => {
  const esm = (n: number) => `import { definePlugin } from "graft"\nexport default definePlugin({ setup(graft) { graft.provide("a", { value: async () => ${n} }) } })\n`
  const typed = (n: number) => esm(n).replace("setup(graft)", "setup(graft: any): void")
  const cjs = (n: number) => `const { definePlugin } = require("graft")\nmodule.exports = definePlugin({ setup(graft) { graft.provide("a", { value: async () => ${n} }) } })\n`
  const jsx = (n: number) => `/** @jsxRuntime classic @jsx h */\nconst h = (_, { n }) => n\n${esm(n).replace(`=> ${n}`, `=> <b n={${n}} />`)}`
  const commonjs = json({ type: "commonjs" })
  const modules = json({ type: "module" })
  const entries: [file: string, source: (n: number) => string, manifest?: string][] = [
    ["a.ts", typed], ["a.mts", typed], ["a.tsx", (n) => jsx(n).replace("(_, { n })", "(_: string, { n }: any)")], ["a.js", esm], ["a.js", esm, modules], ["a.js", cjs, commonjs], ["a.js", cjs], ["a.mjs", esm], ["a.cjs", cjs], ["a.jsx", jsx], ["a/index.ts", typed], ["a/index.mjs", esm], ["a/index.js", cjs, commonjs],
  ]
  it.each(entries)("a plugin in %s is live, and live again after an edit", async (file, source, manifest) => {
    await using lab = new Lab()
    if (manifest) lab.write("package.json", manifest)
    for (const n of [1, 2, 3]) {
      lab.write(file, source(n))
      await lab.settle()
      expect(lab.view("a")).toMatchObject({ status: "live", gen: n })
      expect(await ask(lab)).toBe(n)
    }
  })

  const helpers: [file: string, source: (n: number) => string, load: string, get?: string][] = [
    ["h.ts", (n) => `export const n: number = ${n}`, `import { n } from "./h.ts"`],
    ["h.tsx", (n) => `export const n: number = ${n}`, `import { n } from "./h.tsx"`],
    ["h.mts", (n) => `export const n: number = ${n}`, `import { n } from "./h.mts"`],
    ["h.cts", (n) => `const n: number = ${n}; module.exports = { n }`, `import { n } from "./h.cts"`],
    ["h.js", (n) => `export const n = ${n}`, `import { n } from "./h.js"`],
    ["h.js", (n) => `exports.n = ${n}`, `import { n } from "./h.js"`],
    ["h.mjs", (n) => `export const n = ${n}`, `import { n } from "./h.mjs"`],
    ["h.cjs", (n) => `module.exports = { n: ${n} }`, `import { n } from "./h.cjs"`],
    ["h.cjs", (n) => `module.exports = { n: ${n} }`, `import all from "./h.cjs"`, "all.n"],
    ["h.jsx", (n) => `export const n = ${n}`, `import { n } from "./h.jsx"`],
    ["h.json", (n) => json({ n }), `import data from "./h.json" with { type: "json" }`, "data.n"],
    ["h.json", (n) => json({ n }), `import data from "./h.json"`, "data.n"],
    ["h.ts", (n) => `export const n = ${n}`, `import { n } from "./h"`],
    ["h/index.ts", (n) => `export const n = ${n}`, `import { n } from "./h"`],
    ["h.ts", (n) => `export default () => ${n}`, `import h from "./h.ts"`, "h()"],
    ["h.ts", (n) => `export const n = ${n}`, "", `(await import("./h.ts")).n`],
    ["h.mjs", (n) => `export const n = ${n}`, "", "(await import(`./h.${'mjs'}`)).n"],
    ["h.json", (n) => json({ n }), "", `(await import("./h.json")).default.n`],
  ]
  it.each(helpers)("an edit of %s %#, read by %s, reloads who imports it, and it is new code", async (file, source, load, get = "n") => {
    await using lab = new Lab()
    lab.write("a/index.ts", value(get, load))
    for (const n of [1, 2, 3]) {
      lab.write(`a/${file}`, source(n))
      await lab.settle()
      expect({ status: lab.view("a")!.status, reason: lab.view("a")!.reason, value: await outcome(ask(lab)) }).toEqual({ status: "live", reason: "", value: { value: n } })
    }
  })

  it("CommonJS requires CommonJS and JSON of its own, each new after an edit", async () => {
    await using lab = new Lab()
    lab.write("a/index.cjs", `const one = require("./one.cjs"), data = require("./data.json"), two = require("./two.js")\nmodule.exports = { setup(graft) { graft.provide("a", { value: async () => [one.n, data.n, two.n, one === require("./one.cjs"), require("node:path").sep] }) } }`)
    lab.write("a/data.json", json({ n: 1 }))
    lab.write("a/two.js", "module.exports.n = require('./one.cjs').n * 2")
    for (const n of [1, 2]) {
      lab.write("a/one.cjs", `module.exports = { n: ${n} }`)
      await lab.settle()
      expect(await ask(lab)).toEqual([n, 1, n * 2, true, "/"])
    }
  })

  it("a declared asset belongs to the plugin from the day it appears", async () => {
    await using lab = new Lab()
    lab.write("a/index.ts", `import { readFileSync, existsSync } from "node:fs"\nimport { join } from "node:path"\nconst path = join(import.meta.dirname, "note.md")\nexport default { assets: ["note.md"], setup(graft) { const text = existsSync(path) ? readFileSync(path, "utf8") : ""; graft.provide("a", { value: async () => text }) } }`)
    for (const text of ["", "one", "two"]) {
      if (text) lab.write("a/note.md", text)
      await lab.settle()
      expect(await ask(lab)).toBe(text)
    }
  })

  it("what is no plugin is none: names with _, folders without an index, declarations, other files", async () => {
    await using lab = new Lab()
    for (const file of ["_a.ts", "b/other.ts", "c.d.ts", "d.md", "e.json", ".f.ts", "node_modules/g.ts", "h/index.md"]) lab.write(file, "throw new Error()")
    lab.write("a.ts", serving(1))
    await lab.settle()
    expect(lab.root.plugins.map(({ id }) => id)).toEqual(["a"])
  })
})

describe("The graph", () => {
  it("modules that import each other see live bindings", async () => {
    await using lab = new Lab()
    lab.write("a/index.ts", value("[even(10), odd(7), count()]", `import { even } from "./even.ts"\nimport { odd, count } from "./odd.ts"`))
    lab.write("a/even.ts", `import { odd, bump } from "./odd.ts"\nexport const even = (n: number): boolean => (bump(), n === 0 || odd(n - 1))`)
    lab.write("a/odd.ts", `import { even } from "./even.ts"\nlet calls = 0\nexport const bump = () => { calls++ }\nexport const count = () => calls\nexport const odd = (n: number): boolean => n !== 0 && even(n - 1)`)
    await lab.settle()
    expect(await ask(lab)).toEqual([true, true, 10])
  })

  it("each module runs once a generation, dependencies first, in the order of the source; a lazy one only when it is asked for", async () => {
    await using lab = new Lab()
    const trace = (name: string) => `(globalThis as any).order.push("${name}")`
    const order: string[] = ((globalThis as { order?: string[] }).order = [])
    lab.write("a/index.ts", `import "./two.ts"\nimport "./one.ts"\n${value(`[await import("./lazy.ts"), await import("./lazy.ts")].map(({ lazy }) => lazy)`)};${trace("index")}`)
    for (const name of ["one", "two"]) lab.write(`a/${name}.ts`, `import "./shared.ts"\n${trace(name)}`)
    lab.write("a/shared.ts", trace("shared"))
    lab.write("a/lazy.ts", `${trace("lazy")}\nexport const lazy = {}`)
    await lab.settle()
    expect(order).toEqual(["shared", "two", "one", "index"])
    const [first, second] = await ask(lab)
    expect(first).toBe(second)
    expect(order.splice(0)).toEqual(["shared", "two", "one", "index", "lazy"])
    lab.touch("a/shared.ts")
    lab.write("a/lazy.ts", `${trace("lazy 2")}\nexport const lazy = {}`)
    await lab.settle()
    expect(order).toEqual(["shared", "two", "one", "index"])
  })

  it("a lazy module is the one that was there when its generation was made, however late it is asked for", async () => {
    await using lab = new Lab()
    lab.write("a/index.ts", `import { version } from "./version.ts"\n${value(`[version, (await import("./lazy.ts")).lazy]`)}`)
    lab.write("a/version.ts", "export const version = 1")
    lab.write("a/lazy.ts", `import data from "./data.json"\nexport const lazy = data.n`)
    lab.write("a/data.json", json({ n: 1 }))
    await lab.settle()
    lab.write("a/version.ts", "export const version = (")
    lab.write("a/data.json", json({ n: 2 }))
    await lab.settle()
    expect({ status: lab.last("a")!.outcome, value: await ask(lab) }).toEqual({ status: "failed", value: [1, 1] })
    lab.write("a/version.ts", "export const version = 2")
    await lab.settle()
    expect(await ask(lab)).toEqual([2, 2])
  })

  it("modules may await at their top, and who imports them waits", async () => {
    await using lab = new Lab()
    lab.write("a/index.ts", `import { two } from "./two.ts"\n${value("[two, three]")}\nconst three = await Promise.resolve(two + 1)`)
    lab.write("a/two.ts", `import { one } from "./one.ts"\nexport const two = await new Promise<number>((resolve) => setImmediate(() => resolve(one + 1)))`)
    lab.write("a/one.ts", "export let one = 0\nawait null\none = 1")
    await lab.settle()
    expect(await ask(lab)).toEqual([2, 3])
  })

  it("re-exports, renamed exports, defaults, namespaces and live bindings mean what they mean in the language", async () => {
    await using lab = new Lab()
    lab.write("a/index.ts", value(`[one, alias, fallback, Object.keys(space).sort(), space.n, (space.grow(), space.n), typeof import.meta.url, import.meta.filename.endsWith("index.ts")]`, `import { one, alias, fallback } from "./all.ts"\nimport * as space from "./space.ts"`))
    lab.write("a/all.ts", `export * from "./one.ts"\nexport { two as alias } from "./one.ts"\nexport { default as fallback } from "./one.ts"`)
    lab.write("a/one.ts", "export const one = 1, two = 2\nexport default class { static is = 3 }")
    lab.write("a/space.ts", "export let n = 1\nexport function grow() { n++ }")
    await lab.settle()
    const [one, alias, fallback, ...rest] = await ask(lab)
    expect([one, alias, fallback.is, ...rest]).toEqual([1, 2, 3, ["grow", "n"], 1, 2, "string", true])
  })

  it("two plugins that import one helper get two copies, and an edit of it reloads both", async () => {
    await using lab = new Lab()
    lab.write("_count.ts", "let n = 0\nexport const count = () => ++n")
    for (const id of ["a", "b"]) lab.write(`${id}.ts`, plugin(`    graft.provide("${id}", { value: async () => count() })`, { head: `import { count } from "./_count.ts"` }))
    await lab.settle()
    expect([await ask(lab), await ask(lab), await lab.graft.use("b").value()]).toEqual([1, 2, 1])
    lab.write("_count.ts", "let n = 10\nexport const count = () => ++n")
    await lab.settle()
    expect([await ask(lab), await lab.graft.use("b").value(), lab.gen("a"), lab.gen("b")]).toEqual([11, 11, 2, 2])
  })

  it("`import { graft } from \"graft\"` is the instance of this generation in any file, from setup on", async () => {
    await using lab = new Lab()
    lab.write("a/index.ts", plugin(`    graft.provide("a", { value: async () => [who(), same(graft)] })`, { head: `import { who, same } from "./who.ts"` }))
    lab.write("a/who.ts", `import { graft } from "graft"\nimport type { Graft } from "graft"\nexport const who = () => graft.id + "@" + graft.gen\nexport const same = (other: Graft) => other.use("a") === graft.use("a")`)
    await lab.settle()
    expect(await ask(lab)).toEqual(["a@1", true])
    lab.write("b.ts", `import { graft } from "graft"\ngraft.log.info("too early")\nexport default { setup() {} }`)
    await lab.settle()
    expect(lab.view("b")!.reason).toMatch(/graft.log was used while the module was still being evaluated/)
    expect(lab.last("b")!.where).toMatch(/b\.ts:2:\d+$/)
  })

  it("what else stands under the kernel's name is types: a contract is imported and needs no file, not even beside a package of that name", async () => {
    await using lab = new Lab()
    lab.write("../node_modules/graft/package.json", json({ name: "graft", version: "9.9.9", main: "i.js" }))
    lab.write("../node_modules/graft/contracts/law.js", "throw new Error()")
    lab.write("a.ts", value("Object.keys(law)", `import * as law from "graft/contracts/law"\nimport { Law } from "graft/contracts/law"\nconst typed: Law | undefined = undefined`))
    await lab.settle()
    expect(await ask(lab)).toEqual([])
  })

  it("a type-only import needs no file", async () => {
    await using lab = new Lab()
    lab.write("a.ts", value("1 as Only", `import type { Only } from "../other/contract.ts"\nimport { type Also } from "nowhere"`))
    await lab.settle()
    expect(await ask(lab)).toBe(1)
  })
})

describe("Packages", () => {
  const install = (lab: Lab, at: string, name: string, files: Record<string, string>, manifest: object = {}) => {
    lab.write(join(at, "node_modules", name, "package.json"), json({ name, version: "1.0.0", ...manifest }))
    for (const [file, source] of Object.entries(files)) lab.write(join(at, "node_modules", name, file), source)
  }

  it.each(["here", "in the folder of the plugin", "further up"])("a package that is installed %s is found, of either kind", async (where) => {
    await using lab = new Lab()
    const at = { here: lab.plugins, "in the folder of the plugin": lab.path("a"), "further up": lab.dir }[where]!
    install(lab, at, "law-cjs", { "index.js": "module.exports = { n: 1 }" })
    install(lab, at, "law-esm", { "main.js": "export const n = 2", "deep/it.js": "export const n = 3" }, { type: "module", exports: { ".": "./main.js", "./deep/*": "./deep/*.js" } })
    install(lab, at, "@law/scoped", { "index.mjs": "export default 4" }, { main: "index.mjs" })
    lab.write("a/index.ts", value("[cjs.n, esm, deep, scoped]", `import cjs from "law-cjs"\nimport { n as esm } from "law-esm"\nimport { n as deep } from "law-esm/deep/it"\nimport scoped from "@law/scoped"`))
    await lab.settle()
    expect(await ask(lab)).toEqual([1, 2, 3, 4])
    expect(lab.view("a")!.files).toEqual([lab.path("a/index.ts")])
  })

  it.each(["vitest", "chokidar", "better-sqlite3", "jiti", "oxc-transform", "zod"])("a bare directory does not find the host's %s", async (name) => {
    await using lab = new Lab()
    lab.write("a.ts", serving(1, { head: `import * as it from "${name}"`, body: "void it" }))
    await lab.settle()
    expect(lab.view("a")).toMatchObject({ status: "failed", reason: expect.stringContaining(`cannot find "${name}"`) })
  })

  it("a bare directory gets graft, effect, valibot and immer, and node's own modules", async () => {
    await using lab = new Lab()
    lab.write("a.ts", value(`[typeof definePlugin, v.parse(v.number(), 1), produce({ n: 1 }, (d) => { d.n = 2 }), Effect.runSync(Effect.succeed(3)), typeof Option.none, sep, basename("/x/y")]`, `import * as v from "valibot"\nimport { produce } from "immer"\nimport * as Effect from "effect/Effect"\nimport { Option } from "effect"\nimport { sep } from "node:path"\nimport { basename } from "path"`))
    await lab.settle()
    expect(await soon("the value", ask(lab))).toEqual(["function", 1, { n: 2 }, 3, "function", "/", "y"])
  })

  it("a plugin's own copy goes before the host's, but `graft` is always the host's", async () => {
    await using lab = new Lab()
    for (const name of ["valibot", "graft"]) install(lab, lab.dir, name, { "index.js": "module.exports = { mine: true }" })
    lab.write("a.ts", value("[v.mine, typeof definePlugin, g.mine]", `import * as v from "valibot"\nimport * as g from "graft"`))
    await lab.settle()
    expect(await ask(lab)).toEqual([true, "function", undefined])
  })

  it("a package of one plugin is not another's", async () => {
    await using lab = new Lab()
    install(lab, lab.path("a"), "law-own", { "index.js": "module.exports = 1" })
    for (const id of ["a", "b"]) lab.write(`${id}/index.ts`, plugin(`    graft.provide("${id}", { value: async () => own })`, { head: `import own from "law-own"` }))
    await lab.settle()
    expect({ a: lab.view("a")!.status, b: lab.view("b")!.status }).toEqual({ a: "live", b: "failed" })
  })

  it("a package that is a link into a store, as some installers make them, is found where it is linked, and what it needs where it lies", async () => {
    await using lab = new Lab()
    const store = join(lab.dir, "node_modules/.store/law-stored@1.0.0")
    install(lab, store, "law-stored", { "index.js": "module.exports = require('law-beside') + 1" })
    install(lab, store, "law-beside", { "index.js": "module.exports = 1" })
    mkdirSync(lab.path("node_modules"), { recursive: true })
    symlinkSync(join(store, "node_modules/law-stored"), lab.path("node_modules/law-stored"))
    lab.write("a.ts", value("stored", `import stored from "law-stored"`))
    await lab.settle()
    expect({ value: await ask(lab), files: lab.view("a")!.files }).toEqual({ value: 2, files: [lab.path("a.ts")] })
  })

  it("another version of a package: CommonJS is loaded anew, an ES module is held by Node, and its author is told to restart", async () => {
    await using lab = new Lab()
    const [cjs, esm] = [{ "index.js": "exports.n = 1" }, { "index.js": "export const n = 1" }]
    const versions = (version: string, n: number) => {
      install(lab, lab.dir, "law-reloads", { "index.js": cjs["index.js"].replace("1", String(n)) }, { version })
      install(lab, lab.dir, "law-is-held", { "index.js": esm["index.js"].replace("1", String(n)) }, { version, type: "module", exports: "./index.js" })
    }
    versions("1.0.0", 1)
    lab.write("a.ts", value("[c.n, e.n]", `import * as c from "law-reloads"\nimport * as e from "law-is-held"`))
    await lab.settle()
    expect(await ask(lab)).toEqual([1, 1])
    versions("2.0.0", 2)
    await lab.settle()
    expect({ value: await ask(lab), gen: lab.gen("a") }).toEqual({ value: [2, 1], gen: 2 })
    expect(lab.kernel.logs("a")).toMatchObject([{ gen: 2, level: "warn", text: "restart needed: law-is-held@1.0.0 is held by Node, law-is-held@2.0.0 is installed" }])
  })

  it("a plugin that is itself an installed package has its own files, and what is installed beside it", async () => {
    await using lab = new Lab({ roots: [] })
    install(lab, lab.dir, "law-dep", { "index.js": "module.exports = 7" })
    install(lab, lab.dir, "@law/plugins", { "plugins/a/index.ts": value("[n, dep]", `import { n } from "./n.ts"\nimport dep from "law-dep"`) })
    const root = join(lab.dir, "node_modules/@law/plugins/plugins")
    for (const n of [1, 2]) {
      lab.write(join(root, "a/n.ts"), `export const n: number = ${n}`)
      if (n === 1) await lab.kernel.graft.kernel.addRoot({ dir: root, kind: "package", per: "process" })
      await lab.settle()
      expect({ value: await ask(lab), gen: lab.gen("a"), files: lab.view("a")!.files.length }).toEqual({ value: [n, 7], gen: n, files: 2 })
    }
  })

  it("a linked workspace package is the plugin's own source", async () => {
    await using lab = new Lab()
    const home = join(lab.dir, "packages/law-linked")
    lab.write(`${home}/package.json`, json({ name: "law-linked", version: "1.0.0", type: "module", exports: "./index.ts" }))
    mkdirSync(lab.path("node_modules"))
    symlinkSync(home, lab.path("node_modules/law-linked"))
    lab.write("a.ts", value("n", `import { n } from "law-linked"`))
    for (const n of [1, 2]) {
      lab.write(`${home}/index.ts`, `export const n: number = ${n}`)
      await lab.settle()
      expect({ value: await ask(lab), gen: lab.gen("a") }).toEqual({ value: n, gen: n })
    }
  })
})

describe("The cache", () => {
  it("is private, holds what is compiled by its content, and begins anew when it has grown too large; without one it is only slower", async () => {
    await using lab = new Lab()
    const cache = join(lab.dir, "data/cache/compiled")
    mkdirSync(cache, { recursive: true })
    for (let i = 0; i <= 4_000; i++) writeFileSync(join(cache, `${i}.json`), "")
    for (const n of [1, 2, 1]) {
      lab.write("a.ts", value(String(n)))
      await lab.settle()
      expect(await ask(lab)).toBe(n)
    }
    expect(readdirSync(cache).length).toBe(1)
    await using other = new Lab({ cacheDir: lab.write("../file", "not a directory") })
    other.write("a.ts", value("1"))
    await other.settle()
    expect(await ask(other)).toBe(1)
  })

  it("that was spoilt is not believed", async () => {
    await using lab = new Lab()
    lab.write("a.ts", value("1"))
    await lab.settle()
    const cache = join(lab.dir, "data/cache/compiled")
    for (const name of readdirSync(cache)) writeFileSync(join(cache, name), "{ half")
    await using other = new Lab({ roots: [{ dir: lab.plugins, per: "process" }], cacheDir: cache })
    await other.settle()
    expect(await ask(other)).toBe(1)
  })
})

describe("Links", () => {
  it("a link is its real path: its helpers lie beside the real file, and two links to one file are one plugin", async () => {
    await using lab = new Lab()
    const home = join(lab.dir, "elsewhere")
    lab.write(`${home}/real.ts`, value("n", `import { n } from "./n.ts"`))
    lab.write(`${home}/folder/index.ts`, serving("folder"))
    symlinkSync(join(home, "real.ts"), lab.path("a.ts"))
    symlinkSync(join(home, "real.ts"), lab.path("b.ts"))
    symlinkSync(join(home, "folder"), lab.path("linked"))
    for (const n of [1, 2]) {
      lab.write(`${home}/n.ts`, `export const n = ${n}`)
      await lab.settle()
      expect({ value: await ask(lab), gen: lab.gen("a") }).toEqual({ value: n, gen: n })
    }
    expect(lab.root.plugins.map(({ id, file }) => [id, file])).toEqual([["a", join(home, "real.ts")], ["linked", join(home, "folder/index.ts")]])
  })

  it("a helper that is a link is an edit when it is turned, though no byte of either file changes", async () => {
    await using lab = new Lab()
    for (const n of [1, 2]) lab.write(`${lab.dir}/v${n}/n.ts`, `export const n = ${n}`)
    lab.write("a/index.ts", value("n", `import { n } from "./n.ts"`))
    for (const n of [1, 2]) {
      if (n === 2) lab.remove("a/n.ts")
      symlinkSync(join(lab.dir, `v${n}/n.ts`), lab.path("a/n.ts"))
      await lab.settle()
      await lab.settle()
      expect({ value: await ask(lab), gen: lab.gen("a") }).toEqual({ value: n, gen: n })
    }
  })

  it("a link that is turned to another file is an edit", async () => {
    await using lab = new Lab()
    for (const n of [1, 2]) lab.write(`${lab.dir}/v${n}/a.ts`, value(String(n)))
    for (const n of [1, 2]) {
      if (n === 2) lab.remove("a.ts")
      symlinkSync(join(lab.dir, `v${n}/a.ts`), lab.path("a.ts"))
      await lab.settle()
      expect({ value: await ask(lab), gen: lab.gen("a") }).toEqual({ value: n, gen: n })
    }
  })
})
