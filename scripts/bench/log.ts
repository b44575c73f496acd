/** The log's figures: what an append, a replay, a long session and a thousand turns cost, and how large they are on the disk. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Sqlite from "better-sqlite3"
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider"
import { createKernel, definePlugin, type EmbeddedKernel, type Graft } from "../../kernel/index.ts"
import { ALLOCATE, INSERT, MIGRATIONS } from "../../plugins/eventlog/tables.ts"
import type { Replicated } from "../../plugins/eventlog/contract.ts"
import type { ToolCall, Settling, Settlement } from "../../plugins/tool/contract.ts"
import { figure, median, type Figure } from "./table.ts"

const PLUGINS = join(import.meta.dirname, "../../plugins")
const IN_FLIGHT = 8
const EVENTS = 100_000
const TURNS = 1_000

export async function logFigures(): Promise<Figure[]> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "graft-bench-log-")))
  try {
    return [await appends(home), ...(await replays(home)), ...(await turns(join(home, "four"), 4_096)), ...(await turns(join(home, "sixteen"), 16_384))]
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** Eight sessions that append beside each other, and the same statements without the log: one transaction for eight, a savepoint each. */
export async function appends(home: string): Promise<Figure> {
  const kernel = await open(join(home, "appends"), ["store", "eventlog"])
  const { eventlog } = kernel.graft
  const sessions = Array.from({ length: IN_FLIGHT }, (_, n) => `s${n}`)
  await Promise.all(sessions.map((aggregate) => eventlog.append({ aggregate, create: "session", actor: "bench", events: [{ type: "session.created", data: {} }] })))
  const data = { text: "x".repeat(300) }
  const ours = async (rounds: number): Promise<number> => {
    const started = performance.now()
    await Promise.all(sessions.map(async (aggregate) => { for (let n = 0; n < rounds; n++) await eventlog.append({ aggregate, actor: "bench", events: [{ type: "session.updated", data }] }) }))
    return (rounds * IN_FLIGHT) / (performance.now() - started)
  }
  const raw = rawWriter(join(home, "raw.db"), JSON.stringify(data))
  const ratios: number[] = []
  for (let n = 0; n < 9; n++) {
    // Side by side, so that both have the same weather.
    const [mine, theirs] = [await ours(250), await raw(250)]
    if (n >= 2) ratios.push(mine / theirs)
  }
  await kernel.close()
  return figure(`append, ${IN_FLIGHT} in flight, to the same statements raw`, median(ratios) * 100, "%", 80, "at least")
}

function rawWriter(file: string, data: string): (rounds: number) => Promise<number> {
  const database = new Sqlite(file)
  // As the store opens its own.
  database.pragma("auto_vacuum = INCREMENTAL")
  database.pragma("journal_mode = WAL")
  database.pragma("synchronous = FULL")
  database.pragma("foreign_keys = ON")
  for (const { sql } of MIGRATIONS) database.exec(sql)
  for (let n = 0; n < IN_FLIGHT; n++) database.prepare("INSERT INTO aggregate (id, kind, log, created) VALUES (?, 'session', 'x', 0)").run(`s${n}`)
  for (const name of ["session.updated", "bench"]) database.prepare("INSERT INTO name (text) VALUES (?)").run(name)
  const [begin, save, allocate, insert, release, commit] = ["BEGIN IMMEDIATE", "SAVEPOINT work", ALLOCATE, INSERT, "RELEASE work", "COMMIT"].map((sql) => database.prepare(sql)) as [S, S, S, S, S, S]
  return async (rounds) => {
    const started = performance.now()
    for (let round = 0; round < rounds; round++) {
      begin.run()
      for (let n = 0; n < IN_FLIGHT; n++) {
        save.run()
        const row = allocate.get(1, `s${n}`, null, null) as { key: number; seq: number; epoch: number }
        insert.run(row.key, row.seq, 1, 1, row.epoch, 2, Date.now(), null, null, null, data)
        release.run()
      }
      commit.run()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return (rounds * IN_FLIGHT) / (performance.now() - started)
  }
}
type S = ReturnType<Sqlite["prepare"]>

/** A session of 100,000 events: all of it in pages, and its last page as a person would open it. */
async function replays(home: string): Promise<Figure[]> {
  const kernel = await open(join(home, "replays"), ["store", "eventlog", "session"])
  const { eventlog } = kernel.graft
  await eventlog.claimReplay("long", "bench", { kind: "session", logId: "bench" })
  for (let from = 1; from <= EVENTS; from += 5_000) await eventlog.replicate("long", "bench", Array.from({ length: 5_000 }, (_, i) => longSession(from + i, home)))
  await eventlog.releaseReplay("long", "bench")
  const rates: number[] = []
  for (let n = 0; n < 7; n++) {
    const started = performance.now()
    let events = 0
    for (let after: string | number = 0, head = 1; events < head; ) {
      const page = await eventlog.read({ aggregate: "long", after, limit: 4_096 })
      events += page.events.length
      after = page.next
      head = page.head
    }
    if (n >= 2) rates.push(events / ((performance.now() - started) / 1_000))
  }
  const [place] = await kernel.graft.store.all<{ seq: number }>("SELECT seq FROM message WHERE session = 'long' ORDER BY seq DESC LIMIT 1 OFFSET 50")
  await kernel.close()
  const opened: number[] = []
  for (let n = 0; n < 5; n++) {
    const again = await open(join(home, "replays"), ["store", "eventlog", "session"])
    await again.graft.session.list({ limit: 1 })
    const started = performance.now()
    if ((await again.graft.session.messages("long", { after: place!.seq, limit: 50 })).length !== 50) throw new Error("that is no page")
    opened.push(performance.now() - started)
    await again.close()
  }
  return [
    figure("replay in pages of 4,096, median", median(rates), "events/s", 300_000, "at least"),
    figure("last page of a session of 100,000 events, median", median(opened), "ms", 50, "at most"),
  ]
}

/** One reply of twenty chunks after the other. */
function longSession(seq: number, home: string): Replicated {
  const [of, step] = [Math.floor((seq - 2) / 24) + 1, (seq - 2) % 24]
  const message = `a1.${of}`
  const event = (type: string, data: object): Replicated => ({ aggregate: "long", seq, type, version: 1, epoch: 0, actor: "bench", created: seq, data: data as never })
  if (seq === 1) return event("session.created", { directory: home, location: home, title: "long" })
  if (step === 0) return event("message.created", { message, role: "assistant", activity: "a1", model: "bench/one" })
  if (step === 1) return event("message.part.started", { message, part: `${message}:0`, kind: "text" })
  if (step === 22) return event("message.part.settled", { message, part: `${message}:0`, length: 2_000, sha256: "x" })
  if (step === 23) return event("message.settled", { message, finish: "stop" })
  return event("message.part.appended", { message, part: `${message}:0`, text: "x".repeat(100) })
}

interface Counted { commits: number; awaited: number[]; between: number[]; overhead: number[] }

/** A conversation of a thousand turns, each a prompt, a call with its output, and an answer: together `size` bytes of text. */
async function turns(directory: string, size: number): Promise<Figure[]> {
  const counted: Counted = { commits: 0, awaited: [], between: [], overhead: [] }
  const kernel = await open(directory, ["store", "eventlog", "session", "runner", "instruction"], standIns(size, counted))
  const { session, store } = kernel.graft
  const { id } = await session.create({ directory })
  let text = 0
  for (let n = 0; n < TURNS; n++) {
    const prompt = words(size / 8, n)
    const started = process.cpuUsage()
    await session.prompt({ session: id, text: prompt })
    const ended = await session.wait(id)
    const { user, system } = process.cpuUsage(started)
    counted.overhead.push(user + system)
    if (ended.state !== "done") throw new Error(`turn ${n} ended ${ended.state}: ${ended.reason}`)
    text += size
  }
  await store.write((tx) => tx.get("SELECT 1"))
  await store.shrink()
  const { bytes } = await store.info()
  await kernel.close()
  const kilobytes = Math.round(size / 1_024)
  const early = median(counted.overhead.slice(20, 120))
  const late = median(counted.overhead.slice(-100))
  return [
    figure(`database to the text of ${TURNS} turns of ${kilobytes} KB`, bytes / text, "×", kilobytes <= 4 ? 3 : 2, "at most"),
    ...(kilobytes > 4 ? [] : [
      figure("commits from a tool's result to the next request, median", median(counted.between), "", 1, "at most"),
      { what: "one commit with its fsync, median", value: `${median(counted.awaited).toFixed(2)} ms`, goal: "", met: undefined },
      figure(`a turn at ${TURNS} to one at the beginning, in CPU`, late / early, "×", 1.5, "at most"),
    ]),
  ]
}

const words = (length: number, n: number): string => `${n} `.padEnd(Math.round(length), "lorem ipsum dolor sit amet ")

/** A provider that answers at once, and one tool. */
function standIns(size: number, counted: Counted) {
  let noted = 0
  return definePlugin({
    per: "process",
    setup(graft) {
      graft.provide("config", { get: async () => undefined } as never)
      graft.provide("model", { resolve: async () => ({ ref: "bench/one", id: "one", provider: "bench", name: "One", usable: true }) } as never)
      graft.provide("llm", { async *stream(request: { messages: { role: string }[] }): AsyncGenerator<LanguageModelV4StreamPart> {
        const after = request.messages.at(-1)!.role === "tool"
        if (after) counted.between.push((await graft.store.info()).commits - counted.commits)
        const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } }
        if (after) yield* [{ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: words((size * 3) / 8, noted) }, { type: "text-end", id: "t" }] satisfies LanguageModelV4StreamPart[]
        else yield { type: "tool-call", toolCallId: `c${++noted}`, toolName: "note", input: "{}" }
        yield { type: "finish", usage, finishReason: { unified: after ? "stop" : "tool-calls", raw: undefined } }
      } } as never)
      graft.provide("tool", {
        list: async () => [],
        advertise: async () => ({
          tools: [{ name: "note", description: "note", inputSchema: { type: "object" } }], recovery: () => "unknown", probe: async () => "unknown", dispose() {},
          async settle(call: ToolCall, { started }: Settling): Promise<Settlement> {
            const asked = performance.now()
            await started()
            counted.awaited.push(performance.now() - asked)
            counted.commits = (await graft.store.info()).commits
            return { outcome: "ok", output: words(size / 2, noted), bytes: size / 2, milliseconds: 1 }
          },
        }),
      } as never)
    },
  })
}

async function open(directory: string, only: string[], extra?: ReturnType<typeof definePlugin>): Promise<EmbeddedKernel> {
  mkdirSync(directory, { recursive: true })
  const kernel = createKernel({ roots: [{ dir: PLUGINS, kind: "built-in" }], only: [...only, "bench"], dataDir: directory })
  await kernel.put("bench", extra ?? definePlugin({ per: "process", setup: (graft: Graft) => graft.provide("config", { get: async () => undefined } as never) }))
  await kernel.start()
  await kernel.settled()
  return kernel
}
