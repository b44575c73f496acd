/** The HTTP face's figures: what a small call costs against bare node:http in the same process, and a page of 1,000 sessions. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Agent, createServer, request } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel } from "../../kernel/index.ts"
import { figure, median, ratio, type Figure } from "./table.ts"

const CALLS = 3_000
const ROUNDS = 5
const SESSIONS = 1_000

export async function apiFigures(): Promise<Figure[]> {
  const base = mkdtempSync(join(tmpdir(), "graft-bench-api-"))
  const project = join(base, "project")
  mkdirSync(join(project, ".git"), { recursive: true })
  mkdirSync(join(base, "config"))
  writeFileSync(join(base, "config/config.jsonc"), '{ "offline": true, "server": { "rate": 1000000 } }')
  const kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], dataDir: base })
  const bare = createServer((_, response) => response.writeHead(200, { "content-type": "application/json" }).end('{"status":"ok"}'))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    await kernel.start()
    using graft = await kernel.child(project)
    const { port } = await graft.server.serve({ port: 0 })
    const authorization = `Bearer ${await graft.server.token()}`
    await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve))
    const ask = (to: number, path: string) => new Promise<number>((resolve, reject) => {
      request({ agent, port: to, host: "127.0.0.1", path, headers: { authorization } }, (response) => {
        let bytes = 0
        response.on("data", (chunk: Buffer) => { bytes += chunk.length }).on("end", () => (response.statusCode === 200 ? resolve(bytes) : reject(new Error(`${path}: ${response.statusCode}`))))
      }).on("error", reject).end()
    })
    const microseconds = async (to: number, path: string) => {
      const before = process.cpuUsage()
      for (let i = 0; i < CALLS; i++) await ask(to, path)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / CALLS
    }
    const small = "/plugins/journal?limit=1"
    await microseconds((bare.address() as AddressInfo).port, "/")
    await microseconds(port, small)
    const rounds: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const floor = await microseconds((bare.address() as AddressInfo).port, "/")
      rounds.push((await microseconds(port, small)) / floor)
    }

    for (let i = 0; i < SESSIONS; i++) await graft.session.create({ directory: project, title: `Session ${i}` })
    const list = `/sessions?limit=${SESSIONS}&directory=${encodeURIComponent(project)}`
    await ask(port, list)
    const took: number[] = []
    for (let i = 0; i < 15; i++) {
      const begun = performance.now()
      await ask(port, list)
      took.push(performance.now() - begun)
    }
    return [
      ratio("a small call, client included, against bare node:http", median(rounds), 4),
      figure("1,000 sessions in one page", median(took), "ms", 20, "at most"),
    ]
  } finally {
    agent.destroy()
    bare.close()
    await kernel.close()
    rmSync(base, { recursive: true, force: true })
  }
}
