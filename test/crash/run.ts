/** One run: the same scenario in a process that dies at the first point, in one that dies at the second, and in one that comes to the end; then the laws. */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LogChecker, type Logged } from "../../plugins/doctor/automata.ts"
import type { Told } from "./child.ts"
import { makeOld } from "./old.ts"
import { scenarioOf, type Scenario } from "./scenarios.ts"
import { Ledgers, type World } from "./world.ts"

/** Milliseconds that a process may take from its start to its end. */
const DEADLINE = 30_000
const FAILURES = new Set(["done", "failed"])

export interface Run { scenario: string; plan: readonly string[]; /** Points that the plan names and no process came to. */ missed: boolean; violations: string[]; /** Points that each process came to, in order. */ reached: string[][]; milliseconds: number }
interface Event extends Logged { actor: string; aggregate: string; text: string }

let serial = 0

/** `meddle` is called once a process has come to its end: for those who check this check. */
export async function run(world: World, scenario: string, plan: readonly string[], cache: string, meddle?: (ledgers: Ledgers) => unknown): Promise<Run> {
  const started = performance.now()
  const wanted = scenarioOf(scenario)
  const home = realpathSync(mkdtempSync(join(tmpdir(), "graft-crash-")))
  const project = join(home, "project")
  mkdirSync(join(project, ".git"), { recursive: true })
  const session = `ses_crash${process.pid}_${++serial}`
  const ledgers = new Ledgers(session, join(home, "data/graft.db"))
  world.runs.set(session, ledgers)
  const reached: string[][] = []
  const violations = ledgers.wrong
  const before: Map<string, string> = new Map()
  let told: Told | undefined
  let missed = false
  let crashed = false
  try {
    if (wanted.old) await makeOld(home, cache)
    for (const [n, point] of [...plan, undefined].entries()) {
      const trace = join(home, `trace${n}`)
      const orders = { home, project, cache, world: world.url, scenario, session }
      const gone = new AbortController()
      const beside = wanted.beside ? child(orders, {}, gone.signal) : undefined
      const ended = await child(orders, { ...(point && { GRAFT_CRASH: point }), GRAFT_CRASH_TRACE: trace })
      // The other one may come to the end by itself, or wait for one that is dead: who comes next finds what is left.
      if (beside) setTimeout(() => gone.abort(), 1_000)
      await beside
      reached.push(existsSync(trace) ? readFileSync(trace, "utf8").trim().split("\n").filter(Boolean) : [])
      keeps(ledgers, before, violations)
      if (ended.killed) {
        crashed = true
        continue
      }
      missed = point !== undefined
      if (ended.told) told = ended.told
      else violations.push(`S21: the process ended ${ended.how}`)
      break
    }
    meddle?.(ledgers)
    if (told && wanted.lines) violations.push(...linesOf(wanted.lines, project))
    if (told && wanted.together) violations.push(...togetherOf(wanted.together, project, home))
    if (told) violations.push(...lawsOf(wanted, ledgers, told, crashed))
    return { scenario, plan, missed, violations, reached, milliseconds: performance.now() - started }
  } finally {
    world.runs.delete(session)
    rmSync(home, { recursive: true, force: true })
  }
}

interface Ending { killed: boolean; told?: Told; how: string }

export function child(orders: object, env: Record<string, string>, gone?: AbortSignal): Promise<Ending> {
  return new Promise((resolve) => {
    const started = spawn(process.execPath, [join(import.meta.dirname, "child.ts"), JSON.stringify(orders)], { stdio: ["ignore", "ignore", "pipe", "ipc"], env: { ...process.env, NODE_OPTIONS: "", ...env } })
    let errors = ""
    let told: Told | undefined
    let late = false
    started.stderr!.on("data", (text: Buffer) => { errors = (errors + String(text)).slice(-2_000) })
    started.on("message", (message) => { told = message as Told })
    const timer = setTimeout(() => { late = true; started.kill("SIGKILL") }, DEADLINE)
    gone?.addEventListener("abort", () => started.kill("SIGKILL"))
    started.on("close", (code, signal) => {
      clearTimeout(timer)
      const how = late ? `not within ${DEADLINE} ms` : `with ${signal ?? code} ${errors.trim()}`
      resolve({ killed: signal === "SIGKILL" && !late, ...(told && { told }), how })
    })
  })
}

function linesOf({ file, most }: { file: string; most: number }, project: string): string[] {
  const path = join(project, file)
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0
  return lines > most ? [`S12: the command of a job had its effect ${lines} times`] : []
}

/** And nothing of it is left beside. */
function togetherOf(names: readonly string[], project: string, home: string): string[] {
  const there = names.filter((name) => existsSync(join(project, name)))
  const beside = [...(readdirSync(project, { recursive: true }) as string[]).filter((name) => name.includes(".graft-")), ...(existsSync(join(home, "data/changes")) ? readdirSync(join(home, "data/changes")) : [])]
  return [...(there.length === 0 || there.length === names.length ? [] : [`S12: of files that change together only ${there.join(", ")} are there`]), ...beside.map((name) => `S12: ${name} is left behind`)]
}

function eventsOf(ledgers: Ledgers): Event[] {
  const rows = ledgers.query<Omit<Event, "data">>("SELECT g.id AS aggregate, e.seq, t.text AS type, e.epoch, a.text AS actor, e.data AS text FROM event e JOIN aggregate g ON g.key = e.aggregate JOIN name t ON t.key = e.type JOIN name a ON a.key = e.actor ORDER BY g.id, e.seq")
  return rows.map((row) => ({ ...row, data: JSON.parse(row.text) as unknown }))
}

/** What was durable at a crash is there ever after (S1, S15). */
function keeps(ledgers: Ledgers, before: Map<string, string>, violations: string[]): void {
  if (!existsSync(ledgers.file)) return
  const now = new Map<string, string>()
  try {
    for (const { aggregate, seq, type, actor, text } of eventsOf(ledgers)) now.set(`${aggregate} ${seq}`, createHash("sha256").update(`${type} ${actor} ${text}`).digest("base64url"))
  } catch (error) {
    // The process died before there was a table.
    if (!/no such table/.test(String(error))) throw error
  }
  for (const [place, hash] of before) if (now.get(place) !== hash) violations.push(`S1: event ${place} was there before the crash, and is another or none after it`)
  for (const [place, hash] of now) before.set(place, hash)
}

function lawsOf(scenario: Scenario, ledgers: Ledgers, told: Told, crashed: boolean): string[] {
  const wrong: string[] = []
  const events = eventsOf(ledgers)
  const mine = events.filter(({ aggregate }) => aggregate === ledgers.session)
  for (const { id, seq } of ledgers.query<{ id: string; seq: number }>("SELECT id, seq FROM aggregate")) {
    const checker = new LogChecker()
    const own = events.filter(({ aggregate }) => aggregate === id)
    for (const event of own) checker.accept(event)
    wrong.push(...checker.end().map(({ law, seq, what }) => `S28 ${law} at ${id} ${seq}: ${what}`))
    if (own.length !== seq) wrong.push(`S1: ${id} holds ${own.length} events, and its head is ${seq}`)
  }
  for (const { projection, same } of told.rebuilt) if (!same) wrong.push(`S2: a rebuild of ${projection} gives other rows`)
  const [{ integrity }] = ledgers.query<{ integrity: string }>("SELECT integrity_check AS integrity FROM pragma_integrity_check") as [{ integrity: string }]
  if (integrity !== "ok") wrong.push(`the database: ${integrity}`)

  const dispatched = new Set(mine.filter(({ type }) => type === "provider.attempt.dispatched").map(({ data }) => (data as { attempt: string }).attempt))
  for (const attempt of ledgers.sent) if (!dispatched.has(attempt)) wrong.push(`S11: ${attempt} was sent, and the log does not say so`)
  for (const { data, type } of mine) if (type === "provider.attempt.settled" && (data as { outcome: string }).outcome === "not-sent" && ledgers.sent.has((data as { attempt: string }).attempt)) wrong.push(`S12: ${(data as { attempt: string }).attempt} was sent, and the log says that it was not`)
  wrong.push(...effectsOf(scenario, ledgers, mine, crashed), ...resentOf(mine))

  if (told.pending > 0) wrong.push(`S17: ${told.pending} inputs wait, and nothing runs`)
  const last = told.ended.at(-1)
  if (!FAILURES.has(last?.state ?? "") && !scenario.interrupted) wrong.push(`S21: after ${told.ended.length} runs it stands at ${last?.state} ${last?.reason ?? ""}`)
  if (last?.state === "failed") wrong.push(`S21: it failed: ${last.code} ${last.reason}`)
  const answer = told.messages.findLast(({ role }) => role === "assistant")
  if (!scenario.interrupted && !scenario.ends.test(answer?.text ?? "")) wrong.push(`the end is ${JSON.stringify(answer?.text.slice(-200))}, and not ${scenario.ends}`)
  if (ledgers.interrupted !== undefined && ledgers.sent.size > ledgers.interrupted) wrong.push(`S19: the interrupt was acknowledged, and ${ledgers.sent.size - ledgers.interrupted} more requests came`)
  return wrong
}

function effectsOf({ effects = {} }: Scenario, ledgers: Ledgers, events: readonly Event[], crashed: boolean): string[] {
  const wrong: string[] = []
  const calls = new Map(events.filter(({ type }) => type === "tool.called").map(({ data }) => [(data as { call: string }).call, (data as { recovery: string }).recovery]))
  const times = Map.groupBy(ledgers.effects, ({ call }) => call)
  for (const [call, happened] of times) if (happened.length > (calls.get(call) === "rerun" ? 2 : 1)) wrong.push(`S13: ${call} (${calls.get(call)}) had its effect ${happened.length} times`)
  if (!crashed) for (const [tool, count] of Object.entries(effects)) {
    const happened = ledgers.effects.filter((effect) => effect.tool === tool).length
    if (happened !== count) wrong.push(`${tool} had its effect ${happened} times instead of ${count}`)
  }
  return wrong
}

/** What nobody knows the end of is sent again only where a person said so (S22); the default asks. */
function resentOf(events: readonly Event[]): string[] {
  const wrong: string[] = []
  let lost: string | undefined
  for (const { type, data, actor } of events) {
    const { attempt, outcome, decision, n } = data as { attempt?: string; outcome?: string; decision?: string; n?: number }
    if (type === "provider.attempt.unknown" || (type === "provider.attempt.settled" && outcome === "lost")) lost = attempt
    if (type === "activity.recovery.decided" && decision === "retry") {
      if (/^(runtime|policy):/.test(actor)) wrong.push(`S22: ${actor} decided to send ${lost} again`)
      lost = undefined
    }
    if (type === "activity.opened" || type === "activity.turn.started") lost = undefined
    if (type === "provider.attempt.prepared" && n! > 1 && lost !== undefined) wrong.push(`S22: ${attempt} is sent after ${lost}, and nobody decided so`)
  }
  return wrong
}
