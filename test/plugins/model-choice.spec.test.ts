/** Which model a turn gets is the config's to say: what may be used, in which order, for whom, in which variant; and what a model thought goes back by its own rule. */
import type { LanguageModelV4Prompt } from "@ai-sdk/provider"
import fc from "fast-check"
import { definePlugin } from "graft"
import { describe, expect, onTestFinished, test } from "vitest"
import { pricesAt } from "../../plugins/lib/prices.ts"
import { ownHistory } from "../../plugins/lib/provider-history.ts"
import { limitIn } from "../../plugins/llm/limit.ts"
import { forbidden } from "../../plugins/model/policy.ts"
import { chat } from "../fixtures/vendor-chat.ts"
import { answers, VendorServer } from "../fixtures/vendor-server.ts"
import { openWorld, user, type World } from "../fixtures/vendor-world.ts"

/** Two providers, acme (preferred) and best, which both have "big-5-5"; best has no key until it is told. */
async function open(config: Record<string, unknown> = {}): Promise<{ server: VendorServer; world: World; ready(is: boolean): Promise<void> }> {
  const server = await VendorServer.open()
  server.route("GET /v1/models", answers(404, "no"))
  const models = { "big-5-5": { name: "Big 5.5", variants: { high: { reasoning: "high" }, long: { maxOutputTokens: 9, provider: { acme: { seed: 7 } } } } }, "big-5": { name: "Big 5" }, "tiny:free": {} }
  const base = { offline: true, providers: { acme: { url: server.url, models } } }
  const world = await openWorld({ plugins: ["provider-openai-compatible"], config: { ...base, ...config } })
  onTestFinished(async () => {
    await world[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  const ready = async (is: boolean) => {
    await world.kernel.put("provider-best", definePlugin((graft) => {
      graft.add("provider", { id: "best", name: "Best", rank: 1, ready: is, ...(!is && { reason: "no key" }), languageModel: () => { throw new Error("nobody asks") } })
      graft.model.register([{ id: "big-5-5", provider: "best", name: "Big 5.5" }, { id: "other", provider: "best", name: "Other" }])
    }), world.directory)
    await world.kernel.settled()
  }
  await ready(false)
  const set = world.config
  world.config = (next) => set({ ...base, ...next })
  return { server, world, ready }
}
const ref = (world: World, ...ask: Parameters<World["graft"]["model"]["resolve"]>) => world.graft.model.resolve(...ask).then((model) => model.ref, (error: { code: string }) => error.code)

describe("the policy", () => {
  test("allows and denies by patterns: the last that fits decides, \"!\" takes back, denied is not allowed", () => {
    const says = (model: string, policy: Parameters<typeof forbidden>[1]) => forbidden(model, policy) === undefined
    expect(says("a/b", {})).toBe(true)
    expect(["a/b", "a/c/d", "x/a"].map((model) => says(model, { allow: ["a/*"] }))).toEqual([true, true, false])
    expect(["a/b", "x/a"].map((model) => says(model, { allow: ["a"] }))).toEqual([true, false])
    expect(["a/b-preview", "a/b", "x/y"].map((model) => says(model, { deny: ["*-preview", "x"] }))).toEqual([false, true, false])
    expect(["a/b", "a/c", "x/y"].map((model) => says(model, { deny: ["*", "!a/*", "a/c"] }))).toEqual([true, false, false])
    expect(["a/b", "a/c"].map((model) => says(model, { allow: ["a/*"], deny: ["a/c"] }))).toEqual([true, false])
    expect(says("OpenAI/GPT", { allow: ["openai/gpt"] })).toBe(true)
    expect(forbidden("a/b", { deny: ["a/*"] })).toBe('the config forbids it (models.deny: "a/*")')
    fc.assert(fc.property(fc.string(), fc.array(fc.string(), { maxLength: 4 }), (model, patterns) => {
      expect(says(model, { allow: ["*"], deny: [] })).toBe(true)
      expect(says(model, { deny: ["*", ...patterns.map((pattern) => pattern.replaceAll("!", ""))] })).toBe(false)
    }))
  })

  test("is live: what it forbids cannot be used and says why, each change is told once, and no other plugin is asked", async () => {
    const { world } = await open()
    world.told()
    await world.config({ models: { deny: ["acme/tiny*"] } })
    expect(world.told()).toEqual(["model.updated acme/tiny:free"])
    expect(await world.graft.model.get("acme/tiny:free")).toMatchObject({ usable: false, reason: 'the config forbids it (models.deny: "acme/tiny*")' })
    expect((await world.graft.model.list()).map((model) => model.ref)).not.toContain("acme/tiny:free")
    expect((await world.graft.model.list({ all: true })).find((model) => model.ref === "openai/gpt-5")).toMatchObject({ usable: false })
    expect(await ref(world, "acme/tiny:free")).toBe("model.unusable")
    await world.config({ models: { deny: ["acme/tiny*"], agents: {} } })
    expect(world.told()).toEqual([])
    await world.config({})
    expect(world.told()).toEqual(["model.updated acme/tiny:free"])
  })
})

describe("the choice", () => {
  test("of a list is the first that can be used, whatever comes and goes; what is asked for has no other", async () => {
    const { world, ready } = await open({ model: ["best/other", "nobody/x", "acme/big-5", "acme/big-5-5"] })
    expect(await ref(world)).toBe("acme/big-5")
    expect(await world.graft.model.chain()).toEqual(["best/other", "nobody/x", "acme/big-5", "acme/big-5-5"])
    await ready(true)
    expect(await ref(world)).toBe("best/other")
    await ready(false)
    expect(await ref(world)).toBe("acme/big-5")
    expect(await ref(world, "best/other")).toBe("model.unusable")
    expect(await world.graft.model.chain("best/other")).toEqual(["best/other"])
    await world.config({ model: ["best/other", "nobody/x"] })
    expect(await ref(world)).toBe("model.unusable")
    await world.config({ model: "acme/big-5-5", small_model: ["best/other", "acme/big-5"] })
    expect(await ref(world, undefined, "small")).toBe("acme/big-5")
  })

  test("is an agent's own where the config names one, and everybody's where it does not", async () => {
    const { world } = await open({ model: "acme/big-5", models: { agents: { plan: "acme/big-5-5", title: ["best/other", "acme/tiny:free"] } } })
    const of = (agent?: string) => ref(world, undefined, "default", { ...(agent && { agent }) })
    expect([await of(), await of("plan"), await of("title"), await of("nobody"), await of("constructor")]).toEqual(["acme/big-5", "acme/big-5-5", "acme/tiny:free", "acme/big-5", "acme/big-5"])
    expect(await world.graft.model.chain(undefined, { agent: "title" })).toEqual(["best/other", "acme/tiny:free"])
  })

  test("understands words where only one model is meant; of one that several providers have it is the usable one's", async () => {
    const { world, ready } = await open()
    expect([await ref(world, "big 5.5"), await ref(world, "Big-5-5"), await ref(world, "tiny")]).toEqual(["acme/big-5-5", "acme/big-5-5", "acme/tiny:free"])
    // Of two that fit, neither: but an exact name is one.
    expect([await ref(world, "big 5"), await ref(world, "big")]).toEqual(["acme/big-5", "model.unknown"])
    await ready(true)
    expect([await ref(world, "other"), await ref(world, "best big 5.5")]).toEqual(["best/other", "best/big-5-5"])
  })

  test("may name a variant: its options are the turn's, unless the turn has its own; an id may have a colon", async () => {
    const { server, world } = await open()
    server.script(chat("a"), chat("b"), chat("c"))
    expect(await world.graft.model.resolve("acme/big-5-5:high")).toMatchObject({ ref: "acme/big-5-5:high", id: "big-5-5", variant: "high" })
    expect([await ref(world, "acme/big-5-5:none"), await ref(world, "acme/tiny:free")]).toEqual(["model.unknown", "acme/tiny:free"])
    await world.turn({ model: "acme/big-5-5:high" })
    await world.turn({ model: "acme/big-5-5:high", options: { reasoning: "low" } })
    await world.turn({ model: "acme/big-5-5:long", options: { provider: { acme: { top_k: 2 } } } })
    expect(server.turns.map(({ body: { model, reasoning_effort, max_tokens, seed } }) => [model, reasoning_effort, max_tokens, seed])).toEqual([["big-5-5", "high", undefined, undefined], ["big-5-5", "low", undefined, undefined], ["big-5-5", undefined, 9, 7]])
  })
})

describe("what a model thought", () => {
  const thought = (text: string, by: string) => ({ type: "reasoning" as const, text, providerOptions: { [by]: { signature: text } } })
  const history: LanguageModelV4Prompt = [user("One"), { role: "assistant", content: [thought("first", "acme"), { type: "text", text: "A" }, thought("foreign", "other")] }, user("Two"), { role: "assistant", content: [thought("second", "acme"), { type: "tool-call", toolCallId: "1", toolName: "read", input: {} }] }, { role: "tool", content: [{ type: "tool-result", toolCallId: "1", toolName: "read", output: { type: "text", value: "r" } }] }]
  const texts = (prompt: LanguageModelV4Prompt) => prompt.flatMap((message) => (message.role === "assistant" ? message.content.flatMap((part) => (part.type === "reasoning" ? part.text : [])) : []))

  test("goes back as its row says: as it came, not at all, as text, or until a person asks again; never to another provider", () => {
    expect(texts(ownHistory(history, "acme"))).toEqual(["first", "second"])
    expect(texts(ownHistory(history, "acme", "strip"))).toEqual([])
    expect(texts(ownHistory(history, "acme", "last-turn"))).toEqual(["second"])
    expect(texts(ownHistory([...history, user("Three")], "acme", "last-turn"))).toEqual([])
    expect(ownHistory(history, "acme", "convert")[1]!.content).toEqual(["first", "A", "foreign"].map((text) => ({ type: "text", text: text === "A" ? "A" : `<thinking>\n${text}\n</thinking>\n` })))
    expect(texts(ownHistory(history, "nobody"))).toEqual([])
    expect(texts(ownHistory(history, ["x", "other"]))).toEqual(["foreign"])
  })

  test("is the config's to say, for the next turn", async () => {
    const { server, world } = await open()
    const sent = async () => {
      server.script(chat("ok"))
      await world.turn({ model: "acme/big-5", messages: history })
      return server.turns.at(-1)!.body.messages.flatMap((message: { reasoning_content?: string }) => message.reasoning_content ?? [])
    }
    expect(await sent()).toEqual(["first", "second"])
    await world.config({ providers: { acme: { url: server.url, models: { "big-5": { replay: "last-turn" } } } } })
    expect(await sent()).toEqual(["second"])
    await world.config({ providers: { acme: { url: server.url, models: { "big-5": { replay: "strip" } } } } })
    expect(await sent()).toEqual([])
  })
})

test("a long request costs what its highest tier says, as a whole; what a tier does not say stays", () => {
  const cost = { input: 1, output: 2, cacheRead: 0.1, tiers: [{ above: 500_000, input: 5 }, { above: 200_000, input: 3, output: 4 }] }
  expect([200_000, 200_001, 500_001].map((input) => pricesAt(cost, input))).toEqual([{ input: 1, output: 2, cacheRead: 0.1 }, { input: 3, output: 4, cacheRead: 0.1 }, { input: 5, output: 2, cacheRead: 0.1 }])
  expect(pricesAt(undefined, 1)).toEqual({})
})

test("how much fits is read out of a refusal, and no allowance a minute is taken for it", () => {
  const cases: [said: string, limit: number | undefined, body?: string][] = [
    ["This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 8_192],
    ["prompt is too long: 210000 tokens > 200000 maximum", 200_000],
    ["The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576],
    ["This model's maximum prompt length is 131,072 but the request contains 537,812 tokens.", 131_072],
    ["input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length", 200_000],
    ["Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens", 4_096],
    ["the request exceeds the available context size", 4_096, '{"error":{"n_ctx": 4096}}'],
    ["Request too large for m1 on tokens per minute (TPM): Limit 30000, Requested 45000", undefined],
    ["Input is too long for requested model.", undefined],
    ["maximum context length is 3 tokens", undefined],
  ]
  expect(cases.map(([said, , body]) => limitIn(said, body).limit)).toEqual(cases.map(([, limit]) => limit))
})
