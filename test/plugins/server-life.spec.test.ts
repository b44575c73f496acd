/** One instance serves a home: others find it, a newer one takes over, and what runs comes to its end. */
import { readFileSync, writeFileSync } from "node:fs"
import { createServer, connect } from "node:net"
import { join } from "node:path"
import type { EmbeddedKernel } from "graft"
import { afterEach, describe, expect, it } from "vitest"
import { createClient } from "../../plugins/server/client/local.ts"
import { compareVersions } from "../../plugins/server/http/protocol.ts"
import { finish, text, type Script } from "../fixtures/conversation.ts"
import { openServed, type Served } from "../fixtures/served.ts"

let served: Served | undefined
const serve = async (options: Parameters<typeof openServed>[0] = {}) => (served = await openServed(options))
afterEach(async () => {
  await served?.[Symbol.asyncDispose]()
  served = undefined
})

/** A provider that answers when it is let. */
function held(): { script: Script; sent: Promise<void>; answer(): void } {
  const sent = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  return {
    sent: sent.promise, answer: answer.resolve,
    script: async function* () {
      sent.resolve()
      await answer.promise
      yield* [...text("late"), finish()]
    },
  }
}

/** From now on this instance says that it is of another release; the next that starts is of this one. */
async function pretend(kernel: EmbeddedKernel, sources: string, version: string): Promise<void> {
  const file = join(sources, "server/socket/conversation.ts")
  const source = readFileSync(file, "utf8")
  writeFileSync(file, source.replace("graft: this.#graft.kernel.version", `graft: "${version}"`))
  await kernel.reconcile([file])
  writeFileSync(file, source)
}

describe("a home", () => {
  it("is served by one: whoever comes second is told where the first is, and never takes it from a newer release", async () => {
    const { again, serving, kernel, sources } = await serve({ copy: true })
    const other = await again()
    await expect(other.graft.server.serve({ port: 0 })).rejects.toMatchObject({ code: "server.resident", message: expect.stringContaining(serving.url) })
    expect(await other.graft.server.serving()).toBeUndefined()
    expect((await other.graft.server.instances()).find(({ url }) => url !== undefined)).toMatchObject({ url: serving.url, pid: process.pid })
    expect(await kernel.graft.server.serve({ port: 0 })).toEqual(serving)
    await pretend(kernel, sources, "99.0.0")
    await expect(other.graft.server.serve({ port: 0 })).rejects.toMatchObject({ code: "server.resident", message: expect.stringContaining("newer (99.0.0") })
  })

  it("is handed over by an older one, port and all: its streams are told, its turn ends, its clients go on", async () => {
    const turn = held()
    const { again, kernel, sources, serving, stream, session, graft } = await serve({ copy: true, scripts: () => turn.script })
    await pretend(kernel, sources, "0.0.1")
    const id = await session()
    const [reader, feed] = [await stream(`/sessions/${id}/events/stream`), await stream("/events")]
    await graft.session.prompt({ session: id, text: "go" })
    await turn.sent
    const newer = await again()
    const taken = await newer.graft.server.serve({ port: serving.port })
    expect(taken.url).toBe(serving.url)
    for (const open of [reader, feed]) expect((await open.frame((data) => data.type === "draining")).data.successor).toMatchObject({ url: serving.url, version: "0.1.0" })
    let over = false
    const drained = kernel.graft.server.drained().then(() => { over = true })
    expect((await newer.graft.server.instances()).filter(({ successor }) => successor !== undefined)).toHaveLength(1)
    expect(over).toBe(false)
    turn.answer()
    await drained
    await reader.frame((data) => data.type === "activity.settled")
    const next = await stream(`/sessions/${id}/events/stream`, { "last-event-id": reader.last! })
    await newer.graft.session.update(id, { title: "by the newer one" })
    await next.frame((data) => data.type === "session.updated" && data.data.title === "by the newer one")
  })

  it("is handed over to another port: a client that finds the server by itself goes on there, with nothing lost", async () => {
    const { again, kernel, sources, home, filled } = await serve({ copy: true })
    await pretend(kernel, sources, "0.0.1")
    const session = await filled(3)
    const sdk = createClient({ home })
    const [events, feed] = [sdk.session(session).events(), sdk.events({ events: ["session.*"] })]
    const seqs = async (count: number) => { const got: number[] = []; while (got.length < count) got.push((await events.next()).value!.seq); return got }
    expect(await seqs(3)).toEqual([1, 2, 3])
    expect((await feed.next()).value).toMatchObject({ type: "snapshot", snapshot: { version: "0.1.0" } })
    const newer = await again()
    await newer.graft.server.serve({ port: 0 })
    expect((await feed.next()).value).toMatchObject({ type: "draining", successor: { pid: process.pid } })
    expect([(await feed.next()).value?.type, (await feed.next()).value?.type]).toEqual(["gap", "snapshot"])
    await newer.graft.session.update(session, { title: "there" })
    expect((await feed.next()).value).toMatchObject({ type: "fact", event: "session.updated" })
    await kernel.close()
    await newer.graft.eventlog.append({ aggregate: session, actor: "user:test", events: [{ type: "session.updated", data: { title: "again" } }] })
    expect(await seqs(2)).toEqual([4, 5])
    expect(await sdk.sessions.get({ id: session })).toMatchObject({ title: "again" })
    await Promise.all([events.return(), feed.return()])
  })

  it("that is ended takes nothing new, answers who waits, and lets what runs come to its end, across an edit too", async () => {
    const turn = held()
    const { kernel, sources, get, session, graft, stream } = await serve({ copy: true, scripts: () => turn.script })
    const id = await session()
    const feed = await stream("/events")
    await graft.session.prompt({ session: id, text: "go" })
    await turn.sent
    const draining = kernel.graft.server.drain()
    await feed.frame((data) => data.type === "draining")
    expect(await get("/events")).toMatchObject({ status: 503, headers: { "retry-after": "1" }, body: { error: { code: "server.draining" } } })
    expect(await get(`/sessions/${id}`)).toMatchObject({ status: 200 })
    const file = join(sources, "server/http/life/serving.ts")
    writeFileSync(file, `${readFileSync(file, "utf8")}\n// edited\n`)
    await kernel.reconcile([file])
    expect(await get("/events")).toMatchObject({ status: 503 })
    turn.answer()
    await draining
    await kernel.graft.server.drained()
    expect((await graft.session.get(id))!.status).toBe("idle")
  })

  it("keeps its name where the address is taken, for whoever comes next", async () => {
    const { again, kernel } = await serve()
    await kernel.close()
    const blocker = createServer().listen(0, "127.0.0.1")
    await new Promise((resolve) => blocker.once("listening", resolve))
    const { port } = blocker.address() as { port: number }
    const other = await again()
    await expect(other.graft.server.serve({ port })).rejects.toMatchObject({ code: "server.port", message: expect.stringContaining(`127.0.0.1:${port}`) })
    expect((await other.graft.server.serve({ port: 0 })).port).not.toBe(port)
    blocker.close()
  })

  it("is served while a conversation is open where the config asks for it, and else by nobody who was not asked", async () => {
    const { again, kernel, home } = await serve()
    await kernel.close()
    const other = await again()
    const began = () => other.emit("cli.started", { command: "chat", interactive: true })
    began()
    await other.settled()
    expect(await other.graft.server.serving()).toBeUndefined()
    writeFileSync(join(home, "config/config.jsonc"), JSON.stringify({ server: { http: { port: 0 } } }))
    const serving = new Promise((resolve) => other.on("server.serving", resolve))
    const asking = await again()
    const asked = new Promise((resolve) => asking.on("server.serving", resolve))
    asking.emit("cli.started", { command: "chat", interactive: true })
    expect(await Promise.race([serving, asked])).toMatchObject({ host: "127.0.0.1", pid: process.pid })
  })

  it("knows releases apart", () => {
    for (const [older, newer] of [["0.1.0", "0.2.0"], ["0.9.9", "0.10.0"], ["1.0.0-rc.1", "1.0.0"], ["1.0.0", "1.0.1-rc.1"]] as const) {
      expect(compareVersions(older, newer), `${older} < ${newer}`).toBeLessThan(0)
      expect(compareVersions(newer, older)).toBeGreaterThan(0)
      expect(compareVersions(older, `${older}+build`)).toBe(0)
    }
  })
})

describe("a request", () => {
  it("ends on the generation that began it, the next is answered by the new, and what is none is answered as one", async () => {
    const { kernel, sources, session, get, serving } = await serve({ copy: true, scripts: [] })
    const id = await session()
    const file = join(sources, "server/http/protocol.ts")
    const source = readFileSync(file, "utf8")
    for (let edit = 0; edit < 3; edit++) {
      const asking = Promise.all(Array.from({ length: 8 }, () => get(`/sessions/${id}`)))
      writeFileSync(file, `${source}\n// edit ${edit}\n`)
      await kernel.reconcile([file])
      for (const { status, body } of await asking) expect({ status, error: body.error }).toEqual({ status: 200, error: undefined })
    }

    for (const [bytes, status] of [["hello\r\n\r\n", 400], ["GET / HTTP/9.9\r\n\r\n", 400], [`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(40_000)}\r\n\r\n`, 431]] as const) {
      const socket = connect(serving.port, "127.0.0.1")
      let answer = ""
      socket.on("error", () => {}).on("data", (chunk) => { answer += chunk.toString() })
      socket.write(bytes)
      await new Promise((resolve) => socket.once("close", resolve))
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*"error":\\{"code":"server.request"`))
    }
    expect((await get("/health")).status).toBe(200)
    expect(await get("/events", { "x-graft-protocol": "7" })).toMatchObject({ status: 426, body: { error: { code: "server.protocol", field: "x-graft-protocol" } } })
  })
})
