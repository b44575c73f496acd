/** The laws hold in each project by itself: a location sees the process, the process does not see into it, and projects do not see each other. */
import { mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { Lab, outcome, plugin, serving, soon, turns, type Instance } from "./harness.ts"

const project = (lab: Lab, name: string): string => {
  const dir = join(lab.dir, name)
  mkdirSync(join(dir, ".git"), { recursive: true })
  return dir
}
const open = (lab: Lab, dir: string) => lab.kernel.child(dir) as unknown as Promise<Instance & Disposable>
const here = serving("here", { fields: `per: "location",`, body: `graft.add("where", { name: graft.location ?? "root" }); graft.on("law.ask", (draft) => void draft.push("location")); graft.on("law.choice", () => "location")` })

describe("Realms, and what L27 Trust stands on", () => {
  it("a plugin of locations lives in each that is open, numbered and closed by itself; at the root its service says whom to ask", async () => {
    await using lab = new Lab({ roots: [] })
    lab.write("a.ts", here)
    await lab.kernel.graft.kernel.addRoot({ dir: lab.plugins })
    expect(await outcome(lab.graft.use("a").version())).toMatchObject({ code: "NeedsLocation", message: expect.stringContaining("graft.at(directory)") })
    const [one, two] = [project(lab, "one"), project(lab, "two")]
    using first = await open(lab, one)
    expect(await soon("a call into a realm that comes up", first.use("a").version())).toBe("here")
    using second = await open(lab, join(two, "src", "deep"))
    expect(await second.use("a").version()).toBe("here")
    expect(second.location).toBe(two)
    expect(lab.kernel.graft.kernel.locations()).toEqual([one, two])
    await lab.kernel.graft.kernel.configure(one, { a: { x: 1 } })
    expect(lab.kernel.inspect().realms.map(({ id, plugins }) => [id, plugins.map((plugin) => `${plugin.id}@${plugin.gen}`)])).toEqual([["root", []], [one, ["a@2"]], [two, ["a@1"]]])
    expect([...first.all("where")].map(({ name }) => name)).toEqual([one])
    expect([...lab.graft.all("where")]).toEqual([])
    await lab.kernel.graft.kernel.configure(one, { a: false })
    expect((await outcome(first.use("a").version())).code).toBe("Unavailable")
    expect(await second.use("a").version()).toBe("here")
  })

  it("one file in many realms is compiled once, and runs in each by itself", async () => {
    await using lab = new Lab({ roots: [] })
    const own = `let n = 0\n${plugin(`graft.provide("a", { count: async () => ++n })`, { fields: `per: "location",` })}`
    lab.write("a.ts", own)
    await lab.kernel.graft.kernel.addRoot({ dir: lab.plugins })
    using first = await open(lab, project(lab, "one"))
    using second = await open(lab, project(lab, "two"))
    expect([await first.use("a").count(), await first.use("a").count(), await second.use("a").count()]).toEqual([1, 2, 1])
    expect(readdirSync(join(lab.dir, "data/cache/compiled")).length).toBe(1)
  })

  it("a location sees the process's services and rows, follows their reloads, and waits when they go", async () => {
    await using lab = new Lab({ roots: [] })
    await lab.put("base", (graft) => { graft.provide("base", { gen: async () => graft.gen }); graft.add("where", { name: "base" }) })
    lab.write("a.ts", serving("here", { fields: `per: "location", needs: ["base"],`, body: `graft.add("where", { name: "a" }); graft.provide("through", { gen: () => graft.base.gen() }); graft.all("where").onChange(({ updated }) => lab.note("updated " + updated.length))` }))
    await lab.kernel.graft.kernel.addRoot({ dir: lab.plugins })
    using first = await open(lab, project(lab, "one"))
    expect(await first.use("through").gen()).toBe(1)
    await lab.put("base", (graft) => { graft.provide("base", { gen: async () => graft.gen }); graft.add("where", { name: "base", new: true }) })
    expect(await first.use("through").gen()).toBe(2)
    expect([...first.all("where")].map(({ name }) => name).sort()).toEqual(["a", "base"])
    expect(lab.notes).toContain("updated 1")
    await lab.kernel.drop("base")
    await lab.kernel.settled()
    expect(lab.kernel.inspect().realms[1]!.plugins).toMatchObject([{ id: "a", status: "waiting" }])
    await lab.put("base", (graft) => graft.provide("base", { gen: async () => graft.gen }))
    await lab.kernel.settled()
    expect(lab.kernel.inspect().realms[1]!.plugins).toMatchObject([{ id: "a", status: "live" }])
  })

  it("what is told in a location is heard there and at the root, with the location; what is told at the root is heard everywhere", async () => {
    await using lab = new Lab()
    const [one, two] = [project(lab, "one"), project(lab, "two")]
    const heard: string[] = []
    using first = await open(lab, one)
    using second = await open(lab, two)
    for (const [name, graft] of [["root", lab.graft], ["one", first], ["two", second]] as const) graft.on("law.told", ({ n }, { location }) => void heard.push(`${name} heard ${n} of ${location ?? "root"}`))
    first.emit("law.told", { n: 1 })
    await lab.kernel.settled()
    expect(heard.splice(0).sort()).toEqual([`one heard 1 of ${one}`, `root heard 1 of ${one}`])
    lab.graft.emit("law.told", { n: 2 })
    await lab.kernel.settled()
    expect(heard.sort()).toEqual(["one heard 2 of root", "root heard 2 of root", "two heard 2 of root"])
  })

  it("mutate and decide run the root's listeners, then the location's; at the root they do not go down", async () => {
    await using lab = new Lab({ roots: [] })
    lab.write("a.ts", here)
    await lab.kernel.graft.kernel.addRoot({ dir: lab.plugins })
    await lab.put("base", (graft) => { graft.on("law.ask", (draft: string[]) => void draft.push("root"), { order: 100 }); graft.on("law.choice", () => undefined) })
    using first = await open(lab, project(lab, "one"))
    await lab.kernel.settled()
    expect((await first.mutate("law.ask", [])).value).toEqual(["root", "location"])
    expect((await lab.graft.mutate("law.ask", [])).value).toEqual(["root"])
    expect([await first.decide("law.choice", {}), await lab.graft.decide("law.choice", {})]).toEqual(["location", undefined])
  })

  it("no location shadows a service of the process, in whichever order they come; nor a project's file its plugin", async () => {
    await using lab = new Lab({ roots: [] })
    const dir = project(lab, "one")
    lab.write(`${dir}/.graft/plugins/b.ts`, serving("mine", { body: `graft.provide("base", { gen: async () => 0 })` }))
    lab.write("own/store.ts", serving("own", { fields: `per: "process",` }))
    lab.write(`${dir}/.graft/plugins/store.ts`, serving("mine"))
    const { addRoot } = lab.kernel.graft.kernel
    await addRoot({ dir: lab.path("own"), kind: "built-in" })
    await addRoot({ dir: ".graft/plugins", kind: "project", per: "location" })
    await lab.put("base", (graft) => graft.provide("base", { gen: async () => graft.gen }))
    using first = await open(lab, dir)
    await lab.kernel.settled()
    expect(await first.use("base").gen()).toBe(1)
    const failed = lab.kernel.inspect().realms[1]!.plugins.filter(({ status }) => status === "failed").map(({ reason }) => reason)
    expect(failed).toEqual([expect.stringMatching(/"base" is provided by base@1 already/), expect.stringMatching(/has the id of the process-wide plugin "store".*rename the file/)])
    await lab.kernel.drop("base")
    await lab.settle()
    expect(await first.use("base").gen()).toBe(0)
    await lab.put("base", (graft) => graft.provide("base", {}))
    expect(lab.last("base")!.message).toMatch(/"base" is provided by b@1 already/)
  })

  it("a location closes ten minutes after its last lease, with all that is in it, and opens again", async () => {
    await using lab = new Lab({ roots: [] })
    const dir = project(lab, "one")
    lab.write("a.ts", here)
    await lab.kernel.graft.kernel.addRoot({ dir: lab.plugins })
    const leases = [await open(lab, dir), await lab.graft.at(dir)]
    await leases[0]!.use("a").version()
    leases[0]![Symbol.dispose]()
    leases[0]![Symbol.dispose]()
    await lab.clock.advance(3_600_000)
    expect(lab.kernel.graft.kernel.locations()).toEqual([dir])
    leases[1]![Symbol.dispose]()
    await lab.clock.advance(599_999)
    const again = await lab.graft.at(dir)
    again[Symbol.dispose]()
    await lab.clock.advance(599_999)
    expect(lab.kernel.graft.kernel.locations()).toEqual([dir])
    await lab.clock.advance(1)
    expect({ open: lab.kernel.graft.kernel.locations(), notes: lab.notes }).toEqual({ open: [], notes: ["closed a@1"] })
    using back = await open(lab, dir)
    expect(await back.use("a").version()).toBe("here")
    await lab.kernel.settled()
    expect([lab.heard("location.opened"), lab.heard("location.closed")]).toEqual([[{ location: dir }, { location: dir }], [{ location: dir }]])
  })

  it("a location that nobody leases closes as well, however it came to be open", async () => {
    await using lab = new Lab({ roots: [] })
    const dir = project(lab, "one")
    await lab.put("a", (graft) => { graft.defer(() => lab.note(`closed at ${graft.location}`)) }, dir)
    await lab.clock.advance(600_000)
    expect({ open: lab.kernel.graft.kernel.locations(), notes: lab.notes }).toEqual({ open: [], notes: [`closed at ${dir}`] })
  })

  it("an instance from at() calls and tells, and registers nothing", async () => {
    await using lab = new Lab()
    using seen = await lab.graft.at(project(lab, "one"))
    const words: (() => unknown)[] = [() => seen.on("law.told", () => {}), () => seen.provide("x", {}), () => seen.add("thing", { name: "x" }), () => seen.keep("x", "1", () => 1, () => {})]
    expect(await Promise.all(words.map(async (word) => (await outcome(Promise.resolve().then(word))).code))).toEqual(words.map(() => "NotLive"))
    seen.emit("law.told", {})
    expect(await seen.decide("law.choice", {})).toBe(undefined)
  })

  it("of a guarded root nothing is compiled or evaluated before somebody said yes to these very bytes", async () => {
    await using lab = new Lab({ roots: [] })
    const dir = project(lab, "one")
    const evaluated: unknown[] = ((globalThis as { evaluated?: unknown[] }).evaluated = [])
    const source = (n: number) => `globalThis.evaluated.push(${n})\n${serving(n)}`
    lab.write(`${dir}/.graft/plugins/a/index.ts`, source(1))
    lab.write(`${dir}/.graft/plugins/a/data.json`, "{}")
    await lab.kernel.graft.kernel.addRoot({ dir: ".graft/plugins", kind: "project", per: "location", guarded: true })
    using first = await open(lab, dir)
    await lab.settle()
    const view = () => lab.kernel.inspect().realms[1]!.plugins[0]!
    expect({ ...view(), evaluated: evaluated.length }).toMatchObject({ status: "refused", reason: expect.stringContaining("not trusted"), evaluated: 0 })
    const asked: { plugin: string; digest: string; files: string[] }[] = []
    let answer: unknown = { admit: false, reason: "not today" }
    await lab.put("trust", (graft) => { graft.on("plugin.admit", (ask) => { asked.push(ask); return answer }) })
    lab.write(`${dir}/.graft/plugins/a/data.json`, "[]")
    await lab.settle()
    expect({ reason: view().reason, evaluated: evaluated.length }).toEqual({ reason: "not today", evaluated: 0 })
    answer = { admit: true }
    lab.write(`${dir}/.graft/plugins/a/index.ts`, source(2))
    await lab.settle()
    await turns()
    expect({ status: view().status, version: await first.use("a").version(), evaluated }).toEqual({ status: "live", version: 2, evaluated: [2] })
    expect(asked.at(-1)).toMatchObject({ plugin: "a", root: join(dir, ".graft/plugins"), files: ["data.json", "index.ts"].map((file) => join(dir, ".graft/plugins/a", file)) })
    expect(new Set(asked.map(({ digest }) => digest)).size).toBe(asked.length)
  })

  it("consent is compared like all else: taken back, the plugin goes; a no is told once, however often it is asked about", async () => {
    await using lab = new Lab({ roots: [] })
    const dir = project(lab, "one")
    lab.write(`${dir}/.graft/plugins/a.ts`, serving(1))
    await lab.kernel.graft.kernel.addRoot({ dir: ".graft/plugins", kind: "project", per: "location", guarded: true })
    let answer: unknown = { admit: true }
    await lab.put("trust", (graft) => { graft.on("plugin.admit", () => answer) })
    using first = await open(lab, dir)
    await lab.settle()
    expect(await first.use("a").version()).toBe(1)
    answer = { admit: false, reason: "not any more" }
    for (let i = 0; i < 4; i++) await lab.settle()
    expect(lab.kernel.inspect().realms[1]!.plugins).toMatchObject([{ id: "a", gen: 0, status: "refused", reason: "not any more" }])
    expect(lab.heard("plugin.removed")).toMatchObject([{ plugin: "a", reason: "not any more" }])
    expect(lab.heard("plugin.waiting").filter(({ plugin }) => plugin === "a").length).toBeLessThanOrEqual(1)
    answer = { admit: true }
    await lab.settle()
    expect(await first.use("a").version()).toBe(1)
  })

  it("a yes is for the bytes that were asked about: what changed since, or lies elsewhere, is not compiled", async () => {
    await using lab = new Lab({ roots: [] })
    const dir = project(lab, "one")
    const evaluated: unknown[] = ((globalThis as { evaluated?: unknown[] }).evaluated = [])
    const mark = (name: string) => `globalThis.evaluated.push("${name}")\n`
    const asked: { plugin: string; files: string[] }[] = []
    let meanwhile = () => {}
    let below: string | undefined
    await lab.put("trust", (graft) => { graft.on("plugin.admit", (ask) => { asked.push(ask); meanwhile(); return { admit: true, below } }) })
    lab.write(`${dir}/src/evil.ts`, mark("src"))
    lab.write(`${dir}/.graft/plugins/_shared.ts`, mark("shared"))
    lab.write(`${dir}/.graft/plugins/_deep/it.ts`, mark("deep"))
    lab.write(`${dir}/.graft/plugins/a.ts`, `import "./_shared.ts"\nimport "./_deep/it.ts"\n${serving(1)}`)
    lab.write(`${dir}/.graft/plugins/b.ts`, `import "../../src/evil.ts"\n${serving(1)}`)
    await lab.kernel.graft.kernel.addRoot({ dir: ".graft/plugins", kind: "project", per: "location", guarded: true })
    using first = await open(lab, dir)
    await lab.settle()
    expect(asked.find(({ plugin }) => plugin === "a")!.files).toEqual(["a.ts", "_deep/it.ts", "_shared.ts"].map((file) => join(dir, ".graft/plugins", file)))
    expect(evaluated.splice(0)).toEqual(["shared", "deep"])
    const view = (id: string) => lab.kernel.inspect().realms[1]!.plugins.find((plugin) => plugin.id === id)!
    expect(view("b")).toMatchObject({ status: "refused", reason: expect.stringContaining("src/evil.ts is not among what was trusted") })
    meanwhile = () => void lab.write(`${dir}/.graft/plugins/_shared.ts`, mark("swapped"))
    lab.write(`${dir}/.graft/plugins/a.ts`, `import "./_shared.ts"\n${serving(2)}`)
    await lab.kernel.reconcile()
    expect({ evaluated: [...evaluated], version: await first.use("a").version() }).toEqual({ evaluated: [], version: 1 })
    meanwhile = () => {}
    below = dir
    await lab.settle()
    await lab.settle()
    expect({ evaluated: evaluated.sort(), a: await first.use("a").version(), b: view("b").status }).toEqual({ evaluated: ["src", "swapped"], a: 2, b: "live" })
  })

  it("a root that is taken away takes its plugins with it", async () => {
    await using lab = new Lab({ roots: [] })
    lab.write("a.ts", plugin(`graft.add("thing", { name: "a" })`))
    const remove = await lab.kernel.graft.kernel.addRoot({ dir: lab.plugins, per: "process" })
    expect([...lab.graft.all("thing")]).toEqual([{ name: "a" }])
    await remove()
    expect({ rows: [...lab.graft.all("thing")], roots: lab.kernel.graft.kernel.roots() }).toEqual({ rows: [], roots: [] })
  })
})
