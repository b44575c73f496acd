/**
 * The figures of a run: what a user waits for, measured from outside, at a provider on loopback that speaks the chat
 * protocol. The command is the built one with everything warm, as on any start but the first.
 */
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { figure, median, ratio, type Figure } from "./table.ts"

const repository = fileURLToPath(new URL("../..", import.meta.url))
const graft = [join(repository, "plugins/cli/bin.cjs")]
const ROUNDS = 15
const TURNS = 20
const DELTAS = 20_000

interface Delta { content?: string; tool_calls?: { index: number; id: string; type: "function"; function: { name: string; arguments: string } }[] }
type Answer = (response: ServerResponse, turn: number) => void

const chunk = (delta: Delta, finish: string | null = null) => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 0, model: "bench", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const END = `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 0, model: "bench", choices: [], usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } })}\n\ndata: [DONE]\n\n`

const short: Answer = (response) => response.end(chunk({ content: "A short answer." }) + chunk({}, "stop") + END)
const reading: Answer = (response, turn) => {
  if (turn >= TURNS) return short(response, turn)
  const call = { index: 0, id: `call_${turn}`, type: "function" as const, function: { name: "read", arguments: JSON.stringify({ path: `file${turn}.txt` }) } }
  response.end(chunk({ tool_calls: [call] }) + chunk({}, "tool_calls") + END)
}
const streaming: Answer = (response) => {
  const delta = chunk({ content: "word " })
  for (let i = 0; i < DELTAS; i += 100) response.write(delta.repeat(100))
  response.end(chunk({}, "stop") + END)
}

/** A provider that keeps when each request came in and when its answer was out. */
class Provider implements AsyncDisposable {
  readonly came: number[] = []
  readonly left: number[] = []
  readonly #server = createServer((request, response) => void this.#answer(request, response))
  answer: Answer = short

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve))
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}/v1`
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === "GET") return void response.end(JSON.stringify({ object: "list", data: [{ id: "bench", object: "model" }] }))
    const came = performance.now()
    for await (const _ of request);
    const turn = this.came.push(came) - 1
    response.setHeader("content-type", "text/event-stream")
    response.once("finish", () => this.left.push(performance.now()))
    this.answer(response, turn)
  }

  reset(answer: Answer): void {
    this.came.length = this.left.length = 0
    this.answer = answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

interface Ran { started: number; ended: number; peak: number }

/** `peak`: the kernel's high-water mark of resident memory in MB, read until the process is gone. */
function run(directory: string, home: string): Promise<Ran> {
  const started = performance.now()
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, "config"), XDG_DATA_HOME: join(home, "data"), XDG_CACHE_HOME: join(home, "cache"), XDG_STATE_HOME: join(home, "state"), XDG_RUNTIME_DIR: join(home, "run") }
  const child = spawn(process.execPath, [...graft, "run", "--quiet", "--model", "bench/bench", "go"], { cwd: directory, env, stdio: ["ignore", "ignore", "pipe"] })
  let [peak, complaint] = [0, ""]
  child.stderr.on("data", (text) => { complaint += text })
  const look = setInterval(() => {
    try {
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) / 1_024)
    } catch { /* it has ended, or this is no Linux */ }
  }, 5)
  return new Promise((resolve, reject) => child.once("exit", (code) => {
    clearInterval(look)
    if (code === 0) resolve({ started, ended: performance.now(), peak })
    else reject(new Error(`graft run ended with ${code}: ${complaint}`))
  }))
}

export async function runFigures(): Promise<Figure[]> {
  const base = mkdtempSync(join(tmpdir(), "graft-bench-run-"))
  const [home, project] = [join(base, "home"), join(base, "project")]
  try {
    await using provider = new Provider()
    const url = await provider.listen()
    mkdirSync(join(home, "config/graft"), { recursive: true })
    mkdirSync(join(project, ".git"), { recursive: true })
    writeFileSync(join(home, "config/graft/config.jsonc"), JSON.stringify({ providers: { bench: { url, models: { bench: {} } } } }))
    for (let turn = 0; turn < TURNS; turn++) writeFileSync(join(project, `file${turn}.txt`), "a line\n".repeat(20))

    const starts: number[] = []
    const peaks: number[] = []
    for (let round = 0; round < ROUNDS + 3; round++) {
      provider.reset(short)
      const { started, peak } = await run(project, home)
      if (round < 3) continue
      starts.push(provider.came[0]! - started)
      peaks.push(peak)
    }

    provider.reset(reading)
    await run(project, home)
    const overheads = provider.came.slice(1).map((came, turn) => came - provider.left[turn]!)

    const rates: number[] = []
    for (let round = 0; round < 3; round++) {
      provider.reset(streaming)
      const { ended } = await run(project, home)
      rates.push(DELTAS / ((ended - provider.came[0]!) / 1_000))
    }

    const bare = bareStart(base)
    return [
      figure("graft run: process start → first request, warm, median", median(starts), "ms", 150, "at most", "pi 249, codex 154, opencode 2,488"),
      ratio("the same, × a bare node that opens SQLite", median(starts) / bare, 3),
      figure("peak memory of one short answer, median", median(peaks), "MB", 110, "at most", "pi 121, codex 145, opencode 618"),
      figure(`tool result → next request, ${TURNS} turns, median (with the read and its fsyncs)`, median(overheads), "ms", 5, "at most", "pi 5.5 (not durable), codex 52, opencode 174"),
      figure(`${DELTAS.toLocaleString("en")} stream deltas, first request → process end`, median(rates), "deltas/s", 45_000, "at least", "pi 45,493, codex 92,111, opencode 10,017"),
    ]
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
}

function bareStart(base: string): number {
  const script = join(repository, "node_modules/better-sqlite3")
  const code = `const Database = require(${JSON.stringify(script)}); new Database(${JSON.stringify(join(base, "bare.db"))}).prepare("select 1").get()`
  const times: number[] = []
  for (let round = 0; round < 12; round++) {
    const started = performance.now()
    spawnSync(process.execPath, ["-e", code])
    times.push(performance.now() - started)
  }
  return median(times.slice(2))
}
