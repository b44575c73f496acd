/** The runner's decisions are pure: given what happened, this comes next; given any history, a request is sound. */
import fc from "fast-check"
import { expect, test } from "vitest"
import type { Message, Part } from "../../plugins/session/contract.ts"
import { decide, fateOf, type Fate, type Pending, type Step } from "../../plugins/runner/decide.ts"
import { promptOf } from "../../plugins/runner/request.ts"
import { retryDelay } from "../../plugins/runner/retry.ts"
import { emptyState, evolve } from "../../plugins/runner/state.ts"
import { everyUseHasOneResult } from "../fixtures/prompts.ts"

const opened = ["activity.opened", { activity: "a1", ordinal: 1, by: "run", allowance: 2 }] as const
const turnOf = (n: number, ...then: (readonly [string, object])[]) => [
  ["activity.turn.started", { activity: "a1", turn: n }], ["message.created", { message: `a1.${n}`, role: "assistant", activity: "a1" }],
  ["provider.attempt.prepared", { attempt: `a1.${n}.1`, activity: "a1" , turn: n, n: 1 }], ["provider.attempt.dispatched", { attempt: `a1.${n}.1` }], ...then,
] as const
const output = ["provider.attempt.output", { attempt: "" }] as const
const said = ["message.part.started", { message: "a1.1", part: "a1.1:0", kind: "text" }] as const
const called = ["tool.called", { message: "a1.1", call: "c1", name: "t" }] as const
const answered = ["tool.settled", { message: "a1.1", call: "c1", outcome: "ok" }] as const
const settled = (outcome: string, more: object = {}) => ["provider.attempt.settled", { outcome, finish: "stop", ...more }] as const
const over = ["activity.turn.settled", { activity: "a1" }] as const
const steer: Pending = { id: "i1", text: "", delivery: "steer", resume: true }

test.each<{ given: readonly (readonly [string, object])[]; inbox?: Pending[]; force?: boolean; step: Partial<Step> }>([
  { given: [], step: { kind: "idle" } },
  { given: [], inbox: [{ ...steer, resume: false }], step: { kind: "idle" } },
  { given: [], inbox: [{ ...steer, delivery: "queue" }, steer], step: { kind: "open", inputs: [steer] } },
  { given: [], force: true, step: { kind: "open", by: "run", inputs: [] } },
  { given: [opened], step: { kind: "turn" } },
  { given: [opened, ...turnOf(1, output, called, settled("completed"), answered)], step: { kind: "settle-turn" } },
  { given: [opened, ...turnOf(1, output, called, settled("completed"), answered, over)], step: { kind: "turn", inputs: [] } },
  { given: [opened, ...turnOf(1, output, said, settled("completed"), over)], step: { kind: "settle", outcome: "completed" } },
  { given: [opened, ...turnOf(1, output, said, settled("completed"), over)], inbox: [steer], step: { kind: "turn", inputs: [steer] } },
  { given: [opened, ...turnOf(1, output, said, settled("completed"), over)], inbox: [{ ...steer, delivery: "queue" }], step: { kind: "settle" } },
  { given: [opened, ...turnOf(1, output, said, settled("completed", { finish: "length" }), over)], step: { kind: "settle", note: "the reply reached the model's output limit" } },
  { given: [opened, ...turnOf(1, settled("failed", { error: { code: "llm.auth", message: "" } }), over)], step: { kind: "settle", outcome: "failed" } },
  { given: [opened, ...turnOf(1, settled("failed"), ["provider.attempt.retry.scheduled", { at: 50 }])], step: { kind: "retry" } },
  { given: [opened, ...turnOf(1, settled("failed"), ["provider.attempt.retry.scheduled", { at: 150 }])], step: { kind: "wait", until: 150 } },
  { given: [opened, ...turnOf(1, output, said, settled("truncated"), over)], step: { kind: "turn", note: expect.stringContaining("cut off") } },
  { given: [opened, ...turnOf(1, settled("completed"), over)], step: { kind: "turn", note: expect.stringContaining("empty") } },
  { given: [opened, ...turnOf(1, output, called, settled("completed"), answered, over), ...turnOf(2, output, called, settled("completed"), answered, over)], step: { kind: "park", reason: "turn-limit" } },
  { given: [opened, ["activity.parked", { reason: "turn-limit" }]], step: { kind: "idle" } },
  { given: [opened, ["activity.parked", { reason: "turn-limit" }]], inbox: [steer], step: { kind: "resume", by: "input" } },
  { given: [opened, ["activity.parked", { reason: "turn-limit" }]], force: true, step: { kind: "resume", by: "run" } },
  { given: [opened, ["activity.interrupted", { reason: "" }]], step: { kind: "idle" } },
])("decide $#: $step.kind", ({ given, inbox = [], force = false, step }) => {
  const state = emptyState("s")
  for (const [type, data] of given) evolve(state, { type, data })
  expect(decide({ state, inbox, force, now: 100 })).toMatchObject(step)
})

/** What an owner left, and what the next one does; `claimed` by another. */
const claimed = (owner: string) => ["session.claimed", { owner, epoch: 1 }] as const
const of = (retry: string, ...then: (readonly [string, object])[]) => turnOf(1).map(([type, data]) => [type, type.endsWith("prepared") ? { ...data, class: retry } : data] as const).concat(then)
const prepared = turnOf(1).slice(0, 3)
const recovering = ["activity.recovery.started", { activity: "a1", recoveries: 1 }] as const
const call1 = (recovery: string, more: object = {}) => ["tool.called", { message: "a1.1", call: "c1", name: "t", input: "{}", recovery, ...more }] as const
const started = ["tool.started", { message: "a1.1", call: "c1" }] as const
const waits = (at: number) => ["provider.attempt.retry.scheduled", { at }] as const
const unknown = ["provider.attempt.unknown", { attempt: "a1.1.1" }] as const
const parked = (reason: string) => ["activity.parked", { activity: "a1", reason }] as const
const decided = (decision: string) => ["activity.recovery.decided", { activity: "a1", attempt: "a1.1.1", decision }] as const
const lost = [["provider.attempt.settled", { outcome: "lost" }], ["provider.attempt.prepared", { attempt: "a1.1.2", class: "billing-only", n: 2 }], ["provider.attempt.dispatched", {}]] as const
const folding = ["session.compaction.started", { compaction: "c1", reason: "threshold", why: "" }] as const
const compact: Pending = { id: "k1", text: "", delivery: "steer", resume: true, kind: "compact" }
const left = (...events: (readonly [string, object])[]) => [claimed("a"), opened, ...events, claimed("b"), recovering]

test.each<{ row: string; given: readonly (readonly [string, object])[]; inbox?: Pending[]; force?: boolean; auto?: boolean; step: Partial<Step> }>([
  { row: "C1, C3 nothing, or an input that starts nothing", given: [], inbox: [{ ...steer, resume: false }], step: { kind: "idle" } },
  { row: "C3, C4 an input and no activity", given: [claimed("a"), claimed("b")], inbox: [steer], step: { kind: "open", by: "input", inputs: [steer] } },
  { row: "C35 whatever was left: that its owner died is counted first", given: [claimed("a"), opened, ...turnOf(1), claimed("b")], step: { kind: "recover", recoveries: 1 } },
  { row: "C35 the second time, too", given: [...left(...turnOf(1)), claimed("c")], step: { kind: "recover", recoveries: 2 } },
  { row: "C35 the same process, over what it left in the middle of a turn", given: [claimed("a"), opened, ...turnOf(1), claimed("a")], step: { kind: "recover" } },
  { row: "C35 but not a hand-over between two turns", given: [claimed("a"), opened, ...turnOf(1, output, called, settled("completed"), answered, over), claimed("a")], step: { kind: "turn" } },
  { row: "C35 the fourth time a person has to say so", given: [...left(), ["activity.recovery.started", { activity: "a1", recoveries: 4 }]], inbox: [steer], force: true, step: { kind: "exhaust" } },
  { row: "C35 who says so gets the whole budget", given: [...left(), ["activity.recovery.started", { activity: "a1", recoveries: 4 }], parked("recovery-exhausted"), ["activity.resumed", { allowance: 2 }]], step: { kind: "turn" } },
  { row: "C6 an activity and no turn", given: left(), step: { kind: "turn" } },
  { row: "C7 prepared: nothing left, for certain", given: left(...prepared), step: { kind: "left-attempt", outcome: "not-sent" } },
  { row: "C7 then the next try, which costs no retry", given: left(...prepared, settled("not-sent")), step: { kind: "retry" } },
  { row: "C8, C9 dispatched, and a person pays", given: left(...of("billing-only")), step: { kind: "unknown", attempt: "a1.1.1" } },
  { row: "C8, C9 it may be paid twice, once", given: left(...of("billing-only")), auto: true, step: { kind: "left-attempt", outcome: "lost" } },
  { row: "C8, C9 and not a second time (S22)", given: left(...of("billing-only"), ...lost), auto: true, step: { kind: "unknown" } },
  { row: "C8, C9 the provider knows it again", given: left(...of("idempotent")), step: { kind: "left-attempt", outcome: "lost" } },
  { row: "C8, C9 hosted tools: never by itself (S22)", given: left(...of("unsafe")), auto: true, force: true, inbox: [steer], step: { kind: "unknown" } },
  { row: "C8, C9 no stream to take up again", given: left(...of("resumable")), step: { kind: "unknown" } },
  { row: "C8, C9 lost: the same turn once more", given: left(...of("idempotent"), settled("lost")), step: { kind: "retry" } },
  { row: "C8 parked for a decision: no input that waited starts anything", given: left(...of("billing-only"), unknown, parked("needs-decision")), inbox: [{ ...steer, delivery: "queue" }], force: true, step: { kind: "idle" } },
  { row: "C42 decided: again", given: left(...of("unsafe"), unknown, parked("needs-decision"), decided("retry")), step: { kind: "retry" } },
  { row: "C42 decided, and then the next death: never asked twice", given: [...left(...of("unsafe"), unknown, parked("needs-decision"), decided("retry")), claimed("c"), recovering], step: { kind: "retry" } },
  { row: "C42 decided: left, and what is said next opens the next", given: left(...of("unsafe"), unknown, parked("needs-decision"), decided("abandon")), inbox: [steer], step: { kind: "open", inputs: [steer] } },
  { row: "C10 text came: it broke off", given: left(...turnOf(1, output, said)), step: { kind: "left-attempt", outcome: "truncated" } },
  { row: "C10 gone on from, with a note", given: left(...turnOf(1, output, said, settled("truncated"), over)), step: { kind: "turn", note: expect.stringContaining("cut off") } },
  { row: "C11 a call that was not whole is none", given: left(...turnOf(1, output, settled("truncated"))), step: { kind: "settle-turn" } },
  { row: "C12–C15 calls that were left", given: left(...turnOf(1, output, call1("unknown"), started, settled("truncated"))), step: { kind: "left-calls" } },
  { row: "C16 all calls are answered, the reply was cut", given: left(...turnOf(1, output, called, answered)), step: { kind: "left-attempt", outcome: "truncated" } },
  { row: "C17 a slow call after its reply", given: left(...turnOf(1, output, call1("unknown"), started, settled("completed"))), step: { kind: "left-calls" } },
  { row: "C18 everything is settled but the turn", given: left(...turnOf(1, output, called, settled("completed"), answered)), step: { kind: "settle-turn" } },
  { row: "C19 the turn is, and its calls want the next", given: left(...turnOf(1, output, called, settled("completed"), answered, over)), step: { kind: "turn" } },
  { row: "C20 the turn is, and no call", given: left(...turnOf(1, output, said, settled("completed"), over)), step: { kind: "settle", outcome: "completed" } },
  { row: "C21 the work is over, and the next waits", given: [claimed("a"), opened, ["activity.settled", { outcome: "completed" }], claimed("b")], inbox: [{ ...steer, delivery: "queue" }], step: { kind: "open" } },
  { row: "C22 nothing but an owner who is dead", given: [claimed("a"), opened, ["activity.settled", { outcome: "completed" }], claimed("b")], step: { kind: "idle" } },
  { row: "C23 a steer that waited comes in at the boundary", given: left(...turnOf(1, output, called, settled("completed"), answered, over)), inbox: [steer], step: { kind: "turn", inputs: [steer] } },
  { row: "C25 a retry waits to its time", given: left(...turnOf(1, settled("failed"), waits(150))), step: { kind: "wait", until: 150 } },
  { row: "C25 and is due", given: left(...turnOf(1, settled("failed"), waits(50))), step: { kind: "retry" } },
  { row: "C26 an interrupt that nobody lived to answer", given: [claimed("a"), opened, ...turnOf(1), ["session.interrupt.requested", {}], claimed("b")], force: true, step: { kind: "interrupt" } },
  { row: "C26 one before anything had begun", given: [["session.interrupt.requested", {}]], inbox: [steer], step: { kind: "interrupt" } },
  { row: "C26 one that was answered", given: [claimed("a"), opened, ["session.interrupt.requested", {}], ["activity.interrupted", { reason: "" }]], inbox: [steer], step: { kind: "open" } },
  { row: "C26 one that something was said after", given: [["session.interrupt.requested", {}], ["session.input.admitted", { input: "i2", text: "", delivery: "steer", resume: true }]], inbox: [steer], step: { kind: "open" } },
  { row: "C27 a fold that did not end", given: [claimed("a"), opened, folding, claimed("b"), recovering], step: { kind: "left-fold" } },
  { row: "a fold by hand is done alone, before what came after it", given: [opened], inbox: [compact, steer], step: { kind: "take", inputs: [compact] } },
  { row: "a fold by hand comes after what was said before it", given: [opened], inbox: [steer, compact], step: { kind: "turn", inputs: [steer] } },
  { row: "a conversation that does not fit is folded, once a turn", given: [opened, ...turnOf(1, settled("failed", { error: { code: "llm.overflow", message: "" } }))], step: { kind: "fold" } },
  { row: "and the same turn is made again", given: [opened, ...turnOf(1, settled("failed", { error: { code: "llm.overflow", message: "" } })), ["session.compaction.ended", { compaction: "c1" }]], step: { kind: "retry" } },
  { row: "or fails, where it could not be folded", given: [opened, ...turnOf(1, settled("failed", { error: { code: "llm.overflow", message: "" } })), ["session.compaction.failed", { compaction: "c1" }]], step: { kind: "settle-turn" } },
])("$row: $step.kind", ({ given, inbox = [], force = false, auto = false, step }) => {
  const state = emptyState("s")
  for (const [type, data] of given) evolve(state, { type, data })
  expect(decide({ state, inbox, force, now: 100, auto })).toMatchObject(step)
})

const asked = ["tool.asked", { message: "a1.1", call: "c1", ask: "q" }] as const
const replied = ["tool.replied", { message: "a1.1", call: "c1", ask: "q", reply: "once" }] as const
const again = ["tool.restarted", { message: "a1.1", call: "c1" }] as const
test.each<{ row: string; given: readonly (readonly [string, object])[]; fate: Fate }>([
  { row: "C11 called, and nobody was asked", given: [call1("rerun")], fate: { kind: "settle", outcome: "not-started" } },
  { row: "C12 a person was asked", given: [call1("unknown"), asked], fate: { kind: "run" } },
  { row: "C41 and has answered", given: [call1("unknown"), asked, replied], fate: { kind: "run" } },
  { row: "C13, C14 it only reads", given: [call1("rerun"), started], fate: { kind: "run" } },
  { row: "C13, C14 it only reads, and was run twice", given: [call1("rerun"), started, again], fate: { kind: "settle", outcome: "unknown" } },
  { row: "C13, C14 what it changes can be seen", given: [call1("probe"), started], fate: { kind: "probe" } },
  { row: "C13, C14 nobody knows", given: [call1("unknown"), started], fate: { kind: "settle", outcome: "unknown" } },
  { row: "the provider was to run it", given: [call1("unknown", { executed: "provider" })], fate: { kind: "settle", outcome: "unknown" } },
])("the fate of a call that was left (S13): $row: $fate.kind", ({ given, fate }) => {
  const state = emptyState("s")
  for (const [type, data] of [opened, ...turnOf(1, output, ...given)]) evolve(state, { type, data })
  expect(fateOf(state.activity!.turn!.calls[0]!)).toEqual(fate)
})

test("retries: four, doubling from two seconds, and only for what passes by itself", () => {
  expect([1, 2, 3, 4, 5].map((n) => retryDelay({ code: "llm.network", message: "" }, n, 0.5))).toEqual([2_000, 4_000, 8_000, 16_000, undefined])
  expect(retryDelay({ code: "llm.rate-limit", message: "", retryAfter: 20 * 60_000 }, 1, 0)).toBeUndefined()
  for (const code of ["llm.auth", "llm.quota", "llm.request", "llm.overflow", "model.none", "runner.provider"]) expect(retryDelay({ code, message: "" }, 1, 0)).toBeUndefined()
})

test("whatever a history went through, every tool use has exactly one result (S14)", () => {
  const id = fc.integer({ min: 0, max: 1_000_000 })
  const part: fc.Arbitrary<Part> = fc.oneof(
    fc.record({ kind: fc.constant("text" as const), id: fc.string(), text: fc.string() }),
    fc.record({ kind: fc.constant("reasoning" as const), id: fc.string(), text: fc.string(), metadata: fc.option(fc.constant({ p: {} }), { nil: undefined }) }),
    fc.record({ kind: fc.constant("tool" as const), id: fc.string(), call: id.map(String), name: fc.string(), input: fc.string(), state: fc.constantFrom("called", "waiting", "started", "settled"), outcome: fc.constantFrom("ok", "error", "unknown", undefined), output: fc.option(fc.string(), { nil: undefined }) }, { requiredKeys: ["kind", "id", "call", "name", "input", "state"] }) as fc.Arbitrary<Part>,
  )
  const message: fc.Arbitrary<Message> = fc.record({ id: fc.string(), session: fc.constant("s"), seq: id, role: fc.constantFrom("user", "assistant", "synthetic"), state: fc.constantFrom("open", "settled"), parts: fc.array(part), created: id })
  fc.assert(fc.property(fc.array(message), (messages) => {
    const seen = new Set<string>()
    for (const one of messages) one.parts = one.parts.filter((each) => each.kind !== "tool" || (!seen.has(each.call) && seen.add(each.call)))
    expect(everyUseHasOneResult(promptOf(messages))).toBe(true)
    expect(JSON.stringify(promptOf(messages))).toBe(JSON.stringify(promptOf(structuredClone(messages))))
  }))
})

test("no request holds half a character, or a text of nothing but space: providers refuse them for good", () => {
  const half = fc.constantFrom("\ud83d", "\ude00", "a\ud83d", "\ud83d\ude00", " \n", "", "b")
  const part: fc.Arbitrary<Part> = fc.oneof(
    fc.record({ kind: fc.constantFrom("text" as const, "reasoning" as const), id: fc.constant("p"), text: half }),
    fc.record({ kind: fc.constant("tool" as const), id: fc.constant("t"), call: fc.constant("c"), name: fc.constant("n"), input: half.map((value) => JSON.stringify({ value })), state: fc.constant("settled" as const), outcome: fc.constant("ok" as const), output: half }),
  )
  const message: fc.Arbitrary<Message> = fc.record({ id: fc.constant("m"), session: fc.constant("s"), seq: fc.constant(1), role: fc.constantFrom("user", "assistant"), state: fc.constant("settled" as const), parts: fc.array(part, { maxLength: 3 }), created: fc.constant(0) })
  fc.assert(fc.property(message, (one) => {
    const prompt = promptOf([one])
    expect(JSON.stringify(prompt)).not.toMatch(/\\ud[89a-f]/)
    for (const { content } of prompt) for (const said of content) if (typeof said === "object" && said.type === "text") expect(said.text.trim()).not.toBe("")
  }))
})
