/** However many come, and whatever they do not read, the server is bounded: who is too many is told so, and everybody else is served. */
import { connect, type Socket } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openServed, type Served, type Stream } from "../fixtures/served.ts"

let served: Served
beforeAll(async () => { served = await openServed() })
afterAll(() => served[Symbol.asyncDispose]())

describe("a crowd", () => {
  it("of a thousand streams is served, one more is refused, and has its place when another leaves", async () => {
    const session = await served.filled(2)
    const path = `/sessions/${session}/events/stream?after=2`
    const streams: Stream[] = []
    for (let n = 0; n < 1_000; n += 100) streams.push(...(await Promise.all(Array.from({ length: 100 }, () => served.stream(path)))))
    expect(await served.get(path)).toMatchObject({ status: 503, headers: { "retry-after": "5" }, body: { error: { code: "server.full" } } })
    await served.append(session, 3)
    await Promise.all(streams.map((stream) => stream.count(3)))
    const left = streams.pop()!
    left.close()
    await left.end()
    for (;;) {
      const again = await served.stream(path).catch(() => undefined)
      if (again) break
    }
    for (const stream of streams) stream.close()
    await Promise.all(streams.map((stream) => stream.end()))
  })

  it("of connections that say nothing leaves room for who does: beyond two thousand each is closed as it comes", async () => {
    const sockets: Socket[] = []
    let closed = 0
    const some = Promise.withResolvers<void>()
    for (let n = 0; n < 2_200; n += 200) {
      await Promise.all(Array.from({ length: 200 }, () => new Promise<void>((resolve) => {
        const socket = connect(served.serving.port, "127.0.0.1", resolve)
        sockets.push(socket.on("error", () => {}).on("close", () => { if (++closed === 200) some.resolve() }))
      })))
    }
    await some.promise
    expect(closed).toBeLessThan(300)
    for (const socket of sockets) socket.destroy()
    while ((await served.get("/health").catch(() => undefined))?.status !== 200) await new Promise((resolve) => setImmediate(resolve))
  })
})
