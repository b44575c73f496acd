/** Event streams over HTTP miss nothing and repeat nothing: from any cursor, whoever is slow, whoever leaves, and whatever is edited meanwhile. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { openServed, type Served, type Stream } from "../fixtures/served.ts"

let served: Served | undefined, shared: Promise<Served> | undefined
/** The same one for all that change nothing about it. */
const serve = async (options?: Parameters<typeof openServed>[0]) => (options ? (served = await openServed(options)) : (shared ??= openServed()))
afterEach(async () => {
  await served?.[Symbol.asyncDispose]()
  served = undefined
})
afterAll(async () => (await shared)?.[Symbol.asyncDispose]())

const path = (session: string, query = "") => `/sessions/${session}/events/stream${query}`
const seqs = (stream: Stream) => stream.stored.map(({ data }) => data.seq as number)
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe("the stream of a session", () => {
  it("is its history, then what comes: each event once, as it is stored, under its cursor", async () => {
    const { filled, append, events, stream } = await serve()
    const session = await filled(300)
    const reader = await stream(path(session))
    await reader.frame((data) => data.type === "synced")
    await append(session, 50)
    await reader.count(350)
    const stored = await events(session)
    expect(reader.stored.map(({ data }) => data)).toEqual(stored)
    expect(reader.stored.map(({ id }) => id!.split(":")[1])).toEqual(upTo(1, 350).map(String))
    expect(reader.frames.filter(({ id }) => id === undefined).map(({ data }) => data)).toEqual([{ live: true, type: "synced", seq: 300 }])
    expect(reader.response.headers).toMatchObject({ "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-graft-protocol": "1" })
  })

  it("goes on after a cursor, which is exclusive; the header of a client that comes back beats the address", async () => {
    const { filled, stream } = await serve()
    const session = await filled(20)
    const first = await stream(path(session, "?after=15"))
    await first.count(5)
    expect(seqs(first)).toEqual(upTo(16, 20))
    const again = await stream(path(session, "?after=0"), { "last-event-id": first.stored[1]!.id! })
    await again.count(3)
    expect(seqs(again)).toEqual(upTo(18, 20))
    const empty = await stream(path(session, `?after=${first.last}`), { "last-event-id": "" })
    expect((await empty.frame((data) => data.type === "synced")).data.seq).toBe(20)
    expect(seqs(empty)).toEqual([])
  })

  it("refuses a cursor that is none of this log, and says where it stood", async () => {
    const { filled, get } = await serve()
    const session = await filled(3)
    for (const [cursor, status] of [["deadbeef:3", 410], ["9999", 409], ["seven", 400], ["-1", 400], ["1:2:3", 400]] as const) {
      expect(await get(path(session, `?after=${cursor}`)), cursor).toMatchObject({ status, body: { error: { code: "eventlog.cursor", field: "after" } } })
      expect(await get(path(session), { "last-event-id": cursor }), cursor).toMatchObject({ status, body: { error: { field: "last-event-id" } } })
    }
  })

  it("refuses who has no token, what is no session, and what is no question", async () => {
    const { filled, get } = await serve()
    const session = await filled(2)
    expect(await get(path(session), { authorization: "Bearer nope" })).toMatchObject({ status: 401, body: { error: { code: "server.token" } } })
    expect(await get(path("ses_none"))).toMatchObject({ status: 404, body: { error: { code: "session.unknown" } } })
    expect(await get(path("%E0%A4%A"))).toMatchObject({ status: 404 })
    expect(await get(path(session), { "x-graft-protocol": "2" })).toMatchObject({ status: 426, body: { error: { code: "server.protocol" } } })
  })

  it("says what is only told to who asks for it, without an id", async () => {
    const { filled, append, stream, kernel } = await serve()
    const session = await filled(2)
    const [live, plain] = [await stream(path(session, "?live=1")), await stream(path(session))]
    for (const reader of [live, plain]) await reader.frame((data) => data.type === "synced")
    const delta = { session, message: "a1.1", part: "a1.1:0", kind: "text" as const, text: "Hel" }
    kernel.emit("message.part.delta", { ...delta, session: "ses_other" })
    kernel.emit("message.part.delta", delta)
    const told = await live.frame((data) => data.type === "told")
    expect(told).toEqual({ data: { live: true, type: "told", event: "message.part.delta", data: delta, at: expect.any(Number) } })
    await append(session, 1)
    await Promise.all([live.count(3), plain.count(3)])
    expect(live.frames.filter(({ data }) => data.event === "message.part.delta")).toHaveLength(1)
    expect(plain.frames.filter(({ data }) => data.type === "told")).toEqual([])
  })

  it("says that the session is gone, and ends", async () => {
    const { filled, stream, kernel } = await serve()
    const session = await filled(2)
    const reader = await stream(path(session))
    await reader.frame((data) => data.type === "synced")
    await kernel.graft.session.remove(session)
    await reader.end()
    expect(reader.frames.at(-1)!.data).toEqual({ live: true, type: "deleted" })
  })

  it("gives what can be read of a damaged one, says where it ends, and ends", async () => {
    const { filled, stream, kernel } = await serve()
    const session = await filled(5)
    await kernel.graft.store.write((tx) => tx.run("UPDATE event SET data = '{' WHERE seq = 4 AND aggregate = (SELECT key FROM aggregate WHERE id = ?)", [session]))
    const reader = await stream(path(session))
    await reader.end()
    expect(seqs(reader)).toEqual(upTo(1, 3))
    expect(reader.frames.at(-1)!.data).toMatchObject({ live: true, type: "failed", code: "eventlog.corrupt", message: expect.stringContaining("event 4") })
  })

  it("waits for nobody: who does not read catches up from the log, and the others have all meanwhile", async () => {
    const { filled, append, stream, kernel } = await serve()
    const session = await filled(1)
    const [slow, quick] = [await stream(path(session)), await stream(path(session))]
    for (const reader of [slow, quick]) await reader.frame((data) => data.type === "synced")
    slow.pause()
    await kernel.graft.eventlog.append({ aggregate: session, actor: "user:test", events: Array.from({ length: 60 }, (_, i) => ({ type: "session.updated", data: { title: `${i} ${"x".repeat(120_000)}` } })) })
    await append(session, 500)
    await quick.count(561)
    expect(slow.stored.length).toBeLessThan(561)
    slow.resume()
    await slow.count(561)
    for (const reader of [slow, quick]) expect(seqs(reader)).toEqual(upTo(1, 561))
  })
})

describe("an edit in the middle", () => {
  it("of the server, or of the log below it, cuts no stream off: ten edits while ten clients read a thousand events, nothing lost and nothing doubled", async () => {
    const { filled, append, stream, kernel, sources } = await serve({ copy: true })
    const session = await filled(1)
    const readers = await Promise.all(Array.from({ length: 10 }, (_, i) => stream(path(session, i % 2 ? "?live=1" : ""))))
    const files = ["server/http/streams/frame.ts", "eventlog/tail.ts"].map((name) => join(sources, name))
    const texts = files.map((file) => readFileSync(file, "utf8"))
    const generations = () => kernel.inspect().realms[0]!.plugins.filter(({ id }) => id === "server" || id === "eventlog").reduce((sum, { gen }) => sum + gen, 0)
    const before = generations()
    const writing = (async () => { for (let i = 0; i < 100; i++) await append(session, 10) })()
    for (let edit = 0; edit < 10; edit++) {
      const which = edit % 3 === 2 ? 1 : 0
      writeFileSync(files[which]!, `${texts[which]}\n// edit ${edit}\n`)
      await kernel.reconcile([files[which]!])
    }
    await writing
    expect(generations()).toBe(before + 10)
    await Promise.all(readers.map((reader) => reader.count(1_001)))
    for (const reader of readers) expect(seqs(reader)).toEqual(upTo(1, 1_001))
    const late = await stream(path(session, "?after=1000"))
    await late.count(1)
    expect(seqs(late)).toEqual([1_001])
  })
})
