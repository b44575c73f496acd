/** The live feed: a snapshot, then every fact that was asked for, and an honest word where some were missed. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { systemClock, type Clock, type Graft } from "graft"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { openServed, type Served } from "../fixtures/served.ts"

let served: Served | undefined, shared: Promise<Served> | undefined
/** The same one for all that change nothing about it. */
const serve = async (options?: Parameters<typeof openServed>[0]) => (options ? (served = await openServed(options)) : (shared ??= openServed()))
afterEach(async () => {
  await served?.[Symbol.asyncDispose]()
  served = undefined
})
afterAll(async () => (await shared)?.[Symbol.asyncDispose]())

const logged = (graft: Pick<Graft, "emit">, text: string) => graft.emit("plugin.logged", { at: 1, plugin: "x", gen: 1, realm: "root", level: "info", text })
const snapshotOf = (data: any) => data.type === "snapshot"

/** A clock whose heartbeat is struck by hand. */
function struck(): Clock & { beat(): void } {
  let waiting: (() => void)[] = []
  return {
    now: systemClock.now,
    after(milliseconds, work) {
      if (milliseconds !== 15_000) return systemClock.after(milliseconds, work)
      waiting.push(work)
      return () => void (waiting = waiting.filter((each) => each !== work))
    },
    beat() { for (const work of waiting.splice(0)) work() },
  }
}

describe("the live feed", () => {
  it("begins with how things are, and goes on with what happens", async () => {
    const { stream, kernel, project, session } = await serve()
    const id = await session()
    const feed = await stream(`/events?location=${encodeURIComponent(project)}`)
    const { data } = await feed.frame(snapshotOf)
    expect(data.snapshot).toMatchObject({ protocol: 1, pid: process.pid, location: project, models: 0, sessions: [], permissions: [], questions: [], trust: [] })
    expect(data.snapshot.plugins.find((plugin: any) => plugin.id === "server")).toMatchObject({ status: "live" })
    await kernel.graft.session.update(id, { title: "named" })
    const fact = await feed.frame((each) => each.event === "session.updated")
    expect(fact).toMatchObject({ id: expect.stringMatching(/^[0-9a-f]+:\d+$/), data: { type: "fact", location: project, payload: { session: id, data: { title: "named" } } } })
  })

  it("is narrowed by name and by project; deltas come only to who names them, and have no id", async () => {
    const { stream, kernel, home, graft } = await serve()
    const there = mkdtempSync(join(home, "there-"))
    mkdirSync(join(there, ".git"))
    const [named, everything, elsewhere] = [await stream("/events?events=message.*,tool.progress"), await stream("/events"), await stream(`/events?events=plugin.logged&location=${encodeURIComponent(there)}`)]
    for (const feed of [named, everything, elsewhere]) await feed.frame(snapshotOf)
    kernel.emit("message.part.delta", { session: "s", message: "m", part: "p", kind: "text", text: "x" })
    {
      using project = await kernel.child(there)
      logged(project, "there")
    }
    logged(graft, "here")
    logged(kernel, "everywhere")
    await Promise.all([everything, elsewhere].map((feed) => feed.frame((data) => data.payload?.text === "everywhere")))
    expect((await named.frame((data) => data.type === "fact")).id).toBeUndefined()
    expect(named.frames.filter(({ data }) => data.type === "fact").map(({ data }) => data.event)).toEqual(["message.part.delta"])
    expect(elsewhere.frames.filter(({ data }) => data.by === "host@1").map(({ data }) => data.payload.text)).toEqual(["there", "everywhere"])
    const texts = everything.frames.filter(({ data }) => data.event === "plugin.logged" && data.by === "host@1").map(({ data }) => data.payload.text)
    expect(texts).toEqual(["there", "here", "everywhere"])
    expect(everything.frames.some(({ data }) => data.event === "message.part.delta")).toBe(false)
  })

  it("goes on where a client was that comes back soon", async () => {
    const { stream, kernel } = await serve()
    const first = await stream("/events?events=plugin.logged")
    await first.frame(snapshotOf)
    logged(kernel, "1")
    await first.frame((data) => data.payload?.text === "1")
    first.close()
    logged(kernel, "2")
    kernel.emit("session.status", { session: "s", status: "idle" })
    logged(kernel, "3")
    const again = await stream("/events?events=plugin.logged", { "last-event-id": first.last! })
    await again.frame((data) => data.payload?.text === "3")
    expect(again.frames.map(({ data }) => data.payload?.text ?? data.type)).toEqual(["2", "3"])
  })

  it("says so where a client comes too late, or from another process, and begins anew", async () => {
    const { stream, kernel } = await serve()
    const first = await stream("/events?events=plugin.*")
    const early = (await first.frame(snapshotOf)).id!
    for (let i = 0; i < 3_000; i++) {
      logged(kernel, String(i))
      if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await first.frame((data) => data.payload?.text === "2999")
    for (const last of [early, `cafe:${first.last!.split(":")[1]}`]) {
      const late = await stream("/events?events=plugin.logged", { "last-event-id": last })
      await late.frame(snapshotOf)
      expect(late.frames.map(({ data }) => data.type)).toEqual(["gap", "snapshot"])
      logged(kernel, "after")
      await late.frame((data) => data.payload?.text === "after")
    }
  })

  it("tells one that was too slow how many it missed, and everybody else everything", async () => {
    const { stream, kernel } = await serve()
    const [slow, quick] = [await stream("/events?events=plugin.logged"), await stream("/events?events=plugin.logged")]
    for (const feed of [slow, quick]) await feed.frame(snapshotOf)
    slow.pause()
    const total = 600
    for (let i = 0; i < total; i++) {
      logged(kernel, `${i} ${"x".repeat(40_000)}`)
      if (i % 20 === 19) await quick.frame((data) => data.payload?.text?.startsWith(`${i} `))
    }
    slow.resume()
    const { data: { missed } } = await slow.frame((data) => data.type === "gap")
    const before = slow.frames.findIndex(({ data }) => data.type === "gap")
    expect(missed).toBeGreaterThan(0)
    expect(slow.frames.slice(0, before).filter(({ data }) => data.type === "fact").length + missed).toBeLessThanOrEqual(total)
    expect(slow.frames[before + 1]!.data.type).toBe("snapshot")
    logged(kernel, "after")
    await slow.frame((data) => data.payload?.text === "after")
    expect(quick.frames.filter(({ data }) => data.type === "fact")).toHaveLength(total + 1 - (quick.frames.some(({ data }) => data.payload?.text === "after") ? 0 : 1))
  })

  it("shows that it lives, and cuts who takes nothing, alone", async () => {
    const clock = struck()
    const { stream, kernel } = await serve({ clock })
    const [stalled, quick] = [await stream("/events?events=plugin.logged"), await stream("/events?events=plugin.logged")]
    for (const feed of [stalled, quick]) await feed.frame(snapshotOf)
    stalled.pause()
    for (let i = 0; i < 400; i++) {
      logged(kernel, `${i} ${"x".repeat(40_000)}`)
      if (i % 20 === 19) await quick.frame((data) => data.payload?.text?.startsWith(`${i} `))
    }
    for (let beat = 1; beat <= 6; beat++) {
      clock.beat()
      await quick.until(() => quick.frames.filter(({ data }) => data.type === "heartbeat").length === beat)
    }
    stalled.resume()
    await stalled.end()
    // Who hears of nothing else knows where it is, too: it may come back after much that it did not want.
    const quiet = await stream("/events?events=model.added")
    await quiet.frame(snapshotOf)
    for (let i = 0; i < 3_000; i += 500) {
      for (let n = 0; n < 500; n++) logged(kernel, String(i))
      await new Promise((resolve) => setImmediate(resolve))
    }
    clock.beat()
    await quiet.frame((data) => data.type === "heartbeat")
    const back = await stream("/events?events=plugin.logged", { "last-event-id": quiet.last! })
    logged(kernel, "back")
    expect((await back.frame((data) => data.type === "fact")).data.payload.text).toBe("back")
    expect(back.frames[0]!.data.type).toBe("fact")
    logged(kernel, "after")
    await quick.frame((data) => data.payload?.text === "after")
  })

  it("is the face of a person, while somebody is connected who says so", async () => {
    const { stream, kernel } = await serve()
    const faces = () => [...kernel.all("face")].map(({ id }) => id)
    const watching = await stream("/events")
    await watching.frame(snapshotOf)
    expect(faces()).toEqual([])
    const [one, other] = [await stream("/events?answers=1"), await stream("/events?answers=1")]
    expect(faces()).toEqual(["http"])
    const gone = new Promise<void>((resolve) => kernel.all("face").onChange(({ removed }) => { if (removed.length > 0) resolve() }))
    one.close()
    other.close()
    await gone
    expect(faces()).toEqual([])
  })

  it("is not cut off by edits of the server, and loses no fact", async () => {
    const { stream, kernel, sources } = await serve({ copy: true })
    const feed = await stream("/events?events=plugin.logged&answers=1")
    await feed.frame(snapshotOf)
    const file = join(sources, "server/http/streams/feed.ts")
    const source = readFileSync(file, "utf8")
    for (let edit = 0; edit < 5; edit++) {
      writeFileSync(file, `${source}\n// edit ${edit}\n`)
      const edited = kernel.reconcile([file])
      for (let i = 0; i < 50; i++) {
        logged(kernel, `${edit}.${i}`)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await edited
      expect([...kernel.all("face")].map(({ id }) => id)).toEqual(["http"])
    }
    await feed.frame((data) => data.payload?.text === "4.49")
    const texts = feed.frames.filter(({ data }) => data.payload?.plugin === "x").map(({ data }) => data.payload.text)
    expect(texts).toEqual(Array.from({ length: 250 }, (_, n) => `${Math.floor(n / 50)}.${n % 50}`))
    expect(feed.frames.filter(({ data }) => data.type !== "fact")).toHaveLength(1)
  })

  it("refuses what is no filter, and names the field", async () => {
    const { get } = await serve()
    for (const [query, field] of [["events=a%20b", "events"], [`events=${"y".repeat(300)}`, "events"], ["location=relative", "location"], ["location=/nowhere/at/all", "location"]]) {
      expect(await get(`/events?${query}`), query).toMatchObject({ status: 400, body: { error: { code: "server.request", field } } })
    }
  })
})
