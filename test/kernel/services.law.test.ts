/** A service is found at each call, so that editing a provider restarts nobody; a plugin runs when what it needs is there (L14, L15). */
import * as fc from "fast-check"
import { Unavailable } from "graft"
import { describe, expect, it } from "vitest"
import { Lab, all, outcome, plugin, serving, soon, turns, type Instance, type Plugin } from "./harness.ts"

describe("L14 Late binding", () => {
  const provider: Plugin["setup"] = (graft) => graft.provide("clock", { gen: async () => graft.gen, sync: () => graft.gen, *list() { yield graft.gen }, async *stream() { yield graft.gen; yield graft.gen } })

  it("once a commit returned, the next call through any handle, however old, reaches the new provider", async () => {
    await using lab = new Lab()
    const consumers: Instance[] = []
    await lab.put("clock", provider)
    for (const id of ["x", "y"]) await lab.put(id, async (graft) => { consumers.push(graft); await graft.use("clock").gen() })
    const handles = [lab.graft, ...consumers].map((graft) => graft.use("clock"))
    const detached = handles.map((handle) => handle.gen as () => Promise<number>)
    for (let gen = 2; gen < 6; gen++) {
      await lab.put("clock", provider)
      expect(await Promise.all(handles.map((handle) => handle.gen()))).toEqual([gen, gen, gen])
      expect(await Promise.all(detached.map((call) => call()))).toEqual([gen, gen, gen])
      expect([lab.graft, ...consumers].map((graft) => graft.use("clock"))).toEqual(handles)
      expect([lab.graft, ...consumers].every((graft, i) => graft.use("clock") === handles[i])).toBe(true)
    }
    expect({ x: lab.gen("x"), y: lab.gen("y") }).toEqual({ x: 1, y: 1 })
  })

  it("also inside the commit: who hears of a reload, or of its rows, calls the new one", async () => {
    await using lab = new Lab()
    await lab.put("x", (graft) => {
      graft.on("plugin.reloaded", async () => lab.note(`told ${await graft.use("clock").gen()}`))
      graft.all("thing").onChange(async () => lab.note(`rows ${await graft.use("clock").gen()}`))
    })
    for (let i = 0; i < 2; i++) await lab.put("clock", (graft) => { provider(graft); graft.add("thing", { name: "it", gen: graft.gen }); graft.onCommit(async () => lab.note(`commit ${await graft.use("clock").gen()}`)) })
    await lab.kernel.settled()
    expect(lab.notes.sort()).toEqual(["commit 1", "commit 2", "rows 1", "rows 2", "told 2"])
  })

  it("a handle is no promise, has no symbols, cannot be assigned, and says what is missing", async () => {
    await using lab = new Lab()
    await lab.put("clock", provider)
    const handle = lab.graft.use("clock")
    expect([handle.then, handle[Symbol.iterator], handle[Symbol.toPrimitive], await handle === handle]).toEqual([undefined, undefined, undefined, true])
    expect(() => { handle.gen = 1 }).toThrow(/by providing it/)
    expect(await handle.sync()).toBe(1)
    expect((await outcome(handle.nothing())).message).toMatch(/"clock" of clock@1 has no method "nothing"/)
    expect(await all(handle.stream())).toEqual([1, 1])
    expect((lab.graft as unknown as Record<string, unknown>).clock).toBe(handle)
  })

  it("no service may take a word of the kernel, nor have two providers; a plugin provides in setup", async () => {
    await using lab = new Lab()
    for (const word of ["on", "emit", "use", "kernel", "state", "then"]) await lab.put("a", (graft) => graft.provide(word, {})).then(() => expect(lab.last("a")!.message).toContain(`"${word}" is a word of the kernel`))
    await lab.put("a", (graft) => { graft.provide("it", {}); graft.provide("it", {}) })
    expect(lab.last("a")!.message).toMatch(/a provides "it" twice/)
  })

  it("a call waits for a provider that is coming, and only as long as it is coming", async () => {
    await using lab = new Lab()
    const coming = lab.put("clock", async (graft) => { await lab.gate("clock"); await provider(graft) })
    const [call, stream, other] = [lab.graft.use("clock").gen(), all(lab.graft.use("clock").stream()), outcome(lab.graft.use("other").gen())]
    lab.open("clock")
    await coming
    expect([await soon("the call", call), await soon("the stream", stream)]).toEqual([1, [1, 1]])
    expect((await soon("the other", other)).code).toBe("Unavailable")
    const never = lab.put("slow", () => lab.gate("never"))
    const late = outcome(lab.graft.use("slow").call())
    await lab.clock.advance(5_000)
    expect((await soon("the deadline", late)).code).toBe("Timeout")
    lab.open("never")
    await never
  })

  it("while a kernel comes up, a call waits as long as one plugin may take", async () => {
    await using lab = new Lab()
    lab.write("slow.ts", 'export default { setup: (graft) => graft.kernel.host.config.lab.gate("slow").then(() => graft.provide("slow", { call: async () => "came" })) }')
    const up = lab.kernel.start()
    const call = lab.graft.use("slow").call()
    await lab.clock.advance(9_000)
    lab.open("slow")
    await up
    expect(await soon("the call", call)).toBe("came")
  })

  it("a consumer that was staged against the old provider is live against the new one", async () => {
    await using lab = new Lab()
    await lab.put("clock", provider)
    const staged = lab.put("x", async (graft) => { lab.note(`staged with ${await graft.use("clock").gen()}`); await lab.gate("x"); graft.onCommit(async () => lab.note(`live with ${await graft.use("clock").gen()}`)) })
    await turns()
    await lab.put("clock", provider)
    lab.open("x")
    await soon("the consumer", staged)
    expect(lab.notes).toEqual(["staged with 1", "live with 2"])
  })
})

describe("L15 Gating", () => {
  const wants = ["declared", "observed"] as const
  const consumer = (lab: Lab, how: (typeof wants)[number]): Plugin => ({
    needs: how === "declared" ? ["a"] : [],
    async setup(graft) { lab.note("setup"); graft.add("thing", { name: "x" }); graft.defer(() => lab.note("closed")); await outcome(graft.use("a").version()); lab.note("after") },
  })

  it.each(wants)("a %s need: nothing is committed before it is live; its loss means waiting, its return means active", async (how) => {
    await using lab = new Lab()
    await lab.put("x", consumer(lab, how))
    expect(lab.view("x")).toMatchObject({ status: "waiting", gen: 0, reason: expect.stringContaining('"a"') })
    expect(lab.root.slots).toEqual({})
    expect(lab.notes.includes("setup")).toBe(how === "observed")
    expect(lab.notes.filter((note) => note === "closed").length).toBe(how === "observed" ? 1 : 0)
    for (const gen of [1, 2]) {
      lab.write("a.ts", serving(gen))
      await lab.settle()
      expect(lab.view("x")).toMatchObject({ status: "live", gen, reason: "" })
      expect(lab.root.slots.thing).toEqual(["a", "x"])
      lab.remove("a.ts")
      await lab.settle()
      expect(lab.view("x")).toMatchObject({ status: "waiting", gen: 0, reason: expect.stringContaining('"a"') })
      expect(lab.root.slots).toEqual({})
    }
    expect(lab.heard("plugin.waiting").length).toBeGreaterThanOrEqual(3)
  })

  it("a need that is lost to a replacement, or in a reload that keeps it, is no loss", async () => {
    await using lab = new Lab()
    lab.write("a.ts", serving(1))
    await lab.settle()
    await lab.put("x", consumer(lab, "declared"))
    lab.write("a.ts", serving(2))
    await lab.settle()
    lab.rename("a.ts", "b.ts")
    lab.write("b.ts", serving(3).replace("graft.provide(graft.id,", `graft.provide("a",`))
    await lab.settle()
    expect(await lab.graft.use("a").version()).toBe(3)
    expect(lab.view("x")!.status).toBe("live")
    lab.write("b.ts", serving(4))
    await lab.settle()
    expect(lab.view("x")!.status).toBe("waiting")
  })

  it("a service that comes while its consumer is still being taken down is not missed", async () => {
    await using lab = new Lab()
    const consumer = lab.put("x", async (graft) => { graft.defer(() => lab.gate("taken down")); await graft.use("a").version() })
    await turns()
    await lab.put("a", (graft) => graft.provide("a", { version: async () => 1 }))
    lab.open("taken down")
    await soon("the consumer", consumer)
    await soon("being settled", lab.kernel.settled())
    expect(lab.view("x")).toMatchObject({ status: "live", reason: "" })
  })

  it("in any graph of needs, exactly those are live whose needs can be met; all others say why, and circles say their path", async () => {
    const names = ["a", "b", "c", "d", "e"]
    const graph = fc.array(fc.record({ needs: fc.subarray([...names, "nobody"], { maxLength: 2 }), declared: fc.boolean() }), { minLength: names.length, maxLength: names.length })
    await fc.assert(fc.asyncProperty(graph, fc.shuffledSubarray(names, { minLength: names.length }), async (nodes, order) => {
      await using lab = new Lab()
      const needs = new Map(names.map((name, i) => [name, nodes[i]!.needs.filter((need) => need !== name)]))
      for (const name of order) {
        const { declared } = nodes[names.indexOf(name)]!
        lab.write(`${name}.ts`, plugin(`    graft.provide("${name}", { is: async () => 1 })\n${declared ? "" : needs.get(name)!.map((need) => `    await graft.${need}.is()`).join("\n")}`, { fields: declared ? `needs: ${JSON.stringify(needs.get(name))},` : "" }))
        if (order.indexOf(name) % 2) await lab.settle()
      }
      await lab.settle()
      const live = new Set<string>()
      for (let grew = true; grew; ) {
        grew = false
        for (const name of names) if (!live.has(name) && needs.get(name)!.every((need) => live.has(need))) grew = !!live.add(name)
      }
      expect(lab.root.plugins.filter(({ status }) => status === "live").map(({ id }) => id)).toEqual(names.filter((name) => live.has(name)))
      for (const { id, status, reason } of lab.root.plugins) {
        if (live.has(id)) continue
        expect({ id, status }).toEqual({ id, status: "waiting" })
        const pathOf = (name: string, path: string[]): string[] => (path.includes(name) || name === "nobody" ? [...path, name] : pathOf(needs.get(name)!.find((need) => !live.has(need))!, [...path, name]))
        const path = pathOf(id, [])
        if (path.at(-1) === "nobody") expect(reason).toBe(`waits for "${path.slice(1).join('" → "')}": nobody provides "nobody"`)
        else expect(reason).toBe(`waits in a circle: ${path.slice(path.indexOf(path.at(-1)!)).join(" → ")}`)
      }
    }), { numRuns: 40 })
  })

  it("setup tells, and what it tells is told at the commit; it neither asks nor mutates, and what belongs in setup is refused later", async () => {
    await using lab = new Lab()
    await lab.put("b", (graft) => { graft.on("law.told", ({ from }) => lab.note(`told by ${from}, live: ${lab.gen("a")}`)); graft.on("law.ask", () => lab.note("asked")) })
    let late!: Instance
    await lab.put("a", async (graft) => {
      late = graft
      graft.emit("law.told", { from: "setup" })
      for (const verb of ["mutate", "decide"] as const) lab.note((await outcome(graft[verb]("law.ask", {}))).code!)
      await turns()
      lab.note("setup ends")
    })
    await lab.kernel.settled()
    expect(lab.notes).toEqual(["NotLive", "NotLive", "setup ends", "told by setup, live: 1"])
    for (const [word, code] of [["onCommit", "NotLive"], ["provide", "Retired"]] as const) expect(await outcome(Promise.resolve().then(() => (word === "provide" ? late.provide("late", {}) : late.onCommit(() => {}))))).toMatchObject({ code })
  })

  it("what setup calls and catches is a need all the same, and its error names the service", async () => {
    await using lab = new Lab()
    const errors: unknown[] = []
    await lab.put("x", async (graft) => { await graft.use("a").version().catch((error: unknown) => errors.push(error)) })
    expect(errors[0]).toBeInstanceOf(Unavailable)
    expect(lab.view("x")!.status).toBe("waiting")
  })

  it("a second provider of a service is refused by name, and takes over when the first one goes", async () => {
    await using lab = new Lab()
    lab.write("a.ts", serving("a").replace("graft.provide(graft.id", `graft.provide("it"`))
    await lab.settle()
    lab.write("b.ts", serving("b").replace("graft.provide(graft.id", `graft.provide("it"`))
    await lab.settle()
    expect(lab.view("b")).toMatchObject({ status: "failed", reason: `"it" is provided by a@1 already: disable one of them` })
    expect(await lab.graft.use("it").version()).toBe("a")
    lab.remove("a.ts")
    await lab.settle()
    expect(await lab.graft.use("it").version()).toBe("b")
  })
})
