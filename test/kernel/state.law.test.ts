/** What a plugin remembers and what it holds open outlive its code (L16, L17). */
import * as fc from "fast-check"
import type { Schema } from "graft"
import { describe, expect, it } from "vitest"
import { Lab, outcome, soon, turns, type Instance, type Plugin } from "./harness.ts"

const schema = (works: (value: any) => boolean): Schema => ({ "~standard": { version: 1, vendor: "law", validate: (value) => (works(value) ? { value } : { issues: [{ message: "it is not so", path: ["count"] }] }) } })

describe("L16 State", () => {
  const counter = (version: number, more: Partial<Plugin> = {}, setup: Plugin["setup"] = () => {}): Plugin => ({
    state: { version, schema: schema((value) => typeof value.count === "number" && value.count >= 0), init: () => ({ version, count: 0 }), migrate: (old) => ({ version, count: (old as { count: number }).count }) },
    setup(graft) {
      graft.provide("a", { get: async () => graft.state.value, add: async (by: number) => graft.state.update((draft: { count: number }) => { draft.count += by }) })
      return setup(graft)
    },
    ...more,
  })

  it("every update that was accepted is there after any sequence of reloads, and the value never breaks its schema", async () => {
    const step = fc.oneof(fc.record({ add: fc.integer({ min: -2, max: 4 }) }), fc.record({ version: fc.integer({ min: 1, max: 3 }), slow: fc.boolean(), works: fc.boolean() }))
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 16, size: "max" }), async (steps) => {
      await using lab = new Lab()
      await lab.put("a", counter(1))
      let [count, version] = [0, 1]
      let pending: Promise<void> | undefined
      for (const step of steps) {
        if ("add" in step) {
          const { code } = await outcome(lab.graft.use("a").add(step.add))
          expect(code).toBe(count + step.add < 0 ? "Invalid" : undefined)
          if (count + step.add >= 0) count += step.add
        } else {
          lab.open("slow")
          await pending
          lab.gates.clear()
          pending = lab.put("a", counter(step.version, {}, async () => { if (step.slow) await lab.gate("slow"); if (!step.works) throw new Error("no") }))
          if (!step.slow) await pending
          if (step.works) version = step.version
        }
        expect((await lab.graft.use("a").get()).count).toBe(count)
      }
      lab.open("slow")
      await pending
      expect(await lab.graft.use("a").get()).toEqual({ version, count })
    }), { numRuns: 40 })
  })

  it("migration runs again inside the commit, on what the old generation did while the new one was staged", async () => {
    await using lab = new Lab()
    await lab.put("a", counter(1))
    const next = lab.put("a", counter(2, {}, async (graft) => { lab.note(`preview ${JSON.stringify(graft.state.value)}`); await lab.gate("staged"); lab.note(`still ${graft.state.value.count}`) }))
    await turns()
    await lab.graft.use("a").add(5)
    expect(await lab.graft.use("a").get()).toEqual({ version: 1, count: 5 })
    lab.open("staged")
    await soon("the commit", next)
    expect(await lab.graft.use("a").get()).toEqual({ version: 2, count: 5 })
    expect(lab.notes).toEqual([`preview {"version":2,"count":0}`, "still 0"])
  })

  const failures: [string, (lab: Lab) => Plugin][] = [
    ["migration throws", () => counter(2, { state: { version: 2, init: () => 0, migrate() { throw new Error("no") } } })],
    ["migration throws at the commit alone", (lab) => counter(2, { state: { version: 2, init: () => 0, migrate: (old) => { if (lab.notes.length) throw new Error("no"); return old } } }, () => { lab.note("setup") })],
    ["migration writes to what it was given, then throws", () => counter(2, { state: { version: 2, init: () => 0, migrate(old) { (old as { count: number }).count = 99; throw new Error("no") } } })],
    ["migration never ends", () => counter(2, { state: { version: 2, init: () => 0, migrate() { for (;;); } } })],
    ["there is no migration", () => counter(2, { state: { version: 2, init: () => 0 } })],
    ["the migrated value breaks the schema", () => counter(2, { state: { version: 2, init: () => 0, schema: schema(() => false), migrate: (old) => old } })],
    ["the schema is stricter than the value", () => counter(1, { state: { version: 1, init: () => 0, schema: schema((value) => value.count > 100) } })],
    ["a synchronous onCommit throws", () => counter(2, {}, (graft) => { graft.onCommit(() => { graft.state.update((draft: { count: number }) => { draft.count = 99 }); throw new Error("no") }) })],
  ]
  it.each([...failures, ["migration throws, before any update", failures[2]![1]] as const])("when %s, the reload is rejected and the state is the same to the bit", async (what, broken) => {
    await using lab = new Lab()
    await lab.put("a", counter(1))
    if (!what.includes("before any")) await lab.graft.use("a").add(3)
    const before = await lab.graft.use("a").get()
    const text = JSON.stringify(before)
    await lab.put("a", broken(lab))
    expect(lab.last("a")).toMatchObject({ outcome: "failed" })
    expect(await lab.graft.use("a").get()).toBe(before)
    expect(JSON.stringify(before)).toBe(text)
    await lab.graft.use("a").add(1)
    expect((await lab.graft.use("a").get()).count).toBe(what.includes("before any") ? 1 : 4)
  })

  it("setup reads a preview and updates nothing; a retired generation updates its own version alone", async () => {
    await using lab = new Lab()
    const generations: Instance[] = []
    const tries: (string | undefined)[] = []
    const add = (graft: Instance) => outcome(Promise.resolve().then(() => graft.state.update((draft: { count: number }) => { draft.count++ })))
    const version = (n: number) => counter(n, {}, async (graft) => { generations.push(graft); tries.push((await add(graft)).code) })
    await lab.put("a", version(1))
    await lab.put("a", version(1))
    tries.push((await add(generations[0]!)).code)
    await lab.put("a", version(2))
    tries.push((await add(generations[0]!)).code)
    expect(tries).toEqual(["NotLive", "NotLive", undefined, "NotLive", "Retired"])
    expect(await lab.graft.use("a").get()).toEqual({ version: 2, count: 1 })
  })
})

/** Resources that know whether they are open; a plugin checks its own at every use. */
class Resources {
  readonly log: string[] = []
  readonly open = new Map<string, number>()
  readonly wrong: string[] = []
  acquire(key: string): { key: string; open: boolean } {
    this.log.push(`acquire ${key}`)
    this.open.set(key, (this.open.get(key) ?? 0) + 1)
    if (this.open.get(key)! > 1) this.wrong.push(`${key} is open twice`)
    return { key, open: true }
  }
  release(resource: { key: string; open: boolean }): void {
    this.log.push(`release ${resource.key}`)
    if (!resource.open) this.wrong.push(`${resource.key} released twice`)
    resource.open = false
    this.open.set(resource.key, this.open.get(resource.key)! - 1)
  }
}

describe("L17 Keep", () => {
  const keeping = (lab: Lab, all: Resources, keys: readonly string[], works = true): Plugin["setup"] => async (graft) => {
    const kept = await Promise.all([...keys, ...keys].map((key) => graft.keep("it", key, async () => { await null; return all.acquire(key) }, async (resource) => { await null; all.release(resource) })))
    const look = (when: string) => { for (const { key, open } of kept) if (!open) all.wrong.push(`${graft.gen} finds ${key} closed ${when}`) }
    graft.provide("a", { look: async () => look("in a call"), hold: async (gate: string) => { await lab.gate(gate); look("at the end of a call") } })
    graft.on("law.told", () => look("in a handler"))
    graft.defer(() => look("in a finalizer"))
    if (!works) throw new Error("no")
  }

  it("over any sequence of reloads each is open once, closed once, and never closed for who is live or drains", async () => {
    const step = fc.record({ keys: fc.uniqueArray(fc.constantFrom("k1", "k2", "k3"), { maxLength: 2 }), works: fc.boolean(), hold: fc.boolean() })
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
      await using lab = new Lab()
      const all = new Resources()
      let live: readonly string[] = []
      const held: Promise<unknown>[] = []
      for (const [i, { keys, works, hold }] of steps.entries()) {
        await lab.put("a", keeping(lab, all, keys, works))
        if (works) live = keys
        for (const key of live) if (all.open.get(key) !== 1) all.wrong.push(`${key} is not open`)
        if (!lab.gen("a")) continue
        await lab.graft.use("a").look()
        lab.graft.emit("law.told", {})
        if (hold) held.push(outcome(lab.graft.use("a").hold(i % 2 ? "one" : "two")))
        if (i === 5) lab.open("one")
      }
      lab.open("one")
      lab.open("two")
      await Promise.all(held)
      await lab.kernel.settled()
      await turns(10)
      expect(Object.fromEntries([...all.open].filter(([, count]) => count))).toEqual(Object.fromEntries(live.map((key) => [key, 1])))
      expect(lab.view("a")?.kept ?? []).toEqual(live.map((key) => `it ${key}`).sort((a, b) => all.log.lastIndexOf(`acquire ${a.slice(3)}`) - all.log.lastIndexOf(`acquire ${b.slice(3)}`)))
      await lab.kernel.drop("a")
      await turns(10)
      expect([...all.open.values()].every((count) => count === 0)).toBe(true)
      expect(all.wrong).toEqual([])
    }), { numRuns: 40 })
  })

  it("the same key is handed on unopened; another is acquired while staged, and the old one released after the drain", async () => {
    await using lab = new Lab()
    const all = new Resources()
    await lab.put("a", keeping(lab, all, ["k1"]))
    await lab.put("a", keeping(lab, all, ["k1"]))
    expect(all.log).toEqual(["acquire k1"])
    const held = lab.graft.use("a").hold("gate")
    await lab.put("a", keeping(lab, all, ["k2"]))
    await turns()
    expect(all.log).toEqual(["acquire k1", "acquire k2"])
    lab.open("gate")
    await held
    await turns()
    expect(all.log).toEqual(["acquire k1", "acquire k2", "release k1"])
    await lab.kernel.close()
    expect(all.log).toEqual(["acquire k1", "acquire k2", "release k1", "release k2"])
  })

  const exclusive = (all: Resources, key: string, fails = false): Plugin["setup"] => (graft) => {
    const kept = graft.keep("it", key, () => all.acquire(key), async (resource) => { await null; all.release(resource) }, { exclusive: true })
    kept.catch(() => {})
    graft.provide("a", { key: async () => { const { key, open } = await kept; return open ? key : `${key} closed` } })
    if (fails) graft.onCommit(() => { throw new Error("no") })
  }

  it("what is exclusive is acquired at the commit, after its predecessor was released", async () => {
    await using lab = new Lab()
    const all = new Resources()
    await lab.put("a", exclusive(all, "k1"))
    await lab.put("a", exclusive(all, "k2"))
    expect(await soon("the new one", lab.graft.use("a").key())).toBe("k2")
    expect(all.log).toEqual(["acquire k1", "release k1", "acquire k2"])
    await lab.put("a", exclusive(all, "k2"))
    expect(await soon("the same one", lab.graft.use("a").key())).toBe("k2")
    await lab.kernel.close()
    expect(all.log.slice(3)).toEqual(["release k2"])
    expect(all.wrong).toEqual([])
  })

  it("a commit that is taken back has released nothing", async () => {
    await using lab = new Lab()
    const all = new Resources()
    await lab.put("a", exclusive(all, "k1"))
    await lab.put("a", exclusive(all, "k2", true))
    await turns()
    expect(lab.last("a")!.outcome).toBe("failed")
    expect(await soon("the old one", lab.graft.use("a").key())).toBe("k1")
    await lab.put("a", exclusive(all, "k2"))
    expect(await soon("the new one", lab.graft.use("a").key())).toBe("k2")
    expect(all.wrong).toEqual([])
  })

  it("what is kept is released as its last holder says, never as a candidate would have that failed", async () => {
    await using lab = new Lab()
    const version = (n: number, works = true): Plugin["setup"] => async (graft) => {
      await graft.keep("it", "k", () => "it", () => lab.note(`released by ${n}`))
      if (!works) throw new Error("no")
    }
    await lab.put("a", version(1))
    await lab.put("a", version(2))
    await lab.put("a", version(3, false))
    await lab.kernel.drop("a")
    await turns()
    expect(lab.notes).toEqual(["released by 2"])
  })

  it("what cannot be acquired fails that setup, and is tried again by the next", async () => {
    await using lab = new Lab()
    let tries = 0
    const setup: Plugin["setup"] = async (graft) => { await graft.keep("it", "k", () => { if (++tries === 1) throw new Error("in use"); return tries }, () => lab.note("released")) }
    await lab.put("a", setup)
    expect(lab.last("a")).toMatchObject({ outcome: "failed", message: "in use" })
    await lab.put("a", setup)
    expect({ status: lab.view("a")!.status, tries, notes: lab.notes }).toEqual({ status: "live", tries: 2, notes: [] })
  })
})
