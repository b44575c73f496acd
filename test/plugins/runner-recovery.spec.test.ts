/**
 * Whatever an owner died over is decided by whoever comes next: counted first, nothing sent twice without a word, nothing
 * run twice that has an effect, nothing lost; and when that one dies as well, by the next.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import type { Settling } from "../../plugins/tool/contract.ts"
import { call, conversation, finish, says, soon, text, type Conversation, type Script, type Tool } from "../fixtures/conversation.ts"
import { refusedBy } from "../fixtures/machines.ts"
import { everyUseHasOneResult } from "../fixtures/prompts.ts"

type Left = readonly [type: string, data: object]
const begun = (recovery = "billing-only"): Left[] => [
  ["activity.turn.started", { activity: "a1", turn: 1 }], ["message.created", { message: "a1.1", role: "assistant", activity: "a1" }],
  ["provider.attempt.prepared", { attempt: "a1.1.1", activity: "a1", turn: 1, n: 1, message: "a1.1", model: "fake/one", hash: "", class: recovery }],
]
const sent = (recovery?: string): Left[] => [...begun(recovery), ["provider.attempt.dispatched", { attempt: "a1.1.1" }]]
const streamed = (...then: Left[]): Left[] => [...sent(), ["provider.attempt.output", { attempt: "a1.1.1" }], ...then]
const words: Left[] = [["message.part.started", { message: "a1.1", part: "a1.1:0", kind: "text" }], ["message.part.appended", { message: "a1.1", part: "a1.1:0", text: "I was about to" }]]
const called = (recovery: string): Left => ["tool.called", { message: "a1.1", call: "c1", name: "act", input: '{"n":1}', recovery }]
const started: Left = ["tool.started", { message: "a1.1", call: "c1", plan: { before: "x" } }]
const settled: Left = ["provider.attempt.settled", { attempt: "a1.1.1", outcome: "completed", finish: "tool-calls" }]

/** A session whose owner died after it had said all this. */
async function leave(c: Conversation, events: readonly Left[]): Promise<string> {
  const { session, eventlog } = c.kernel.graft
  const id = await c.session()
  await session.prompt({ session: id, text: "first", id: "inp_1", resume: false })
  const { epoch } = await eventlog.claim(id, "dead")
  const all: Left[] = [["session.claimed", { owner: "dead", epoch }], ["activity.opened", { activity: "a1", ordinal: 1, by: "input", allowance: 25 }], ["session.input.promoted", { input: "inp_1", activity: "a1" }], ...events]
  await eventlog.append({ aggregate: id, epoch, actor: "runtime:dead", events: all.map(([type, data]) => ({ type, data: data as never })) })
  await eventlog.release(id, epoch)
  return id
}

async function discover(c: Conversation, id: string): Promise<string> {
  using project = await c.kernel.graft.at(c.directory)
  expect(await project.runner.discover()).toEqual([id])
  return (await soon(c.kernel.graft.session.wait(id))).state
}
const types = (c: Conversation, id: string) => c.log.events(id).map(({ type }) => type)
const facts = <T>(c: Conversation, id: string, type: string) => c.log.events(id).filter((event) => event.type === type).map(({ data, actor }) => ({ ...(data as T), actor }))
const answer = says(...text("as you were"), finish())

test("C6, C7: what was certainly not sent is sent, and no retry is counted for it (S12)", async () => {
  for (const [events, attempt] of [[[], "a1.1.1"], [begun(), "a1.1.2"]] as const) {
    await using c = await conversation([answer])
    const id = await leave(c, events)
    expect(await discover(c, id)).toBe("done")
    expect(c.requests).toHaveLength(1)
    expect(facts<{ attempt: string }>(c, id, "provider.attempt.dispatched").at(-1)).toMatchObject({ attempt })
    expect(facts(c, id, "activity.recovery.started")).toMatchObject([{ recoveries: 1 }])
    expect(refusedBy(c.log.events(id))).toEqual([])
  }
})

test("C8, C9: what may have been sent is not sent again by itself; a run decides to, by name (S22)", async () => {
  await using c = await conversation([answer])
  const { session } = c.kernel.graft
  const id = await leave(c, sent())
  expect(await discover(c, id)).toBe("parked")
  expect(await session.get(id)).toMatchObject({ status: "parked" })
  expect(await session.wait(id)).toMatchObject({ state: "parked", reason: "needs-decision" })
  expect(c.requests).toHaveLength(0)
  await session.run(id)
  expect(await soon(session.wait(id))).toMatchObject({ state: "done", turns: 1 })
  expect(facts(c, id, "activity.recovery.decided")).toMatchObject([{ decision: "retry", attempt: "a1.1.1", actor: "user" }])
  expect(facts<{ attempt: string }>(c, id, "provider.attempt.dispatched").map(({ attempt }) => attempt)).toEqual(["a1.1.1", "a1.1.2"])
  expect(refusedBy(c.log.events(id))).toEqual([])
})

test("C8: a new prompt leaves it, also where nobody had looked yet, and opens the next activity", async () => {
  for (const looked of [true, false]) {
    await using c = await conversation([answer])
    const { session } = c.kernel.graft
    const id = await leave(c, sent("unsafe"))
    if (looked) await discover(c, id)
    await session.prompt({ session: id, text: "something else" })
    expect(await soon(session.wait(id))).toMatchObject({ state: "done" })
    expect(facts(c, id, "activity.recovery.decided")).toMatchObject([{ decision: "abandon", actor: "user" }])
    expect(facts(c, id, "activity.opened")).toHaveLength(2)
    expect(JSON.stringify(c.requests[0]!.messages)).toMatch(/first.*something else/)
    expect((await session.messages(id)).every(({ state }) => state === "settled")).toBe(true)
    expect(refusedBy(c.log.events(id))).toEqual([])
  }
})

test("C8: whoever decides may be named; twice is refused; an interrupt leaves it as well", async () => {
  await using c = await conversation([answer])
  const { session } = c.kernel.graft
  const id = await leave(c, sent())
  await session.decide(id, "abandon", "policy:night")
  expect(facts(c, id, "activity.recovery.decided")).toMatchObject([{ actor: "policy:night" }])
  await expect(session.decide(id, "retry")).rejects.toMatchObject({ code: "session.nothing" })
  expect(await session.wait(id)).toMatchObject({ state: "interrupted", reason: expect.stringContaining("left") })

  const other = await leave(c, sent())
  await discover(c, other)
  await session.interrupt(other)
  expect(c.log.db.prepare("SELECT outcome FROM provider_attempt WHERE session = ?").get(other)).toEqual({ outcome: "abandoned" })
  expect(c.requests).toHaveLength(0)
})

test("C8: one that its provider knows again, or that may be paid twice, is sent again by itself, visibly, and not for ever", async () => {
  for (const [recovery, config] of [["idempotent", {}], ["billing-only", { "recovery.billingOnly": "auto" }]] as const) {
    await using c = await conversation([answer], {}, { config })
    const id = await leave(c, sent(recovery))
    expect(await discover(c, id)).toBe("done")
    expect(c.requests).toHaveLength(1)
    expect(facts(c, id, "provider.attempt.settled")).toMatchObject([{ attempt: "a1.1.1", outcome: "lost" }, { attempt: "a1.1.2", outcome: "completed" }])
  }
})

test("C10, C11: what came is kept, its sum is right, and the model is told that it broke off (S15)", async () => {
  await using c = await conversation([answer])
  const id = await leave(c, streamed(...words))
  expect(await discover(c, id)).toBe("done")
  expect(JSON.stringify(c.requests[0]!.messages)).toMatch(/I was about to.*cut off/)
  expect(facts<{ message: string }>(c, id, "message.part.settled").filter(({ message }) => message === "a1.1")).toMatchObject([{ length: 14 }])
  expect((await c.kernel.graft.session.messages(id)).find((message) => message.id === "a1.1")).toMatchObject({ state: "settled", finish: "truncated" })
})

const outcomes = async (c: Conversation, id: string) => (await c.kernel.graft.session.messages(id)).find((message) => message.id === "a1.1")!.parts.flatMap((part) => (part.kind === "tool" ? { outcome: part.outcome, output: part.output } : []))

test.each<[row: string, recovery: "rerun" | "probe" | "unknown", found: "done" | "not-done" | "unknown" | undefined, runs: number, outcome: string]>([
  ["C13 a call that only reads is run again", "rerun", undefined, 1, "ok"],
  ["C14 a change that is there was made", "probe", "done", 0, "ok"],
  ["C14 a change that is not there was not", "probe", "not-done", 0, "interrupted"],
  ["C14 a change of which nobody can tell", "probe", "unknown", 0, "unknown"],
  ["C13, C14 an effect of which nobody can tell", "unknown", undefined, 0, "unknown"],
])("%s (S13)", async (_, recovery, found, runs, outcome) => {
  let ran = 0
  let planned: unknown
  await using c = await conversation([answer], { act: async (_input, { started: begin }) => (await begin(), `ran ${++ran}`) }, { recovery: { act: recovery }, probe: (_call, plan) => ((planned = plan), found ?? "unknown") })
  const id = await leave(c, streamed(called(recovery), started, settled))
  expect(await discover(c, id)).toBe("done")
  expect(ran).toBe(runs)
  expect(await outcomes(c, id)).toMatchObject([{ outcome }])
  if (recovery === "probe") expect(planned).toEqual({ before: "x" })
  if (recovery === "rerun") expect(types(c, id)).toContain("tool.restarted")
  expect(everyUseHasOneResult(c.requests[0]!.messages)).toBe(true)
  expect(refusedBy(c.log.events(id))).toEqual([])
})

test("C13: a call whose tool is gone, or takes other arguments now, is told as what it is", async () => {
  for (const [left, outcome] of [[[called("rerun"), started], "unknown"], [[called("unknown"), ["tool.asked", { message: "a1.1", call: "c1", ask: "q", action: "act", resource: "" }]], "not-started"]] as [Left[], string][]) {
    await using c = await conversation([answer])
    const id = await leave(c, streamed(...left, settled))
    expect(await discover(c, id)).toBe("done")
    expect(await outcomes(c, id)).toMatchObject([{ outcome, output: expect.stringContaining("there is no tool act") }])
  }
})

test("C12, C41: who was asked is asked again under the same id, and an answer that was given counts", async () => {
  const asked: [Left, Left] = [called("unknown"), ["tool.asked", { message: "a1.1", call: "c1", ask: "q1", action: "act", resource: "r" }]]
  for (const replied of [undefined, "once", "deny"] as const) {
    const questions: string[] = []
    const act = async (_: unknown, { known, waiting, replied: tell, started: begin }: Settling) => {
      const reply = known?.("q1")
      if (reply === undefined) {
        await waiting?.({ id: "q1", action: "act", resource: "r" } as never)
        questions.push("q1")
        await tell?.("q1", "once")
      } else if (reply === "deny") return { outcome: "denied" as const, output: "no" }
      await begin()
      return "acted"
    }
    await using c = await conversation([answer], { act })
    const id = await leave(c, streamed(...asked, ...(replied ? [["tool.replied", { message: "a1.1", call: "c1", ask: "q1", reply: replied }] as Left] : []), settled))
    expect(await discover(c, id)).toBe("done")
    expect(questions).toEqual(replied ? [] : ["q1"])
    expect(await outcomes(c, id)).toMatchObject([{ outcome: replied === "deny" ? "denied" : "ok" }])
    expect(refusedBy(c.log.events(id))).toEqual([])
  }
})

test("C25: a retry goes on waiting to the time that the log says, with the count that it says", async () => {
  await using c = await conversation([answer])
  const at = Date.now() + 300
  const id = await leave(c, [...sent(), ["provider.attempt.settled", { attempt: "a1.1.1", outcome: "failed", error: { code: "llm.server", message: "" } }], ["provider.attempt.retry.scheduled", { attempt: "a1.1.1", n: 2, at, delay: 300, error: { code: "llm.server", message: "" } }]])
  expect(await discover(c, id)).toBe("done")
  expect(Date.now()).toBeGreaterThanOrEqual(at)
  expect(facts(c, id, "provider.attempt.prepared").at(-1)).toMatchObject({ n: 2 })
})

test("C26: an interrupt that nobody lived to answer is answered: all is settled, and nothing goes on (S19)", async () => {
  await using c = await conversation([answer])
  const { session } = c.kernel.graft
  const id = await leave(c, streamed(...words, called("rerun"), started, ["session.interrupt.requested", { reason: "the user said stop" }]))
  expect(await discover(c, id)).toBe("interrupted")
  expect(await session.wait(id)).toMatchObject({ reason: "the user said stop" })
  expect(c.requests).toHaveLength(0)
  expect(await outcomes(c, id)).toMatchObject([{ outcome: "unknown" }])
  await session.prompt({ session: id, text: "and now" })
  expect((await soon(session.wait(id))).state).toBe("done")
  expect(refusedBy(c.log.events(id))).toEqual([])
})

test("C35: a crash loop has an end: after three recoveries a person says whether it goes on (S21)", async () => {
  await using c = await conversation([answer])
  const { session } = c.kernel.graft
  const id = await leave(c, [["activity.recovery.started", { activity: "a1", recoveries: 3 }], ...streamed(...words, called("unknown"), started)])
  expect(await discover(c, id)).toBe("parked")
  expect(await session.wait(id)).toMatchObject({ reason: "recovery-exhausted" })
  expect(c.requests).toHaveLength(0)
  for (const table of ["provider_attempt", "tool_call"]) expect(c.log.db.prepare(`SELECT * FROM ${table} WHERE state <> 'settled'`).all()).toEqual([])
  await session.run(id)
  expect(await soon(session.wait(id))).toMatchObject({ state: "done" })
  expect(c.log.db.prepare("SELECT recoveries FROM activity").all()).toEqual([{ recoveries: 0 }])
})

test("what another process is at is left to it; what waits to begin begins (C3, C39)", async () => {
  await using c = await conversation(() => answer)
  const { session, eventlog } = c.kernel.graft
  const id = await leave(c, [])
  await eventlog.claim(id, "alive")
  const queued = await c.session()
  c.log.takeover(queued)
  await session.prompt({ session: queued, text: "later" })
  using project = await c.kernel.graft.at(c.directory)
  expect(await project.runner.discover()).toEqual([])
  expect(c.requests).toHaveLength(0)
})

// ── every commit is a place to die at, and every commit of the recovery ────────────────────────────────────────────

const script: Script = async function* (request) {
  expect(everyUseHasOneResult(request.messages)).toBe(true)
  const said = JSON.stringify(request.messages)
  if (!said.includes("effect-done") && !said.includes("may not have") && !said.includes("nothing was done")) yield* [...text("I will act"), call("c1", "act"), call("c2", "look"), finish("tool-calls")]
  else yield* [...text("done"), finish()]
}

interface World { effects: number; looks: number; requests: number }
interface Death { nth: number; when: "before" | "after" }

async function life(world: World, before?: Conversation, dies?: Death): Promise<Conversation> {
  const tools: Record<string, Tool> = {
    act: async (_: unknown, { started: begin }: Settling) => (await begin(), world.effects++, "effect-done"),
    look: async (_: unknown, { started: begin }: Settling) => (await begin(), world.looks++, "seen"),
  }
  return conversation(() => async function* (request, signal) { world.requests++; yield* script(request, signal) }, tools, { ...(before && { after: before }), ...(dies && { dies }), recovery: { look: "rerun" } })
}

/** Lives until it is done, dying where it is told to; who may decide decides to try again. */
async function live(deaths: readonly Death[]): Promise<{ world: World; c: Conversation; id: string; commits: number[]; end: () => Promise<void> }> {
  const world: World = { effects: 0, looks: 0, requests: 0 }
  const past: Conversation[] = []
  const commits: number[] = []
  let id = ""
  for (let n = 0; ; n++) {
    const c = await life(world, past.at(-1), deaths[n])
    past.push(c)
    const { session } = c.kernel.graft
    using project = await c.kernel.graft.at(c.directory)
    if (id === "") {
      id = await c.session()
      await session.prompt({ session: id, text: "go" }).catch(() => {})
    } else await project.runner.discover()
    await soon(project.runner.ended(id), "the end")
    if ((await session.get(id))?.status === "parked") {
      await session.run(id).catch(() => {})
      await soon(project.runner.ended(id), "the end after a decision")
    }
    commits.push(c.log.commits())
    if (n >= deaths.length || !(await session.busy(id))) return { world, c, id, commits, end: async () => { for (const other of past.reverse()) await other[Symbol.asyncDispose]() } }
  }
}

/** What must hold whatever happened. */
async function check({ world, c, id, end }: Awaited<ReturnType<typeof live>>): Promise<void> {
  const { session } = c.kernel.graft
  expect(await session.busy(id)).toBe(false)
  expect(await session.wait(id)).toMatchObject({ state: "done" })
  expect(refusedBy(c.log.events(id))).toEqual([])
  for (const table of ["provider_attempt", "tool_call"]) expect(c.log.db.prepare(`SELECT * FROM ${table} WHERE state <> 'settled'`).all()).toEqual([])
  const dispatched = facts<{ attempt: string }>(c, id, "provider.attempt.dispatched").map(({ attempt }) => attempt)
  expect(new Set(dispatched).size).toBe(dispatched.length)
  expect(world.requests).toBeLessThanOrEqual(dispatched.length)
  const begins = facts<{ call: string }>(c, id, "tool.started").filter(({ call: which }) => which.startsWith("c1"))
  expect(world.effects).toBeLessThanOrEqual(begins.length)
  expect(new Set(begins.map(({ call: which }) => which)).size).toBe(begins.length)
  const over = new Set(facts<{ attempt: string }>(c, id, "provider.attempt.settled").map(({ attempt }) => attempt))
  expect(facts<{ attempt: string }>(c, id, "activity.recovery.decided").map(({ attempt }) => attempt)).toEqual(dispatched.filter((attempt) => !over.has(attempt)))
  const opening = c.log.appends.filter(({ events }) => events.some(({ type }) => type === "activity.opened"))
  expect(opening.map(({ events }) => events.filter(({ type }) => type === "session.input.promoted").length)).toEqual([1])
  const epochs = c.log.events(id).map(({ epoch }) => epoch)
  expect(epochs.slice(1).every((epoch, n) => epoch === 0 || epoch >= Math.max(...epochs.slice(0, n + 1)))).toBe(true)
  await end()
}

test("a death at any commit, and at any commit of what comes after it, ends well: nothing is lost, sent or done twice (S10, S11, S12, S13, S14, S20, S21, S22, S28)", async () => {
  const whole = await live([])
  const [commits] = whole.commits
  expect(whole.world).toEqual({ effects: 1, looks: 1, requests: 2 })
  await check(whole)
  for (let nth = 1; nth <= commits!; nth++) for (const when of ["before", "after"] as const) await check(await live([{ nth, when }]))
  const death = fc.record({ nth: fc.integer({ min: 1, max: commits! }), when: fc.constantFrom("before" as const, "after" as const) })
  await fc.assert(fc.asyncProperty(death, death, async (first, second) => check(await live([first, second]))), { numRuns: 8 })
}, 30_000)
