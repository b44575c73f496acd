/** The runner works from the log until nothing is left: each turn asked once, each call durable before its effect, and every stop has a reason. */
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import fc from "fast-check"
import { definePlugin, type Clock } from "graft"
import { expect, test } from "vitest"
import type { LanguageModelV4Prompt } from "@ai-sdk/provider"
import { refusedBy } from "../fixtures/machines.ts"
import { everyUseHasOneResult } from "../fixtures/prompts.ts"
import { call, conversation, fails, finish, says, soon, text, type Conversation, type Script } from "../fixtures/conversation.ts"

const ask = async (c: Conversation, words = "go", id?: string) => {
  const session = id ?? (await c.session())
  await c.kernel.graft.session.prompt({ session, text: words })
  return { session, ended: await soon(c.kernel.graft.session.wait(session)) }
}
const types = (c: Conversation, session: string) => c.log.events(session).map((event) => event.type)
const last = (prompt: LanguageModelV4Prompt | undefined) => JSON.stringify(prompt?.at(-1))
const until = (c: Conversation, event: "tool.started" | "message.part.delta" | "session.status" | "provider.attempt.retry.scheduled" | "plugin.reloaded") => {
  const { promise, resolve } = Promise.withResolvers<void>()
  c.kernel.on(event, () => resolve())
  return soon(promise, event)
}

test("a knock without anything to do does nothing; a run makes at least one attempt (S17)", async () => {
  await using c = await conversation([says(...text("one"), finish()), says(...text("two"), finish())])
  const { session } = await ask(c)
  const before = types(c, session).length
  using project = await c.kernel.graft.at(c.directory)
  for (let n = 0; n < 5; n++) await project.runner.wake(session)
  expect(types(c, session)).toHaveLength(before)
  await c.kernel.graft.session.run(session)
  expect(await soon(c.kernel.graft.session.wait(session))).toMatchObject({ state: "done", turns: 1 })
  expect(c.requests).toHaveLength(2)
  expect(last(c.requests[1]!.messages)).toContain("Continue.")
})

test("steers join the work at the next boundary in their order; what is queued waits its turn, one at a time (S10)", async () => {
  const gate = Promise.withResolvers<string>()
  await using c = await conversation((n) => (n === 1 ? says(call("c1", "wait"), finish("tool-calls")) : says(...text(`answer ${n}`), finish())), { wait: async (_, { started }) => (await started(), gate.promise) })
  const { session } = c.kernel.graft
  const id = await c.session()
  const begun = until(c, "tool.started")
  await session.prompt({ session: id, text: "first" })
  await begun
  await session.prompt({ session: id, text: "queued 1", delivery: "queue" })
  await session.prompt({ session: id, text: "steer 1" })
  await session.prompt({ session: id, text: "queued 2", delivery: "queue" })
  await session.prompt({ session: id, text: "steer 2" })
  gate.resolve("waited")
  await soon(session.wait(id))
  const users = c.requests.map(({ messages }) => messages.flatMap((message) => (message.role === "user" ? message.content.map((part) => (part.type === "text" ? part.text : "")) : [])).filter((words) => !words.startsWith("Today")))
  expect(users).toEqual([["first"], ["first", "steer 1", "steer 2"], ["first", "steer 1", "steer 2", "queued 1"], ["first", "steer 1", "steer 2", "queued 1", "queued 2"]])
  expect(types(c, id).filter((type) => type === "activity.opened")).toHaveLength(3)
  // Nothing was refused by the log on the way: it was one claim from beginning to end.
  expect(types(c, id).filter((type) => type === "session.claimed")).toHaveLength(1)
})

test("a knock at any moment of the ending is heard: at idle nothing that may start work is left (S17)", async () => {
  await using c = await conversation(() => says(...text("ok"), finish()))
  const { session } = c.kernel.graft
  const id = await c.session()
  const settled = { resolve: () => {} }
  c.kernel.on("activity.settled", () => settled.resolve())
  for (let delay = 0; delay < 60; delay++) {
    const ending = new Promise<void>((resolve) => { settled.resolve = resolve })
    await session.prompt({ session: id, text: "first" })
    await soon(ending)
    for (let n = 0; n < delay; n++) await undefined
    await session.prompt({ session: id, text: "second" })
    await soon(session.wait(id))
    expect(await session.inbox(id)).toEqual([])
  }
})

test("runs of one session join, and sessions work beside each other", async () => {
  const both = Promise.withResolvers<void>()
  await using c = await conversation((n) => async function* () { if (n === 2) both.resolve(); await both.promise; yield* text("ok"); yield finish() })
  const { session } = c.kernel.graft
  const [a, b] = [await c.session(), await c.session()]
  await session.prompt({ session: a, text: "a" })
  await session.prompt({ session: b, text: "b" })
  for (const ended of await soon(Promise.all([a, b].map((id) => session.wait(id))))) expect(ended.state).toBe("done")
  await Promise.all(Array.from({ length: 10 }, () => session.run(a)))
  await soon(session.wait(a))
  expect(c.requests).toHaveLength(3)
})

test("a session that another process works on is left to it, and waited for", async () => {
  await using c = await conversation([])
  const { session, eventlog } = c.kernel.graft
  const id = await c.session()
  const { epoch } = await eventlog.claim(id, "runtime-2")
  const { input } = await session.prompt({ session: id, text: "go" })
  await expect(session.run(id)).rejects.toMatchObject({ code: "eventlog.owned" })
  const ended = session.wait(id)
  const tell = (type: string, data: object) => eventlog.append({ aggregate: id, actor: "runtime:2", epoch, events: [{ type, data: data as never }] })
  await tell("activity.opened", { activity: "a1", ordinal: 1, by: "input", allowance: 25 })
  await tell("session.input.promoted", { input, activity: "a1" })
  await tell("activity.settled", { activity: "a1", outcome: "completed" })
  expect(await soon(ended)).toMatchObject({ state: "done" })
  expect(c.requests).toHaveLength(0)
})

test("calls start while the reply goes on, beside each other, and all are settled before the next request (S16)", async () => {
  let running = 0
  let most = 0
  const all = Promise.withResolvers<void>()
  const script: Script = async function* () {
    for (let n = 0; n < 20; n++) yield call(`c${n}`, "slow", { n })
    await all.promise
    yield* text("that was all")
    yield finish("tool-calls")
  }
  await using c = await conversation([script, says(...text("done"), finish())], {
    slow: async ({ n }: { n: number }, { started }) => {
      await started()
      most = Math.max(most, ++running)
      if (running === 16) all.resolve()
      await all.promise
      running--
      return `result ${n}`
    },
  })
  const { ended, session } = await ask(c)
  expect(ended.state).toBe("done")
  expect(most).toBe(16)
  expect(types(c, session).indexOf("tool.started")).toBeLessThan(types(c, session).indexOf("provider.attempt.settled"))
  const results = c.requests[1]!.messages.at(-1)
  expect(results?.role === "tool" && results.content.map((part) => part.type === "tool-result" && part.output)).toEqual(Array.from({ length: 20 }, (_, n) => ({ type: "text", value: `result ${n}` })))
  expect(c.disposed()).toBe(2)
})

test("a call is on disk before its effect, and a request before its bytes leave (S11, S13)", async () => {
  const seen: string[][] = []
  let id = ""
  await using c = await conversation((n) => async function* () {
    seen.push(types(c, id).slice(-1))
    yield* n === 1 ? [call("c1", "act"), finish("tool-calls")] : [...text("ok"), finish()]
  }, { act: async (_, { started }) => { await started(); seen.push(types(c, id).filter((type) => type.startsWith("tool."))); return "acted" } })
  id = await c.session()
  await ask(c, "go", id)
  expect(seen).toEqual([["provider.attempt.dispatched"], ["tool.called", "tool.started"], ["provider.attempt.dispatched"]])
})

test("from a tool's result to the next request there is one commit", async () => {
  await using c = await conversation((n) => (n < 5 ? says(call("c1", "act"), finish("tool-calls")) : says(...text("ok"), finish())), { act: async (_, { started }) => (await started(), "acted") })
  const { session } = await ask(c)
  const batches = c.log.appends.filter((batch) => batch.aggregate === session).map((batch) => batch.events.map((event) => event.type))
  const dispatches = batches.filter((batch) => batch.includes("provider.attempt.dispatched"))
  expect(dispatches).toHaveLength(5)
  for (const batch of dispatches.slice(1)) expect(batch).toEqual(expect.arrayContaining(["tool.settled", "activity.turn.settled", "activity.turn.started", "provider.attempt.prepared"]))
})

test("after 25 turns of one input the work is parked with what is left, and a new input goes on with it (S18)", async () => {
  let calls = 0
  await using c = await conversation((n) => (n <= 30 ? says(call("c", "again"), finish("tool-calls")) : says(...text("done"), finish())), { again: () => `${++calls}` })
  const { ended, session } = await ask(c)
  expect(ended).toMatchObject({ state: "parked", reason: "turn-limit", turns: 25 })
  expect(c.requests).toHaveLength(25)
  expect(await c.kernel.graft.session.get(session)).toMatchObject({ status: "parked" })
  expect((await ask(c, "go on", session)).ended).toMatchObject({ state: "done", turns: 31 })
  expect(types(c, session).filter((type) => type === "activity.opened")).toHaveLength(1)
})

test("an interrupt ends stream and tools within a second, settles everything in one commit, and the conversation goes on (S19)", async () => {
  const script: Script = async function* (_, signal) {
    yield* [...text("I will", "t"), call("c1", "stuck"), call("c2", "polite")]
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(Object.assign(new Error("aborted"), { code: "llm.aborted" }))))
  }
  await using c = await conversation([script, says(...text("again"), finish())], {
    stuck: async (_, { started }) => { await started(); return new Promise<string>(() => {}) },
    polite: async (_, { started, signal }) => { await started(); return new Promise((resolve) => signal.addEventListener("abort", () => resolve({ outcome: "interrupted", output: "half" }))) },
  })
  const { session } = c.kernel.graft
  const id = await c.session()
  const begun = until(c, "tool.started")
  await session.prompt({ session: id, text: "go" })
  await begun
  await session.prompt({ session: id, text: "and this", resume: true })
  const since = performance.now()
  await session.interrupt(id, "the user said stop")
  expect(performance.now() - since).toBeLessThan(1_200)
  expect(await soon(session.wait(id))).toMatchObject({ state: "interrupted", reason: "the user said stop" })
  const ending = c.log.appends.findLast((batch) => batch.events.some((event) => event.type === "activity.interrupted"))!.events.map((event) => event.type)
  expect(ending).toEqual(expect.arrayContaining(["provider.attempt.settled", "message.settled", "tool.settled", "activity.turn.settled"]))
  expect(await session.inbox(id)).toMatchObject([{ text: "and this", resume: false }])
  expect(c.requests).toHaveLength(1)

  expect((await ask(c, "try again", id)).ended.state).toBe("done")
  expect(everyUseHasOneResult(c.requests[1]!.messages)).toBe(true)
  expect(JSON.stringify(c.requests[1]!.messages)).toMatch(/I will.*may have taken effect.*half.*and this.*try again/)
})

test("an interrupt before anything was sent sends nothing, now or later, and the input stays in the conversation (S19)", async () => {
  const hooked = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  await using c = await conversation([says(...text("late"), finish())], {}, { extra: { hook: definePlugin({ per: "process", setup: (graft) => void graft.on("turn.request", async () => { hooked.resolve(); await gate.promise }) }) } })
  const { session } = c.kernel.graft
  for (const when of ["admitted", "asking"]) {
    const id = await c.session()
    const admitted = Promise.withResolvers<void>()
    c.kernel.on("session.input.admitted", () => admitted.resolve())
    const prompted = session.prompt({ session: id, text: "go" })
    await soon(when === "admitted" ? admitted.promise : hooked.promise, when)
    const interrupted = session.interrupt(id)
    await prompted
    if (when === "asking") gate.resolve()
    await soon(interrupted)
    expect(await soon(session.wait(id))).toMatchObject({ state: "interrupted" })
    expect(await session.inbox(id)).toEqual([])
    expect((await session.messages(id)).filter((message) => message.role === "user")).toHaveLength(1)
  }
  expect(c.requests).toHaveLength(0)
})

test("a rate limit is waited for as long as the provider asks, visibly; the wait is in the log (S22)", async () => {
  const clock = manualClock()
  await using c = await conversation([fails("llm.rate-limit", { retryAfter: 543_210 }), fails("llm.server"), says(...text("at last"), finish())], {}, { clock })
  const { session } = c.kernel.graft
  const id = await c.session()
  const first = until(c, "provider.attempt.retry.scheduled")
  await session.prompt({ session: id, text: "go" })
  await first
  expect(c.log.events(id).at(-1)).toMatchObject({ type: "provider.attempt.retry.scheduled", data: { n: 2, delay: 543_210, error: { code: "llm.rate-limit" } } })
  const second = until(c, "provider.attempt.retry.scheduled")
  await soon(clock.advance(543_210))
  await second
  expect(c.log.events(id).findLast((event) => event.type === "provider.attempt.retry.scheduled")).toMatchObject({ data: { n: 3, delay: expect.toSatisfy((ms: number) => ms >= 3_000 && ms <= 5_000) } })
  await soon(clock.advance((c.log.events(id).at(-1)!.data as { delay: number }).delay))
  expect(await soon(session.wait(id))).toMatchObject({ state: "done", turns: 1 })
  expect(c.requests[2]!.messages).toEqual(c.requests[0]!.messages)
})

const CHAIN = { config: { model: ["fake/one", "fake/two", "fake/three"] } }
const spoke = (c: Conversation) => c.requests.map(({ model }) => model)

test("what a model cannot do, the next that the config names does: told, for the rest of the activity; the next input begins with the first again", async () => {
  await using c = await conversation([fails("llm.quota", { retryable: false }), says(call("c1", "look"), finish("tool-calls")), says(...text("two"), finish()), says(...text("one"), finish())], { look: () => "seen" }, CHAIN)
  const { session, ended } = await ask(c)
  expect(ended).toMatchObject({ state: "done", turns: 2 })
  expect(c.log.events(session).filter(({ type }) => type.endsWith("retry.scheduled"))).toMatchObject([{ data: { n: 2, delay: 0, model: "fake/two", error: { code: "llm.quota" } } }])
  expect((await c.kernel.graft.session.messages(session)).filter(({ role }) => role === "assistant").map(({ model }) => model)).toEqual(["fake/two", "fake/two"])
  await ask(c, "again", session)
  expect(spoke(c)).toEqual(["fake/one", "fake/two", "fake/two", "fake/one"])
})

test("who asks to wait long is not waited for where another may speak; who asks to wait a little is", async () => {
  await using c = await conversation([fails("llm.rate-limit", { retryAfter: 1 }), fails("llm.rate-limit", { retryAfter: 600_000 }), fails("llm.auth", { retryable: false }), fails("llm.auth", { retryable: false })], {}, CHAIN)
  const { ended } = await ask(c)
  expect(spoke(c)).toEqual(["fake/one", "fake/one", "fake/two", "fake/three"])
  expect(ended).toMatchObject({ state: "failed", code: "llm.auth" })
})

test.each(["llm.content-filter", "llm.overflow"])("%s is no reason for another model", async (code) => {
  await using c = await conversation(() => fails(code, { retryable: false }), {}, CHAIN)
  expect((await ask(c)).ended).toMatchObject({ state: "failed", code })
  expect(new Set(spoke(c))).toEqual(new Set(["fake/one"]))
})

test.each([["llm.auth", /llm.auth happened/], ["llm.quota", /happened/], ["llm.request", /happened/], ["llm.overflow", /larger context.*new session/]])("%s fails at once, with the reason", async (code, reason) => {
  await using c = await conversation([fails(code, { retryable: false })])
  const { ended, session } = await ask(c)
  expect(ended).toMatchObject({ state: "failed", code, reason: expect.stringMatching(reason) })
  expect(c.requests).toHaveLength(1)
  expect((await c.kernel.graft.session.messages(session)).at(-1)).toMatchObject({ role: "assistant", state: "settled", finish: "error", error: { code } })
})

test("a model that is not there fails before anything is sent, and the next input works", async () => {
  await using c = await conversation([says(...text("fine"), finish())])
  const id = await c.session()
  await c.kernel.graft.session.update(id, { model: "none/none" })
  expect((await ask(c, "go", id)).ended).toMatchObject({ state: "failed", code: "model.unknown", turns: 0 })
  await c.kernel.graft.session.update(id, { model: "fake/two" })
  expect((await ask(c, "go", id)).ended).toMatchObject({ state: "done" })
  expect(c.requests.map((request) => request.model)).toEqual(["fake/two"])
})

test("a reply that breaks off keeps its text and its calls, and is gone on from with a note; three in a row fail (S15)", async () => {
  await using c = await conversation([fails("llm.cut", {}, ...text("half a "), call("c1", "look")), says(...text("sentence"), finish()), ...[1, 2, 3].map(() => fails("llm.cut", {}, ...text("no")))], { look: () => "seen" })
  const { ended, session } = await ask(c)
  expect(ended).toMatchObject({ state: "done", turns: 2 })
  expect(JSON.stringify(c.requests[1]!.messages)).toMatch(/half a .*seen.*cut off/)
  expect((await c.kernel.graft.session.messages(session)).find((message) => message.finish === "truncated")).toMatchObject({ error: { code: "llm.cut" }, parts: [{ text: "half a " }, { call: "c1", output: "seen" }] })
  expect((await ask(c, "again", session)).ended).toMatchObject({ state: "failed", code: "llm.cut", turns: 3 })
})

test("an empty answer is told to the model once, and then is a failure", async () => {
  await using c = await conversation([says(finish()), says(...text("sorry"), finish()), says(finish()), says(finish())])
  const { ended, session } = await ask(c)
  expect(ended.state).toBe("done")
  expect(last(c.requests[1]!.messages)).toContain("empty")
  expect((await ask(c, "again", session)).ended).toMatchObject({ state: "failed", code: "runner.empty" })
})

test("an unknown tool and arguments that are no JSON are told to the model", async () => {
  await using c = await conversation([says(call("c1", "nothing"), call("c2", "look", "{ not json"), finish("tool-calls")), says(...text("I see"), finish())], { look: () => "seen" })
  expect((await ask(c)).ended.state).toBe("done")
  const results = c.requests[1]!.messages.at(-1)
  expect(results?.role === "tool" && results.content.map((part) => part.type === "tool-result" && part.output)).toEqual([{ type: "error-text", value: "there is no tool nothing" }, { type: "error-text", value: "these arguments are no JSON" }])
})

test("a reply may make 64 calls; the rest are answered without being run", async () => {
  let ran = 0
  await using c = await conversation([says(...Array.from({ length: 70 }, (_, n) => call(`c${n}`, "look")), finish("tool-calls")), says(...text("ok"), finish())], { look: () => `${++ran}` })
  expect((await ask(c)).ended.state).toBe("done")
  expect(ran).toBe(64)
  expect(everyUseHasOneResult(c.requests[1]!.messages)).toBe(true)
})

test("a call that nobody can permit ends the work as blocked with the rule; allowed, it goes on where it stood", async () => {
  let allowed = false
  await using c = await conversation([says(call("c1", "write"), finish("tool-calls")), says(call("c1", "write"), finish("tool-calls")), says(...text("written"), finish())], {
    write: () => (allowed ? "ok" : { outcome: "blocked", output: "write needs permission", rule: "write:*" }),
  })
  const { ended, session } = await ask(c)
  expect(ended).toMatchObject({ state: "blocked", rule: "write:*" })
  expect(c.requests).toHaveLength(1)
  allowed = true
  await c.kernel.graft.session.run(session)
  expect(await soon(c.kernel.graft.session.wait(session))).toMatchObject({ state: "done", turns: 3 })
  expect(everyUseHasOneResult(c.requests[2]!.messages)).toBe(true)
})

test("thoughts are sent back with the provider's own data, and each request begins with the bytes of the one before", async () => {
  const thought = { type: "reasoning-end", id: "r", providerMetadata: { fake: { signature: "sig" } } } as const
  await using c = await conversation((n) => says({ type: "reasoning-start", id: "r" }, { type: "reasoning-delta", id: "r", delta: `hm ${n}` }, thought, ...(n < 4 ? [call("c", "look"), finish("tool-calls")] : [...text("done"), finish()])), { look: () => "seen" })
  await ask(c)
  expect(JSON.stringify(c.requests[1]!.messages)).toContain('{"type":"reasoning","text":"hm 1","providerOptions":{"fake":{"signature":"sig"}}}')
  for (const [n, request] of c.requests.entries()) {
    const before = c.requests[n - 1]
    if (before) expect(JSON.stringify(request.messages).startsWith(JSON.stringify(before.messages).slice(0, -1))).toBe(true)
    expect(request.system).toEqual(c.requests[0]!.system)
  }
})

test("hooks edit the request and the reply: texts change, calls are dropped with their results", async () => {
  await using c = await conversation([says(...text("the password is 1234"), call("c1", "look"), call("c2", "look"), finish("tool-calls")), says(...text("done"), finish())], { look: () => "seen" }, {
    extra: { hook: definePlugin({ per: "process", setup(graft) {
      graft.on("turn.request", (draft) => { draft.system.push("Be brief.") })
      graft.on("turn.response", (draft) => {
        for (const part of draft.parts) if (part.kind === "text") part.text = part.text.replace("1234", "****")
        draft.parts = draft.parts.filter((part) => part.kind !== "tool" || part.call !== "c2")
      })
    } }) },
  })
  await ask(c)
  expect(c.requests[0]!.system.at(-1)).toBe("Be brief.")
  const sent = JSON.stringify(c.requests[1]!.messages)
  expect(sent).toContain("the password is ****")
  expect(sent).not.toMatch(/1234|c2/)
})

test("when another owner takes the session over, this one writes nothing more (S20)", async () => {
  const gate = Promise.withResolvers<void>()
  await using c = await conversation([async function* () { yield* text("one"); await gate.promise; yield* text("two", "u"); yield finish() }])
  const { session } = c.kernel.graft
  const id = await c.session()
  const begun = until(c, "message.part.delta")
  await session.prompt({ session: id, text: "go" })
  await begun
  await new Promise(setImmediate)
  c.log.takeover(id)
  const before = types(c, id).length
  using project = await c.kernel.graft.at(c.directory)
  const ended = project.runner.ended(id)
  gate.resolve()
  expect(await soon(ended)).toMatchObject({ state: "failed", code: "eventlog.fenced" })
  expect(types(c, id)).toHaveLength(before)
})

test("a full disk ends the work with its reason, and nobody waits for ever", async () => {
  await using c = await conversation([says(call("c1", "fill"), finish("tool-calls"))], { fill: () => { c.log.breakWith(Object.assign(new Error("the disk is full"), { code: "store.full" })); return "full" } })
  const { ended, session } = await ask(c)
  expect(ended).toMatchObject({ state: "failed", code: "store.full", reason: "the disk is full" })
  c.log.breakWith(undefined)
  expect((await ask(c, "again", session)).ended.state).toBe("done")
})

test("what a dead owner left open is settled at the next knock, and the conversation goes on (S21)", async () => {
  await using c = await conversation([says(...text("as you were"), finish())])
  const { eventlog } = c.kernel.graft
  const id = await c.session()
  await c.kernel.graft.session.prompt({ session: id, text: "first", id: "inp_1", resume: false })
  const { epoch } = await eventlog.claim(id, "dead")
  const left: [string, object][] = [
    ["activity.opened", { activity: "a1", ordinal: 1, by: "input", allowance: 25 }], ["session.input.promoted", { input: "inp_1", activity: "a1" }],
    ["activity.turn.started", { activity: "a1", turn: 1 }], ["message.created", { message: "a1.1", role: "assistant", activity: "a1" }],
    ["provider.attempt.prepared", { attempt: "a1.1.1", activity: "a1", turn: 1, n: 1, message: "a1.1", model: "fake/one", hash: "", class: "billing-only" }],
    ["provider.attempt.dispatched", { attempt: "a1.1.1" }], ["provider.attempt.output", { attempt: "a1.1.1" }],
    ["message.part.started", { message: "a1.1", part: "a1.1:0", kind: "text" }], ["message.part.appended", { message: "a1.1", part: "a1.1:0", text: "I was about to" }],
    ["tool.called", { message: "a1.1", call: "c1", name: "bash", input: "{}", recovery: "unknown" }], ["tool.started", { message: "a1.1", call: "c1" }],
    ["tool.called", { message: "a1.1", call: "c2", name: "bash", input: "{}", recovery: "unknown" }],
  ]
  await eventlog.append({ aggregate: id, epoch, actor: "runtime:dead", events: left.map(([type, data]) => ({ type, data: data as never })) })
  await eventlog.release(id, epoch)
  expect((await ask(c, "go on", id)).ended.state).toBe("done")
  const messages = await c.kernel.graft.session.messages(id)
  expect(messages.find((message) => message.id === "a1.1")).toMatchObject({ state: "settled", finish: "truncated", parts: [{ text: "I was about to" }, { call: "c1", outcome: "unknown" }, { call: "c2", outcome: "not-started" }] })
  expect(everyUseHasOneResult(c.requests[0]!.messages)).toBe(true)
})

test("editing the runner in mid-turn: the turn ends on the old one, the next starts on the new one", async () => {
  const plugins = fileURLToPath(new URL("../../plugins", import.meta.url))
  const gate = Promise.withResolvers<string>()
  await using c = await conversation([says(call("c1", "wait"), finish("tool-calls")), says(...text("done"), finish())], { wait: async (_, { started }) => (await started(), gate.promise) }, {
    arrange: (root) => { for (const id of ["session", "runner", "instruction", "lib"]) cpSync(join(plugins, id), join(root, id), { recursive: true }) },
  })
  const { session } = c.kernel.graft
  const id = await c.session()
  const begun = until(c, "tool.started")
  await session.prompt({ session: id, text: "go" })
  await begun
  const file = join(c.plugins, "runner", "decide.ts")
  writeFileSync(file, readFileSync(file, "utf8").replace('go: "Continue."', 'go: "Go on."'))
  const reloaded = until(c, "plugin.reloaded")
  await c.kernel.reconcile([file])
  await reloaded
  const waiting = session.wait(id)
  expect(c.requests).toHaveLength(1)
  gate.resolve("waited")
  expect(await soon(waiting)).toMatchObject({ state: "done", turns: 2 })
  expect(c.log.events(id).filter((event) => event.type === "session.claimed")).toHaveLength(2)
  expect(types(c, id).filter((type) => type === "activity.opened")).toHaveLength(1)
  expect(everyUseHasOneResult(c.requests[1]!.messages)).toBe(true)
  await session.run(id)
  await soon(session.wait(id))
  expect(last(c.requests[2]!.messages)).toContain("Go on.")
})

test("random conversations, with failures and interrupts anywhere, never send a history with an open call (S14)", async () => {
  const step = fc.constantFrom("text", "call", "calls", "cut", "refused", "empty", "interrupt")
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
    let at = 0
    let id = ""
    const script: Script = async function* (request) {
      expect(everyUseHasOneResult(request.messages)).toBe(true)
      const now = steps[at++]
      if (now === "interrupt") void c.kernel.graft.session.interrupt(id)
      if (now === "refused") throw Object.assign(new Error("no"), { code: "llm.request" })
      if (now === "empty") return yield finish()
      yield* text(`step ${at}`)
      if (now === "call" || now === "calls" || now === "cut" || now === "interrupt") yield call(`c${at % 2}`, "look")
      if (now === "calls") yield call(`c${at % 2}`, "look")
      if (now === "cut") throw Object.assign(new Error("cut"), { code: "llm.cut" })
      yield finish()
    }
    await using c = await conversation(() => script, { look: async (_, { started }) => (await started(), "seen") })
    id = await c.session()
    while (at < steps.length) expect((await ask(c, `prompt ${at}`, id)).ended.state).toMatch(/done|failed|interrupted|parked/)
    expect(refusedBy(c.log.events(id))).toEqual([])
    for (const table of ["provider_attempt", "tool_call"]) expect(c.log.db.prepare(`SELECT * FROM ${table} WHERE state <> 'settled'`).all()).toEqual([])
  }), { numRuns: 15 })
})

/** Time that passes when it is told to; what is shorter than a second passes by itself. */
function manualClock(): Clock & { advance(milliseconds: number): Promise<void> } {
  let shift = 0
  const waiting = new Set<{ at: number; work: () => void }>()
  const now = () => Date.now() + shift
  return {
    now,
    after(milliseconds, work) {
      if (milliseconds < 1_000) { const timer = setTimeout(work, milliseconds); return () => clearTimeout(timer) }
      const entry = { at: now() + milliseconds, work }
      waiting.add(entry)
      return () => waiting.delete(entry)
    },
    /** Once somebody waits for about so long. */
    async advance(milliseconds) {
      while (![...waiting].some(({ at }) => Math.abs(at - now() - milliseconds) < 500)) await new Promise(setImmediate)
      shift += milliseconds
      for (const entry of waiting) if (entry.at <= now() && waiting.delete(entry)) entry.work()
    },
  }
}
