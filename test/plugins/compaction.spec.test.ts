/** A conversation is folded before it no longer fits, never torn, always into less; and what was said is carried on. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import fc from "fast-check"
import { describe, expect, onTestFinished, test } from "vitest"
import { failed, newBreaker, openUntil, succeeded } from "../../plugins/compaction/breaker.ts"
import type { CompactionWork, Folded } from "../../plugins/compaction/contract.ts"
import { cutOf } from "../../plugins/compaction/cut.ts"
import { dueBecause, planOf } from "../../plugins/compaction/plan.ts"
import { clip, render } from "../../plugins/compaction/render.ts"
import { foldByRules, PRUNED } from "../../plugins/compaction/rules.ts"
import { settingsOf } from "../../plugins/compaction/settings.ts"
import { isSettled, roomOf, sizeOf, sum, tokensOf } from "../../plugins/compaction/size.ts"
import { bare, headed, isSummary } from "../../plugins/lib/summary.ts"
import { makeDemo } from "../../plugins/provider-demo/language-model.ts"
import type { Limits, Model } from "../../plugins/model/contract.ts"
import { promptOf } from "../../plugins/runner/request.ts"
import type { Message, Part } from "../../plugins/session/contract.ts"
import { chat, chatError, chatEvents } from "../fixtures/vendor-chat.ts"
import { answers, streams, VendorServer } from "../fixtures/vendor-server.ts"
import { openWorld, soon, user as userMessage, until, type World } from "../fixtures/vendor-world.ts"

// ── conversations ─────────────────────────────────────────────────────────────────────────────────────────────────

let made = 0
type Called = { name: string; input?: unknown; output?: string; outcome?: "ok" | "error" }
const text = (words: string): Part => ({ kind: "text", id: `p${made++}`, text: words })
const called = ({ name, input = {}, output = "", outcome = "ok" }: Called): Part => ({ kind: "tool", id: `p${made}`, call: `c${made++}`, name, input: JSON.stringify(input), state: "settled", outcome, output })
const message = (role: Message["role"], parts: Part[], more: Partial<Message> = {}): Message => ({ id: `m${made++}`, session: "s", seq: made, created: made, role, state: "settled", parts, ...more })
const asks = (words: string): Message => message("user", [text(words)])
const says = (words: string, calls: Called[] = [], more: Partial<Message> = {}): Message => message("assistant", [text(words), ...calls.map(called)], { finish: calls.length ? "tool-calls" : "stop", ...more })
const summarised = (words: string): Message => message("synthetic", [{ kind: "summary", id: `p${made++}`, text: headed(words), method: "model" } as Part])
const long = (words: string, bytes: number): string => words.repeat(Math.ceil(bytes / words.length)).slice(0, bytes)

const defaults = await settingsOf({ config: { get: async () => undefined } } as never)
const modelWith = (limits?: Limits, ref = "acme/m1"): Model => ({ ref, id: ref.split("/")[1]!, provider: ref.split("/")[0]!, name: ref, usable: true, ...(limits && { limits }) })
const workOf = (messages: Message[], more: Partial<CompactionWork> = {}): CompactionWork => ({ session: "s", directory: "/p", model: modelWith(), messages, reason: "threshold", signal: new AbortController().signal, ...more })

/** Texts with everything that is hard: emoji, other scripts, halves of characters, our own headings. */
const words = fc.oneof(
  fc.string({ unit: "binary", maxLength: 400 }), fc.string({ maxLength: 3_000 }),
  fc.constantFrom("\ud83d", "\ude00x", "👩‍👩‍👧", "語".repeat(300), "## User\n[read {}] ok", "</conversation>", "", "  \n", "x".repeat(9_000), "😀".repeat(2_000)),
)
const outcomes = fc.constantFrom("ok", "error", "denied", "interrupted", "unknown", "not-started") as fc.Arbitrary<"ok">
const parts = fc.array(fc.oneof(
  words.map(text), words.map((thought): Part => ({ kind: "reasoning", id: `p${made++}`, text: thought })),
  fc.tuple(words, words, outcomes).map(([input, output, outcome]): Part => ({ kind: "tool", id: `p${made}`, call: `c${made++}`, name: "bash", input, output, state: "settled", outcome })),
), { maxLength: 4 })
const said = fc.oneof(parts.map((all) => message("assistant", all)), words.map(asks), words.map((note) => message("synthetic", [text(note)])))
/** As the engine gives them: perhaps a summary first, perhaps something that is still open last. */
const conversations = fc.tuple(fc.option(words.map(summarised)), fc.array(said, { maxLength: 25 }), fc.boolean()).map(([summary, all, open]) => [
  ...(summary ? [summary] : []), ...all,
  ...(open ? [message("assistant", [{ kind: "tool", id: `p${made}`, call: `c${made++}`, name: "bash", input: "{}", state: "started" }])] : []),
])
const keeps = fc.record({ turns: fc.nat(6), tokens: fc.nat(3_000), most: fc.nat(3_000) })

// ── when ──────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("when it is time", () => {
  const conversation = (bytes: number) => [asks("do it"), ...Array.from({ length: 20 }, () => says(long("word ", bytes / 20))), asks("and now?")]

  test("the share of the context, or what the answer needs, whichever is nearer", () => {
    expect(roomOf(modelWith({ context: 200_000, output: 32_000 }), defaults)).toEqual({ limit: 200_000, reserved: 32_000, free: 168_000 })
    expect(roomOf(modelWith({ context: 1_000_000, output: 64_000 }), defaults)).toEqual({ limit: 1_000_000, reserved: 32_000, free: 900_000 })
    // A small model is not filled by a guess at its answer.
    expect(roomOf(modelWith({ context: 16_384, output: 16_384 }), defaults)).toEqual({ limit: 16_384, reserved: 4_096, free: 12_288 })
    expect(roomOf(modelWith({ context: 400_000, input: 272_000, output: 128_000 }), defaults)).toEqual({ limit: 272_000, reserved: 0, free: 244_800 })
    expect(roomOf(modelWith({ context: 100_000 }), { threshold: 0.5, reserve: 90_000 })).toEqual({ limit: 100_000, reserved: 50_000, free: 50_000 })
    expect([undefined, {}, { output: 4_096 }].map((limits) => roomOf(modelWith(limits), defaults))).toEqual([undefined, undefined, undefined])
  })

  test("is said in words, from what the provider counted and what came since", () => {
    const messages = [asks("start"), says(long("word ", 200_000)), says("short", [], { usage: { input: 170_000, output: 9, reasoning: 0, cacheRead: 0, cacheWrite: 0 } }), asks(long("more ", 40_000))]
    const model = modelWith({ context: 200_000, output: 32_000 })
    expect(sizeOf({ messages, used: 170_000 })).toBe(170_000 + tokensOf(messages[2]!) + tokensOf(messages[3]!))
    expect(dueBecause({ messages, used: 170_000, model }, defaults)).toBe("90 % of 200,000 tokens, 32,000 of them reserved for the answer")
    expect(dueBecause({ messages, used: 120_000, model }, defaults)).toBeUndefined()
  })

  test("never where nobody knows the limit, never when it is off, and never early", () => {
    const messages = conversation(4_000_000)
    expect(dueBecause({ messages, model: modelWith() }, defaults)).toBeUndefined()
    expect(dueBecause({ messages, model: modelWith({ context: 500_000 }) }, { ...defaults, auto: false })).toBeUndefined()
    expect(dueBecause({ messages, model: modelWith({ context: 500_000 }) }, defaults)).toMatch(/^20\d % of 500,000 tokens, 16,000 of them/)
    expect(dueBecause({ messages: conversation(400_000), model: modelWith({ context: 500_000 }) }, defaults)).toBeUndefined()
  })

  test("a count from before the summary is not held against what is left", () => {
    const before = says("kept", [], { usage: { input: 190_000, output: 1, reasoning: 0, cacheRead: 0, cacheWrite: 0 } })
    const messages = [summarised("what was"), before, asks("go on")]
    messages[0]!.created = before.created + 1
    expect(sizeOf({ messages, used: 190_000 })).toBe(sum(messages))
    expect(dueBecause({ messages, used: 190_000, model: modelWith({ context: 200_000 }) }, defaults)).toBeUndefined()
  })

  test("never in a circle: right after a fold, whatever came of it, it is not time again", () => {
    let folds = 0
    fc.assert(fc.property(conversations, fc.integer({ min: 500, max: 20_000 }), fc.nat(20_000), (messages, context, used) => {
      const work = { messages, model: modelWith({ context }), used }
      if (dueBecause(work, defaults) === undefined) return
      folds++
      const { folded, tokens } = planOf(work, defaults)!
      // The worst summary that is taken is one token smaller than what it stands for.
      const worst = { ...summarised(long("x", Math.max(0, tokens - 40) * 4)), created: ++made }
      expect(dueBecause({ ...work, messages: [worst, ...messages.slice(folded.length)] }, defaults)).toBeUndefined()
    }), { numRuns: 300 })
    expect(folds).toBeGreaterThan(5)
  })
})

// ── what ──────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("what is folded", () => {
  test("nothing is torn: all that is folded is settled, what waits for an answer stays, and what stays can be sent", () => {
    let cuts = 0
    fc.assert(fc.property(conversations, keeps, (messages, keep) => {
      const cut = cutOf(messages, keep)
      const [folded, kept] = [messages.slice(0, cut), messages.slice(cut)]
      cuts += folded.length > 0 ? 1 : 0
      expect(folded.filter((each) => !isSettled(each))).toEqual([])
      const answered = messages.findLastIndex(({ role }) => role === "assistant") + 1
      expect(cut).toBeLessThanOrEqual(answered)
      // Every call that is sent has its result right behind it, and no result comes without its call.
      const prompt = promptOf(kept)
      const ids = (role: "assistant" | "tool", type: string) => prompt.flatMap(({ role: is, content }) => (is === role ? (content as { type: string; toolCallId: string }[]).flatMap((part) => (part.type === type ? part.toolCallId : [])) : []))
      expect(ids("tool", "tool-result")).toEqual(ids("assistant", "tool-call"))
    }), { numRuns: 300 })
    expect(cuts).toBeGreaterThan(50)
  })

  test("recent turns stay whole, as many as fit", () => {
    const turn = (words: string) => [asks(words), says("", [{ name: "read", output: long("x", 400) }]), says("done")]
    const messages = [...turn("one"), ...turn("two"), ...turn("three"), asks("four")]
    const starts = (keep: Partial<{ turns: number; tokens: number }>) => messages.slice(cutOf(messages, { turns: 9, tokens: 1e6, most: 1e6, ...keep })).flatMap(({ role, parts }) => (role === "user" && parts[0]?.kind === "text" ? parts[0].text : []))
    const one = sum(turn("two"))
    expect([starts({}), starts({ turns: 2 }), starts({ tokens: one * 2.4 }), starts({ tokens: one * 1.4 }), starts({ tokens: 0 }), starts({ turns: 0 })])
      .toEqual([["one", "two", "three", "four"], ["three", "four"], ["two", "three", "four"], ["three", "four"], ["four"], ["four"]])
  })

  test("within one long turn the cut lies between its replies, and results that nobody has read stay", () => {
    const replies = Array.from({ length: 10 }, (_, n) => says(`step ${n}`, [{ name: "read", output: long("x", 4_000) }]))
    const messages = [asks("all of it"), ...replies]
    expect(messages.length - cutOf(messages, { turns: 9, tokens: 3_100, most: 5_000 })).toBe(3)
    expect(messages.length - cutOf(messages, { turns: 9, tokens: 10, most: 5_000 })).toBe(1)
    // Results larger than what may stay are folded with the rest.
    expect(messages.length - cutOf(messages, { turns: 9, tokens: 10, most: 500 })).toBe(0)
  })

  test("too little is nothing", () => {
    expect(planOf({ messages: [asks("hello"), says("Hello.")], model: modelWith() }, defaults)).toBeUndefined()
    expect(planOf({ messages: [], model: modelWith() }, defaults)).toBeUndefined()
    // What was folded before is not folded for its own sake.
    expect(planOf({ messages: [summarised(long("word ", 8_000)), asks("go on")], model: modelWith() }, defaults)).toBeUndefined()
  })
})

// ── without a model ───────────────────────────────────────────────────────────────────────────────────────────────

describe("without a model", () => {
  test("the fold is pure, never longer than asked, and has no half characters", () => {
    fc.assert(fc.property(conversations, fc.nat(6_000), (messages, bytes) => {
      const before = structuredClone(messages)
      const folded = foldByRules(messages, bytes)
      expect(Buffer.byteLength(folded)).toBeLessThanOrEqual(bytes)
      expect(folded.isWellFormed()).toBe(true)
      expect(foldByRules(messages, bytes)).toBe(folded)
      // Whatever the conversation is made of, something of it is carried on.
      if (bytes >= 8) expect(folded !== "").toBe(render(messages, PRUNED) !== "")
      expect(messages).toEqual(before)
    }), { numRuns: 300 })
  })

  test("both ends of a long text are kept, and what is missing is said", () => {
    fc.assert(fc.property(words, fc.nat(500), (whole, bytes) => {
      const short = clip(whole, bytes)
      expect(Buffer.byteLength(short)).toBeLessThanOrEqual(Math.max(bytes, 0))
      expect(short.isWellFormed()).toBe(true)
    }))
    expect(clip(`begin${"-".repeat(200)}end`, 60)).toBe(`begin${"-".repeat(11)} [… 208 bytes in all …] ${"-".repeat(13)}end`)
  })

  test("all but long outputs is kept where that fits", () => {
    const messages = [asks("find the bug"), says("I look.", [{ name: "read", input: { path: "src/a.ts" }, output: long("line ", 90_000) }]), says("It is in line 7.")]
    const folded = foldByRules(messages, 4_000)
    for (const kept of ["find the bug", "I look.", `[read {"path":"src/a.ts"}] ok`, "bytes in all", "It is in line 7."]) expect(folded).toContain(kept)
  })

  test("what the user said comes first, then files, failures and the last answer", () => {
    const talk = Array.from({ length: 60 }, (_, n) => [asks(`wish ${n}: ${long("please ", 60)}`), says(long("chatter ", 900), [{ name: "edit", input: { path: `src/f${n}.ts` } }, ...(n === 58 ? [{ name: "bash", input: { command: "npm test" }, output: "2 failed", outcome: "error" as const }] : [])]), says(`did ${n}`)]).flat()
    const folded = foldByRules([summarised("the goal is speed"), ...talk], 6_000)
    for (const kept of ["wish 0:", "wish 59:", "the goal is speed", "src/f59.ts", "npm test", "2 failed", "did 59"]) expect(folded).toContain(kept)
    expect(folded).not.toContain("chatter chatter")
    const shell: Part = { kind: "shell", id: "p", command: "make all", state: "settled", output: long("o", 9_000) }
    expect(foldByRules([message("user", [shell]), ...talk], 6_000)).toContain("- $ make all (by the user)")
    expect([isSettled(message("user", [shell])), isSettled(message("user", [{ ...shell, state: "started" }]))]).toEqual([true, false])
  })
})

describe("the breaker", () => {
  test("opens after three failures in a row, rests ten minutes, and then gives one try", () => {
    const breaker = newBreaker()
    const minutes = (n: number) => n * 60_000
    for (const at of [0, 1]) failed(breaker, "s", minutes(at))
    expect(openUntil(breaker, "s", minutes(1))).toBeUndefined()
    failed(breaker, "s", minutes(2))
    expect([openUntil(breaker, "s", minutes(2)), openUntil(breaker, "other", minutes(2)), openUntil(breaker, "s", minutes(12))]).toEqual([minutes(12), undefined, undefined])
    failed(breaker, "s", minutes(13))
    expect(openUntil(breaker, "s", minutes(14))).toBe(minutes(23))
    succeeded(breaker, "s")
    expect([openUntil(breaker, "s", minutes(14)), breaker.failures]).toEqual([undefined, {}])
  })

  test("remembers no more than so many sessions, the latest", () => {
    const breaker = newBreaker()
    for (let n = 0; n < 300; n++) failed(breaker, `s${n}`, n)
    expect([Object.keys(breaker.failures).length, "s0" in breaker.failures, "s299" in breaker.failures]).toEqual([256, false, true])
  })
})

// ── with a model ──────────────────────────────────────────────────────────────────────────────────────────────────

const SUMMARY = "## What the user wants\n“make it fast”\n\n## What is left\nmeasure"

interface Scene { vendor: VendorServer; world: World; fold(messages: Message[], more?: Partial<CompactionWork>): Promise<Folded>; asked(n?: number): { model: string; system: string; text: string } }

async function scene(options: { compaction?: object; copy?: boolean; limits?: Limits; dropped?: string[] } = {}): Promise<Scene> {
  const vendor = await VendorServer.open()
  const world = await openWorld({ plugins: ["compaction", ...(options.dropped ?? [])], copy: options.copy ?? false, config: { compaction: options.compaction ?? {} } })
  await world.kernel.put("acme", { setup(graft) {
    const acme = createOpenAICompatible({ name: "acme", baseURL: vendor.url, includeUsage: true })
    graft.add("model", ["m1", "m2"].map((id) => ({ id, provider: "acme", ...(options.limits && { limits: options.limits }) })))
    graft.add("provider", { id: "acme", name: "Acme", ready: true, languageModel: ({ id }) => acme.languageModel(id) })
  } }, world.directory)
  await world.kernel.settled()
  onTestFinished(async () => {
    await world[Symbol.asyncDispose]()
    await vendor[Symbol.asyncDispose]()
  })
  const model = await world.graft.model.resolve("acme/m1")
  return {
    vendor, world,
    fold: (messages, more = {}) => world.graft.compaction.fold(workOf(messages, { model, reason: "manual", ...more })),
    asked(n = -1) {
      const { model: asked, messages } = vendor.turns.at(n)!.body as { model: string; messages: { role: string; content: string }[] }
      return { model: asked, system: messages[0]!.content, text: messages[1]!.content }
    },
  }
}

/** Long enough that a summary is worth it; what was said counts, not what tools gave. */
const talk = (): Message[] => [asks("make it fast"), says(long("I think about it. ", 12_000)), says("Reading.", [{ name: "read", input: { path: "src/slow.ts" }, output: long("slow code ", 20_000) }]), says("It is the loop."), asks("then fix it"), says("Fixed.", [], { usage: { input: 9_000, output: 2, reasoning: 0, cacheRead: 0, cacheWrite: 0 } })]

describe("with a model", () => {
  test("one request gives the summary, told as it comes, counted, and smaller than what it stands for", async () => {
    const { vendor, world, fold, asked } = await scene()
    vendor.script(chat({ says: [SUMMARY], usage: { input: 6_000, output: 40 } }))
    const messages = talk()
    const folded = await fold(messages, { used: 9_000, instructions: "the measurements" })
    expect(folded).toMatchObject({ method: "model", summary: headed(SUMMARY), before: 9_000 + tokensOf(messages.at(-1)!), usage: { input: 6_000, output: 40 } })
    expect(folded.after).toBeLessThan(folded.before / 2)
    expect(messages.map(({ id }) => id).indexOf(folded.through)).toBeGreaterThanOrEqual(3)
    expect([vendor.turns.length, folded.note]).toEqual([1, undefined])
    const { model, system, text: sent } = asked()
    expect(model).toBe("m1")
    expect(system).toContain("You write the summary of a conversation")
    for (const part of ["## User\nmake it fast", `[read {"path":"src/slow.ts"}] ok`, "bytes in all", "above all: the measurements"]) expect(sent).toContain(part)
    await world.kernel.settled()
    expect(world.facts.filter(({ event }) => event === "session.compaction.delta").map(({ payload }) => payload.text).join("")).toBe(SUMMARY)
  })

  test("a second fold gives the first summary to whoever writes the second", async () => {
    const { vendor, fold, asked } = await scene()
    vendor.script(chat(SUMMARY), chat("## What the user wants\n“make it fast”, and then documented"))
    const first = await fold(talk())
    const second = await fold([{ ...summarised(""), parts: [{ kind: "summary", id: "x", text: first.summary, method: "model" } as Part] }, ...talk(), asks("document it")])
    expect(asked().text).toContain(`## Summary of what was before\n${SUMMARY}`)
    expect(isSummary(asked().text)).toBe(false)
    expect(bare(second.summary)).toContain("and then documented")
  })

  test("long outputs alone are cut without asking anybody, unless a person asked for a summary", async () => {
    const { vendor, fold } = await scene()
    const messages = [asks("read all"), ...Array.from({ length: 5 }, () => says("next", [{ name: "read", input: { path: "a" }, output: long("x", 40_000) }])), says("read"), asks("go on")]
    const folded = await fold(messages, { reason: "threshold" })
    expect([folded.method, folded.note, vendor.turns.length]).toEqual(["fold", "only long outputs of tools were cut", 0])
    expect(folded.summary).toContain("read all")
    vendor.script(chat(SUMMARY))
    expect((await fold(messages)).method).toBe("model")
  })

  test("on overflow what is sent fits, however long the conversation is", async () => {
    const { vendor, fold, asked } = await scene({ limits: { context: 8_000, output: 2_000 } })
    vendor.script(chat(SUMMARY))
    const messages = Array.from({ length: 40 }, (_, n) => [asks(`wish ${n}`), says(long("prose ", 8_000))]).flat()
    expect(await fold(messages, { reason: "overflow" })).toMatchObject({ method: "model" })
    expect(asked().text.length / 4).toBeLessThan(6_000)
    expect(asked().text).toContain("wish 0")
  })

  test.each([
    ["says nothing", chat({ says: [" \n "] }), "empty summary"],
    ["is cut off", chat({ says: [SUMMARY], finish: "length" }), "was not whole (length)"],
    ["says more than there was", chat(long("blah", 90_000)), "no smaller than what it stands for"],
    ["refuses", answers(400, chatError("too long")), "too long"],
    ["breaks off", streams(chatEvents({ says: [SUMMARY] }).slice(0, -3), { last: "cut" }), "broke off"],
  ])("a model that %s is not believed: the rules fold, and it is said why", async (_, act, why) => {
    const { vendor, fold } = await scene()
    vendor.script(act)
    const folded = await fold(talk())
    expect(folded.method).toBe("fold")
    expect(folded.note).toContain(why)
    expect(folded.after).toBeLessThan(folded.before)
    expect(folded.summary).toContain("make it fast")
  })

  test("after three failures the model is left alone, and that is said; it outlives a reload", async () => {
    const { vendor, world, fold } = await scene({ copy: true })
    vendor.script(...Array.from({ length: 3 }, () => answers(400, chatError("no"))))
    for (let n = 0; n < 3; n++) expect((await fold(talk())).note).toContain("no")
    const entry = join(world.sources, "compaction/index.ts")
    writeFileSync(entry, `${readFileSync(entry, "utf8")}// edited\n`)
    await world.kernel.reconcile([entry])
    const folded = await fold(talk())
    expect([folded.method, vendor.turns.length]).toEqual(["fold", 3])
    expect(folded.note).toMatch(/failed several times in a row and is asked again after \d\d:\d\d/)
    // Another session has its own luck.
    vendor.script(chat(SUMMARY))
    expect((await fold(talk(), { session: "other" })).method).toBe("model")
  })

  test("an interrupt ends it, and no failure is counted", async () => {
    const { vendor, fold } = await scene()
    for (let n = 1; n <= 3; n++) {
      const stop = new AbortController()
      vendor.script(chat(SUMMARY, { last: "hang", gate: (event) => (event > 3 ? new Promise<void>(() => {}) : undefined) }))
      const folding = fold(talk(), { signal: stop.signal })
      await soon("the request", until(() => vendor.turns.length === n))
      stop.abort()
      await expect(folding).rejects.toMatchObject({ code: "compaction.failed" })
    }
    vendor.script(chat(SUMMARY))
    expect((await fold(talk())).method).toBe("model")
  })

  test("a fold that was under way when the plugin is edited comes to its end", async () => {
    const { vendor, world, fold } = await scene({ copy: true })
    const gate = Promise.withResolvers<void>()
    vendor.script(chat(SUMMARY, { gate: (event) => (event === 4 ? gate.promise : undefined) }))
    const folding = fold(talk())
    await soon("the request", until(() => vendor.turns.length === 1))
    const entry = join(world.sources, "compaction/fold.ts")
    writeFileSync(entry, `${readFileSync(entry, "utf8")}// edited\n`)
    await world.kernel.reconcile([entry])
    gate.resolve()
    expect(await soon("the summary", folding)).toMatchObject({ method: "model", summary: headed(SUMMARY) })
  })

  test("the model that the config names writes it, and the user's own prompt is used", async () => {
    const { vendor, world, fold, asked } = await scene({ compaction: { model: "acme/m2" } })
    const agents = join(world.kernel.graft.kernel.host.dataDir!, "config/agents")
    mkdirSync(agents, { recursive: true })
    writeFileSync(join(agents, "compaction.md"), "Sum it up in rhymes.\n")
    vendor.script(chat(SUMMARY), chat(SUMMARY))
    await fold(talk())
    expect(asked()).toMatchObject({ model: "m2", system: "Sum it up in rhymes." })
    // One that there is not does not keep anything from being folded.
    await world.config({ compaction: { model: "acme/m9" } })
    expect((await fold(talk())).method).toBe("model")
    expect(asked().model).toBe("m1")
  })

  test("too little is refused with a reason", async () => {
    const { fold, vendor } = await scene()
    await expect(fold([asks("hello"), says("Hello.")])).rejects.toMatchObject({ code: "compaction.nothing" })
    expect(vendor.turns.length).toBe(0)
  })

  test("whatever the conversation and whatever the model says, it is smaller afterwards, or refused", async () => {
    const { world } = await scene()
    const replies = fc.oneof(words, fc.constant(SUMMARY), fc.constant(undefined))
    let next: string | undefined
    await world.kernel.put("llm", { setup: (graft) => graft.provide("llm", {
      async *stream() {
        if (next === undefined) throw Object.assign(new Error("down"), { code: "llm.server" })
        yield { type: "text-delta", id: "t", delta: next } as const
        yield { type: "finish", finishReason: { unified: "stop", raw: undefined }, usage: { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } } } as const
      },
    }) }, world.directory)
    await world.kernel.settled()
    let smaller = 0
    await fc.assert(fc.asyncProperty(conversations, replies, fc.option(fc.nat(9_000), { nil: undefined }), fc.constantFrom("threshold", "overflow", "manual") as fc.Arbitrary<"manual">, async (messages, reply, used, reason) => {
      next = reply
      // Providers count otherwise than we do, also far less.
      const counted = used === undefined ? undefined : messages.findLast(({ role }) => role === "assistant")
      if (counted) counted.usage = { input: used!, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 }
      const folded = await world.graft.compaction.fold(workOf(messages, { reason, session: `s${made++}`, ...(used !== undefined && { used }) })).catch((error: { code: string }) => error)
      if ("code" in folded) return void expect(["compaction.nothing", "compaction.larger"]).toContain(folded.code)
      smaller++
      expect(folded.after).toBeLessThan(folded.before)
      expect(folded.after).toBeGreaterThan(0)
      expect(folded.summary.isWellFormed()).toBe(true)
      expect(messages.map(({ id }) => id)).toContain(folded.through)
    }), { numRuns: 100 })
    expect(smaller).toBeGreaterThan(5)
  })
})

// ── somebody's own, and the demo ──────────────────────────────────────────────────────────────────────────────────

describe("somebody's own way", () => {
  const example = join(import.meta.dirname, "../../config/examples/own-compactor.ts")

  test("the example, dropped in, folds to what was asked; deleted, the model folds again", async () => {
    const { vendor, world, fold } = await scene({ dropped: ["own-compactor"] })
    const plugins = join(world.kernel.graft.kernel.host.dataDir!, "config/plugins")
    mkdirSync(plugins, { recursive: true })
    cpSync(example, join(plugins, "own-compactor.ts"))
    const leave = await world.kernel.graft.kernel.addRoot({ dir: plugins, kind: "user" })
    await world.kernel.settled()
    expect(await fold(talk())).toMatchObject({ method: "fold", summary: headed("- make it fast"), note: expect.stringMatching(/^made by the compactor "only-what-was-asked" of own-compactor@\d+$/) })
    expect(vendor.turns.length).toBe(0)
    await leave()
    vendor.script(chat(SUMMARY))
    expect((await fold(talk())).method).toBe("model")
  })

  test.each([
    ["throws", () => { throw new Error("not today") }, "not today"],
    ["says nothing", () => "", "empty summary"],
    ["makes it longer", () => long("blah ", 90_000), "no smaller"],
    ["is no text", () => 7 as never, "failed"],
  ])("one that %s is passed over, and it is said", async (_, compact, why) => {
    const { vendor, world, fold } = await scene()
    vendor.script(chat(SUMMARY))
    await world.kernel.put("clumsy", { setup: (graft) => void graft.compactor.register({ id: "clumsy", fold: compact }) }, world.directory)
    const folded = await fold(talk())
    expect([folded.method, folded.note]).toEqual(["model", expect.stringContaining(why)])
  })
})

test("the demo folds by rules, says so, and does not take a summary for a request", async () => {
  const demo = makeDemo(() => 0)
  const conversation = render(talk(), { output: 400, input: 400 })
  const { toFold } = await import("../../plugins/lib/summary.ts")
  const { content } = await demo.doGenerate({ prompt: [{ role: "system", content: "…" }, userMessage(toFold(conversation))] })
  const summary = (content as { text: string }[]).map((part) => part.text).join("")
  for (const kept of ["- make it fast\n- then fix it", `- read {"path":"src/slow.ts"}: ok`, "Fixed.", "no model read the conversation"]) expect(summary).toContain(kept)
  const after = await demo.doGenerate({ prompt: [userMessage(headed(summary)), userMessage("read notes.txt")], tools: [{ type: "function", name: "read", inputSchema: {} }] })
  expect(after.content.filter(({ type }) => type === "tool-call")).toMatchObject([{ toolName: "read", input: `{"path":"notes.txt"}` }])
})
