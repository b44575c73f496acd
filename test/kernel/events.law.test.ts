/** What is told reaches everybody in order and nobody can spoil it for another: order, isolation, back-pressure (L18–L20). */
import * as fc from "fast-check"
import { applyPatches } from "immer"
import type { EventPolicy, Schema } from "graft"
import { describe, expect, it } from "vitest"
import { Inbox } from "../../kernel/bus/inbox.ts"
import { Lab, outcome, plugin, soon, turns, type Instance, type Plugin } from "./harness.ts"
import { collect } from "./memory.ts"

describe("L18 Order", () => {
  it("handlers run by explicit order, id and declaration, whoever came first and however often they reload", async () => {
    const ids = ["a", "b", "B", "aa"]
    const listeners = fc.array(fc.record({ id: fc.constantFrom(...ids), order: fc.constantFrom(undefined, -1, 0, 5) }), { maxLength: 8 })
    await fc.assert(fc.asyncProperty(listeners, fc.array(fc.constantFrom(...ids), { maxLength: 6 }), async (listeners, reloads) => {
      await using lab = new Lab()
      for (const id of [...new Set(listeners.map(({ id }) => id)), ...reloads]) {
        await lab.put(id, (graft) => listeners.forEach((listener, i) => { if (listener.id === id) graft.on("law.ask", (draft: unknown[]) => void draft.push(i), listener.order === undefined ? {} : { order: listener.order }) }))
      }
      const wanted = listeners.map((listener, i) => ({ i, id: listener.id, order: listener.order ?? 0 })).sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : a.id > b.id ? 1 : a.i - b.i)).map(({ i }) => i)
      expect((await lab.graft.mutate("law.ask", [])).value).toEqual(wanted)
    }), { numRuns: 40 })
  })

  it("rows and handlers of built-ins come before those of packages, of the user, of the project, whatever their ids", async () => {
    const kinds = ["project", "user", "built-in", "package"] as const
    await using lab = new Lab({ roots: [] })
    for (const [i, kind] of kinds.entries()) {
      lab.write(`${kind}/${"dcba"[i]}.ts`, plugin(`graft.on("law.ask", (draft) => void draft.push("${kind}")); graft.add("thing", { name: "${kind}" })`))
      await lab.kernel.graft.kernel.addRoot({ dir: lab.path(kind), kind, per: "process" })
    }
    const wanted = ["built-in", "package", "user", "project"]
    expect((await lab.graft.mutate("law.ask", [])).value).toEqual(wanted)
    lab.write("package/a.ts", plugin(`graft.on("law.ask", (draft) => void draft.push("package")); graft.add("thing", { name: "package", again: true })`))
    await lab.settle()
    expect((await lab.graft.mutate("law.ask", [])).value).toEqual(wanted)
    expect([...lab.graft.all("thing")].map(({ name }) => name)).toEqual(wanted)
  })

  it("what one emitter tells of one noun arrives in order, also at a slow listener, also across names of that noun", async () => {
    await using lab = new Lab()
    const heard: string[] = []
    await lab.put("a", (graft) => {
      graft.on("noun.added", async ({ n }) => { await turns(3); heard.push(`added ${n}`) })
      graft.on("noun.removed", ({ n }) => void heard.push(`removed ${n}`))
      graft.on("other.told", ({ n }) => void heard.push(`other ${n}`))
    })
    for (let n = 0; n < 3; n++) for (const event of ["noun.added", "noun.removed", "other.told"]) lab.graft.emit(event, { n })
    await lab.kernel.settled()
    expect(heard.filter((each) => !each.startsWith("other"))).toEqual([0, 1, 2].flatMap((n) => [`added ${n}`, `removed ${n}`]))
    expect(heard.slice(0, 3)).toEqual(["other 0", "other 1", "other 2"])
  })

  it("a handler that is added during a dispatch does not hear that event", async () => {
    await using lab = new Lab()
    await lab.put("a", (graft) => {
      const grow = (event: string) => () => { lab.note(event); graft.on(event, () => lab.note(`late ${event}`), { order: 9 }) }
      for (const event of ["law.told", "law.ask", "law.choice"]) graft.on(event, grow(event))
    })
    lab.graft.emit("law.told", {})
    await lab.kernel.settled()
    await lab.graft.mutate("law.ask", {})
    await lab.graft.decide("law.choice", {})
    expect(lab.notes).toEqual(["law.told", "law.ask", "law.choice"])
    lab.graft.emit("law.told", {})
    await lab.kernel.settled()
    expect(lab.notes.slice(3)).toEqual(["law.told", "late law.told"])
  })

  it("a handler does not hear what was told before it came, even if that still waits in the queue", async () => {
    await using lab = new Lab()
    let instance!: Instance
    await lab.put("a", (graft) => { instance = graft; graft.on("law.told", async ({ n }) => { lab.note(`first ${n}`); await lab.gate("slow") }) })
    for (const n of [1, 2]) lab.graft.emit("law.told", { n })
    await turns()
    instance.on("law.told", ({ n }) => lab.note(`late ${n}`))
    lab.graft.emit("law.told", { n: 3 })
    lab.open("slow")
    await lab.kernel.settled()
    expect(lab.notes).toEqual(["first 1", "first 2", "first 3", "late 3"])
  })

  it("a handler that was removed hears nothing more, and is removed once", async () => {
    await using lab = new Lab()
    const removers: (() => void)[] = []
    await lab.put("a", (graft) => { for (const n of [1, 2]) removers.push(graft.on("law.told", () => lab.note(`${n}`))) })
    removers[0]!()
    removers[0]!()
    lab.graft.emit("law.told", {})
    await lab.kernel.settled()
    expect(lab.notes).toEqual(["2"])
  })

  it("a nested mutate or decide is awaited in place, a nested notify is queued", async () => {
    await using lab = new Lab()
    await lab.put("a", (graft) => {
      graft.on("law.outer", async (draft: string[]) => {
        graft.emit("law.told", {})
        draft.push(...(await graft.mutate("law.inner", [])).value, await graft.decide("law.choice", {}))
        lab.note("outer ends")
      })
      graft.on("law.inner", async (draft: string[]) => { await turns(1); draft.push("inner") })
      graft.on("law.choice", async () => { await turns(1); return "choice" })
    })
    await lab.put("b", (graft) => { graft.on("law.told", () => { graft.emit("other.told", {}); lab.note("told") }); graft.on("other.told", () => lab.note("other told")) })
    expect((await lab.graft.mutate("law.outer", [])).value).toEqual(["inner", "choice"])
    await lab.kernel.settled()
    expect(lab.notes).toEqual(["told", "other told", "outer ends"])
  })

  it("nesting is bounded, and the error names the circle", async () => {
    await using lab = new Lab()
    let depth = 0
    const codes: (string | undefined)[] = []
    await lab.put("a", (graft) => {
      graft.on("law.ping", async () => { depth++; codes.push((await outcome(graft.decide("law.pong", {}))).code) })
      graft.on("law.pong", async () => { depth++; const { code, message } = await outcome(graft.mutate("law.ping", {})); codes.push(code); if (message) lab.note(message) })
    })
    await soon("the end", lab.graft.mutate("law.ping", {}))
    expect(depth).toBe(16)
    expect(codes.filter((code) => code !== undefined)).toEqual(["Depth"])
    expect(lab.notes[0]).toContain("law.ping → law.pong → law.ping")
  })
})

describe("L19 Isolation", () => {
  const positive: Schema = { "~standard": { version: 1, vendor: "law", validate: (value) => ((value as { sum: number }).sum >= 0 ? { value } : { issues: [{ message: "below zero", path: ["sum"] }] }) } }

  it("a draft that throws, hangs or breaks the schema vanishes alone; the patches that were accepted are the whole change", async () => {
    const kind = fc.constantFrom("adds", "adds later", "nothing", "throws", "rejects", "hangs", "breaks the schema", "spoils the draft later")
    await fc.assert(fc.asyncProperty(fc.array(kind, { maxLength: 6 }), async (kinds) => {
      await using lab = new Lab()
      const inputs: number[] = []
      await lab.put("owner", { events: { "law.sum": { schema: positive } }, setup() {} })
      for (const [i, kind] of kinds.entries()) {
        await lab.put(`p${i}`, (graft) => {
          graft.on("law.sum", async (draft: { sum: number; by: string[] }) => {
            inputs.push(draft.sum)
            if (kind === "nothing") return
            if (kind !== "adds") draft.sum += 1000
            else draft.sum += 1
            draft.by.push(graft.id)
            if (kind === "adds later") { await turns(1); draft.sum -= 999 }
            if (kind === "throws" || kind === "rejects") { if (kind === "rejects") await null; throw new Error("no") }
            if (kind === "hangs") await new Promise(() => {})
            if (kind === "breaks the schema") draft.sum = -1
            if (kind === "spoils the draft later") { draft.sum -= 999; void turns(1).then(() => { draft.sum = 77 }).catch(() => {}) }
          })
        })
      }
      const before = { sum: 0, by: [] as string[] }
      const asked = lab.graft.mutate("law.sum", before)
      for (const kind of kinds) { await turns(2); if (kind === "hangs") await lab.clock.advance(5_000) }
      const { value, patches } = await soon("the mutate", asked)
      await turns()
      const good = kinds.flatMap((kind, i) => (kind.startsWith("adds") || kind.startsWith("spoils") ? [`p${i}`] : []))
      expect(value).toEqual({ sum: good.length, by: good })
      expect(inputs).toEqual(kinds.map((_, i) => good.filter((id) => Number(id.slice(1)) < i).length))
      expect(patches.map(({ by }) => by)).toEqual(good.map((id) => `${id}@1`))
      expect(applyPatches(before, patches.flatMap((each) => each.patches))).toEqual(value)
      expect(Object.isFrozen(value) && Object.isFrozen(value.by)).toBe(true)
      await lab.kernel.settled()
      const bad = kinds.flatMap((kind, i) => (["throws", "rejects", "hangs", "breaks the schema"].includes(kind) ? [`p${i}@1`] : []))
      expect(lab.faults().map(({ plugin, gen }) => `${plugin}@${gen}`)).toEqual(bad)
      expect(lab.kernel.journal().filter(({ outcome }) => outcome === "failed").map(({ plugin, gen }) => `${plugin}@${gen}`)).toEqual(bad)
    }), { numRuns: 60 })
  })

  it("a listener that fails neither reaches who tells, nor the next listener, nor the answer", async () => {
    await using lab = new Lab()
    await lab.put("a", (graft) => {
      graft.on("law.told", () => { throw new Error("no") })
      graft.on("law.told", async () => { throw new Error("no") })
      graft.on("law.told", () => new Promise(() => {}), { deadline: 50 })
      graft.on("law.choice", () => { throw new Error("no") })
      graft.on("law.choice", () => new Promise(() => {}), { deadline: 50 })
    })
    await lab.put("b", (graft) => { graft.on("law.told", () => lab.note("heard")); graft.on("law.choice", () => "b"); graft.on("law.choice", () => "never asked") })
    lab.graft.emit("law.told", {})
    const choice = lab.graft.decide("law.choice", {})
    await lab.clock.advance(50)
    expect(await soon("the answer", choice)).toBe("b")
    await lab.kernel.settled()
    expect(lab.notes).toEqual(["heard"])
    expect(lab.faults().map(({ kind, during }) => `${kind === "timeout" ? kind : "failure"} ${during}`).sort()).toEqual(["failure on law.choice", "failure on law.told", "failure on law.told", "timeout on law.choice", "timeout on law.told"])
    expect(await lab.graft.decide("law.nobody", {})).toBe(undefined)
  })

  it("a listener of faults that fails is written down, and not told again", async () => {
    await using lab = new Lab()
    await lab.put("a", (graft) => { graft.on("kernel.fault", () => { throw new Error("loop") }); graft.on("*", () => { throw new Error("star") }); graft.on("law.told", () => { throw new Error("first") }) })
    lab.graft.emit("law.told", {})
    await soon("the end", lab.kernel.settled())
    expect(lab.kernel.journal("a").filter(({ outcome }) => outcome === "failed").length).toBeLessThan(20)
  })

  it("how long a listener may take is said by itself, else by whoever owns the event, else by the kernel", async () => {
    await using lab = new Lab()
    await lab.put("owner", { events: { "law.owned": { deadline: 200 } }, setup() {} })
    await lab.put("a", (graft) => { for (const event of ["law.owned", "law.ask"]) for (const options of [{ deadline: 50 }, {}]) graft.on(event, () => new Promise(() => {}), options) })
    const ended: string[] = []
    const asks = (["mutate", "decide"] as const).flatMap((verb) => ["law.owned", "law.ask"].map((event) => lab.graft[verb](event, {}).then(() => ended.push(`${verb} ${event}`))))
    for (const [after, wanted] of [[249, 0], [1, 2], [4_799, 2], [1, 4]] as const) {
      await lab.clock.advance(after)
      expect(ended.length).toBe(wanted)
    }
    await soon("all", Promise.all(asks))
  })

  it("what cannot be drafted is the error of who asks for it, and no listener's", async () => {
    await using lab = new Lab()
    await lab.put("a", (graft) => { graft.on("law.ask", () => lab.note("heard")) })
    for (const value of [1, "text", undefined, null, new Date()]) expect(await outcome(lab.graft.mutate("law.ask", value))).toMatchObject({ code: "Invalid", message: expect.stringContaining("law.ask: only plain objects") })
    expect({ notes: lab.notes, faults: lab.faults() }).toEqual({ notes: [], faults: [] })
  })

  it("a row that breaks its slot's schema is left out alone, with its field named; a new schema judges anew", async () => {
    await using lab = new Lab()
    const owner = (schema: Schema): Plugin => ({ slots: { sum: { schema, key: ({ by }: { by: string }) => by } }, setup() {} })
    await lab.put("owner", owner(positive))
    await lab.put("reader", (graft) => { graft.all("sum").onChange(({ added }) => lab.note(added.map(({ key }) => key).join())) })
    await lab.put("a", (graft) => { graft.add("sum", [{ by: "good", sum: 1 }, { by: "bad", sum: -1 }]) })
    expect({ keys: lab.graft.all("sum").rows().map(({ key }) => key), notes: lab.notes }).toEqual({ keys: ["good"], notes: ["good"] })
    await lab.kernel.settled()
    expect(lab.faults()).toMatchObject([{ plugin: "a", gen: 1, message: "this sum was left out: sum: below zero" }])
    await lab.put("owner", owner({ "~standard": { version: 1, vendor: "law", validate: (value) => ({ value }) } }))
    expect(lab.graft.all("sum").rows().map(({ key }) => key)).toEqual(["good", "bad"])
  })

  it("a payload that breaks its event's schema is the emitter's error, and nobody hears it", async () => {
    await using lab = new Lab()
    await lab.put("owner", { events: { "law.sum": { schema: positive } }, setup: (graft) => { graft.on("law.sum", ({ sum }) => lab.note(String(sum))) } })
    expect(() => lab.graft.emit("law.sum", { sum: -1 })).toThrow(/law.sum: sum: below zero/)
    lab.graft.emit("law.sum", { sum: 1 })
    await lab.kernel.settled()
    expect(lab.notes).toEqual(["1"])
  })
})

describe("L20 Back-pressure", () => {
  it("in any inbox: pending stays within the cap, nothing is unaccounted for, the newest of each key arrive in order", async () => {
    const step = fc.oneof({ weight: 4, arbitrary: fc.record({ event: fc.constantFrom("noun.a", "noun.b"), key: fc.integer({ min: 0, max: 2 }) }) }, { weight: 1, arbitrary: fc.constant("hand over" as const) })
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), fc.integer({ min: 1, max: 5 }), fc.boolean(), async (steps, cap, coalesces) => {
      const handed: { event: string; n: number }[] = []
      const waiting: (() => void)[] = []
      let busy = 0
      const inbox = new Inbox(({ event, payload }) => { handed.push({ event, n: (payload as { n: number }).n }); return new Promise<void>((resolve) => waiting.push(resolve)) }, (delta) => { busy += delta })
      const policy: EventPolicy = { cap, ...(coalesces ? { coalesce: ({ key }: { key: number }) => String(key) } : {}) }
      const model: { event: string; n: number; key: number }[] = []
      let [emitted, dropped, coalesced, delivered] = [0, 0, 0, 0]
      const wanted: { event: string; n: number }[] = []
      const next = () => { const first = model.shift(); if (first) { delivered++; wanted.push({ event: first.event, n: first.n }) } return first !== undefined }
      let inHand = false
      for (const [n, step] of steps.entries()) {
        if (step === "hand over") {
          waiting.shift()?.()
          await turns(1)
          inHand = next()
          continue
        }
        inbox.push({ event: step.event, payload: { n, key: step.key }, meta: { event: step.event, by: "law@1", at: 0 }, sequence: n }, policy)
        emitted++
        const same = coalesces ? model.find((each) => each.event === step.event && each.key === step.key) : undefined
        if (same) { same.n = n; coalesced++ }
        else {
          if (model.filter(({ event }) => event === step.event).length >= cap) { model.splice(model.findIndex(({ event }) => event === step.event), 1); dropped++ }
          model.push({ ...step, n })
        }
        if (!inHand) { await turns(1); inHand = next() }
        expect(inbox.counters).toEqual({ emitted, delivered, dropped, coalesced })
        expect(inbox.pending).toBe(model.length)
        expect(inbox.pending).toBeLessThanOrEqual(2 * cap)
        expect(inbox.counters.delivered + inbox.counters.dropped + inbox.counters.coalesced + inbox.pending).toBe(inbox.counters.emitted)
      }
      while (busy) { waiting.shift()?.(); await turns(1); next() }
      expect(handed).toEqual(wanted)
    }), { numRuns: 40 })
  })

  it("a stuck subscriber delays nobody, keeps the newest up to its cap, and its losses are counted", async () => {
    await using lab = new Lab()
    const heard: Record<string, number[]> = { stuck: [], other: [], merged: [] }
    await lab.put("owner", { events: { "law.told": { cap: 10 }, "law.state": { coalesce: () => "one" } }, setup() {} })
    await lab.put("stuck", (graft) => { graft.on("law.told", async ({ n }) => { heard.stuck!.push(n); await lab.gate("stuck") }); graft.on("law.state", ({ n }) => void heard.merged!.push(n)) })
    await lab.put("other", (graft) => { graft.on("law.told", ({ n }) => void heard.other!.push(n)) })
    for (let n = 0; n < 100; n++) {
      lab.graft.emit("law.told", { n })
      lab.graft.emit("law.state", { n })
      await turns(1)
    }
    expect(heard.other).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(lab.view("stuck")!.dropped).toBe(89)
    lab.open("stuck")
    await lab.kernel.settled()
    expect(heard.stuck).toEqual([0, ...Array.from({ length: 10 }, (_, i) => 90 + i)])
    expect(heard.merged).toEqual([99])
  })

  it("what was dropped is let go: a stuck subscriber holds no more than its cap in memory", async () => {
    await using lab = new Lab()
    await lab.put("owner", { events: { "law.told": { cap: 10 } }, setup() {} })
    await lab.put("stuck", (graft) => { graft.on("law.told", () => lab.gate("stuck"), { deadline: Infinity }) })
    const payloads: WeakRef<object>[] = []
    lab.graft.emit("law.told", {})
    await turns()
    for (let n = 0; n < 3_000; n++) {
      const payload = { n }
      payloads.push(new WeakRef(payload))
      lab.graft.emit("law.told", payload)
    }
    await turns()
    lab.told.length = 0
    collect()
    expect(payloads.filter((payload) => payload.deref()).length).toBeLessThan(100)
    lab.open("stuck")
    await lab.kernel.settled()
  })
})
