/** One instance serves a home: others find it, a newer one takes over, and what runs comes to its end. */
import { readFileSync, writeFileSync } from "node:fs"
import { createServer, connect } from "node:net"
import { join } from "node:path"
import type { EmbeddedKernel } from "graft"
import { afterEach, describe, expect, it } from "vitest"
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
  it("is served by one: whoever comes second is told where the first is", async () => {
    const { again, serving, kernel } = await serve()
    const other = await again()
    await expect(other.graft.server.serve({ port: 0 })).rejects.toMatchObject({ code: "server.resident", message: expect.stringContaining(serving.url) })
    expect(await other.graft.server.serving()).toBeUndefined()
    expect((await other.graft.server.instances()).find(({ url }) => url !== undefined)).toMatchObject({ url: serving.url, pid: process.pid })
    expect(await kernel.graft.server.serve({ port: 0 })).toEqual(serving)
  })

  it("is never taken from a newer release", async () => {
    const { again, kernel, sources } = await serve({ copy: true })
    await pretend(kernel, sources, "99.0.0")
    const other = await again()
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

  it("knows releases apart", () => {
    for (const [older, newer] of [["0.1.0", "0.2.0"], ["0.9.9", "0.10.0"], ["1.0.0-rc.1", "1.0.0"], ["1.0.0", "1.0.1-rc.1"]] as const) {
      expect(compareVersions(older, newer), `${older} < ${newer}`).toBeLessThan(0)
      expect(compareVersions(newer, older)).toBeGreaterThan(0)
      expect(compareVersions(older, `${older}+build`)).toBe(0)
    }
  })
})

describe("a request", () => {
  it("ends on the generation that began it, and the next one is answered by the new", async () => {
    const { kernel, sources, session, get } = await serve({ copy: true, scripts: [] })
    const id = await session()
    const file = join(sources, "server/http/protocol.ts")
    const source = readFileSync(file, "utf8")
    for (let edit = 0; edit < 3; edit++) {
      const asking = Promise.all(Array.from({ length: 8 }, () => get(`/sessions/${id}`)))
      writeFileSync(file, `${source}\n// edit ${edit}\n`)
      await kernel.reconcile([file])
      for (const { status } of await asking) expect(status).toBe(200)
    }
  })

  it("that is none is answered as one, and disturbs nobody", async () => {
    const { serving, get } = await serve()
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
