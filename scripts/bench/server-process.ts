/** The process that is measured: a Graft server of a home, or the least that node:http can do for the same clients. Told by messages, tells its CPU. */
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { createKernel } from "../../kernel/index.ts"

const [kind, home, size] = process.argv.slice(2) as [string, string, string]

let used = process.cpuUsage()
process.on("message", (message: { ask: "start" | "stop" | "tell"; events?: number }) => {
  if (message.ask === "start") used = process.cpuUsage()
  if (message.ask === "tell") tell(message.events!)
  if (message.ask !== "stop") return
  global.gc?.()
  const { user, system } = process.cpuUsage(used)
  process.send!({ milliseconds: (user + system) / 1_000, megabytes: process.memoryUsage().heapUsed / 1_048_576 })
})
process.on("disconnect", () => process.exit(0))

/** What is written to everybody is one buffer a tick, as long as nothing else is done. */
let tell = (_events: number): void => {}

if (kind === "raw") {
  const clients = new Set<ServerResponse>()
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("retry: 1000\n\n")
    clients.add(response)
  })
  tell = (events) => {
    let seq = 0
    const tick = () => {
      const frames: string[] = []
      for (let n = 0; n < 100 && seq < events; n++) frames.push(`id: log:${++seq}\ndata: ${JSON.stringify({ seq, position: seq, type: "session.updated", created: Date.now(), actor: "bench", data: { title: "x".repeat(Number(size)) } })}\n\n`)
      const buffer = Buffer.from(frames.join(""))
      for (const client of clients) client.write(buffer)
      if (seq < events) setTimeout(tick, 1)
    }
    tick()
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  process.send!({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
} else {
  const kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], dataDir: home, only: ["config", "store", "eventlog", "session", "runner", "instruction", "server"] })
  await kernel.start()
  process.send!({ url: (await kernel.graft.server.serve({ port: 0 })).url })
}
