/** The model database is a pure fold of what everybody contributes; each real change is told once, with who made it, and nothing else is. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import fc from "fast-check"
import { createKernel, definePlugin, type EmbeddedKernel, type Graft } from "graft"
import { applyPatches, enablePatches, type Patch } from "immer"
import { afterEach, describe, expect, onTestFinished, test } from "vitest"
import { Catalogue, shippedIn } from "../../plugins/model/catalogue.ts"
import type { ModelRow, ProviderRow } from "../../plugins/model/contract.ts"
import { compare, patchesOf } from "../../plugins/model/diff.ts"
import { foldLayers, trace, type Layer } from "../../plugins/model/fold.ts"
import model from "../../plugins/model/index.ts"
import { convert, Refresh } from "../../plugins/model/refresh.ts"
import { modelOf } from "../../plugins/model/rows.ts"
import { search } from "../../plugins/model/search.ts"

enablePatches()

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const fields = fc.record({
  name: optional(fc.constantFrom("One", "Two", "Three")),
  status: optional(fc.constantFrom("active" as const, "preview" as const)),
  limits: optional(fc.record({ context: optional(fc.integer({ min: 1, max: 5 })), output: optional(fc.integer({ min: 1, max: 5 })) })),
  cost: optional(fc.record({ input: optional(fc.integer({ min: 0, max: 3 })) })),
  capabilities: optional(fc.record({ tools: optional(fc.boolean()), images: optional(fc.boolean()) })),
  variants: optional(fc.dictionary(fc.constantFrom("low", "high", "constructor", "__proto__"), fc.dictionary(fc.constantFrom("effort", "toString"), fc.oneof(fc.integer(), fc.array(fc.integer(), { maxLength: 2 })), { maxKeys: 2 }), { maxKeys: 2 })),
})
const layers = fc.array(fields, { maxLength: 5 }).map((rows) => rows.map((row, index): Layer => ({ by: `p${index}@1`, row: row as Partial<ModelRow> })))
const at = (value: unknown, path: string): unknown => path.split(".").reduce<unknown>((inner, key) => (typeof inner === "object" && inner !== null && Object.hasOwn(inner, key) ? (inner as Record<string, unknown>)[key] : undefined), value)

describe("the fold", () => {
  test("is a function of the layers and their order: the last one that says something of a field has said it", () => {
    fc.assert(fc.property(layers, (list) => {
      const folded = foldLayers("acme", "m", list)
      expect(foldLayers("acme", "m", structuredClone(list))).toEqual(folded)
      for (const path of ["name", "status", "limits.context", "limits.output", "cost.input", "capabilities.tools", "capabilities.images"]) {
        expect(at(folded, path)).toBe(list.map(({ row }) => at(row, path)).findLast((value) => value !== undefined))
      }
    }))
  })

  test("does not depend on the order of contributions that say different things", () => {
    fc.assert(fc.property(fields, fields, ({ name, limits }, { cost, capabilities }) => {
      const [a, b]: Layer[] = [{ by: "a@1", row: { name, limits } as Partial<ModelRow> }, { by: "b@1", row: { cost, capabilities } as Partial<ModelRow> }]
      expect(foldLayers("acme", "m", [a!, b!])).toEqual(foldLayers("acme", "m", [b!, a!]))
    }))
  })

  test("keeps no reference to what was contributed, and leaves prototypes alone", () => {
    fc.assert(fc.property(layers, (list) => {
      const before = JSON.stringify(list)
      const folded = foldLayers("acme", "m", list)
      expect(JSON.stringify(list)).toBe(before)
      expect(Object.isFrozen(folded)).toBe(true)
      expect(Object.getPrototypeOf(folded)).toBe(Object.prototype)
      for (const { row } of list) if (row.limits) expect(folded.limits).not.toBe(row.limits)
    }))
    expect(({} as Record<string, unknown>).effort).toBeUndefined()
  })

  test("gives patches that turn the old model into the new one, and none when nothing changed", () => {
    fc.assert(fc.property(layers, layers, (before, after) => {
      const [old, now] = [before, after].map((list) => modelOf(foldLayers("acme", "m", list), undefined))
      const patches = patchesOf(old, now)
      expect(applyPatches(old!, patches)).toEqual(now)
      expect(patches.length === 0).toBe(JSON.stringify(sorted(old)) === JSON.stringify(sorted(now)))
      expect(compare({ m: old! }, { m: structuredClone(old!) })).toEqual({ next: { m: old }, changes: { added: [], updated: [], removed: [] } })
    }))
  })

  test("can be told again: the last in each field's history is the one whose value is live", () => {
    fc.assert(fc.property(layers, (list) => {
      const folded = foldLayers("acme", "m", list)
      for (const { field, value, history } of trace("acme/m", folded, list, [])) {
        expect(history.length).toBeGreaterThan(0)
        if (!field.startsWith("variants")) expect(history.at(-1)!.value).toEqual(value)
      }
    }))
  })
})

// ── in a kernel ───────────────────────────────────────────────────────────────────────────────────────────────────

interface Fact { event: string; payload: { model?: { ref: string }; provider?: { id: string; ready: boolean }; patches?: Patch[]; by?: string[] }; by: string }
interface World { kernel: EmbeddedKernel; graft: Graft & Disposable; home: string; location: string; facts: Fact[]; told(): string[]; config(tree: Record<string, unknown>): Promise<void>; put(id: string, setup: (graft: Graft) => void | Promise<void>): Promise<void> }

const kernels: EmbeddedKernel[] = []
afterEach(async () => { for (const kernel of kernels.splice(0)) await kernel.close() })

async function world(): Promise<World> {
  const home = mkdtempSync(join(tmpdir(), "graft-model-"))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const location = join(home, "project")
  mkdirSync(join(location, ".git"), { recursive: true })
  const kernel = createKernel({ dataDir: home })
  kernels.push(kernel)
  let tree: Record<string, unknown> = {}
  await kernel.put("config", definePlugin({ per: "process", setup: (graft) => graft.provide("config", { get: async (path: string) => at(tree, path) } as never) }))
  const graft = await kernel.child(location)
  await kernel.put("model", model as never, location)
  const facts: Fact[] = []
  for (const event of ["model.added", "model.updated", "model.removed", "provider.added", "provider.updated", "provider.removed"] as const) graft.on(event, (payload, meta) => { facts.push({ event, payload, by: meta.by }) })
  await kernel.settled()
  return {
    kernel, graft, home, location, facts,
    told: () => facts.splice(0).map(({ event, payload }) => `${event} ${payload.model?.ref ?? payload.provider?.id}`),
    async config(next) {
      const paths = [...new Set([...Object.keys(tree), ...Object.keys(next)])]
      tree = next
      kernel.emit("config.changed", { paths })
      await kernel.settled()
    },
    put: async (id, setup) => { await kernel.put(id, { setup }, location); await kernel.settled() },
  }
}

const speaker = (id: string, more: Partial<ProviderRow> = {}): ProviderRow => ({ id, name: id.toUpperCase(), ready: true, languageModel: () => { throw new Error("nobody speaks in this spec") }, ...more })

describe("what is told", () => {
  test("one fact a real change: an edited provider with one changed model is one model.updated, and nothing else", async () => {
    const { put, told, facts } = await world()
    const acme = (name: string) => (graft: Graft) => { graft.add("provider", speaker("acme")); graft.model.register([{ id: "a", provider: "acme", name }, { id: "b", provider: "acme", name: "B" }]) }
    await put("acme", acme("A"))
    expect(told()).toEqual(["provider.added acme", "model.added acme/a", "model.added acme/b"])
    await put("acme", acme("A"))
    expect(told()).toEqual([])
    await put("acme", acme("Renamed"))
    expect(facts.map(({ payload }) => payload)).toEqual([{ model: expect.objectContaining({ ref: "acme/a", name: "Renamed" }), patches: [{ op: "replace", path: ["name"], value: "Renamed" }], by: ["acme@3"] }])
    expect(told()).toEqual(["model.updated acme/a"])
    await put("acme", (graft) => { graft.add("provider", speaker("acme")); graft.model.register({ id: "b", provider: "acme", name: "B" }) })
    expect(told()).toEqual(["model.removed acme/a"])
  })

  test("nothing at the model database's own reload, and what is missed while it is away comes after", async () => {
    const { kernel, put, told, graft, location } = await world()
    await put("acme", (instance) => { instance.add("provider", speaker("acme")); instance.model.register({ id: "a", provider: "acme" }) })
    told()
    await kernel.put("model", model as never, location)
    await kernel.settled()
    expect(kernel.inspect().realms.find((realm) => realm.location === location)!.plugins.find(({ id }) => id === "model")!.gen).toBe(2)
    expect(told()).toEqual([])
    await kernel.graft.kernel.disable("model")
    await put("more", (instance) => { instance.add("model", { id: "late", provider: "acme" }) })
    await kernel.graft.kernel.enable("model")
    await kernel.settled()
    expect(told()).toEqual(["model.added acme/late"])
    expect((await graft.model.list({ provider: "acme" })).map(({ id }) => id)).toEqual(["a", "late"])
  })

  test("a provider that becomes ready updates itself and its models; unloading it is as if it had never been", async () => {
    const { kernel, put, told, graft, location } = await world()
    const acme = (ready: boolean) => (instance: Graft) => { instance.add("provider", speaker("acme", ready ? {} : { ready, reason: "no key: set ACME_API_KEY" })); instance.model.register({ id: "a", provider: "acme" }) }
    await put("acme", acme(false))
    expect(await graft.model.list()).toEqual([])
    expect(await graft.model.list({ all: true, provider: "acme" })).toMatchObject([{ ref: "acme/a", usable: false, reason: "no key: set ACME_API_KEY" }])
    told()
    await put("acme", acme(true))
    expect(told()).toEqual(["provider.updated acme", "model.updated acme/a"])
    expect(await graft.model.providers()).toEqual([{ id: "acme", name: "ACME", ready: true, models: 1 }])
    await kernel.drop("acme", location)
    await kernel.settled()
    expect(told()).toEqual(["model.removed acme/a", "provider.removed acme"])
    expect(await graft.model.providers()).toEqual([])
  })

  test("a row that is nonsense is left out alone, and its owner is told the field", async () => {
    const { kernel, put, graft } = await world()
    const nonsense: unknown[] = [{ id: "limit", provider: "acme", limits: { context: -1 } }, { id: "price", provider: "acme", cost: { input: "free" } }, { id: "a/b", provider: "ac me" }, { id: "", provider: "acme" }, { id: "__proto__", provider: "acme" }, { id: "code", provider: "acme", variants: { high: { run: () => 1 } } }, { id: "state", provider: "acme", status: "new" }]
    const faults: string[] = []
    kernel.on("kernel.fault", ({ plugin, message }) => { faults.push(`${plugin}: ${message}`) })
    await put("acme", (instance) => { instance.add("provider", speaker("acme")); instance.add("model", [{ id: "good", provider: "acme" }, ...(nonsense as ModelRow[])]) })
    expect((await graft.model.list()).map(({ ref }) => ref)).toEqual(["acme/good"])
    await kernel.settled()
    expect(faults).toHaveLength(nonsense.length)
    expect(faults[0]).toContain("acme: this model was left out: limits.context: a limit is at least 1")
  })
})

describe("who said it", () => {
  test("catalogue < plugins in their order < models.jsonc < config < drafts, and why tells the whole story", async () => {
    const { put, graft, home, config } = await world()
    await put("anthropic", (instance) => { instance.add("provider", speaker("anthropic")); instance.model.register({ id: "claude-fable-5", provider: "anthropic", limits: { context: 1 }, family: "claude" }) })
    await put("zz", (instance) => { instance.model.register({ id: "claude-fable-5", provider: "anthropic", limits: { context: 2 } }) })
    mkdirSync(join(home, "config"), { recursive: true })
    writeFileSync(join(home, "config", "models.jsonc"), '{\n  // what my proxy allows\n  "anthropic/claude-fable-5": { "limits": { "context": 3 } },\n}')
    await config({ providers: { anthropic: { models: { "claude-fable-5": { limits: { context: 4 } } } } } })
    await put("late", (instance) => { instance.add("modelDraft", { id: "cap", edit: (models) => { models["anthropic/claude-fable-5"]!.limits!.context = 5 } }) })
    const [story] = await graft.model.why("anthropic/claude-fable-5", "limits.context")
    expect(story).toEqual({
      ref: "anthropic/claude-fable-5", field: "limits.context", value: 5,
      history: [{ by: "catalogue", value: 1_000_000 }, { by: "anthropic@1", value: 1 }, { by: "zz@1", value: 2 }, { by: "models.jsonc", value: 3 }, { by: "config", value: 4 }, { by: "late@1", value: 5 }],
    })
    expect(await graft.model.get("anthropic/claude-fable-5")).toMatchObject({ name: "Claude Fable 5", family: "claude", limits: { context: 5, output: 128_000 }, cost: { input: 10 } })
    const fields = (await graft.model.why("anthropic/claude-fable-5")).map(({ field }) => field)
    expect(fields).toContain("capabilities.tools")
    expect(fields).not.toContain("id")
  })

  test("a changed config is told as config's, and a removed entry gives back what was before", async () => {
    const { put, graft, config, facts, told } = await world()
    await put("acme", (instance) => { instance.add("provider", speaker("acme")); instance.model.register({ id: "a", provider: "acme", limits: { output: 10 } }) })
    told()
    await config({ providers: { acme: { models: { a: { limits: { output: 20, context: 99 } }, mine: { name: "Mine" } } } } })
    expect(facts.find(({ event }) => event === "model.updated")!.payload.by).toEqual(["config"])
    expect(told().sort()).toEqual(["model.added acme/mine", "model.updated acme/a"])
    await config({ providers: { acme: { models: { a: { limits: { output: "much" } } } } } })
    expect((await graft.model.get("acme/a"))!.limits).toEqual({ output: 10 })
    expect(told().sort()).toEqual(["model.removed acme/mine", "model.updated acme/a"])
    await config({ model: "acme/a" })
    expect(told()).toEqual([])
  })

  test("a bad draft is thrown away alone and named; the others hold, and what a draft deletes is gone", async () => {
    const { kernel, put, graft, location } = await world()
    await put("acme", (instance) => { instance.add("provider", speaker("acme")); instance.model.register([{ id: "a", provider: "acme" }, { id: "b", provider: "acme" }]) })
    const faults: string[] = []
    kernel.on("kernel.fault", ({ plugin }) => { faults.push(plugin) })
    await put("good", (instance) => { instance.add("modelDraft", { id: "hide", edit: (models) => { delete models["acme/b"]; models["acme/a"]!.name = "Better"; models["acme/new"] = { id: "new", provider: "acme" } } }) })
    await put("throws", (instance) => { instance.add("modelDraft", { id: "broken", edit: (models) => { models["acme/a"]!.name = "Half"; throw new Error("not today") } }) })
    await put("lies", (instance) => { instance.add("modelDraft", { id: "liar", edit: (models) => { models["acme/a"]!.limits = { context: Number.NaN } } }) })
    await put("blanks", (instance) => { instance.add("modelDraft", { id: "blank", edit: (models) => { models["acme/a"] = undefined as never } }) })
    await put("waits", (instance) => { instance.add("modelDraft", { id: "slow", edit: (async (models: Record<string, ModelRow>) => { models["acme/a"]!.name = "Later" }) as never }) })
    expect((await graft.model.list()).map(({ ref, name }) => `${ref} ${name}`)).toEqual(["acme/a Better", "acme/new new"])
    const warnings = kernel.logs("model").map(({ text }) => text)
    expect(warnings.some((text) => text.includes('"broken" of throws@1 was thrown away: not today'))).toBe(true)
    expect(warnings.some((text) => text.includes('"liar" of lies@1 was thrown away: acme/a: limits.context'))).toBe(true)
    expect(warnings.some((text) => text.includes('"slow" of waits@1'))).toBe(true)
    expect(warnings.some((text) => text.includes('"blank" of blanks@1 was thrown away: acme/a'))).toBe(true)
    expect(new Set(faults)).toEqual(new Set(["throws", "lies", "blanks", "waits"]))
    await expect(graft.model.why("acme/b")).rejects.toMatchObject({ code: "model.unknown", message: "acme/b was taken away by a draft of good@1" })
    await kernel.drop("good", location)
    await kernel.settled()
    expect((await graft.model.list()).map(({ ref, name }) => `${ref} ${name}`)).toEqual(["acme/a a", "acme/b b"])
  })
})

test("a draft that edits every model costs what they are, not their square; an edit of one provider is one fold of its own", async () => {
  const { put, graft, told } = await world()
  const rows = (provider: string, name = "M") => Array.from({ length: 2_000 }, (_, n) => ({ id: `m${n}`, provider, name: n === 7 ? name : `M ${n}` }))
  const acme = (name: string) => (instance: Graft) => { instance.add("provider", speaker("acme")); instance.model.register(rows("acme", name)) }
  for (let n = 0; n < 9; n++) await put(`p${n}`, (instance) => { instance.add("provider", speaker(`p${n}`)); instance.model.register(rows(`p${n}`)) })
  await put("acme", acme("Seven"))
  // Of the processor, not of the clock: others may be at work here.
  const before = process.cpuUsage()
  await put("draft", (instance) => { instance.add("modelDraft", { id: "all", edit: (models) => { for (const model of Object.values(models)) model.family = "f" } }) })
  expect((await graft.model.get("p3/m1"))?.family).toBe("f")
  expect(process.cpuUsage(before).user / 1_000).toBeLessThan(4_000)
  told()
  await put("acme", acme("Renamed"))
  expect(told()).toEqual(["model.updated acme/m7"])
})

describe("the model of a turn", () => {
  const three = async () => {
    const it = await world()
    await it.put("provider-demo", (graft) => { graft.add("provider", speaker("demo", { rank: 0 })); graft.model.register({ id: "demo", provider: "demo" }) })
    await it.put("provider-acme", (graft) => { graft.add("provider", speaker("acme", { defaultModel: "big", smallModel: "acme/tiny" })); graft.model.register([{ id: "big", provider: "acme", name: "Acme Big" }, { id: "tiny", provider: "acme" }]) })
    await it.put("provider-locked", (graft) => { graft.add("provider", speaker("locked", { rank: 99, ready: false, reason: "no key: set LOCKED_API_KEY" })); graft.model.register([{ id: "vault", provider: "locked" }, { id: "big", provider: "locked" }]) })
    return it
  }
  const refused = (promise: Promise<unknown>) => promise.then(() => { throw new Error("it was given a model") }, (error: { code: string; message: string; near: string[] }) => error)

  test("asked for, else configured, else the best ready provider's default, else the demo", async () => {
    const { kernel, graft, config, location } = await three()
    const ref = async (...ask: [string?, ("default" | "small")?]) => (await graft.model.resolve(...ask)).ref
    expect(await ref()).toBe("acme/big")
    expect(await ref(undefined, "small")).toBe("acme/tiny")
    expect(await ref("demo/demo")).toBe("demo/demo")
    expect(await ref("tiny")).toBe("acme/tiny")
    expect(await ref("ACME BIG")).toBe("acme/big")
    expect(await ref("big")).toBe("acme/big")
    await config({ model: "demo/demo", small_model: "acme/big" })
    expect(await ref()).toBe("demo/demo")
    expect(await ref(undefined, "small")).toBe("acme/big")
    await config({ model: "acme/big" })
    expect(await ref(undefined, "small")).toBe("acme/tiny")
    await config({})
    await kernel.drop("provider-acme", location)
    expect(await ref()).toBe("demo/demo")
  })

  test("a hook may pick it", async () => {
    const { kernel, graft } = await three()
    kernel.on("model.resolve", ({ ref, purpose }) => (purpose === "small" || ref === "auto" ? "demo/demo" : undefined))
    expect((await graft.model.resolve("auto")).ref).toBe("demo/demo")
    expect((await graft.model.resolve("acme/big", "small")).ref).toBe("demo/demo")
    expect((await graft.model.resolve("acme/big")).ref).toBe("acme/big")
  })

  test("what cannot be given is refused with what was perhaps meant, or what to do", async () => {
    const { kernel, graft, location } = await three()
    expect(await refused(graft.model.resolve("acme/bigg"))).toMatchObject({ code: "model.unknown", near: expect.arrayContaining(["acme/big"]), message: expect.stringContaining("did you mean acme/big") })
    expect(await refused(graft.model.resolve("locked/vault"))).toMatchObject({ code: "model.unusable", message: "locked/vault cannot be used: no key: set LOCKED_API_KEY" })
    expect(await refused(graft.model.resolve("locked/big"))).toMatchObject({ message: expect.stringContaining("it can be had as acme/big") })
    expect(await refused(graft.model.resolve("groq/openai/gpt-oss-120b"))).toMatchObject({ code: "model.unusable", message: expect.stringContaining('no plugin speaks for "groq"') })
    expect(await refused(graft.model.why("nothing/like-it"))).toMatchObject({ code: "model.unknown", message: expect.stringContaining('nobody speaks for "nothing"') })
    for (const id of ["provider-demo", "provider-acme"]) await kernel.drop(id, location)
    expect(await refused(graft.model.resolve())).toMatchObject({ code: "model.none", message: expect.stringContaining("locked: no key: set LOCKED_API_KEY") })
  })

  test("a provider that is still coming up is waited for, one that has nothing to do with it is not", async () => {
    const { kernel, graft, location } = await three()
    const gate = Promise.withResolvers<void>()
    const best = Promise.withResolvers<void>()
    const slow = kernel.put("slow", { setup: async (instance: Graft) => { await gate.promise; instance.add("provider", speaker("slow")); instance.add("model", { id: "x", provider: "slow" }) } }, location)
    expect((await graft.model.resolve()).ref).toBe("acme/big")
    const late = graft.model.resolve("slow/x")
    gate.resolve()
    expect((await late).ref).toBe("slow/x")
    await slow
    const put = kernel.put("provider-best", { setup: async (instance: Graft) => { await best.promise; instance.add("provider", speaker("best", { rank: 50 })); instance.add("model", { id: "b", provider: "best" }) } }, location)
    const chosen = graft.model.resolve()
    best.resolve()
    expect((await chosen).ref).toBe("best/b")
    await put
  })
})

describe("the catalogue", () => {
  const shipped = shippedIn([{ dir: fileURLToPath(new URL("../../plugins", import.meta.url)), kind: "built-in" }])

  test("knows its origin, works offline, and has every model in a shape that the fold takes", async () => {
    const index = JSON.parse(readFileSync(join(shipped, "index.json"), "utf8")) as { licence: string; models: number; providers: Record<string, number> }
    expect(index).toMatchObject({ licence: "MIT", origin: expect.stringContaining("npm") })
    expect(Object.keys(index.providers).length).toBeGreaterThanOrEqual(30)
    const { graft } = await world()
    const all = await graft.model.list({ all: true })
    expect(all.length).toBe(index.models)
    expect(all.length).toBeGreaterThanOrEqual(1_500)
    expect(new Set(all.map(({ provider }) => provider)).size).toBe(Object.keys(index.providers).length)
    expect(all.every(({ usable, reason }) => !usable && reason)).toBe(true)
    expect(await graft.model.list()).toEqual([])
  })

  test("is read a provider at a time, and only when asked about", () => {
    const home = mkdtempSync(join(tmpdir(), "graft-catalogue-"))
    onTestFinished(() => rmSync(home, { recursive: true, force: true }))
    writeFileSync(join(home, "good.json"), '{"models":[{"id":"m","efforts":["low"]}]}')
    writeFileSync(join(home, "bad.json"), '{"models":[')
    const warnings: string[] = []
    const catalogue = new Catalogue([{ by: "catalogue", directory: home }], (message) => { warnings.push(message) })
    expect([...catalogue.layers("good")[0]!.rows.values()]).toEqual([{ id: "m", provider: "good", variants: { low: { reasoning: "low" } } }])
    expect(catalogue.layers("../good")).toEqual([])
    expect(catalogue.layers("absent")[0]!.rows.size).toBe(0)
    expect(warnings).toEqual([])
    expect(catalogue.layers("bad")[0]!.rows.size).toBe(0)
    expect(warnings).toEqual([expect.stringContaining("bad.json cannot be read")])
  })

  test("is found by every word of a query, in full or in letters", async () => {
    const { graft } = await world()
    const all = await graft.model.list({ all: true })
    expect(search(all, "anthropic fable")[0]!.ref).toBe("anthropic/claude-fable-5")
    expect(search(all, "clad fble anthrpic").some(({ ref }) => ref === "anthropic/claude-fable-5")).toBe(true)
    expect(search(all, "zzzzqq")).toEqual([])
  })

  const answer = { anthropic: { id: "anthropic", models: { x: { id: "claude-next", name: "Claude Next", tool_call: true, reasoning: true, modalities: { input: ["text", "image"] }, limit: { context: 5_000, output: 0 }, cost: { input: 1, output: 2, cache_read: 0 }, release_date: "2026-11-20" }, y: { id: "embedder", tool_call: false }, z: { tool_call: true } } }, "../evil": { models: { a: { id: "a", tool_call: true } } } }

  test("is refreshed once a day with an ETag, into the cache, and a failure changes nothing", async () => {
    const home = mkdtempSync(join(tmpdir(), "graft-refresh-"))
    onTestFinished(() => rmSync(home, { recursive: true, force: true }))
    const asked: (string | undefined)[] = []
    let status = 200
    const server = createServer((request, response) => {
      asked.push(request.headers["if-none-match"])
      const same = request.headers["if-none-match"] === '"v1"'
      response.writeHead(status === 200 && same ? 304 : status, { etag: '"v1"' }).end(status === 200 && !same ? JSON.stringify(answer) : "")
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api.json`
    let now = 1_000_000_000_000
    const signal = new AbortController().signal
    const fresh = () => new Refresh(join(home, "catalogue"), () => now)
    expect(await fresh().run(url, signal)).toBe("updated")
    expect(await fresh().run(url, signal)).toBe("fresh")
    now += 86_400_001
    expect(await fresh().run(url, signal)).toBe("unchanged")
    expect(asked).toEqual([undefined, '"v1"'])
    now += 86_400_001
    status = 503
    const again = fresh()
    await expect(again.run(url, signal)).rejects.toThrow("answered 503")
    expect(await again.run(url, signal)).toBe("fresh")
    const catalogue = new Catalogue([{ by: "models.dev", directory: join(home, "catalogue") }], () => {})
    expect([...catalogue.providers()]).toEqual(["anthropic"])
    expect(catalogue.layers("anthropic")[0]!.rows.get("claude-next")).toMatchObject({ provider: "anthropic", limits: { context: 5_000 }, cost: { input: 1, output: 2 }, capabilities: { images: true }, released: "2026-11-20" })
  })

  test("takes only what reads as a model from whatever it is answered", () => {
    expect([...convert(answer).keys()]).toEqual(["anthropic"])
    fc.assert(fc.property(fc.jsonValue(), (value) => { expect(convert(value)).toBeInstanceOf(Map) }))
    fc.assert(fc.property(fc.jsonValue(), (value) => { expect(convert({ p: { models: { m: value } } }).size).toBeLessThanOrEqual(1) }))
  })

  test("asks after a turn went out to a provider that it knows, and never when config says no", async () => {
    const { kernel, graft, put, config } = await world()
    const asked: string[] = []
    const server = createServer((request, response) => { asked.push(request.url!); response.end(JSON.stringify(answer)) })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api.json`
    await put("anthropic", (instance) => { instance.add("provider", speaker("anthropic")) })
    const sent = async (provider: string) => { graft.emit("llm.requested", { model: "m", provider, messages: 1, tools: 0 }); await kernel.settled() }
    await config({ catalogue: { refresh: false, url } })
    await sent("anthropic")
    await config({ catalogue: { url }, offline: true })
    await sent("anthropic")
    await config({ catalogue: { url } })
    await sent("demo")
    expect(asked).toEqual([])
    const added = new Promise<string>((resolve) => { graft.on("model.added", ({ model: { ref } }) => resolve(ref)) })
    await sent("anthropic")
    expect(await added).toBe("anthropic/claude-next")
    expect(asked).toEqual(["/api.json"])
    expect((await graft.model.why("anthropic/claude-next", "name"))[0]!.history).toEqual([{ by: "models.dev", value: "Claude Next" }])
  })
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]))
}
