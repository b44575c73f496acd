/** What the engine keeps to beside the turn: the conversation is folded in time, loops end, memory stays bounded, and every request can be made again. */
import { definePlugin, type Definition } from "graft"
import { expect, test } from "vitest"
import type { CompactionWork, Folded } from "../../plugins/compaction/contract.ts"
import { call, conversation, fails, finish, says, soon, text, type Conversation } from "../fixtures/conversation.ts"
import { refusedBy } from "../fixtures/machines.ts"
import { everyUseHasOneResult } from "../fixtures/prompts.ts"

const ask = async (c: Conversation, words = "go", id?: string) => {
  const session = id ?? (await c.session())
  await c.kernel.graft.session.prompt({ session, text: words })
  return { session, ended: await soon(c.kernel.graft.session.wait(session)) }
}
const types = (c: Conversation, id: string) => c.log.events(id).map(({ type }) => type)
const facts = <T>(c: Conversation, id: string, type: string) => c.log.events(id).filter((event) => event.type === type).map(({ data }) => data as T)
const said = (c: Conversation, n: number) => JSON.stringify(c.requests[n]!.messages)

/** A compaction that folds everything but the last message, when it is told that it is time. */
function folding(due: (work: { messages: readonly unknown[]; used?: number }) => string | undefined, fold?: (work: CompactionWork) => Promise<Folded>): Record<string, Definition> {
  return { "fake-compaction": definePlugin({ per: "process", setup: (graft) => graft.provide("compaction", {
    due: async (work) => due(work),
    fold: fold ?? (async ({ messages }) => ({ through: messages.at(-2)!.id, summary: `SUMMARY OF ${messages.length}`, method: "fold", before: 100, after: 10 })),
  }) }) }
}

test("when it is time the conversation is folded before the next request, which is made of the summary and what came after (S25)", async () => {
  const sizes: (number | undefined)[] = []
  await using c = await conversation((n) => says(...text(`answer ${n}`), finish()), {}, { extra: folding(({ messages, used }) => (sizes.push(used), messages.length > 4 ? "full" : undefined)) })
  const { session } = await ask(c, "one")
  await ask(c, "two", session)
  await ask(c, "three", session)
  expect(said(c, 2)).toMatch(/SUMMARY OF \d+.*three/)
  expect(said(c, 2)).not.toMatch(/one|answer 1/)
  expect(sizes).toContain(10)
  expect(types(c, session).filter((type) => type.startsWith("session.compaction"))).toEqual(["session.compaction.started", "session.compaction.ended"])
  const messages = await c.kernel.graft.session.messages(session)
  expect(messages.filter(({ role }) => role === "user").map(({ parts }) => parts[0])).toMatchObject([{ text: "one" }, { text: "two" }, { text: "three" }])
  expect(messages.flatMap(({ parts }) => parts.filter(({ kind }) => kind === "summary"))).toMatchObject([{ text: expect.stringContaining("SUMMARY"), reason: "threshold", method: "fold" }])
  const [ended] = facts<{ through: number; message: string }>(c, session, "session.compaction.ended")
  const folded = messages.findIndex(({ id }) => id === ended!.message)
  expect(messages[folded]!.seq).toBeLessThanOrEqual(ended!.through)
  expect(c.log.db.prepare("SELECT boundary FROM session").get()).toEqual({ boundary: ended!.through })
})

test("what does not fit is folded once and asked again in the same turn; what cannot be folded is the clear error, and a fold that fails moves no boundary (S25)", async () => {
  await using c = await conversation([says(...text("first"), finish()), fails("llm.overflow", { retryable: false }), says(...text("now it fits"), finish())], {}, { extra: folding(() => undefined) })
  const { session } = await ask(c, "one")
  expect((await ask(c, "two", session)).ended).toMatchObject({ state: "done", turns: 1 })
  expect(said(c, 2)).toContain("SUMMARY")
  expect(facts(c, session, "provider.attempt.dispatched")).toMatchObject([{ attempt: "a1.1.1" }, { attempt: "a2.1.1" }, { attempt: "a2.1.2" }])

  const broken = async () => { throw Object.assign(new Error("there is too little to fold"), { code: "compaction.nothing" }) }
  await using d = await conversation((n) => (n === 2 ? fails("llm.overflow", { retryable: false }) : says(...text("fine"), finish())), {}, { extra: folding(() => "full", broken) })
  const other = (await ask(d, "one")).session
  expect((await ask(d, "two", other)).ended).toMatchObject({ state: "failed", code: "llm.overflow", reason: expect.stringContaining("larger context") })
  expect((await ask(d, "three", other)).ended).toMatchObject({ state: "done" })
  expect(said(d, 2)).toMatch(/one.*fine.*two.*three/)
  expect(refusedBy(d.log.events(other))).toEqual([])
  expect((await d.kernel.graft.session.messages(other)).every(({ state }) => state === "settled")).toBe(true)
})

test("a fold by hand is done alone, between two turns, and asks the model nothing", async () => {
  const gate = Promise.withResolvers<string>()
  let instructions: string | undefined
  await using c = await conversation((n) => (n === 1 ? says(call("c1", "wait"), finish("tool-calls")) : says(...text("done"), finish())), { wait: async (_, { started }) => (await started(), gate.promise) }, {
    extra: folding(() => undefined, async (work) => ((instructions = work.instructions), { through: work.messages[0]!.id, summary: "BY HAND", method: "model", before: 2, after: 1 })),
  })
  const { session } = c.kernel.graft
  const { promise: begun, resolve } = Promise.withResolvers<void>()
  c.kernel.on("tool.started", () => resolve())
  const id = await c.session()
  await session.prompt({ session: id, text: "first" })
  await soon(begun)
  await session.compact(id, "keep the names")
  await session.prompt({ session: id, text: "after it" })
  gate.resolve("waited")
  expect(await soon(session.wait(id))).toMatchObject({ state: "done", turns: 2 })
  expect(instructions).toBe("keep the names")
  expect(types(c, id).indexOf("session.compaction.ended")).toBeLessThan(types(c, id).lastIndexOf("session.input.promoted"))
  expect(everyUseHasOneResult(c.requests[1]!.messages)).toBe(true)

  await session.compact(id)
  expect(await soon(session.wait(id))).toMatchObject({ state: "done", turns: 0 })
  expect(c.requests).toHaveLength(2)
  expect((await session.messages(id)).filter(({ role }) => role === "user")).toHaveLength(2)
})

test("what others said between two pieces of work is known to the next: what was taken back is not sent", async () => {
  await using c = await conversation((n) => says(...text(`answer ${n}`), finish()))
  const { session, eventlog } = c.kernel.graft
  const { session: id } = await ask(c, "keep this")
  await ask(c, "take this back", id)
  const message = (await session.messages(id)).findLast(({ role }) => role === "user")!.id
  await eventlog.append({ aggregate: id, actor: "user", events: [{ type: "session.reverted", data: { message } }] })
  await ask(c, "instead", id)
  expect(said(c, 2)).toMatch(/keep this.*answer 1.*instead/)
  expect(said(c, 2)).not.toMatch(/take this back|answer 2/)
})

test("attachments are sent as the model can take them", async () => {
  await using c = await conversation(() => says(...text("seen"), finish()))
  const { session, store, eventlog } = c.kernel.graft
  const id = await c.session()
  const [picture, note] = [await store.putBlob(Buffer.from([1, 2, 3])), await store.putBlob("wörds")]
  await eventlog.append({ aggregate: id, actor: "user", events: [{ type: "session.input.admitted", data: { input: "i1", delivery: "steer", resume: true, text: "look", hash: "h", files: [
    { name: "a.png", media: "image/png", blob: picture.sha256, bytes: 3 }, { name: "b.txt", media: "text/plain", blob: note.sha256, bytes: 6 }, { name: "c.pdf", media: "application/pdf", blob: "gone", bytes: 1 },
  ] } }] })
  await session.run(id)
  await soon(session.wait(id))
  const content = c.requests[0]!.messages.findLast(({ role }) => role === "user")!.content
  expect(content).toEqual([
    { type: "text", text: "look" }, { type: "file", filename: "a.png", mediaType: "image/png", data: { type: "data", data: "AQID" } },
    { type: "text", text: '<file name="b.txt">\nwörds\n</file>' }, { type: "text", text: "[the attached file c.pdf is not there any more]" },
  ])
  expect((await session.messages(id)).at(-2)?.parts).toMatchObject([{ kind: "text" }, { kind: "file", name: "a.png" }, { kind: "file" }, { kind: "file" }])
})

test("the same call with the same result: the model is told after three turns, and after five a person is (S18)", async () => {
  await using c = await conversation((n) => (n < 9 ? says(call("c", "look"), finish("tool-calls")) : says(...text("done"), finish())), { look: () => "the same" })
  const { ended, session } = await ask(c)
  expect(ended).toMatchObject({ state: "parked", reason: "loop", turns: 5 })
  expect(said(c, 2)).not.toContain("very same call")
  expect(said(c, 3)).toContain("very same call")
  await c.kernel.graft.session.run(session)
  expect((await soon(c.kernel.graft.session.wait(session))).state).toBe("done")
})

test("the last turn of the allowance is told that it is the last", async () => {
  let calls = 0
  await using c = await conversation(() => says(call("c", "again"), finish("tool-calls")), { again: () => `${++calls}` })
  expect((await ask(c)).ended).toMatchObject({ state: "parked", reason: "turn-limit" })
  expect(said(c, 23)).not.toContain("last turn of this work")
  expect(said(c, 24)).toContain("last turn of this work")
})

test("a slow disk holds the provider's stream, not the memory (S8)", async () => {
  let [given, most] = [0, 0]
  const PIECES = 60
  const piece = "x".repeat(256 * 1024)
  const gates: (() => void)[] = []
  await using c = await conversation([async function* () {
    yield { type: "text-start", id: "t" }
    for (; given < PIECES; given++) yield { type: "text-delta", id: "t", delta: piece }
    yield finish()
  }])
  const { session } = c.kernel.graft
  const id = await c.session()
  c.kernel.on("provider.attempt.dispatched", () => c.log.slow(() => new Promise<void>((resolve) => gates.push(resolve))))
  await session.prompt({ session: id, text: "go" })
  const ended = session.wait(id)
  let [written, idle] = [0, 0]
  // The disk writes only when nothing else moves.
  for (let before = -1; idle < 2_000 && (await Promise.race([ended, Promise.resolve(undefined)])) === undefined; idle++) {
    await new Promise(setImmediate)
    if (given !== before) { before = given; idle = 0; continue }
    most = Math.max(most, given - written)
    if (gates.length === 0) continue
    gates.splice(0).forEach((open) => open())
    await new Promise(setImmediate)
    written = c.log.events(id).filter(({ type }) => type === "message.part.appended").length
    before = -1
  }
  expect(await soon(ended)).toMatchObject({ state: "done" })
  expect(given).toBe(PIECES)
  expect(most).toBeGreaterThan(8)
  expect(most).toBeLessThan(40)
})

test("any request can be made again byte for byte, also what hooks made of it; its hash proves it, and no secret is kept", async () => {
  const hook = definePlugin({ per: "process", setup(graft) {
    graft.on("turn.request", (draft) => {
      draft.system.push("Be brief.")
      draft.options.temperature = 0.5
      draft.headers["x-team"] = "blue"
      draft.headers.authorization = "Bearer hunter2"
      if (draft.messages.length > 3) draft.messages.splice(1, 1)
    })
  } })
  await using c = await conversation([says(...text("let me see"), call("c1", "look"), finish("tool-calls")), says(...text("done"), finish()), says(...text("again"), finish())], { look: () => "seen" }, { extra: { hook } })
  const { session } = c.kernel.graft
  const { session: id } = await ask(c)
  await ask(c, "more", id)
  const attempts = facts<{ attempt: string }>(c, id, "provider.attempt.dispatched").map(({ attempt }) => attempt)
  expect(attempts).toHaveLength(3)
  for (const [n, attempt] of attempts.entries()) {
    const { request, same } = await session.request({ session: id, attempt })
    expect(same).toBe(true)
    const sent = c.requests[n]!
    for (const part of ["model", "system", "tools", "messages", "options"] as const) expect(JSON.stringify(request[part])).toBe(JSON.stringify(sent[part]))
    expect(request.headers).toEqual({ "x-team": "blue", authorization: expect.stringMatching(/^sha256:/) })
  }
  await expect(session.request({ session: id, attempt: "a9.1.1" })).rejects.toMatchObject({ code: "runner.attempt" })
})

test("work that goes on as a job is opened in the commit that settles its call, and started after it; an interrupt ends those that are to end with it", async () => {
  const started: string[] = []
  const cancelled: string[] = []
  const job = definePlugin({ per: "process", setup: (graft) => graft.provide("job", {
    opening: async (_: string, request: object, origin: object) => ({ job: "job_1", input: "inp_job", ...request, origin }),
    start: async (id: string) => void started.push(`${id} after ${types(c, session).includes("job.opened")}`),
    list: async () => [{ id: "job_1", onInterrupt: "cancel" }, { id: "job_2", onInterrupt: "keep" }],
    cancel: async (id: string) => (cancelled.push(id), true),
  } as never) })
  let session = ""
  const request = { spec: { kind: "shell" as const, command: "sleep", directory: "/" }, title: "sleep", delivery: "steer" as const }
  await using c = await conversation([says(call("c1", "bash"), finish("tool-calls")), says(...text("it goes on"), finish()), async function* (_, signal) { yield* text("so"); await new Promise((resolve) => signal.addEventListener("abort", resolve)) }], { bash: async (_, { started: begin }) => (await begin(), { outcome: "backgrounded", output: "it runs", job: request }) }, { extra: { job } })
  session = await c.session()
  await ask(c, "go", session)
  expect(started).toEqual(["job_1 after true"])
  const batch = c.log.appends.find(({ events }) => events.some(({ type }) => type === "job.opened"))!
  expect(batch.events.find(({ type }) => type === "tool.settled")!.data).toMatchObject({ outcome: "backgrounded" })
  const { promise: heard, resolve } = Promise.withResolvers<void>()
  c.kernel.on("message.part.delta", () => resolve())
  await c.kernel.graft.session.prompt({ session, text: "more" })
  await soon(heard)
  await c.kernel.graft.session.interrupt(session)
  await expect.poll(() => cancelled).toEqual(["job_1"])
})
