/** Whatever is wrong with a plugin, its author reads one clear message with file:line, and what was live goes on serving. */
import { symlinkSync, writeFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { Lab, plugin, serving, soon, turns } from "./harness.ts"

interface Bad { source: string | Uint8Array; says: RegExp; line?: number; in?: string; files?: Record<string, string>; waits?: number }

const cases: Record<string, Bad> = {
  "a syntax error": { source: `import { definePlugin } from "graft"\n\nexport default definePlugin({ setup( })\n`, says: /./, line: 3 },
  "a syntax error in a helper": { source: serving(2, { head: `import "./_helper.ts"` }), files: { "_helper.ts": "export const a = 1\nexport const b = = 2" }, says: /./, line: 2, in: "_helper.ts" },
  "broken JSON": { source: serving(2, { head: `import data from "./_data.json"`, body: "void data" }), files: { "_data.json": `{\n  "a": 1,\n  b\n}` }, says: /JSON/, line: 3, in: "_data.json" },
  "no export": { source: "const plugin = {}\n", says: /no default export/ },
  "an export of nothing": { source: "export default null", says: /the default export is null, not a plugin definition/ },
  "an export of something else": { source: "export default 42", says: /the default export is number, not a plugin definition/ },
  "no setup": { source: "export default {}", says: /has no "setup"/ },
  "a setup that is no function": { source: "export default { setup: 1 }", says: /"setup" is number, not function/ },
  "an unknown field": { source: "export default { setup() {}, need: [] }", says: /unknown field "need" in the definition; known are .*needs/ },
  "an unknown realm": { source: `export default { per: "session", setup() {} }`, says: /"per" is "session", not "process" or "location"/ },
  "a body that throws": { source: `const a = 1\nthrow new Error("broken body " + a)\nexport default {}`, says: /broken body 1/, line: 2 },
  "a body that rejects": { source: `await null\n\nthrow new Error("broken later")`, says: /broken later/, line: 3 },
  "a body that loops for ever": { source: "let n = 0\nwhile (true) n++\nexport default {}", says: /ran for 1000 ms without giving way: is there an endless loop\?/ },
  "a body that never ends": { source: "await new Promise(() => {})\nexport default {}", says: /loading .*a\.ts did not end within 10000 ms/, waits: 10_000 },
  "a setup that throws": { source: `import { definePlugin } from "graft"\ninterface Shifts { lines: true }\nexport default definePlugin({\n  setup() {\n    throw new Error("no luck")\n  },\n})`, says: /no luck/, line: 5 },
  "a setup that throws in a helper": { source: serving(2, { head: `import { help } from "./_helper.ts"`, body: "help()" }), files: { "_helper.ts": `type Shift = 1\nexport function help(): never {\n  throw new TypeError("not so")\n}` }, says: /not so/, line: 3, in: "_helper.ts" },
  "a setup that rejects": { source: `export default {\n  async setup() {\n    await null\n    throw new Error("too late")\n  },\n}`, says: /too late/, line: 4 },
  "a setup that throws no error": { source: `export default { setup() { throw "just a string" } }`, says: /just a string/ },
  "a setup that hangs": { source: `export default { setup: () => new Promise(() => {}) }`, says: /setup of a did not end within 10000 ms/, waits: 10_000 },
  "a setup that loops for ever": { source: "export default { setup() { for (;;); } }", says: /setup of a ran for 1000 ms without giving way: is there an endless loop\?/ },
  "a service provided twice": { source: plugin(`graft.provide("a", {}); graft.provide("a", {})`), says: /a provides "a" twice/ },
  "a service of another": { source: serving(2, { body: `graft.provide("other", {})` }), says: /"other" is provided by other@1 already: disable one of them/ },
  "a word of the kernel as a service": { source: serving(2, { body: `graft.provide("emit", {})` }), says: /"emit" is a word of the kernel/ },
  "a missing need": { source: serving(2, { fields: `needs: ["nobody"],` }), says: /"nobody"/ },
  "a missing service": { source: serving(2, { body: "await graft.nobody.help()" }), says: /"nobody"/ },
  "the wrong engines range": { source: serving(2, { fields: `engines: ">=7",` }), says: /wants the kernel API >=7, this is \d/ },
  "an empty file": { source: "", says: /no default export/ },
  "a half-written file": { source: serving(2).slice(0, 150), says: /Missing initializer/, line: 6 },
  "10 MB": { source: `export default {} //${"x".repeat(10_000_000)}`, says: /a\.ts: 10 MB is too large for a source file \(5 MB\)/ },
  "a binary file": { source: Uint8Array.from({ length: 4_096 }, (_, i) => (i * 7919) % 256), says: /this is a binary file, not source text/, line: 1 },
  "a circle of imports that needs what is not there yet": { source: serving(2, { head: `import "./_one.ts"` }), files: { "_one.ts": `import { two } from "./_two.ts"\nexport const one = two + 1`, "_two.ts": `import { one } from "./_one.ts"\nexport const two = one()` }, says: /is not a function/, line: 2, in: "_two.ts" },
  "a missing npm dependency": { source: `import { definePlugin } from "graft"\nimport fish from "law-missing/deep"\nexport default definePlugin({ setup() { fish() } })`, says: /cannot find "law-missing\/deep": install it beside the plugin \(npm install law-missing\)/, line: 2 },
  "a missing file": { source: serving(2, { head: `import { x } from "./_gone.ts"`, body: "void x" }), says: /cannot find "\.\/_gone\.ts"/, line: 2 },
  "a missing file of a lazy import": { source: serving(2, { body: `const later = () => import("./_gone.ts")\n    await later()` }), says: /cannot find "\.\/_gone\.ts"/ },
  "a helper that is a directory": { source: serving(2, { head: `import "./_dir"` }), files: { "_dir/readme.md": "" }, says: /_dir/ },
  "a dynamic import of nothing": { source: serving(2, { body: "await import(undefined)" }), says: /undefined/ },
}

describe("Bad input", () => {
  it.each(Object.entries(cases))("%s: one message, and the old generation serves on; healed, the new one does", async (_, { source, says, line, in: file = "a.ts", files = {}, waits }) => {
    await using lab = new Lab()
    await lab.put("other", (graft) => graft.provide("other", {}))
    lab.write("a.ts", serving(1))
    await lab.settle()
    for (const [name, text] of Object.entries(files)) lab.write(name, text)
    lab.write("a.ts", source)
    const pass = lab.kernel.reconcile()
    if (waits) await lab.clock.advance(waits)
    await soon("the pass", pass)
    await soon("being settled", lab.kernel.settled())
    await lab.settle()
    const told = lab.told.filter(({ event, payload }) => /^plugin\.(failed|waiting)$/.test(event) && payload.plugin === "a").map(({ payload }) => (payload.message ?? payload.reason) as string)
    expect(told.length).toBe(1)
    expect(told[0]).toMatch(says)
    const entry = lab.kernel.journal("a").filter(({ outcome }) => outcome !== "committed")
    expect(entry.length).toBe(1)
    expect(entry[0]!.message).toMatch(says)
    if (line) {
      expect(told[0]).toContain(`${lab.path(file)}:${line}`)
      expect(entry[0]!.where).toMatch(new RegExp(`${file.replace(".", "\\.")}:${line}(:\\d+)?$`))
      if (!(source instanceof Uint8Array)) expect(entry[0]!.frame).toMatch(new RegExp(`^> +${line} \\|`, "m"))
    }
    expect(await lab.graft.use("a").version()).toBe(1)
    expect(lab.view("a")).toMatchObject({ status: "live", gen: 1 })
    lab.write("a.ts", serving(3))
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(3)
  })

  it.each([["throws", `throw new Error("bad cleanup")`, /bad cleanup/, true], ["hangs", "return new Promise(() => {})", /its cleanup did not end within 5000 ms/, false]] as const)("a cleanup that %s is told with its generation, and the next one serves", async (_, cleanup, says, located) => {
    await using lab = new Lab()
    lab.write("a.ts", `import { definePlugin } from "graft"\nexport default definePlugin((graft) => {\n  graft.defer(() => graft.kernel.host.config.lab.note("the others ran"))\n  return () => {\n    ${cleanup}\n  }\n})`)
    await lab.settle()
    lab.write("a.ts", serving(2))
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(2)
    await lab.clock.advance(5_000)
    await lab.kernel.settled()
    expect(lab.notes).toEqual(["the others ran"])
    expect(lab.faults()).toMatchObject([{ plugin: "a", gen: 1, kind: "teardown", message: expect.stringMatching(says) }])
    if (located) expect(lab.faults()[0]!.where).toMatch(/a\.ts:5:\d+$/)
  })

  it.each(["declared", "called"])("a circle of needs, %s, is said with its path by each who is in it", async (how) => {
    await using lab = new Lab()
    const round = { a: "b", b: "c", c: "a" }
    for (const [id, need] of Object.entries(round)) lab.write(`${id}.ts`, serving(1, how === "declared" ? { fields: `needs: ["${need}"],` } : { body: `await graft.${need}.version()` }).replace("provide(graft.id", `provide("${id}"`))
    await lab.settle()
    expect(lab.root.plugins.map(({ status, reason }) => `${status}: ${reason}`)).toEqual(["a → b → c → a", "b → c → a → b", "c → a → b → c"].map((path) => `waiting: waits in a circle: ${path}`))
    lab.write("b.ts", serving(2))
    await lab.settle()
    expect(lab.root.plugins.map(({ status }) => status)).toEqual(["live", "live", "live"])
  })

  it("a file that is being written is read again, and what it becomes is the only thing said of it", async () => {
    await using lab = new Lab()
    lab.write("a.ts", serving(1))
    await lab.settle()
    const whole = serving(2)
    lab.write("a.ts", "", { young: true })
    const pass = lab.kernel.reconcile([lab.path("a.ts")])
    await lab.clock.advance(40)
    writeFileSync(lab.path("a.ts"), whole.slice(0, 90))
    await lab.clock.advance(55)
    writeFileSync(lab.path("a.ts"), whole)
    await lab.clock.advance(300)
    await soon("the pass", pass)
    expect(await lab.graft.use("a").version()).toBe(2)
    expect(lab.heard("plugin.failed")).toEqual([])
  })

  it("links that loop or lead nowhere, and roots that are not there, are nothing, and harm nobody", async () => {
    await using lab = new Lab()
    const { addRoot } = lab.kernel.graft.kernel
    await addRoot({ dir: `${lab.dir}/nowhere`, per: "process" })
    await addRoot({ dir: lab.write(`${lab.dir}/file`, "not a directory"), per: "process" })
    symlinkSync("loop.ts", lab.path("loop.ts"))
    symlinkSync("pong", lab.path("ping"))
    symlinkSync("ping", lab.path("pong"))
    symlinkSync("../gone.ts", lab.path("gone.ts"))
    lab.write("a/index.ts", serving(1, { head: `import { deep } from "./self/self/deep.ts"`, body: "void deep" }))
    lab.write("a/deep.ts", `export { deep } from "./self/other.ts"`)
    lab.write("a/other.ts", "export const deep = 1")
    symlinkSync(".", lab.path("a/self"))
    await lab.settle()
    expect(lab.root.plugins.map(({ id, status, reason }) => `${id} ${status} ${reason}`)).toEqual(["a live "])
    expect(lab.view("a")!.files.sort()).toEqual(["a/deep.ts", "a/index.ts", "a/other.ts"].map((file) => lab.path(file)))
  })

  it("a first version that is broken says so, and one that comes later is live", async () => {
    await using lab = new Lab()
    lab.write("a.ts", "export default {")
    await lab.settle()
    expect(lab.view("a")).toMatchObject({ status: "failed", gen: 0, reason: expect.stringContaining("a.ts:1") })
    lab.write("a.ts", serving(1))
    await lab.settle()
    expect(lab.view("a")).toMatchObject({ status: "live", gen: 1, reason: "" })
  })

  it("an override that is broken from the start says so, and what it shadows serves; mended, it takes over", async () => {
    await using lab = new Lab({ roots: [] })
    const { addRoot } = lab.kernel.graft.kernel
    lab.write("own/tool.ts", serving("own"))
    lab.write("mine/tool.ts", "export default {")
    await addRoot({ dir: lab.path("own"), kind: "built-in" })
    await addRoot({ dir: lab.path("mine"), kind: "user" })
    await lab.kernel.settled()
    expect(await lab.graft.use("tool").version()).toBe("own")
    expect(lab.heard("plugin.failed")).toMatchObject([{ plugin: "tool", file: lab.path("mine/tool.ts"), message: expect.stringContaining("mine/tool.ts:1") }])
    lab.write("own/tool.ts", serving("own, edited"))
    await lab.settle()
    await lab.settle()
    expect(lab.heard("plugin.failed").length).toBe(1)
    expect(await lab.graft.use("tool").version()).toBe("own, edited")
    lab.write("mine/tool.ts", serving("mine"))
    await lab.settle()
    expect(await lab.graft.use("tool").version()).toBe("mine")
  })

  it("an override that is deleted is gone, even where what it shadowed is broken", async () => {
    await using lab = new Lab({ roots: [] })
    const { addRoot } = lab.kernel.graft.kernel
    lab.write("own/tool.ts", "export default {")
    lab.write("mine/tool.ts", serving("mine"))
    await addRoot({ dir: lab.path("own"), kind: "built-in" })
    await addRoot({ dir: lab.path("mine"), kind: "user", per: "process" })
    await lab.kernel.settled()
    expect(await lab.graft.use("tool").version()).toBe("mine")
    lab.write("mine/tool.ts", "export default 1")
    await lab.settle()
    expect(await lab.graft.use("tool").version()).toBe("mine")
    lab.remove("mine/tool.ts")
    await lab.settle()
    expect(lab.view("tool")).toMatchObject({ gen: 0, status: "failed", reason: expect.stringContaining("own/tool.ts:1") })
  })

  it("what is put over a file, and fails, leaves what was put before", async () => {
    await using lab = new Lab()
    lab.write("a.ts", serving("file"))
    await lab.settle()
    await lab.put("a", (graft) => graft.provide("a", { version: async () => "put" }))
    await lab.put("a", () => { throw new Error("no") })
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe("put")
    await lab.kernel.drop("a")
    expect(await lab.graft.use("a").version()).toBe("file")
  })

  it("a file with the id of a live plugin that does not serve what others use is refused by name", async () => {
    await using lab = new Lab({ roots: [] })
    const { addRoot } = lab.kernel.graft.kernel
    lab.write("own/tool.ts", serving(1))
    lab.write("own/user.ts", serving(1, { fields: `needs: ["tool"],` }))
    await addRoot({ dir: lab.path("own"), kind: "built-in" })
    await lab.kernel.settled()
    lab.write("mine/tool.ts", plugin(`graft.add("thing", { name: "mine" })`, { fields: `per: "process",` }))
    await addRoot({ dir: lab.path("mine"), kind: "user" })
    await lab.kernel.settled()
    expect(lab.last("tool")!.message).toMatch(/mine\/tool\.ts has the id of the live plugin "tool" and does not provide "tool", which user@1 use: rename it/)
    expect(await lab.graft.use("tool").version()).toBe(1)
    lab.write("mine/tool.ts", serving(2, { fields: `per: "process",` }))
    await lab.settle()
    expect(await lab.graft.use("tool").version()).toBe(2)
    lab.remove("mine/tool.ts")
    await lab.settle()
    await turns()
    expect(await lab.graft.use("tool").version()).toBe(1)
  })
})
