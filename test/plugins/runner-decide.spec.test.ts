/** The runner's decisions are pure: given what happened, this comes next; given any history, a request is sound. */
import fc from "fast-check"
import { expect, test } from "vitest"
import type { Message, Part } from "../../plugins/session/contract.ts"
import { decide, type Pending, type Step } from "../../plugins/runner/decide.ts"
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
  { given: [opened, ...turnOf(1)], step: { kind: "recover" } },
  { given: [opened, ...turnOf(1, output, called, settled("completed"))], step: { kind: "recover" } },
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
  expect(decide(state, inbox, force, 100)).toMatchObject(step)
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
