/** Independent plugins do not know of each other, and every step has a way back (L28). */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Lab, outcome, serving, shape, soon, until, type Plugin } from "./harness.ts"

const table = (lab: Lab) => ({ services: lab.root.services, slots: lab.root.slots, rows: [...lab.graft.all("thing")], plugins: lab.root.plugins.map(({ id, status, files, hash }) => ({ id, status, files, hash })) })
const counting = (version: number, stateVersion = 1): string => serving(version, { fields: `state: { version: ${stateVersion}, init: () => ({ count: 0 }), migrate: (old) => ({ ...old }) },`, body: `graft.provide(graft.id + "_count", { add: async () => graft.state.update((draft) => { draft.count++ }), get: async () => graft.state.value.count })` })

describe("L28 Commutation", () => {
  it("commits of independent plugins commute", async () => {
    const edits = fc.array(fc.record({ id: fc.constantFrom("a", "b", "c"), version: fc.integer({ min: 0, max: 3 }) }), { maxLength: 8 })
    await fc.assert(fc.asyncProperty(edits, fc.infiniteStream(fc.nat(2)), async (edits, dice) => {
      const play = async (order: typeof edits) => {
        const lab = new Lab()
        for (const { id, version } of order) {
          if (version === 0) { lab.write(`${id}.ts`, ""); lab.remove(`${id}.ts`) }
          else lab.write(`${id}.ts`, version === 3 ? "export default {" : serving(version))
          await lab.settle()
        }
        return lab
      }
      // Another interleaving: each plugin's own edits stay in their order.
      const queues = ["a", "b", "c"].map((id) => edits.filter((edit) => edit.id === id))
      const shuffled: typeof edits = []
      while (queues.some((queue) => queue.length)) shuffled.push(...queues[dice.next().value]!.splice(0, 1))
      await using one = await play(edits)
      await using other = await play(shuffled)
      const named = (lab: Lab) => JSON.stringify([shape(lab.kernel.inspect()), lab.root.plugins.map(({ id, gen }) => `${id}@${gen}`), [...lab.graft.all("thing")]]).replaceAll(lab.dir, "").replace(/"hash":"\w*",/g, "")
      expect(named(other)).toEqual(named(one))
    }), { numRuns: 25 })
  })

  it("loading and unloading again is nothing, on the whole table", async () => {
    await using lab = new Lab()
    for (const id of ["a", "c"]) lab.write(`${id}.ts`, serving(1))
    await lab.settle()
    const before = table(lab)
    lab.write("b.ts", serving(1, { body: `graft.add("other", { name: "b" }); graft.on("law.ask", (draft) => void draft.push("b"))` }))
    await lab.settle()
    expect(table(lab)).not.toEqual(before)
    lab.remove("b.ts")
    await lab.settle()
    await lab.settle()
    expect(table(lab)).toEqual(before)
    expect((await lab.graft.mutate("law.ask", [])).value).toEqual([])
    const put: Plugin["setup"] = (graft) => { graft.add("other", { name: "b" }) }
    await lab.put("b", put)
    await lab.kernel.drop("b")
    await lab.settle()
    expect(table(lab)).toEqual(before)
  })

  it("unloading and loading again is nothing", async () => {
    await using lab = new Lab()
    for (const id of ["a", "b"]) lab.write(`${id}.ts`, counting(1))
    await lab.settle()
    const { disable, enable } = lab.kernel.graft.kernel
    const before = shape(lab.kernel.inspect())
    lab.rename("b.ts", "_b.ts")
    await lab.settle()
    expect(Object.keys(lab.root.services)).toEqual(["a", "a_count"])
    lab.rename("_b.ts", "b.ts")
    await lab.settle()
    expect(shape(lab.kernel.inspect())).toEqual(before)
    await lab.graft.use("a_count").add()
    await disable("a")
    await enable("a")
    expect(shape(lab.kernel.inspect())).toEqual(before)
    expect(await lab.graft.use("a_count").get()).toBe(1)
  })

  it.each([[1, "the state too"], [2, "the state migrated"]])("undo after a reload is the code of before, at state version %i with %s", async (stateVersion) => {
    await using lab = new Lab()
    lab.write("a.ts", counting(1))
    await lab.settle()
    await lab.graft.use("a_count").add()
    const before = { version: await lab.graft.use("a").version(), rows: [...lab.graft.all("thing")], hash: lab.view("a")!.hash }
    lab.write("a.ts", counting(2, stateVersion))
    await lab.settle()
    await lab.graft.use("a_count").add()
    await lab.kernel.undo("a", "I did not mean it")
    expect({ version: await lab.graft.use("a").version(), rows: [...lab.graft.all("thing")], hash: lab.view("a")!.hash }).toEqual(before)
    expect(await lab.graft.use("a_count").get()).toBe(2)
    expect(lab.gen("a")).toBe(3)
    expect(lab.last("a")).toMatchObject({ outcome: "reverted", message: "I did not mean it", gen: 3 })
    await lab.kernel.settled()
    expect(lab.heard("plugin.reverted")).toMatchObject([{ plugin: "a", gen: 3, reason: "I did not mean it" }])
  })

  it("what was undone is refused until its bytes change, also in its helpers; a cold start takes the disk's word", async () => {
    await using lab = new Lab()
    const [v1, v2, v3] = [1, 2, 3].map((version) => serving(version, { head: `import "./_helper.ts"` }))
    lab.write("_helper.ts", "export {}")
    lab.write("a.ts", v1!)
    await lab.settle()
    lab.write("a.ts", v2!)
    await lab.settle()
    await lab.kernel.undo("a")
    for (let i = 0; i < 2; i++) {
      lab.touch("a.ts")
      await lab.settle([])
      expect({ version: await lab.graft.use("a").version(), gen: lab.gen("a") }).toEqual({ version: 1, gen: 3 })
    }
    await using cold = new Lab({ roots: [{ dir: lab.plugins, per: "process" }] })
    await cold.settle()
    expect(await cold.graft.use("a").version()).toBe(2)
    lab.write("_helper.ts", "export const changed = 1")
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(2)
    lab.write("a.ts", v3!)
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(3)
    await lab.kernel.undo("a")
    expect(await lab.graft.use("a").version()).toBe(2)
    await lab.kernel.undo("a")
    expect(await lab.graft.use("a").version()).toBe(1)
  })

  it("what was undone stays undone while its bytes stay, also when the plugin was away in the meantime", async () => {
    await using lab = new Lab()
    const { disable, enable } = lab.kernel.graft.kernel
    lab.write("need.ts", serving(1))
    lab.write("a.ts", serving(1, { fields: `needs: ["need"],` }))
    await lab.settle()
    lab.write("a.ts", serving(2, { fields: `needs: ["need"],` }))
    await lab.settle()
    await lab.kernel.undo("a")
    for (const away of ["a", "need"]) {
      await disable(away)
      await lab.settle()
      expect(lab.gen("a")).toBe(0)
      await enable(away)
      await lab.settle()
      expect({ away, version: await lab.graft.use("a").version() }).toEqual({ away, version: 1 })
    }
    lab.write("a.ts", serving(3, { fields: `needs: ["need"],` }))
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(3)
  })

  it("what was undone and deleted is still undone when the same bytes come back", async () => {
    await using lab = new Lab()
    for (const version of [1, 2]) {
      lab.write("a.ts", serving(version))
      await lab.settle()
    }
    await lab.kernel.undo("a")
    lab.remove("a.ts")
    await lab.settle()
    lab.write("a.ts", serving(2))
    await lab.settle()
    expect({ version: await lab.graft.use("a").version(), gen: lab.gen("a") }).toEqual({ version: 1, gen: 4 })
    expect(lab.last("a")).toMatchObject({ outcome: "reverted", message: "undone by hand" })
  })

  it("an undo waits its turn, and is over when what it was about was replaced meanwhile; said twice it is done once", async () => {
    await using lab = new Lab()
    for (const version of [1, 2]) {
      lab.write("a.ts", serving(version))
      await lab.settle()
    }
    const undone = Promise.all([lab.kernel.undo("a"), lab.kernel.undo("a")])
    await soon("the undoing", undone)
    expect({ version: await lab.graft.use("a").version(), gen: lab.gen("a") }).toEqual({ version: 1, gen: 3 })
    lab.write("a.ts", serving(3, { body: `await lab.gate("setup")` }))
    const pass = lab.kernel.reconcile()
    await until("its setup", () => lab.gates.has("setup"))
    const again = lab.kernel.undo("a")
    lab.open("setup")
    await soon("both", Promise.all([pass, again]))
    expect(lab.kernel.journal("a").map(({ outcome, gen }) => `${outcome} ${gen}`)).toEqual(["committed 1", "committed 2", "reverted 3", "committed 4"])
    expect(await lab.graft.use("a").version()).toBe(3)
  })

  it("what cannot go back stays, and whoever asked is told why", async () => {
    await using lab = new Lab()
    lab.write("a.ts", serving(1, { body: `if (graft.gen > 2) throw new Error("the world has moved on")` }))
    await lab.settle()
    lab.write("a.ts", serving(2))
    await lab.settle()
    expect(await outcome(lab.kernel.undo("a"))).toMatchObject({ code: "Refused", message: expect.stringMatching(/"a" cannot go back: the world has moved on/) })
    expect(await outcome(lab.kernel.undo("nobody"))).toMatchObject({ code: "Refused", message: `no live plugin "nobody"` })
    await lab.settle()
    expect({ version: await lab.graft.use("a").version(), gen: lab.gen("a"), closed: lab.notes }).toEqual({ version: 2, gen: 2, closed: ["closed a@1", "closed a@3"] })
    const { disable, enable } = lab.kernel.graft.kernel
    await disable("a")
    await enable("a")
    expect(await lab.graft.use("a").version()).toBe(2)
  })

  it("a broken save that is not live is no reason to keep what is undone", async () => {
    await using lab = new Lab()
    for (const source of [serving(1), serving(2), "export default {"]) {
      lab.write("a.ts", source)
      await lab.settle()
    }
    await lab.kernel.undo("a")
    expect(await lab.graft.use("a").version()).toBe(1)
    lab.write("a.ts", serving(3))
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(3)
  })

  it("what was put without a file is undone as well, and the next one that is put is taken", async () => {
    await using lab = new Lab()
    const put = (version: number) => lab.put("a", (graft) => graft.provide("a", { version: async () => version }))
    await put(1)
    await put(2)
    await lab.kernel.undo("a")
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(1)
    await put(3)
    expect(await lab.graft.use("a").version()).toBe(3)
  })

  it("where nothing of its own goes before it, what it shadows serves, and goes on following the disk", async () => {
    await using lab = new Lab({ roots: [] })
    const { addRoot } = lab.kernel.graft.kernel
    lab.write("own/a.ts", serving("own"))
    lab.write("mine/a.ts", serving("mine", { fields: `per: "process",` }))
    await addRoot({ dir: lab.path("own"), kind: "built-in" })
    await addRoot({ dir: lab.path("mine"), kind: "user" })
    await lab.put("user", { needs: ["a"], setup() {} })
    await lab.kernel.undo("a", "it is no good")
    expect({ version: await lab.graft.use("a").version(), user: lab.gen("user") }).toEqual({ version: "own", user: 1 })
    lab.write("own/a.ts", serving("own, edited"))
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe("own, edited")
    lab.write("mine/a.ts", serving("mine, mended", { fields: `per: "process",` }))
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe("mine, mended")
  })

  it("undone, the old helpers run as well, from the sources that were kept", async () => {
    await using lab = new Lab()
    const source = serving("it", { head: `import { helper } from "./_helper.ts"\nimport data from "./_data.json"`, body: `graft.provide("helped", { by: async () => [helper, data.n, (await import("./_lazy.ts")).lazy] })` })
    const write = (n: number) => { lab.write("_helper.ts", `export const helper = ${n}`); lab.write("_data.json", `{"n":${n}}`); lab.write("_lazy.ts", `export const lazy = ${n}`) }
    write(1)
    lab.write("a.ts", source)
    await lab.settle()
    write(2)
    await lab.settle()
    expect(await lab.graft.use("helped").by()).toEqual([2, 2, 2])
    for (const file of ["_helper.ts", "_lazy.ts"]) lab.remove(file)
    await lab.kernel.undo("a")
    expect(await lab.graft.use("helped").by()).toEqual([1, 1, 1])
  })

  it("without an earlier version, undo takes the plugin out; a fix of its bytes brings it back", async () => {
    await using lab = new Lab()
    lab.write("a.ts", serving(1))
    await lab.settle()
    await lab.kernel.undo("a", "it throws")
    await lab.settle()
    expect(lab.view("a")).toMatchObject({ status: "failed", gen: 0, reason: "it throws" })
    lab.write("a.ts", serving(2))
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(2)
  })

  it("a pinned plugin ignores the disk until it is unpinned", async () => {
    await using lab = new Lab()
    lab.write("a.ts", serving(1))
    await lab.settle()
    lab.kernel.pin("a")
    lab.write("a.ts", serving(2))
    await lab.settle()
    expect({ version: await lab.graft.use("a").version(), pinned: lab.view("a")!.pinned }).toEqual({ version: 1, pinned: true })
    lab.kernel.pin("a", false)
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(2)
  })
})
