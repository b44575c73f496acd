/** A session has a life of its own: it is forked, taken back and restored, moved, found, and gone for good, and its log stays the truth of it. */
import { fork as forkProcess } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { emptyTranscript, evolveTranscript } from "../../plugins/lib/transcript.ts"
import { conversationOf } from "../../plugins/session/life/fork.ts"
import { TABLES } from "../../plugins/session/tables.ts"
import type { Message, Sessions } from "../../plugins/session/contract.ts"
import { call, finish, says, soon, text, type Script } from "../fixtures/conversation.ts"
import { openLife, type Life } from "../fixtures/life.ts"

let life: Life
let session: Sessions
/** What the provider says next; without, it answers with a number. */
const next: Script[] = []
beforeAll(async () => {
  let answers = 0
  life = await openLife({ scripts: () => next.shift() ?? says(...text(`answer ${++answers}`), finish()) })
  session = life.graft.session
})
afterAll(async () => { await life?.[Symbol.asyncDispose]() })

/** What was said, without where it stands. */
const said = (messages: readonly Message[]) => messages.map(({ session: _session, seq: _seq, ...message }) => message)
const ids = async (id: string) => (await session.messages(id)).map((message) => message.id)
const types = async (id: string) => {
  const { events } = await life.graft.eventlog.read({ aggregate: id, limit: 4_096 })
  return events.map(({ type }) => type)
}
const sent = () => life.requests.at(-1)!.messages.flatMap(({ content }) => (typeof content === "string" ? content : content.flatMap((part) => (part.type === "text" ? part.text : []))))
/** Everything that the read model holds, a table's rows as one text each. */
const rows = (): Promise<string[]> => Promise.all(TABLES.map(async (table) => JSON.stringify(await life.graft.store.all(`SELECT * FROM ${table} ORDER BY 1, 2, 3`))))

/** A conversation of so many prompts; some answers call a tool first. */
async function talk(prompts: number, calls: readonly boolean[] = []): Promise<string> {
  const id = await life.session()
  for (let n = 0; n < prompts; n++) {
    if (calls[n]) next.push(says(...text(`looking ${n}`), call(`c${n}`, "read", { path: "." }), finish("tool-calls")))
    await life.say(id, `prompt ${n}`)
  }
  return id
}

describe("a fork", () => {
  it("has the conversation up to and with any message of it, whatever it is made of; the rest stays away", async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }), fc.nat(), async (calls, n) => {
      const id = await talk(calls.length, calls)
      const whole = await session.messages(id)
      const at = n % whole.length
      const made = await session.fork(id, { message: whole[at]!.id })
      expect(said(await session.messages(made.id))).toEqual(said(whole.slice(0, at + 1)))
      expect(made).toMatchObject({ forked: id, status: "idle", usage: { input: 0, output: 0 }, directory: life.project })
      expect(said(await session.messages(id))).toEqual(said(whole))
    }), { numRuns: 6 })
  })

  it("goes on by itself, from what it knows", async () => {
    const id = await talk(2, [true])
    const made = await session.fork(id)
    const before = await ids(made.id)
    await life.say(made.id, "and now?")
    expect(sent()).toEqual(expect.arrayContaining(["prompt 0", "looking 0", "prompt 1", "and now?"]))
    expect((await ids(made.id)).slice(0, before.length)).toEqual(before)
    expect(new Set(await ids(made.id)).size).toBe(before.length + 2)
    expect(await ids(id)).toEqual(before)
    expect(await session.get(made.id)).toMatchObject({ title: "prompt 0 (fork)", usage: { input: 10 } })
  })

  it("is of settled messages, and of those that are there", async () => {
    const id = await life.session()
    await expect(session.fork(id)).rejects.toMatchObject({ code: "session.nothing" })
    await life.say(id, "one")
    await expect(session.fork(id, { message: "a1.2" })).rejects.toMatchObject({ code: "session.invalid", message: expect.stringContaining("did you mean a1.1") as string })
    const held = Promise.withResolvers<void>()
    next.push(async function* () {
      yield* text("not yet")
      await held.promise
      yield finish()
    })
    await session.prompt({ session: id, text: "two" })
    await expect.poll(async () => (await types(id)).includes("message.part.started") && (await ids(id)).includes("a2.1")).toBe(true)
    await expect(session.fork(id, { message: "a2.1" })).rejects.toMatchObject({ code: "session.busy" })
    const made = await session.fork(id)
    held.resolve()
    await session.wait(id)
    expect((await ids(made.id)).at(-1)).not.toBe("a2.1")
    expect((await session.describe(made.id)).activities).toMatchObject([{ state: "settled" }, { state: "settled" }])
  })

  it("is told of, and of its history nothing is", async () => {
    const id = await talk(1)
    const told: string[] = []
    using _ = { [Symbol.dispose]: life.graft.on("*", (_payload, { event }) => void told.push(event)) }
    await session.fork(id)
    await life.kernel.settled()
    expect(told.filter((event) => event.startsWith("message.") || event.startsWith("activity."))).toEqual([])
    expect(told).toEqual(expect.arrayContaining(["session.created", "session.forked"]))
  })
})

describe("a fork of a conversation that was folded", () => {
  /** Three prompts, a summary of the first two behind the second, as a log has them. */
  const facts: [string, object][] = [
    ["session.created", { title: "x" }],
    ...[1, 2, 3].flatMap((n): [string, object][] => [
      ["session.input.admitted", { input: `inp_${n}`, text: `prompt ${n}`, delivery: "steer", resume: true, hash: "" }],
      ...(n === 3 ? [["session.compaction.started", { compaction: "c1", reason: "manual", why: "" }], ["session.compaction.failed", { compaction: "c1", error: { code: "x", message: "" } }]] as [string, object][] : []),
      ...(n === 3 ? [["session.compaction.started", { compaction: "c2", reason: "manual", why: "" }], ["session.compaction.ended", { compaction: "c2", through: 9, message: "a1.1", summary: "so far", method: "fold", before: 9, after: 1, reason: "manual" }]] as [string, object][] : []),
      ["activity.opened", { activity: `a${n}`, ordinal: n, by: "input", allowance: 25 }], ["session.input.promoted", { input: `inp_${n}`, activity: `a${n}` }],
      ["activity.turn.started", { activity: `a${n}`, turn: 1 }], ["message.created", { message: `a${n}.1`, role: "assistant", activity: `a${n}` }],
      ["provider.attempt.prepared", { attempt: `a${n}.1.1` }], ["message.settled", { message: `a${n}.1`, finish: "stop" }],
      ["activity.turn.settled", { activity: `a${n}`, turn: 1 }], ["activity.settled", { activity: `a${n}`, outcome: "completed" }],
    ]),
  ]
  const events = facts.map(([type, data], i) => ({ aggregate: "s", seq: i + 1, position: i + 1, id: `${i}`, type, version: 1, epoch: 1, actor: "x", created: i, data: data as never }))
  const fold = (all: readonly { type: string; data: unknown }[]) => {
    const transcript = emptyTranscript("s")
    for (const [i, event] of all.entries()) evolveTranscript(transcript, { ...event, seq: i + 1 })
    return transcript
  }
  const whole = fold(events)
  const seqOf = (id: string) => whole.byId.get(id)!.seq
  const rows = whole.messages.map(({ id, role }) => ({ id, role, seq: seqOf(id) }))

  it.each(rows.map(({ id }) => id))("has the same up to %s, and the summary stands for the same where it is part of it", (id) => {
    const last = rows.find((row) => row.id === id)!
    const told = conversationOf(events, rows, last)
    const made = fold([{ type: "session.created", data: {} }, { type: "session.forked", data: {} }, ...told])
    expect(made.messages.map((message) => message.id)).toEqual(rows.filter(({ seq }) => seq <= last.seq).map((row) => row.id))
    expect(made.messages.every(({ state }) => state === "settled")).toBe(true)
    const folded = last.seq >= seqOf("c2:summary")
    expect(made.boundary?.message).toBe(folded ? "a1.1" : undefined)
    // All that the summary stands for lies before its place, and nothing else does.
    if (folded) expect(made.messages.filter(({ seq }) => seq <= made.boundary!.seq).map((message) => message.id)).toEqual(["inp_1", "a1.1"])
    expect(told.filter(({ type }) => type === "session.compaction.started")).toHaveLength(folded ? 2 : 0)
    expect(told.filter(({ type }) => type === "activity.settled")).toHaveLength(told.filter(({ type }) => type === "activity.opened").length)
    expect(told.some(({ type }) => type.startsWith("provider."))).toBe(false)
  })
})

describe("what is taken back", () => {
  it("is hidden from people and models, and comes back as it was", async () => {
    const id = await talk(3, [false, true])
    const whole = await session.messages(id)
    const { message } = await session.revert(id)
    expect(whole.find((each) => each.id === message)).toMatchObject({ parts: [{ text: "prompt 2" }] })
    await session.revert(id)
    expect(said(await session.messages(id)).map(({ parts }) => parts[0])).toMatchObject([{}, { text: "prompt 0" }, { kind: "text" }])
    expect((await session.describe(id)).reverted).toHaveLength(2)
    await session.restore(id)
    expect(await session.messages(id)).toEqual(whole)
    await expect(session.restore(id)).rejects.toMatchObject({ code: "session.nothing" })
  })

  it("is gone for good once one goes on; its events stay", async () => {
    const id = await talk(2)
    const whole = await ids(id)
    await session.revert(id, { message: whole[3]! })
    await life.say(id, "something else")
    expect(sent()).not.toContain("prompt 1")
    expect(sent()).toContain("something else")
    await expect(session.restore(id)).rejects.toMatchObject({ code: "session.nothing" })
    expect((await ids(id)).slice(0, 3)).toEqual(whole.slice(0, 3))
    expect((await types(id)).filter((type) => type === "session.input.promoted")).toHaveLength(3)
    const made = await session.fork(id)
    expect(said(await session.messages(made.id))).toEqual(said(await session.messages(id)))
  })

  it("is nothing that still grows, and nothing that is not there", async () => {
    const id = await life.session()
    await expect(session.revert(id)).rejects.toMatchObject({ code: "session.nothing" })
    const held = Promise.withResolvers<void>()
    next.push(async function* () {
      await held.promise
      yield* text("done")
      yield finish()
    })
    await session.prompt({ session: id, text: "long" })
    await expect.poll(async () => (await types(id)).includes("activity.opened")).toBe(true)
    await expect(session.revert(id)).rejects.toMatchObject({ code: "session.busy" })
    held.resolve()
    await session.wait(id)
    await expect(session.revert(id, { message: "a9.9" })).rejects.toMatchObject({ code: "session.invalid" })
  })
})

describe("the inbox", () => {
  it("lets change how an input is delivered, and take it back, until it is taken in", async () => {
    const id = await life.session()
    const { input } = await session.prompt({ session: id, text: "later", delivery: "queue", resume: false })
    expect(await session.deliver(id, input, "steer")).toBe(true)
    expect(await session.inbox(id)).toEqual([{ id: input, text: "later", delivery: "steer", resume: false }])
    await expect(session.deliver(id, input, "now" as never)).rejects.toMatchObject({ code: "session.invalid" })
    await life.say(id, "go")
    expect(sent()).toEqual(expect.arrayContaining(["later", "go"]))
    expect(await session.deliver(id, input, "queue")).toBe(false)
    expect(await session.cancel(id, input)).toBe(false)
  })

  it("gives one receipt an id, also where two processes ask at once (S9)", async () => {
    const id = await life.session()
    const processes = [0, 1].map(() => forkProcess(join(import.meta.dirname, "../fixtures/session-process.ts"), [life.home], { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: [] }))
    try {
      await Promise.all(processes.map((child) => new Promise((resolve) => child.once("message", resolve))))
      const answers = await Promise.all(processes.map((child, n) => new Promise<{ receipt?: object; code?: string }[]>((resolve) => {
        child.once("message", resolve as never)
        child.send({ session: id, prompts: Array.from({ length: 20 }, (_, i) => ({ id: `inp_${i}`, text: i % 2 ? `same ${i}` : `of ${n}` })) })
      })))
      for (let i = 0; i < 20; i++) {
        const both = answers.map((each) => each[i]!)
        if (i % 2) expect(both[0]).toEqual(both[1])
        else expect(both.map(({ code }) => code).sort()).toEqual(["session.conflict", undefined])
      }
      expect(await session.inbox(id)).toHaveLength(20)
      expect((await types(id)).filter((type) => type === "session.input.admitted")).toHaveLength(20)
    } finally {
      for (const child of processes) child.kill("SIGKILL")
    }
  })
})

describe("a session moves", () => {
  it("at once when it is idle; its next work is there", async () => {
    const id = await talk(1)
    const elsewhere = join(life.project, "part")
    mkdirSync(elsewhere, { recursive: true })
    expect(await session.move(id, elsewhere)).toMatchObject({ directory: elsewhere, location: life.project })
    next.push(says(call("w", "write", { path: "here.txt", content: "here\n" }), finish("tool-calls")))
    await life.say(id, "write it")
    expect(existsSync(join(elsewhere, "here.txt"))).toBe(true)
    await expect(session.move(id, join(life.project, "none"))).rejects.toMatchObject({ code: "session.directory" })
  })

  it("at its next boundary while it works", async () => {
    const id = await life.session()
    const elsewhere = join(life.project, "part")
    const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    next.push(async function* () {
      begun.resolve()
      await held.promise
      yield* text("done")
      yield finish()
    })
    await session.prompt({ session: id, text: "work" })
    await begun.promise
    expect(await session.move(id, elsewhere)).toMatchObject({ directory: life.project })
    expect(await session.inbox(id)).toMatchObject([{ kind: "move", data: { directory: elsewhere } }])
    held.resolve()
    await soon(session.wait(id))
    expect(await session.get(id)).toMatchObject({ directory: elsewhere })
  })
})

describe("search", () => {
  it("finds every word in one message, in any order and case, latest first, and nothing that is hidden", async () => {
    const id = await life.session()
    next.push(says(...text("The quick brown FOX, as 50% of all \\ \"quoted\" foxes."), finish()))
    await life.say(id, "tell me of zebras")
    const of = async (words: string) => (await session.search(words)).map(({ session: found, message }) => (found === id ? message : found))
    expect(await of("fox QUICK")).toEqual(["a1.1"])
    expect(await of("50% \\ \"quoted\"")).toEqual(["a1.1"])
    expect(await of("fox zebras")).toEqual([])
    expect(await of("of zebras")).toHaveLength(2)
    expect((await session.search("brown"))[0]!.snippet).toContain("quick brown FOX")
    await session.revert(id)
    expect(await of("quick fox")).toEqual([])
    await expect(session.search("  ")).rejects.toMatchObject({ code: "session.invalid" })
  })
})

describe("a session that goes", () => {
  it("takes its events, its rows and those that it began along, and no other's", async () => {
    const [id, other] = [await talk(1), await talk(1)]
    const child = await session.create({ directory: life.project, parent: id })
    const grandchild = await session.create({ directory: life.project, parent: child.id })
    const told: string[] = []
    using _ = { [Symbol.dispose]: life.graft.on("session.deleted", ({ session: gone }) => void told.push(gone)) }
    await session.remove(id)
    await life.kernel.settled()
    expect(told).toEqual([grandchild.id, child.id, id])
    for (const gone of [id, child.id, grandchild.id]) {
      expect(await session.get(gone)).toBeUndefined()
      expect(await life.graft.eventlog.head(gone)).toBeUndefined()
      expect((await rows()).some((table) => table.includes(gone))).toBe(false)
    }
    expect(await ids(other)).toHaveLength(3)
    await expect(session.remove(id)).rejects.toMatchObject({ code: "session.unknown" })
  })

  it("does not go while another process works on it", async () => {
    const id = await talk(1)
    const { eventlog } = (await life.again()).graft
    const { epoch } = await eventlog.claim(id, await eventlog.runtime())
    await expect(session.remove(id)).rejects.toMatchObject({ code: "eventlog.owned" })
    await eventlog.release(id, epoch)
    await session.remove(id)
  })
})

describe("a row that cannot be read", () => {
  it("marks its session, says from where on, and leaves the rest alone", async () => {
    const [id, other] = [await talk(2), await talk(1)]
    const { events: [, , third] } = await life.graft.eventlog.read({ aggregate: id, after: 6, limit: 3 })
    const { data } = (await life.graft.store.get<{ data: string }>("SELECT data FROM event WHERE position = ?", [third!.position]))!
    await life.graft.store.write((tx) => tx.run("UPDATE event SET data = '{\"half' WHERE position = ?", [third!.position]))
    await expect(session.messages(id)).rejects.toMatchObject({ code: "session.damaged", message: expect.stringContaining(`event ${third!.seq}`) as string })
    expect(await session.get(id)).toMatchObject({ status: "damaged", damage: { seq: third!.seq } })
    expect((await session.list()).find((each) => each.id === other)).toMatchObject({ status: "idle" })
    expect(await ids(other)).toHaveLength(3)
    expect(await session.check(id)).toMatchObject({ events: third!.seq - 1, damage: { seq: third!.seq } })
    await life.graft.store.write((tx) => tx.run("UPDATE event SET data = ? WHERE position = ?", [data, third!.position]))
    expect(await session.check(id)).toEqual({ events: (await life.graft.eventlog.head(id))!.seq })
    expect(await session.get(id)).toMatchObject({ status: "idle" })
    expect(await ids(id)).toHaveLength(5)
  })
})

it("rebuilding the read model from all that happened here gives the same bytes (S2)", async () => {
  const before = await rows()
  await life.graft.eventlog.rebuild("session")
  const after = await rows()
  expect(TABLES.filter((_, i) => after[i] !== before[i])).toEqual([])
  expect(before.every((table) => table.length > 1_000)).toBe(true)
})
