/** Whatever comes at whatever moment, nothing is lost, nothing is done twice, nobody waits for ever: the log says so. */
import { createHash } from "node:crypto"
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import fc from "fast-check"
import { definePlugin, type Definition } from "graft"
import { expect, test } from "vitest"
import { call, conversation, fails, finish, says, soon, text, type Conversation, type Script } from "../fixtures/conversation.ts"
import { refusedBy } from "../fixtures/machines.ts"
import { everyUseHasOneResult } from "../fixtures/prompts.ts"

const heard = <T>(c: Conversation, event: string): Promise<T> => {
  const { promise, resolve } = Promise.withResolvers<T>()
  const remove = c.kernel.on(event as "session.idle", (payload) => {
    remove()
    resolve(payload as T)
  })
  return soon(promise, event)
}
const types = (c: Conversation, session: string) => c.log.events(session).map((event) => event.type)

test("a provider's result for a call that is not its own to answer is passed over (S20)", async () => {
  const result = (toolCallId: string) => ({ type: "tool-result" as const, toolCallId, toolName: "look", result: "made up" })
  const hosted = { ...call("h1", "search"), providerExecuted: true } as ReturnType<typeof call>
  await using c = await conversation([says(result("never"), call("c1", "look"), result("c1"), hosted, result("h1"), result("h1"), finish("tool-calls")), says(...text("done"), finish())], { look: async (_, { started }) => (await started(), "seen") })
  const id = await c.session()
  await c.kernel.graft.session.prompt({ session: id, text: "go" })
  expect(await soon(c.kernel.graft.session.wait(id))).toMatchObject({ state: "done", turns: 2 })
  const settled = c.log.events(id).filter((event) => event.type === "tool.settled").map((event) => event.data as { call: string; output: string })
  expect(settled.map(({ call: which, output }) => [which, output]).sort()).toEqual([["c1", "seen"], ["h1", '"made up"']])
  expect(JSON.stringify(c.requests[1]!.messages.at(-1))).toContain('"toolCallId":"c1"')
})

test("an input that is taken back at the very moment it is taken in costs no result of a tool (S10)", async () => {
  const gate = Promise.withResolvers<string>()
  await using c = await conversation([says(call("c1", "wait"), finish("tool-calls")), says(...text("done"), finish())], { wait: async (_, { started }) => (await started(), gate.promise) })
  const { session } = c.kernel.graft
  const id = await c.session()
  const begun = Promise.withResolvers<void>()
  c.kernel.on("tool.started", () => begun.resolve())
  await session.prompt({ session: id, text: "first" })
  await soon(begun.promise)
  const { input } = await session.prompt({ session: id, text: "second" })
  c.log.before("session.input.promoted", () => session.cancel(id, input))
  gate.resolve("waited")
  expect(await soon(session.wait(id))).toMatchObject({ state: "done", turns: 2 })
  expect(types(c, id).filter((type) => type === "tool.settled" || type === "activity.interrupted")).toEqual(["tool.settled"])
  expect(JSON.stringify(c.requests[1]!.messages)).toContain("waited")
  expect(JSON.stringify(c.requests[1]!.messages)).not.toContain("second")
})

test("a blob store that fails fails the turn before anything is sent (S11)", async () => {
  await using c = await conversation([says(...text("sent"), finish())])
  const { session } = c.kernel.graft
  c.log.breakBlobs(Object.assign(new Error("the disk is full"), { code: "store.full" }))
  const id = await c.session()
  await session.prompt({ session: id, text: "go" })
  expect(await soon(session.wait(id))).toMatchObject({ state: "failed", code: "store.full" })
  expect(c.requests).toHaveLength(0)
  expect(types(c, id).at(-1)).toBe("activity.settled")
  c.log.breakBlobs(undefined)
  await session.prompt({ session: id, text: "again" })
  expect(await soon(session.wait(id))).toMatchObject({ state: "done" })
})

test("a store that fails at the last look leaves nobody waiting, and the session works again (S17)", async () => {
  await using c = await conversation(() => says(...text("ok"), finish()))
  const { session } = c.kernel.graft
  const id = await c.session()
  // From the settling on, no question is answered.
  const remove = c.kernel.on("activity.settled", () => {
    remove()
    c.log.breakReads(Object.assign(new Error("the database is busy"), { code: "store.busy" }))
  })
  using project = await c.kernel.graft.at(c.directory)
  const idle = heard(c, "session.idle")
  await session.prompt({ session: id, text: "go" })
  expect(await idle).toMatchObject({ session: id, state: "failed", code: "store.busy" })
  c.log.breakReads(undefined)
  expect(await project.runner.active()).toEqual([])
  await session.prompt({ session: id, text: "again" })
  expect(await soon(session.wait(id))).toMatchObject({ state: "done" })
})

const PLUGINS = fileURLToPath(new URL("../../plugins", import.meta.url))
/** Plugins that a test may edit. */
const editable = (root: string) => { for (const id of ["session", "runner", "instruction", "lib"]) cpSync(join(PLUGINS, id), join(root, id), { recursive: true }) }
async function edit(c: Conversation, file: string): Promise<void> {
  const path = join(c.plugins, file)
  const reloaded = heard(c, "plugin.reloaded")
  writeFileSync(path, `${readFileSync(path, "utf8")}// saved again\n`)
  await c.kernel.reconcile([path])
  await reloaded
}

test("an interrupt in the moment in which one generation hands the session to the next is not lost (S19)", async () => {
  const gate = Promise.withResolvers<string>()
  await using c = await conversation([says(call("c1", "wait"), finish("tool-calls")), says(...text("second"), finish())], { wait: async (_, { started }) => (await started(), gate.promise) }, { arrange: editable })
  const { session } = c.kernel.graft
  const id = await c.session()
  const begun = heard(c, "tool.started")
  await session.prompt({ session: id, text: "go" })
  await begun
  await edit(c, "runner/decide.ts")
  const done = Promise.withResolvers<void>()
  c.log.before("tool.settled", async () => {
    session.interrupt(id).then(done.resolve, done.reject)
    for (let n = 0; n < 5; n++) await new Promise(setImmediate)
  })
  gate.resolve("waited")
  await soon(done.promise, "the interrupt")
  expect((await soon(session.wait(id))).state).toBe("interrupted")
  expect(c.requests).toHaveLength(1)
})

test("a run in that moment is not lost either: at least one attempt follows (S17)", async () => {
  const gate = Promise.withResolvers<void>()
  await using c = await conversation([async function* () { yield* text("first"); await gate.promise; yield finish() }, says(...text("second"), finish())], {}, { arrange: editable })
  const { session } = c.kernel.graft
  const id = await c.session()
  const begun = heard(c, "message.part.delta")
  await session.prompt({ session: id, text: "go" })
  await begun
  await edit(c, "runner/decide.ts")
  const done = Promise.withResolvers<void>()
  c.log.before("message.settled", async () => {
    session.run(id).then(done.resolve, done.reject)
    for (let n = 0; n < 5; n++) await new Promise(setImmediate)
  })
  gate.resolve()
  await soon(done.promise, "the run")
  expect((await soon(session.wait(id))).state).toBe("done")
  expect(c.requests).toHaveLength(2)
})

test("a knock right after the last look is heard (S17)", async () => {
  await using c = await conversation(() => says(...text("ok"), finish()))
  const { session } = c.kernel.graft
  const id = await c.session()
  // What the coordinator asks for the last time: the drain's own last look came before.
  const settled = c.kernel.on("activity.settled", () => {
    settled()
    c.log.afterRead("SELECT 1 FROM activity WHERE session", 1, () => session.prompt({ session: id, text: "second" }))
  })
  await session.prompt({ session: id, text: "first" })
  await heard(c, "session.idle")
  expect(await session.inbox(id)).toEqual([])
  expect(c.requests).toHaveLength(2)
})

test("a call that was still asking when the interrupt came does not start after it (S19)", async () => {
  let effects = 0
  const asked = Promise.withResolvers<void>()
  await using c = await conversation([says(call("c1", "asks"), finish("tool-calls"))], { asks: async (_, { started, signal }) => {
    asked.resolve()
    await new Promise((resolve) => signal.addEventListener("abort", resolve))
    await started()
    effects++
    return "done"
  } })
  const { session } = c.kernel.graft
  const id = await c.session()
  await session.prompt({ session: id, text: "go" })
  await soon(asked.promise)
  await soon(session.interrupt(id))
  expect(effects).toBe(0)
  expect(types(c, id)).not.toContain("tool.started")
  expect((await session.messages(id)).at(-1)?.parts).toMatchObject([{ call: "c1", outcome: "not-started" }])
})

const never = () => new Promise<never>(() => {})
const hook = (event: "turn.request" | "turn.response") => definePlugin({ per: "process", setup: (graft) => { graft.on(event, never, { deadline: 60_000 }) } })

test.each<[where: string, script: Script, reached: string, extra: Record<string, Definition>]>([
  ["the model is being chosen", says(), "activity.opened", { "fake-model": definePlugin({ per: "process", setup: (graft) => graft.provide("model", { resolve: never } as never) }) }],
  ["the tools are being gathered", says(), "activity.opened", { "fake-tool": definePlugin({ per: "process", setup: (graft) => graft.provide("tool", { list: async () => [], advertise: never } as never) }) }],
  ["a hook looks at the request", says(), "activity.opened", { hook: hook("turn.request") }],
  ["a hook looks at the reply", says(...text("said"), finish()), "message.part.delta", { hook: hook("turn.response") }],
  ["the provider says nothing and does not hear", async function* () { yield* text("so"); await never() }, "message.part.delta", {}],
  ["a retry is waited for", fails("llm.rate-limit", { retryAfter: 600_000 }), "provider.attempt.retry.scheduled", {}],
  ["a tool does not hear", says(call("c1", "stuck"), finish("tool-calls")), "tool.started", {}],
])("an interrupt ends everything within a second while %s; a second one changes nothing (S19)", async (_, script, reached, extra) => {
  await using c = await conversation([script, says(...text("as if nothing had been"), finish())], { stuck: async (_input, { started }) => (await started(), never()) }, { extra })
  const { session } = c.kernel.graft
  const id = await c.session()
  const there = heard(c, reached)
  await session.prompt({ session: id, text: "go" })
  await there
  const since = performance.now()
  await Promise.all([session.interrupt(id), session.interrupt(id, "again")])
  expect(performance.now() - since).toBeLessThan(1_500)
  expect((await soon(session.wait(id))).state).toBe("interrupted")
  expect(types(c, id).filter((type) => type === "activity.interrupted")).toHaveLength(1)
  expect(refusedBy(c.log.events(id))).toEqual([])
  expect(c.log.db.prepare("SELECT * FROM provider_attempt WHERE state <> 'settled' UNION ALL SELECT * FROM provider_attempt WHERE outcome IS NULL").all()).toEqual([])
})

test("what passes by itself is tried four times more, and then is a failure (S22)", async () => {
  await using c = await conversation(() => fails("llm.network", { retryAfter: 1 }))
  const id = await c.session()
  await c.kernel.graft.session.prompt({ session: id, text: "go" })
  expect(await soon(c.kernel.graft.session.wait(id))).toMatchObject({ state: "failed", code: "llm.network", turns: 1 })
  expect(c.requests).toHaveLength(5)
  expect(types(c, id).filter((type) => type === "message.created")).toHaveLength(2)
})

test("what is said is what was stored: chunks join to the text, and its sum fits, also of a reply that was cut (S15)", async () => {
  const words = Array.from({ length: 2_000 }, (_, n) => `wörd ${n} `)
  await using c = await conversation([async function* () {
    yield { type: "text-start", id: "t" }
    for (const delta of words) yield { type: "text-delta", id: "t", delta }
    throw Object.assign(new Error("cut"), { code: "llm.cut" })
  }, says(...text("done"), finish())])
  const { session } = c.kernel.graft
  const id = await c.session()
  await session.prompt({ session: id, text: "go" })
  await soon(session.wait(id))
  const stored = c.log.events(id).filter((event) => event.type === "message.part.appended").map((event) => event.data as { message: string; text: string }).filter(({ message }) => message === "a1.1").map((chunk) => chunk.text)
  expect(stored.join("")).toBe(words.join(""))
  expect(stored.length).toBeLessThan(20)
  expect(c.log.events(id).find((event) => event.type === "message.part.settled")?.data).toMatchObject({ length: words.join("").length, sha256: createHash("sha256").update(words.join("")).digest("base64url") })
  expect((await session.messages(id)).find((message) => message.id === "a1.1")?.parts).toMatchObject([{ text: words.join("") }])
})

test("a wait, and a question of the session, go on when the session plugin is edited in the middle (S17)", async () => {
  const gate = Promise.withResolvers<string>()
  await using c = await conversation([says(call("c1", "wait"), finish("tool-calls")), says(...text("done"), finish())], { wait: async (_, { started }) => (await started(), gate.promise) }, { arrange: editable })
  const { session } = c.kernel.graft
  const id = await c.session()
  const begun = heard(c, "tool.started")
  await session.prompt({ session: id, text: "go" })
  await begun
  const waiting = session.wait(id)
  await edit(c, "session/sessions.ts")
  await session.prompt({ session: id, text: "and this" })
  gate.resolve("waited")
  expect(await soon(waiting)).toMatchObject({ state: "done", turns: 2 })
  expect((await session.messages(id)).filter((message) => message.role === "user")).toHaveLength(2)
  expect(JSON.stringify(c.requests[1]!.messages)).toContain("and this")
})

/** What a provider does in one attempt, and what happens beside it. */
const STEPS = ["text", "call", "calls", "refused", "limited", "cut", "half a call", "empty", "steer", "queue", "take back", "interrupt", "interrupt twice", "interrupt a tool", "run", "reload runner", "reload session", "unknown tool", "no JSON"] as const
type Step = (typeof STEPS)[number]

test("random conversations: the log is always legal, nothing is lost, nothing runs twice (S10, S13, S14, S28)", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom<Step>(...STEPS), { minLength: 1, maxLength: 14 }), async (steps) => {
    const ran = new Map<string, number>()
    const inputs: string[] = []
    const beside: Promise<unknown>[] = []
    let at = 0
    let id = ""
    const script: Script = async function* (request) {
      expect(everyUseHasOneResult(request.messages)).toBe(true)
      const step = steps[at++] ?? "text"
      const { session } = c.kernel.graft
      const say = async (words: string, delivery: "steer" | "queue") => { inputs.push((await session.prompt({ session: id, text: words, delivery })).input) }
      if (step === "refused") throw Object.assign(new Error("no"), { code: "llm.request" })
      if (step === "limited") throw Object.assign(new Error("later"), { code: "llm.rate-limit", retryAfter: 1 })
      if (step === "empty") return yield finish()
      yield* text(`step ${at}`)
      if (step === "steer" || step === "queue") await say(`beside ${at}`, step)
      if (step === "take back") beside.push(session.prompt({ session: id, text: `taken ${at}` }).then(({ input }) => (inputs.push(input), session.cancel(id, input))))
      if (step === "run") beside.push(session.run(id))
      if (step === "interrupt" || step === "interrupt twice") beside.push(session.interrupt(id))
      if (step === "interrupt twice") beside.push(session.interrupt(id))
      if (step === "reload runner") await edit(c, "runner/decide.ts")
      if (step === "reload session") await edit(c, "session/sessions.ts")
      if (step === "half a call") yield* [{ type: "tool-input-start", id: "half", toolName: "look" }, { type: "tool-input-delta", id: "half", delta: '{"a":' }] as const
      if (step === "cut" || step === "half a call") throw Object.assign(new Error("cut"), { code: "llm.cut" })
      if (step === "unknown tool") yield call(`c${at % 2}`, "none")
      if (step === "no JSON") yield call(`c${at % 2}`, "look", "{ no")
      if (step === "interrupt a tool") yield call(`c${at % 2}`, "stuck")
      if (step !== "text") yield call(`c${at % 2}`, "look")
      if (step === "calls") yield* [call("same", "look"), call("same", "look")]
      yield finish("tool-calls")
    }
    await using c = await conversation(() => script, {
      look: async (_, { started }, { id: which }) => {
        await started()
        ran.set(which, (ran.get(which) ?? 0) + 1)
        return "seen"
      },
      stuck: async (_, { started }, { id: which }) => {
        await started()
        ran.set(which, (ran.get(which) ?? 0) + 1)
        beside.push(c.kernel.graft.session.interrupt(id))
        return new Promise<string>(() => {})
      },
    }, { arrange: editable })
    id = await c.session()
    do {
      inputs.push((await c.kernel.graft.session.prompt({ session: id, text: `prompt ${at}` })).input)
      expect((await soon(c.kernel.graft.session.wait(id), "the end", 8_000)).state).toMatch(/done|failed|interrupted|parked/)
      await soon(Promise.allSettled(beside.splice(0)), "what went on beside")
    } while (at < steps.length)
    await soon(c.kernel.graft.session.wait(id))

    const events = c.log.events(id)
    const of = <T>(type: string) => events.filter((event) => event.type === type).map((event) => event.data as T)
    expect(refusedBy(events)).toEqual([])
    for (const table of ["provider_attempt", "tool_call"]) expect(c.log.db.prepare(`SELECT * FROM ${table} WHERE state <> 'settled'`).all()).toEqual([])
    expect(c.log.db.prepare("SELECT * FROM activity WHERE state = 'open'").all()).toEqual([])
    const starts = of<{ call: string }>("tool.started").map(({ call: which }) => which)
    expect(ran.has("half")).toBe(false)
    expect([...ran].sort()).toEqual(starts.map((which) => [which, 1]).sort())
    const left = new Set((await c.kernel.graft.session.inbox(id)).map((input) => (expect(input.resume).toBe(false), input.id)))
    const taken = [...of<{ input: string }>("session.input.promoted"), ...of<{ input: string }>("session.input.cancelled")].map(({ input }) => input)
    expect([...taken, ...left].sort()).toEqual(inputs.sort())
    expect((await c.kernel.graft.session.messages(id, { limit: 1_000 })).filter((message) => message.state !== "settled")).toEqual([])
  }), { numRuns: 12 })
}, 60_000)
