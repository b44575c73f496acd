/** A reload is a transaction: all of a new generation or nothing of it, and nobody in the middle of anything notices (L1–L9). */
import * as fc from "fast-check"
import { Moved } from "graft"
import { describe, expect, it } from "vitest"
import { Lab, outcome, serving, soon, turns, type Instance, type Plugin } from "./harness.ts"

const ids = ["a", "b", "c"]

/** One of k rows, a service and a listener, all or none; with awaits in between, so that half of it could be seen. */
const whole = (watch: (at: string) => void, size: number): Plugin["setup"] => async (graft) => {
  for (let i = 0; i < size; i++) {
    graft.add("part", { name: `${graft.id}.${i}`, gen: graft.gen })
    await null
    watch("setup")
  }
  graft.provide(graft.id, { gen: async () => (watch("a call"), graft.gen) })
  graft.on("law.ask", (draft: string[]) => void draft.push(`${graft.id}@${graft.gen}`))
  for (const event of ["plugin.loaded", "plugin.reloaded", "plugin.removed", "law.told"]) graft.on(event, () => watch(event))
  graft.all("part").onChange(() => watch("onChange"))
  graft.onCommit(() => watch("onCommit"))
  graft.defer(() => watch("a finalizer"))
  await turns(1)
}

describe("L1 Fold, L2 Atomic visibility", () => {
  it("at every point of observation the table is the live generations, each of them whole, in their order", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("put" as const), id: fc.constantFrom(...ids), size: fc.integer({ min: 1, max: 4 }), works: fc.boolean() }),
      fc.record({ kind: fc.constantFrom("drop" as const, "emit" as const, "call" as const), id: fc.constantFrom(...ids) }),
    )
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 12, size: "max" }), async (steps) => {
      await using lab = new Lab()
      const wrong: string[] = []
      let looks = 0
      const sizes = new Map<string, number>()
      const version = (size: number): Plugin["setup"] => (graft) => (sizes.set(`${graft.id}@${graft.gen}`, size), whole(watch, size)(graft))
      const watch = (at: string) => {
        looks++
        const rows = [...lab.graft.all("part")] as { name: string; gen: number }[]
        const live = lab.root.plugins.filter(({ gen }) => gen > 0)
        const fold = live.flatMap(({ id, gen }) => Array.from({ length: sizes.get(`${id}@${gen}`)! }, (_, i) => `${id}.${i} ${gen}`))
        if (JSON.stringify(rows.map((row) => `${row.name} ${row.gen}`)) !== JSON.stringify(fold)) wrong.push(`${at}: ${JSON.stringify(rows)} for ${live.map(({ id, gen }) => `${id}@${gen}`).join()}`)
        const services = Object.fromEntries(live.map(({ id, gen }) => [id, `${id}@${gen}`]))
        if (JSON.stringify(lab.root.services) !== JSON.stringify(services)) wrong.push(`${at}: services ${JSON.stringify(lab.root.services)}`)
      }
      const work: Promise<unknown>[] = []
      for (const step of steps) {
        if (step.kind === "put") work.push(lab.put(step.id, step.works ? version(step.size) : async (graft) => { await version(step.size)(graft); throw new Error("no") }))
        if (step.kind === "drop") work.push(lab.kernel.drop(step.id))
        if (step.kind === "emit") lab.graft.emit("law.told", {})
        if (step.kind === "call") work.push(outcome(lab.graft.use(step.id).gen()))
        if (looks % 2) await turns(1)
        watch(step.kind)
      }
      await soon("all of it", Promise.all(work))
      watch("the end")
      const heard = (await lab.graft.mutate("law.ask", [])).value
      expect(heard).toEqual(lab.root.plugins.filter(({ gen }) => gen > 0).map(({ id, gen }) => `${id}@${gen}`))
      expect(wrong).toEqual([])
    }), { numRuns: 40 })
  })
})

describe("L3 Rollback purity", () => {
  /** What is wrong, the source, and whether its setup runs. */
  const broken: [wrong: string, source: string, runs?: "runs"][] = [
    ["does not parse", "export default {"],
    ["throws while it is loaded", `throw new Error("no")`],
    ["exports nothing", "export const a = 1"],
    ["has an unknown field", "export default { setup() {}, extra: 1 }"],
    ["was made for another kernel", serving(2, { fields: `engines: "^99",` })],
    ["does not accept its options", serving(2, { fields: `options: { "~standard": { version: 1, vendor: "law", validate: () => ({ issues: [{ message: "no", path: ["x"] }] }) } },` })],
    ["throws in setup", serving(2, { body: `graft.emit("law.leak", {}); graft.timeout(1, () => lab.note("leak")); graft.fork(async () => lab.note("leak")); throw new Error("no")` }), "runs"],
    ["needs what is not there", serving(2, { fields: `needs: ["nobody"],` })],
    ["calls what is not there", serving(2, { body: "await graft.nobody.help()" }), "runs"],
    ["takes a service that another has", serving(2, { body: `graft.provide("other", {})` }), "runs"],
    ["cannot migrate", serving(2, { fields: `state: { version: 2, init: () => 1, migrate() { throw new Error("no") } },` })],
    ["throws in onCommit", serving(2, { body: `graft.emit("law.leak", {}); graft.onCommit(() => { throw new Error("no") })` }), "runs"],
    ["keeps something, then throws", serving(2, { body: `await graft.keep("it", "2", () => (lab.note("acquired"), {}), () => lab.note("released")); throw new Error("no")` }), "runs"],
  ]
  it.each(broken)("a candidate that %s leaves everything as it was", async (_, source, runs) => {
    await using lab = new Lab()
    await lab.put("other", (graft) => graft.provide("other", { ask: async () => 1 }))
    lab.write("a.ts", serving(1, { fields: `state: { version: 1, init: () => 1 },` }))
    await lab.settle()
    const [before, row, slow] = [lab.kernel.inspect(), lab.graft.all("thing").get("a"), lab.graft.use("a").slow("held")]
    lab.write("a.ts", source)
    await lab.settle()
    const during = lab.kernel.inspect()
    expect(lab.last("a")!.outcome).toMatch(/failed|waiting/)
    lab.open("held")
    expect(await slow).toBe(1)
    expect(await lab.graft.use("a").version()).toBe(1)
    expect(lab.graft.all("thing").get("a")).toBe(row)
    await lab.clock.advance(10)
    expect({ leak: lab.heard("law.leak"), notes: lab.notes.filter((note) => note === "leak" || note === "closed a@1") }).toEqual({ leak: [], notes: [] })
    expect(lab.notes.filter((note) => note === "closed a@2").length).toBe(runs ? 1 : 0)
    expect(lab.notes.filter((note) => note === "acquired").length).toBe(lab.notes.filter((note) => note === "released").length)
    const still = (view: typeof before) => JSON.parse(JSON.stringify(view, (key, value: unknown) => (["leases", "calls"].includes(key) ? undefined : value))) as unknown
    expect(still(during)).toEqual(still(before))
  })

  it("what a commit does that is then taken back was never seen; what one that stands does is seen once", async () => {
    await using lab = new Lab()
    await lab.put("reader", (graft) => { graft.all("thing").onChange(({ added }) => lab.note(`added ${added.map(({ key }) => key).join()}`)); graft.on("law.told", ({ by }) => lab.note(`told by ${by}`)) })
    const version = (fails: boolean): Plugin["setup"] => (graft) => graft.onCommit(() => {
      graft.add("thing", { name: `${graft.gen}` })
      graft.emit("law.told", { by: graft.gen })
      graft.fork(async () => lab.note(`${graft.gen} forks`))
      graft.timeout(1, () => lab.note(`${graft.gen} ticks`))
      if (fails) throw new Error("no")
    })
    for (const fails of [true, false, true]) await lab.put("a", version(fails))
    await lab.clock.advance(10)
    await lab.kernel.settled()
    expect({ notes: lab.notes.toSorted(), rows: [...lab.graft.all("thing")] }).toEqual({ notes: ["1 forks", "1 ticks", "added 1", "told by 1"], rows: [{ name: "1" }] })
  })
})

describe("L4 No delivery after close", () => {
  it("what was queued for a generation that closed is handled by the next one, and no handler of the closed one is entered", async () => {
    await using lab = new Lab()
    const version: Plugin["setup"] = (graft) => {
      graft.on("law.told", async ({ n }) => { lab.note(`${graft.gen} enters ${n}`); if (graft.gen === 1) await lab.gate("stuck") }, { deadline: Infinity })
      graft.on("law.told", ({ n }) => lab.note(`${graft.gen} again ${n}`))
      graft.defer(() => lab.note(`${graft.gen} closes`))
    }
    await lab.put("a", version)
    lab.graft.emit("law.told", { n: 1 })
    lab.graft.emit("law.told", { n: 2 })
    await turns()
    await lab.put("a", version)
    expect(lab.notes).toEqual(["1 enters 1"])
    await lab.clock.advance(700_000)
    lab.open("stuck")
    await lab.kernel.settled()
    expect(lab.notes).toEqual(["1 enters 1", "1 closes", "2 enters 2", "2 again 2"])
  })

  it.each(["mutate", "decide"] as const)("%s checks that a listener is alive right before it is entered, not when the list was made", async (verb) => {
    await using lab = new Lab()
    await lab.put("first", (graft) => { graft.on("law.ask", () => lab.gate("first"), { deadline: Infinity, order: -1 }) })
    await lab.put("a", (graft) => { graft.on("law.ask", () => lab.note("entered")); graft.defer(() => lab.note("closed")) })
    const asked = lab.graft[verb]("law.ask", {})
    await turns()
    await lab.kernel.drop("a")
    await lab.clock.advance(700_000)
    expect(lab.notes).toEqual(["closed"])
    lab.open("first")
    await soon(verb, asked)
    expect(lab.notes).toEqual(["closed"])
  })

  it("timers, rows' readers and calls end with their generation", async () => {
    await using lab = new Lab()
    await lab.put("a", (graft) => {
      graft.every(10, () => lab.note("every"))
      graft.timeout(10, () => lab.note("timeout"))
      graft.all("thing").onChange(() => lab.note("onChange"))
      graft.on("law.told", () => lab.note("told"))
      graft.provide("a", { ask: async () => lab.note("asked") })
    })
    await lab.kernel.drop("a")
    lab.graft.add("thing", { name: "x" })
    lab.graft.emit("law.told", {})
    expect((await outcome(lab.graft.use("a").ask())).code).toBe("Unavailable")
    await lab.clock.advance(100)
    expect(lab.notes).toEqual([])
  })
})

describe("L5 Exactly one generation", () => {
  it("whatever is told while a subscriber reloads is handled once, in order, by one generation", async () => {
    const step = fc.oneof({ weight: 3, arbitrary: fc.constant("emit") }, { weight: 2, arbitrary: fc.constant("turn") }, fc.constantFrom("reload", "broken", "stuck", "free"))
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
      await using lab = new Lab()
      const seen: number[][] = [[], []]
      let stuck = Promise.withResolvers<void>()
      stuck.resolve()
      const version: Plugin["setup"] = async (graft) => {
        graft.on("law.told", async ({ n }) => { await turns(n % 2); await stuck.promise; seen[0]!.push(n) })
        await null
        graft.on("law.told", ({ n }) => void seen[1]!.push(n))
      }
      await lab.put("a", version)
      let n = 0
      const reloads: Promise<void>[] = []
      for (const step of steps) {
        if (step === "emit") lab.graft.emit("law.told", { n: n++ })
        if (step === "turn") await turns(1)
        if (step === "stuck" || step === "free") stuck.resolve()
        if (step === "stuck") stuck = Promise.withResolvers<void>()
        if (step === "reload") reloads.push(lab.put("a", version))
        if (step === "broken") reloads.push(lab.put("a", async (graft) => { await version(graft); throw new Error("no") }))
      }
      await soon("the reloads", Promise.all(reloads))
      stuck.resolve()
      await lab.kernel.settled()
      const all = Array.from({ length: n }, (_, i) => i)
      expect(seen).toEqual([all, all])
    }), { numRuns: 40 })
  })
})

describe("L6 Lease", () => {
  const slow = (lab: Lab): Plugin["setup"] => (graft) => {
    graft.provide("a", {
      call: async () => { await lab.gate(`call ${graft.gen}`); return graft.gen },
      async *stream() { try { for (;;) { await lab.gate(`stream ${graft.gen}`); yield graft.gen } } finally { lab.note(`${graft.gen} stream ended`) } },
      gen: async () => graft.gen,
    })
    graft.signal.addEventListener("abort", () => lab.note(`${graft.gen} aborts`))
    graft.retiring.addEventListener("abort", () => lab.note(`${graft.gen} retires`))
    graft.defer(() => lab.note(`${graft.gen} closes`))
  }

  it("a call runs to its end on the generation that it entered; its finalizers wait for it", async () => {
    await using lab = new Lab()
    await lab.put("a", slow(lab))
    const call = lab.graft.use("a").call()
    await lab.put("a", slow(lab))
    expect(await lab.graft.use("a").gen()).toBe(2)
    await lab.clock.advance(29_000)
    expect(lab.notes).toEqual(["1 retires"])
    lab.open("call 1")
    expect(await call).toBe(1)
    await turns()
    expect(lab.notes).toEqual(["1 retires", "1 aborts", "1 closes"])
  })

  it("at the drain deadline the signal aborts, and within the grace the caller gets a typed error", async () => {
    await using lab = new Lab()
    await lab.put("a", slow(lab))
    const call = outcome(lab.graft.use("a").call())
    await lab.put("a", slow(lab))
    await lab.clock.advance(30_000)
    expect(lab.notes).toEqual(["1 retires", "1 aborts"])
    await lab.clock.advance(2_000)
    expect((await soon("the caller", call)).code).toBe("Retired")
    expect(lab.notes).toEqual(["1 retires", "1 aborts", "1 closes"])
  })

  it("a stream holds its generation from its first next() until it ends, is left, or ten minutes have passed", async () => {
    await using lab = new Lab()
    await lab.put("a", slow(lab))
    lab.open("stream 1")
    const streams = [0, 1, 2].map(() => lab.graft.use("a").stream()[Symbol.asyncIterator]() as AsyncIterator<number>)
    expect(lab.view("a")!.generations[0]!.leases).toBe(0)
    expect([await streams[0]!.next(), await streams[1]!.next()]).toEqual([{ done: false, value: 1 }, { done: false, value: 1 }])
    expect(lab.view("a")!.generations[0]!.leases).toBe(2)
    await lab.put("a", slow(lab))
    await lab.clock.advance(500_000)
    expect(await streams[0]!.next()).toEqual({ done: false, value: 1 })
    await streams[0]!.return!()
    expect(lab.view("a")!.generations.map(({ gen, leases }) => `${gen}:${leases}`)).toEqual(["2:0", "1:1"])
    expect(lab.notes).toEqual(["1 retires", "1 stream ended"])
    await lab.clock.advance(102_001)
    expect((await outcome(streams[1]!.next())).code).toBe("Retired")
    expect(lab.notes.slice(2)).toEqual(["1 aborts", "1 closes"])
  })

  it("a fork that holds and a pinned board hold their generations; what ends with Moved is asked again of the next one", async () => {
    await using lab = new Lab()
    const version: Plugin["setup"] = (graft) => {
      graft.add("thing", { name: "a", gen: graft.gen })
      graft.fork(() => lab.gate(`fork ${graft.gen}`), { hold: true })
      graft.provide("a", { next: () => (graft.gen === 1 ? new Promise((_, reject) => graft.retiring.addEventListener("abort", () => reject(new Moved()))) : Promise.resolve(graft.gen)) })
      graft.defer(() => lab.note(`${graft.gen} closes`))
    }
    await lab.put("a", version)
    const [next, pinned] = [lab.graft.use("a").next(), lab.graft.all("thing").pin()]
    await lab.put("a", version)
    expect(await soon("the moved call", next)).toBe(2)
    expect(pinned.get("a")!.item).toEqual({ name: "a", gen: 1 })
    await lab.clock.advance(40_000)
    lab.open("fork 1")
    await turns()
    expect(lab.notes).toEqual([])
    pinned[Symbol.dispose]()
    await turns()
    expect(lab.notes).toEqual(["1 closes"])
  })
})

describe("L7 Bounded generations", () => {
  it("three may retire at once; the oldest is forced first, however fast the saves come", async () => {
    await using lab = new Lab()
    const calls: Promise<{ code?: string }>[] = []
    for (let gen = 1; gen <= 8; gen++) {
      await lab.put("a", (graft) => {
        graft.provide("a", { call: () => new Promise(() => {}) })
        graft.signal.addEventListener("abort", () => lab.note(`${graft.gen} aborts`))
      })
      calls.push(outcome(lab.graft.use("a").call()))
      await turns()
      expect(lab.view("a")!.generations.filter((generation) => !lab.notes.includes(`${generation.gen} aborts`)).length).toBe(Math.min(gen, 4))
    }
    expect(lab.notes).toEqual(["1 aborts", "2 aborts", "3 aborts", "4 aborts"])
    await lab.clock.advance(2_000)
    expect((await soon("the forced callers", Promise.all(calls.slice(0, 4)))).map(({ code }) => code)).toEqual(Array(4).fill("Retired"))
    expect(lab.view("a")!.generations.map(({ gen, state }) => `${gen} ${state}`)).toEqual(["8 live", "5 retiring", "6 retiring", "7 retiring"])
  })

  it("one is staged at a time", async () => {
    await using lab = new Lab()
    const version: Plugin["setup"] = async (graft) => {
      lab.note("in")
      graft.defer(() => lab.note("closed"))
      graft.onCommit(() => lab.note("live"))
      await turns(2)
    }
    await Promise.all([lab.put("a", version), lab.put("a", version), turns(1).then(() => lab.put("a", version)), turns(4).then(() => lab.put("a", version))])
    expect(lab.notes.join(" ")).toMatch(/^(in (closed|live closed|live) ?)+$/)
  })
})

describe("L8 Teardown", () => {
  it("finalizers run once, last in first out, one at a time, each bounded; one that fails or hangs stops no other", async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom("works", "waits", "throws", "rejects", "hangs"), { maxLength: 8 }), async (kinds) => {
      await using lab = new Lab()
      let running = 0
      const ran: number[] = []
      const overlaps: number[] = []
      await lab.put("a", (graft) => kinds.forEach((kind, i) => graft.defer(async () => {
        ran.push(i)
        if (++running > 1) overlaps.push(i)
        if (kind === "waits") await null
        if (kind !== "hangs") running--
        if (kind === "throws" || kind === "rejects") throw new Error(kind)
        if (kind === "hangs") { lab.clock.after(4_999, () => running--); await new Promise(() => {}) }
      })))
      await lab.kernel.drop("a")
      await lab.kernel.drop("a")
      await lab.clock.advance(15_000)
      await lab.kernel.settled()
      expect(overlaps.filter((i) => kinds.slice(i).filter((kind) => kind === "hangs").length < 3)).toEqual([])
      expect(ran).toEqual(kinds.map((_, i) => i).reverse())
      expect(lab.faults().map(({ plugin, gen, kind }) => `${plugin}@${gen} ${kind}`)).toEqual(kinds.filter((kind) => kind !== "works" && kind !== "waits").map(() => "a@1 teardown"))
    }), { numRuns: 30 })
  })

  it("closing twice is closing once, and closing the kernel waits for what is closing already", async () => {
    await using lab = new Lab()
    await lab.put("a", (graft) => { graft.defer(async () => { lab.note("closing"); await lab.gate("closing"); lab.note("closed") }) })
    await lab.kernel.drop("a")
    await turns()
    const closing = Promise.all([lab.kernel.close(), lab.kernel.close()]).then(() => lab.note("kernel closed"))
    await turns()
    expect(lab.notes).toEqual(["closing"])
    lab.open("closing")
    await soon("closing", closing)
    expect(lab.notes).toEqual(["closing", "closed", "kernel closed"])
  })

  it("closing gives up what is coming up, and nothing comes after", async () => {
    await using lab = new Lab()
    lab.write("a.ts", serving(1, { body: `await lab.gate("setup")` }))
    lab.write("b.ts", `await new Promise(() => {})\n${serving(1)}`)
    const start = lab.kernel.start()
    await turns(10)
    await soon("closing", lab.kernel.close())
    lab.open("setup")
    await soon("the start", start)
    await turns(10)
    await lab.kernel.reconcile()
    expect({ notes: lab.notes, live: lab.root.plugins.filter(({ gen }) => gen > 0) }).toEqual({ notes: ["closed a@1"], live: [] })
  })

  it("closing waits for no person who was asked whether a plugin may run, or still may", async () => {
    await using lab = new Lab({ roots: [] })
    let answer: unknown = { admit: true }
    await lab.put("trust", (graft) => { graft.on("plugin.admit", () => answer, { deadline: Infinity }) })
    lab.write("a.ts", serving(1))
    lab.write("b.ts", serving(1))
    await lab.kernel.graft.kernel.addRoot({ dir: lab.plugins, per: "process", guarded: true })
    answer = new Promise(() => {})
    lab.write("b.ts", serving(2))
    const pass = lab.kernel.reconcile()
    await turns()
    await soon("closing", lab.kernel.close())
    await soon("the pass", pass)
    expect(lab.notes).toEqual(["closed a@1", "closed b@1"])
  })

  it("who needs others closes before them, whatever their names", async () => {
    await using lab = new Lab()
    for (const [id, need] of [["b", undefined], ["a", "b"], ["c", "a"], ["d", "b"], ["x", "y"], ["y", undefined]] as const) {
      await lab.put(id, (graft) => {
        graft.provide(id, { ask: async () => 1 })
        if (need) void graft.use(need).ask()
        graft.defer(async () => { const served = need === undefined || (await outcome(graft.use(need).ask())).value === 1; await turns(1); lab.note(served ? id : `${id} is not served`) })
      })
    }
    await lab.put("y", { needs: ["x"], setup: (graft) => { graft.provide("y", { ask: async () => 1 }); graft.defer(() => lab.note("y")) } })
    await turns()
    lab.notes.length = 0
    await soon("closing", lab.kernel.close())
    for (const [first, then] of [["c", "a"], ["a", "b"], ["d", "b"]] as const) expect(lab.notes.indexOf(first)).toBeLessThan(lab.notes.indexOf(then))
    expect(lab.notes.map((note) => note[0]).toSorted()).toEqual(["a", "b", "c", "d", "x", "y"])
    expect(lab.notes.filter((note) => note.endsWith("is not served"))).toEqual(["x is not served"])
  })

  it("registering on a generation that is no longer live throws Retired and registers nothing", async () => {
    await using lab = new Lab()
    const kept: Instance[] = []
    await lab.put("a", (graft) => { kept.push(graft); graft.provide("a", { call: () => lab.gate("call") }) })
    const call = outcome(lab.graft.use("a").call())
    await lab.put("a", (graft) => { kept.push(graft) })
    const before = lab.clock.pending
    const note = () => lab.note("registered")
    const words: Record<string, (graft: Instance) => unknown> = {
      on: (graft) => graft.on("law.told", note), add: (graft) => graft.add("thing", { name: "x" }), provide: (graft) => graft.provide("b", {}), defer: (graft) => graft.defer(note),
      every: (graft) => graft.every(1, note), timeout: (graft) => graft.timeout(1, note), fork: (graft) => graft.fork(async () => note()), onChange: (graft) => graft.all("thing").onChange(note), onOptions: (graft) => graft.onOptions(note),
      register: (graft) => (graft as unknown as Record<string, { register(item: unknown): void }>).thing!.register({ name: "x" }), keep: (graft) => graft.keep("it", "1", note, () => {}),
    }
    const tried = (graft: Instance) => Promise.all(Object.entries(words).map(async ([word, work]) => `${word}: ${(await outcome(Promise.resolve().then(() => work(graft)))).code}`))
    const refused = Object.keys(words).map((word) => `${word}: Retired`)
    expect({ retiring: await tried(kept[0]!) }).toEqual({ retiring: refused })
    lab.open("call")
    await call
    await turns()
    expect({ closed: await tried(kept[0]!) }).toEqual({ closed: refused })
    lab.graft.emit("law.told", {})
    lab.graft.add("thing", { name: "y" })
    expect(lab.clock.pending).toBeLessThanOrEqual(before)
    await lab.clock.advance(100)
    expect(lab.notes).toEqual([])
    expect(lab.root.slots).toEqual({ thing: ["y"] })
  })
})

describe("L9 Progress", () => {
  const never = "await new Promise(() => {})"
  it.each([["while it is loaded", `${never}\n${serving(2)}`, 10_000, "failed"], ["in setup", serving(2, { body: never }), 10_000, "failed"], ["in onCommit", serving(2, { body: `graft.onCommit(() => new Promise(() => {}))` }), 5_000, "reverted"]] as const)("a candidate that hangs %s ends at its bound, delays nobody, and the old code serves", async (_, source, bound, ending) => {
    await using lab = new Lab()
    lab.write("a.ts", serving(1))
    await lab.settle()
    lab.write("a.ts", source)
    lab.write("b.ts", serving(1))
    const pass = lab.kernel.reconcile()
    await soon("the other commit", lab.graft.use("b").version())
    await lab.clock.advance(bound - 1)
    expect(lab.kernel.journal("a").filter(({ outcome }) => outcome === ending)).toEqual([])
    await lab.clock.advance(1)
    await soon("the pass", pass)
    await soon("being settled", lab.kernel.settled())
    expect(lab.last("a")!.outcome).toBe(ending)
    expect(lab.last("a")!.message).toMatch(new RegExp(`${bound} ms`))
    expect(await lab.graft.use("a").version()).toBe(1)
  })

  it.each(["deleting it", "disabling it", "putting another"])("%s overtakes a candidate that hangs as well", async (how) => {
    await using lab = new Lab()
    lab.write("a.ts", serving(2, { body: never }))
    const pass = lab.kernel.reconcile()
    await turns(10)
    if (how === "deleting it") lab.remove("a.ts")
    await soon("the newer pass", how === "disabling it" ? lab.kernel.graft.kernel.disable("a") : how === "deleting it" ? lab.kernel.reconcile() : lab.put("a", (graft) => graft.provide("a", { version: async () => "put" })))
    await soon("the older pass", pass)
    expect({ live: lab.view("a")?.gen ?? 0, notes: lab.notes }).toEqual({ live: how === "putting another" ? 1 : 0, notes: ["closed a@1"] })
    expect(lab.heard("plugin.failed")).toEqual([])
  })

  it.each([["while it is loaded", `${never}\n${serving(2)}`], ["in setup", serving(2, { body: never })]])("a newer save overtakes a candidate that hangs %s", async (_, source) => {
    await using lab = new Lab()
    lab.write("a.ts", serving(1))
    await lab.settle()
    lab.write("a.ts", source)
    const pass = lab.kernel.reconcile()
    await turns(10)
    lab.write("a.ts", serving(3))
    await soon("the newer pass", Promise.all([lab.kernel.reconcile(), pass]))
    expect(await lab.graft.use("a").version()).toBe(3)
    expect(lab.kernel.journal("a").map(({ outcome }) => outcome)).toEqual(["committed", "committed"])
  })
})
