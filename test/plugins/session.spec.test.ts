/** A session takes in what is said durably and once, in order, and says where it stands; what it says is a fold over its events. */
import { DatabaseSync, type SQLInputValue } from "node:sqlite"
import { definePlugin } from "graft"
import { expect, test } from "vitest"
import { sessionProjection } from "../../plugins/session/projection.ts"
import { TABLES } from "../../plugins/session/tables.ts"
import { conversation, finish, says, soon, text, type Conversation } from "../fixtures/conversation.ts"

test("the answer of a prompt is in the conversation, the usage, the title and the end", async () => {
  await using c = await conversation([says(...text("Hello."), finish())])
  const { session } = c.kernel.graft
  const id = await c.session()
  const receipt = await session.prompt({ session: id, text: "Say hello\nplease" })
  expect(receipt).toMatchObject({ session: id, state: "pending" })
  expect(await soon(session.wait(id))).toMatchObject({ state: "done", turns: 1, usage: { input: 10, output: 5, cost: 20 / 1e6 } })
  const messages = await session.messages(id)
  expect(messages.map((message) => [message.role, message.parts.map((part) => "text" in part && part.text)])).toEqual([
    ["synthetic", [expect.stringMatching(/^Today is \d{4}-\d{2}-\d{2} \(\w+\)\.$/)]], ["user", ["Say hello\nplease"]], ["assistant", ["Hello."]],
  ])
  expect(messages[1]).toMatchObject({ id: receipt.input })
  expect(await session.get(id)).toMatchObject({ title: "Say hello", status: "idle", usage: { input: 10, output: 5 } })
})

test("the same input id with the same text is one event and one receipt, with another text a conflict (S9)", async () => {
  await using c = await conversation([says(...text("Yes."), finish())])
  const { session } = c.kernel.graft
  const id = await c.session()
  const [first, second] = await Promise.all([1, 2].map(() => session.prompt({ session: id, text: "go", id: "inp_1" })))
  expect(second).toEqual(first)
  await soon(session.wait(id))
  expect(await session.prompt({ session: id, text: "go", id: "inp_1" })).toEqual({ ...first, state: "promoted" })
  await expect(session.prompt({ session: id, text: "stop", id: "inp_1" })).rejects.toMatchObject({ code: "session.conflict" })
  expect(c.log.events(id).filter((event) => event.type === "session.input.admitted")).toHaveLength(1)
  expect(c.requests).toHaveLength(1)
  const many = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => session.prompt({ session: id, text: n % 2 ? "odd" : "even", id: "inp_2", resume: false })))
  const receipts = many.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))
  expect(new Set(receipts.map((receipt) => JSON.stringify(receipt))).size).toBe(1)
  expect(receipts).toHaveLength(10)
  for (const one of many) if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "session.conflict" })
  expect(c.log.events(id).filter((event) => event.type === "session.input.admitted")).toHaveLength(2)
})

test("a session is made once per id, in a directory that is there, and found by its project", async () => {
  await using c = await conversation([])
  const { session } = c.kernel.graft
  const made = await session.create({ directory: c.directory, id: "ses_a", title: "A" })
  expect(await session.create({ directory: c.directory, id: "ses_a", title: "A" })).toEqual(made)
  await expect(session.create({ directory: c.directory, id: "ses_a", title: "B" })).rejects.toMatchObject({ code: "session.conflict" })
  await expect(session.create({ directory: "/no/such/place" })).rejects.toMatchObject({ code: "session.directory" })
  await expect(session.prompt({ session: "ses_x", text: "hi" })).rejects.toMatchObject({ code: "session.unknown" })
  expect(await session.update("ses_a", { title: "C", model: "fake/two" })).toMatchObject({ title: "C", model: "fake/two" })
  expect(await session.list({ location: c.directory })).toMatchObject([{ id: "ses_a" }])
  await session.update("ses_a", { archived: true })
  expect(await session.list()).toEqual([])
  expect(await session.list({ archived: true })).toMatchObject([{ id: "ses_a" }])
})

test("what makes no sense is refused before anything is written, in a form that no caller can break the plugin with", async () => {
  await using c = await conversation([])
  const { session } = c.kernel.graft
  const id = await c.session()
  const wrong: object[] = [{ text: 5 }, { text: null }, { text: undefined }, { text: "x".repeat(5_000_000) }, { text: "x", delivery: "now" }, { text: "x", id: "a1.1" }, { text: "x", id: "a1:n1" }, { text: "x", id: "" }, { text: "x", id: "é" }, { text: "x", resume: "no" }]
  for (const more of wrong) await expect(session.prompt({ session: id, ...more } as never), JSON.stringify(more).slice(0, 60)).rejects.toMatchObject({ code: "session.invalid" })
  await expect(session.prompt({ session: id, text: " \n" })).rejects.toMatchObject({ code: "session.empty" })
  for (const more of [{ id: "../x" }, { title: 7 }, { title: "x".repeat(501) }, { model: {} }, { directory: undefined }]) await expect(session.create({ directory: c.directory, ...more } as never)).rejects.toMatchObject({ code: "session.invalid" })
  await expect(session.update(id, { archived: "yes" } as never)).rejects.toMatchObject({ code: "session.invalid" })
  for (const limit of [0, -1, NaN, 1e9, "x" as never]) expect(await session.messages(id, { limit })).toEqual([])
  expect(await session.list({ limit: NaN })).toHaveLength(1)
  expect(c.log.events(id).map((event) => event.type)).toEqual(["session.created"])
  expect(c.kernel.inspect().realms.flatMap(({ plugins }) => plugins).find((plugin) => plugin.id === "session")?.crashes).toBe(0)
  await session.prompt({ session: id, text: "half \ud800 a character", resume: false })
  expect(await session.inbox(id)).toMatchObject([{ text: "half \ufffd a character" }])
})

test("200 inputs wait, and no more, however many come at once (S9)", async () => {
  await using c = await conversation([])
  const { session } = c.kernel.graft
  const id = await c.session()
  for (let n = 0; n < 195; n++) await session.prompt({ session: id, text: `${n}`, resume: false })
  const all = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => session.prompt({ session: id, text: `at once ${n}`, resume: false })))
  expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(5)
  expect(await session.inbox(id)).toHaveLength(200)
})

test("a hook may refuse an input; nothing of it is kept", async () => {
  await using c = await conversation([])
  await c.kernel.put("gate", definePlugin({ per: "process", setup: (graft) => void graft.on("input.admit", ({ text }) => (text.includes("secret") ? { refuse: "no secrets here" } : undefined)) }))
  const id = await c.session()
  await expect(c.kernel.graft.session.prompt({ session: id, text: "my secret" })).rejects.toMatchObject({ code: "session.refused", message: "no secrets here" })
  expect(c.log.events(id).map((event) => event.type)).toEqual(["session.created"])
})

test("what waits is listed, can be taken back until it is promoted, and is bounded (S10)", async () => {
  await using c = await conversation([])
  const { session } = c.kernel.graft
  const id = await c.session()
  const { input } = await session.prompt({ session: id, text: "later", resume: false })
  await session.prompt({ session: id, text: "last", delivery: "queue", resume: false, id: "inp_q" })
  expect(await session.inbox(id)).toEqual([{ id: input, text: "later", delivery: "steer", resume: false }, { id: "inp_q", text: "last", delivery: "queue", resume: false }])
  expect(await session.cancel(id, input)).toBe(true)
  expect(await session.cancel(id, input)).toBe(false)
  for (let n = 1; n < 200; n++) await session.prompt({ session: id, text: `${n}`, resume: false })
  await expect(session.prompt({ session: id, text: "too much", resume: false })).rejects.toMatchObject({ code: "session.full" })
  expect(c.requests).toHaveLength(0)
})

test("an input that is promoted at the very moment it is taken back stays promoted (S10)", async () => {
  await using c = await conversation([says(...text("Yes."), finish())])
  const { session } = c.kernel.graft
  const id = await c.session()
  const { input } = await session.prompt({ session: id, text: "go", resume: false })
  c.log.afterRead("SELECT id, hash, admitted, state FROM session_input", 1, async () => {
    await session.run(id)
    await session.wait(id)
  })
  expect(await soon(session.cancel(id, input))).toBe(false)
  expect(c.log.events(id).map((event) => event.type)).not.toContain("session.input.cancelled")
})

test("pages of any size join to the same conversation", async () => {
  await using c = await conversation((n) => (n % 2 ? says(...text(`looking ${n}`), { type: "tool-call", toolCallId: `c${n}`, toolName: "look", input: "{}" }, finish("tool-calls")) : says(...text(`found ${n}`), finish())), { look: () => "seen" })
  const id = await talk(c, 4)
  const { session } = c.kernel.graft
  const whole = await session.messages(id)
  expect(whole.filter((message) => message.role === "assistant")).toHaveLength(8)
  for (const limit of [1, 2, 3, 5]) {
    const joined = []
    for (let after = 0; ; ) {
      const page = await session.messages(id, { after, limit })
      joined.push(...page)
      if (page.length < limit) break
      after = page.at(-1)!.seq
    }
    expect(joined).toEqual(whole)
  }
})

test("replaying the events gives the same rows (S2)", async () => {
  await using c = await conversation((n) => (n % 3 ? says({ type: "tool-call", toolCallId: "same", toolName: "look", input: "{}" }, finish("tool-calls")) : says(...text("done"), finish())), { look: () => "seen" })
  const id = await talk(c, 2)
  await c.kernel.graft.session.prompt({ session: id, text: "waiting", resume: false })
  const rows = (db: DatabaseSync) => TABLES.map((table) => db.prepare(`SELECT * FROM ${table} ORDER BY 1, 2, 3`).all())
  const replayed = new DatabaseSync(":memory:")
  for (const step of sessionProjection.migrations) replayed.exec(step.sql)
  for (const event of c.log.events(id)) for (const { sql, params = [], expect: changes } of sessionProjection.project(event)) {
    const done = replayed.prepare(sql).run(...(params as SQLInputValue[]))
    if (changes !== undefined) expect(Number(done.changes)).toBe(changes)
  }
  expect(rows(replayed)).toEqual(rows(c.log.db))
})

test("wait ends at once for an idle session, with the caller's signal, and with the work of another process", async () => {
  await using c = await conversation([])
  const { session, eventlog } = c.kernel.graft
  const id = await c.session()
  expect(await soon(session.wait(id))).toMatchObject({ state: "done", turns: 0 })

  const { epoch } = await eventlog.claim(id, "runtime-2")
  const tell = (type: string, data: object) => eventlog.append({ aggregate: id, actor: "runtime:2", epoch, events: [{ type, data: data as never }] })
  await tell("activity.opened", { activity: "a1", ordinal: 1, by: "run", allowance: 25 })
  const stop = new AbortController()
  const waiting = session.wait(id, { signal: stop.signal })
  stop.abort(new Error("enough"))
  await expect(soon(waiting)).rejects.toThrow("enough")

  const ended = session.wait(id)
  await tell("activity.settled", { activity: "a1", outcome: "failed", error: { code: "llm.auth", message: "no key" } })
  expect(await soon(ended)).toMatchObject({ state: "failed", code: "llm.auth", reason: "no key" })
})

async function talk(c: Conversation, prompts: number): Promise<string> {
  const id = await c.session()
  for (let n = 0; n < prompts; n++) {
    await c.kernel.graft.session.prompt({ session: id, text: `prompt ${n}` })
    await soon(c.kernel.graft.session.wait(id))
  }
  return id
}
