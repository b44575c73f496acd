/** A plugin is its closure: the bytes of all its files and its options, nothing less and nothing more, decide what is live (L10–L13). */
import * as fc from "fast-check"
import type { Schema } from "graft"
import { describe, expect, it } from "vitest"
import { Lab, outcome, serving, shape, soon, turns } from "./harness.ts"

describe("L10 Convergence", () => {
  it("after settling, what is live depends on the bytes alone, and equals a cold start", async () => {
    const edit = fc.record({ file: fc.constantFrom("a.ts", "b.ts", "_shared.ts"), version: fc.integer({ min: 0, max: 3 }), then: fc.constantFrom("nothing", "turn", "hint", "rescan", "wait") })
    const source = (file: string, version: number) => (file === "_shared.ts" ? `export const shared = ${version}` : version === 3 ? "export default {" : serving(version, { head: file === "a.ts" ? `import { shared } from "./_shared.ts"` : "", body: `graft.add("thing", { name: "more", is: ${file === "a.ts" ? "shared" : 0} })` }))
    await fc.assert(fc.asyncProperty(fc.array(edit, { maxLength: 12, size: "max" }), async (edits) => {
      await using lab = new Lab()
      lab.write("_shared.ts", "export const shared = 0")
      const passes: Promise<void>[] = []
      for (const { file, version, then } of [...edits, ...["a.ts", "b.ts"].map((file) => ({ file, version: 2, then: "nothing" }))]) {
        if (version === 0) {
          lab.write(file, "")
          if (file !== "_shared.ts") lab.remove(file)
        } else lab.write(file, source(file, version))
        if (then === "turn") await turns(1)
        if (then === "hint") passes.push(lab.kernel.reconcile([lab.path(file)]))
        if (then === "rescan") passes.push(lab.kernel.reconcile())
        if (then === "wait") await lab.clock.advance(20)
      }
      if (edits.findLast(({ file }) => file === "_shared.ts")?.version === 0) lab.write("_shared.ts", "export const shared = 9")
      // A hint of one file never narrows the comparison to it.
      passes.push(lab.kernel.reconcile([lab.path("elsewhere.ts")]))
      await lab.clock.advance(1_100)
      await soon("the passes", Promise.all(passes))
      await lab.kernel.settled()
      await using cold = new Lab({ roots: [{ dir: lab.plugins, per: "process" }] })
      await cold.settle()
      expect(shape(lab.kernel.inspect())).toEqual(shape(cold.kernel.inspect()))
      expect([...lab.graft.all("thing")]).toEqual([...cold.graft.all("thing")])
    }), { numRuns: 30 })
  })
})

const closure = (lab: Lab) => {
  lab.write("a/index.ts", serving(1, { head: `import { one } from "./one.ts"\nimport data from "./data.json" with { type: "json" }\nimport type { Only } from "./only.ts"\nimport dep from "dep"`, fields: `assets: ["note.md"],`, body: `graft.add("value", { name: "it", one, data, dep, lazy: (await import("./lazy.ts")).lazy })\ngraft.provide("later", { load: () => import("./later.ts") })` }))
  lab.write("a/one.ts", `import { two } from "./deep/two.ts"\nexport const one = two`)
  lab.write("a/deep/two.ts", "export const two = 2")
  lab.write("a/lazy.ts", "export const lazy = 1")
  lab.write("a/later.ts", `import "./much-later.ts"`)
  lab.write("a/much-later.ts", "")
  lab.write("a/only.ts", "export type Only = 1")
  lab.write("a/data.json", `{"x":1}`)
  lab.write("a/note.md", "note")
  lab.write("a/README.md", "readme")
  lab.write("b.ts", serving(1))
  lab.write(`${lab.dir}/node_modules/dep/package.json`, `{"name":"dep","version":"1.0.0","main":"index.js"}`)
  lab.write(`${lab.dir}/node_modules/dep/index.js`, "module.exports = 1")
}

describe("L11 Idempotence", () => {
  it("the same bytes again, another mtime, a move and back, the same config: nothing happens", async () => {
    await using lab = new Lab()
    closure(lab)
    await lab.settle()
    await lab.kernel.graft.kernel.configure(undefined, { a: { x: [1] } })
    await lab.clock.advance(1)
    const [before, told, journal] = [lab.kernel.inspect(), lab.told.length, lab.kernel.journal().length]
    for (const file of ["a/index.ts", "a/deep/two.ts", "a/data.json", "a/note.md"]) lab.touch(file)
    lab.write("a/one.ts", `import { two } from "./deep/two.ts"\nexport const one = two`)
    lab.rename("b.ts", "_b.ts")
    lab.rename("_b.ts", "b.ts")
    const pass = lab.kernel.reconcile([lab.path("a/one.ts"), lab.path("b.ts")])
    await lab.clock.advance(20)
    // Editors replace a file by another, or by a link: for a moment it is not there.
    lab.rename("b.ts", "_b.ts")
    await lab.clock.advance(100)
    lab.rename("_b.ts", "b.ts")
    await lab.clock.advance(1_000)
    await pass
    await lab.kernel.graft.kernel.configure(undefined, { a: { x: [1] } })
    await lab.settle()
    expect({ view: lab.kernel.inspect(), told: lab.told.slice(told), journal: lab.kernel.journal().length }).toEqual({ view: before, told: [], journal })
  })
})

describe("L12 Precision", () => {
  const edits: [file: string, source: string, reloads: number][] = [
    ["a/index.ts", serving(2), 1], ["a/one.ts", "export const one = 9", 1], ["a/deep/two.ts", "export const two = 9", 1], ["a/lazy.ts", "export const lazy = 9", 1], ["a/later.ts", "export {}", 1], ["a/much-later.ts", "export {}", 1], ["a/data.json", `{"x":9}`, 1], ["a/note.md", "other", 1],
    ["a/only.ts", "export type Only = 9", 0], ["a/README.md", "other", 0], ["a/new.ts", "export default 1", 0], ["b.ts", serving(9), 0], ["_c.ts", "x", 0],
  ]
  it.each(edits)("an edit of %s reloads what it belongs to, and nothing else", async (file, source, reloads) => {
    await using lab = new Lab()
    closure(lab)
    await lab.settle()
    lab.write(file, source)
    await lab.settle()
    expect({ a: lab.gen("a"), b: lab.gen("b") }).toEqual({ a: 1 + reloads, b: file === "b.ts" ? 2 : 1 })
  })

  it("another version of a package is another generation", async () => {
    await using lab = new Lab()
    closure(lab)
    await lab.settle()
    lab.write(`${lab.dir}/node_modules/dep/package.json`, `{"name":"dep","version":"2.0.0","main":"index.js"}`)
    lab.write(`${lab.dir}/node_modules/dep/index.js`, "module.exports = 2")
    await lab.settle()
    expect(lab.gen("a")).toBe(2)
    expect(lab.graft.all("value").get("it").dep).toBe(2)
  })

  it("changed options reload a plugin, unless it takes them while it runs", async () => {
    await using lab = new Lab()
    await lab.put("plain", (graft) => lab.note(`plain ${JSON.stringify(graft.options)}`))
    await lab.put("hot", (graft) => { lab.note("hot"); graft.onOptions((next, previous) => { lab.note(`${JSON.stringify(previous)} → ${JSON.stringify(next)}`); return (next as { big?: true }).big && "reload" }) })
    const configure = (block: object) => lab.kernel.graft.kernel.configure(undefined, { plain: block, hot: block, stranger: {} })
    await configure({ x: 1 })
    await configure({ x: 1 })
    await configure({ x: 2, big: true })
    expect(lab.notes.filter((note) => note.startsWith("plain"))).toEqual(["plain {}", `plain {"x":1}`, `plain {"x":2,"big":true}`])
    expect(lab.notes.filter((note) => !note.startsWith("plain"))).toEqual(["hot", `{} → {"x":1}`, `{"x":1} → {"x":2,"big":true}`, "hot"])
    expect({ plain: lab.gen("plain"), hot: lab.gen("hot") }).toEqual({ plain: 3, hot: 2 })
  })

  it("options that are refused by their schema, or by who listens for them, leave what is live as it is, or reload it", async () => {
    await using lab = new Lab()
    const options: Schema = { "~standard": { version: 1, vendor: "law", validate: (value) => ((value as { x?: number }).x === 9 ? { issues: [{ message: "not nine", path: ["x"] }] } : { value }) } }
    await lab.put("a", { options, setup: (graft) => { graft.onOptions(() => { throw new Error("no") }); lab.note(JSON.stringify(graft.options)) } })
    const configure = (x: number) => lab.kernel.graft.kernel.configure(undefined, { a: { x } })
    await configure(1)
    await configure(9)
    await configure(9)
    expect({ notes: lab.notes, gen: lab.gen("a"), failed: lab.heard("plugin.failed").map(({ message }) => message) }).toEqual({ notes: ["{}", `{"x":1}`], gen: 2, failed: ["plugins.a.x: not nine"] })
    expect(lab.faults()).toMatchObject([{ plugin: "a", gen: 1, during: "onOptions", message: "no" }])
  })
})

describe("L13 Retry completeness", () => {
  const uses = (head: string, body = "") => serving(1, { head, body })
  const cures: [what: string, start: Record<string, string>, cure: Record<string, string>][] = [
    ["a broken helper", { "a.ts": uses(`import "./_x.ts"`), "_x.ts": "export const x = (" }, { "_x.ts": "export const x = 1" }],
    ["a helper of a broken helper", { "a.ts": uses(`import "./_x.ts"`), "_x.ts": `import "./_y.ts"`, "_y.ts": "throw new Error('no')" }, { "_y.ts": "" }],
    ["broken JSON", { "a.ts": uses(`import x from "./_x.json"`, "void x"), "_x.json": "{" }, { "_x.json": "{}" }],
    ["a missing helper", { "a.ts": uses(`import "./_x.ts"`) }, { "_x.ts": "" }],
    ["a missing helper without its ending", { "a.ts": uses(`import "./_deep/x"`) }, { "_deep/x.ts": "" }],
    ["a missing lazy helper", { "a.ts": uses("", `await import("./_x.ts")`) }, { "_x.ts": "" }],
    ["a missing package", { "a.ts": uses(`import "dep"`) }, { "../node_modules/dep/package.json": `{"name":"dep","version":"1.0.0","main":"i.js"}`, "../node_modules/dep/i.js": "" }],
    ["setup that does not like its data", { "a.ts": uses(`import x from "./_x.json"`, `if (!x.ok) throw new Error("no")`), "_x.json": "{}" }, { "_x.json": `{"ok":true}` }],
    ["a deadlier entry", { "a.ts": "export default 1" }, { "a.ts": serving(1) }],
  ]
  it.each(cures)("%s: failed, untouched by a rescan, and cured by exactly that file", async (_, start, cure) => {
    await using lab = new Lab()
    for (const [file, source] of Object.entries(start)) lab.write(file, source)
    await lab.settle()
    expect(lab.view("a")!.status).toBe("failed")
    const tries = lab.kernel.journal("a").length
    await lab.settle()
    expect(lab.kernel.journal("a").length).toBe(tries)
    for (const [file, source] of Object.entries(cure)) lab.write(file, source)
    await lab.settle()
    expect(lab.view("a")).toMatchObject({ status: "live", reason: "" })
  })

  it("whatever could cure or change a plugin is watched: its files, what it failed to find, the manifests of its packages, the roots", async () => {
    await using lab = new Lab()
    closure(lab)
    lab.write("c.ts", uses(`import "./_deep/x.ts"\nimport "dep/more"`))
    lab.write("d.ts", uses("", `graft.provide("late", { load: () => import("./_gone/y.ts") })`))
    lab.write("e.ts", uses("", `await graft.keep("x", "1", () => { throw new Error("no") }, () => {})`))
    lab.write("f.ts", serving(1, { fields: `assets: ["_asset/note.md"],` }))
    await lab.settle()
    expect(lab.root.plugins.map(({ id, status }) => `${id} ${status}`)).toEqual(["a live", "b live", "c failed", "d live", "e failed", "f live"])
    await outcome(lab.graft.use("late").load())
    const watched = lab.kernel.graft.kernel.watched()
    expect(new Set(watched).size).toBe(watched.length)
    const files = ["a/index.ts", "a/one.ts", "a/deep/two.ts", "a/lazy.ts", "a/later.ts", "a/much-later.ts", "a/data.json", "a/note.md", "b.ts", "c.ts", "d.ts", "e.ts", "f.ts"].map((file) => lab.path(file))
    expect(watched.toSorted()).toEqual([lab.plugins, ...files, `${lab.dir}/node_modules/dep/package.json`].toSorted())
    lab.write("_deep/x.ts", "")
    await lab.settle()
    expect(lab.last("c")!.message).toContain("dep/more")
    expect(lab.kernel.graft.kernel.watched()).toContain(`${lab.dir}/node_modules/dep`)
    for (const file of ["_gone/y.ts", "_asset/note.md"]) lab.write(file, "")
    await lab.settle()
    expect({ d: lab.gen("d"), f: lab.gen("f") }).toEqual({ d: 2, f: 2 })
  })

  it("a file that is still being written is read again before it is believed", async () => {
    await using lab = new Lab()
    for (const half of ["", "export default {", "export const a = 1"]) {
      lab.write("a.ts", half, { young: true })
      const pass = lab.kernel.reconcile()
      await lab.clock.advance(60)
      lab.write("a.ts", serving(1), { young: true })
      await lab.clock.advance(400)
      await soon("the pass", pass)
      expect({ half, status: lab.view("a")!.status }).toEqual({ half, status: "live" })
      lab.remove("a.ts")
      await lab.settle()
    }
    lab.write("a.ts", uses(`import "./_x.ts"`))
    lab.write("_x.ts", "export const x = (", { young: true })
    const pass = lab.kernel.reconcile()
    await lab.clock.advance(60)
    lab.write("_x.ts", "export const x = 1", { young: true })
    await lab.clock.advance(400)
    await soon("the pass", pass)
    expect(lab.view("a")!.status).toBe("live")
    expect(lab.heard("plugin.failed")).toEqual([])
  })
})
