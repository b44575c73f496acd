/**
 * Two that see to one job, in any interleaving, crashing anywhere, while its process ends, dies, or the machine restarts and a
 * person cancels: over the real rows and the real decisions. The world is what no log can unwrite: what ran.
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Json, StoredEvent } from "../../plugins/eventlog/contract.ts"
import type { JobHandle, JobOutcome, JobState } from "../../plugins/job/contract.ts"
import { decide, type Exit, type Seen, type Settle } from "../../plugins/job/decide.ts"
import { JOB } from "../../plugins/lib/machine.ts"
import { jobProjection } from "../../plugins/job/projection.ts"
import { from, next, NONE } from "../../plugins/lib/machine.ts"

interface Fact { type: string; data: Record<string, unknown> }
/** `waiting` for the word; `exit` is written, or nobody knows. */
interface Process { pid: number; boot: number; state: "waiting" | "running" | "gone"; exit?: Exit }
type Doing = { kind: "start"; process: Process } | { kind: "go"; process: Process } | { kind: "stop" } | Settle
const BEFORE = { job: "j", title: "t", spec: { kind: "shell", command: "c", directory: "/" }, delivery: "steer", onInterrupt: "keep", input: "i" }

class World {
  readonly db = new DatabaseSync(":memory:")
  readonly log: Fact[] = []
  readonly processes: Process[] = []
  /** What each of the two has decided to do, and not done. */
  readonly doing: (Doing | undefined)[] = [undefined, undefined]
  boot = 1
  runs = 0

  constructor() {
    for (const { sql } of jobProjection.migrations) this.db.exec(sql)
    this.db.exec("CREATE TABLE input (id TEXT PRIMARY KEY)")
    this.append({ type: "job.opened", data: BEFORE })
  }

  get row(): { state: JobState; handle: string | null; outcome: JobOutcome | null } { return this.db.prepare("SELECT state, handle, outcome FROM job").get() as never }
  count(type: string): number { return this.log.filter((fact) => fact.type === type).length }
  index(type: string): number { return this.log.findIndex((fact) => fact.type === type) }

  /** One commit: all of it, or a refusal. */
  append(...facts: Fact[]): boolean {
    this.db.exec("BEGIN")
    try {
      for (const { type, data } of facts) {
        if (type === "session.input.admitted") this.db.prepare("INSERT INTO input (id) VALUES (?)").run(data.input as string)
        for (const { sql, params = [], expect } of jobProjection.project({ aggregate: "s", seq: 1, created: 1, type, data: data as Json } as StoredEvent)) {
          if (expect !== undefined && Number(this.db.prepare(sql).run(...([...params] as SQLInputValue[])).changes) !== expect) throw new Error("refused")
          else if (expect === undefined) this.db.prepare(sql).run(...([...params] as SQLInputValue[]))
        }
      }
      this.db.exec("COMMIT")
      this.log.push(...facts)
      return true
    } catch {
      this.db.exec("ROLLBACK")
      return false
    }
  }

  seen(): Seen | undefined {
    const { handle } = this.row
    if (handle === null) return undefined
    const { pid, boot } = JSON.parse(handle) as JobHandle
    const process = this.processes.find((each) => each.pid === pid)!
    if (process.exit) return { kind: "ended", exit: process.exit }
    return boot === String(this.boot) && process.state !== "gone" ? { kind: "alive" } : { kind: "gone", why: "gone" }
  }

  /** One act of one of the two: it decides, or does what it decided. */
  act(who: 0 | 1): void {
    const doing = this.doing[who]
    this.doing[who] = undefined
    switch (doing?.kind) {
      case undefined: {
        const step = decide(this.row.state, this.seen())
        if (step.kind === "start") {
          const process: Process = { pid: this.processes.length + 1, boot: this.boot, state: "waiting" }
          this.processes.push(process)
          this.doing[who] = { kind: "start", process }
        } else if (step.kind === "settle" || step.kind === "stop") this.doing[who] = step as Doing
        return
      }
      case "start": {
        const { process } = doing
        const handle = { pid: process.pid, ticks: 1, boot: String(process.boot), directory: "/" }
        if (this.append({ type: "job.started", data: { job: "j", handle, owner: "o" } })) this.doing[who] = { kind: "go", process }
        else this.drop(process)
        return
      }
      case "go":
        if (doing.process.state === "waiting") {
          doing.process.state = "running"
          this.runs++
        }
        return
      case "stop": {
        const process = this.processes.find((each) => each.pid === (JSON.parse(this.row.handle!) as JobHandle).pid)!
        this.end(process, process.state === "waiting" ? { kind: "not-started" } : { kind: "signal", signal: "SIGTERM" })
        const seen = this.seen()!
        this.doing[who] = { kind: "settle", outcome: "cancelled", ...(seen.kind === "ended" && { exit: seen.exit }) }
        return
      }
      case "settle":
        this.append({ type: "job.settled", data: { job: "j", outcome: doing.outcome, summary: "" } }, { type: "session.input.admitted", data: { input: "i" } })
        return
      default: doing satisfies never
    }
  }

  /** The pipe of who dies is closed: what waits for the word at its other end never gets it. */
  crash(who: 0 | 1): void {
    const doing = this.doing[who]
    this.doing[who] = undefined
    if (doing?.kind === "start" || doing?.kind === "go") this.drop(doing.process)
  }

  drop(process: Process): void { if (process.state === "waiting") this.end(process, { kind: "not-started" }) }
  end(process: Process, exit?: Exit): void {
    if (process.state === "gone") return
    process.state = "gone"
    if (exit) process.exit = exit
  }
  restart(): void {
    for (const who of [0, 1] as const) this.doing[who] = undefined
    for (const process of this.processes) this.end(process)
    this.boot++
  }
  cancel(): boolean { return this.append({ type: "job.cancel.requested", data: { job: "j" } }) }
}

type Move = { do: "act" | "crash"; who: 0 | 1 } | { do: "end" | "kill" | "restart" | "cancel" }
const who = fc.constantFrom<0 | 1>(0, 1)
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 8, arbitrary: who.map((each): Move => ({ do: "act", who: each })) },
  { weight: 2, arbitrary: who.map((each): Move => ({ do: "crash", who: each })) },
  { weight: 2, arbitrary: fc.constantFrom<Move>({ do: "end" }, { do: "kill" }) },
  { weight: 1, arbitrary: fc.constantFrom<Move>({ do: "restart" }, { do: "cancel" }) },
)

function perform(world: World, given: Move): void {
  const running = world.processes.find(({ state }) => state === "running")
  switch (given.do) {
    case "act": return world.act(given.who)
    case "crash": return world.crash(given.who)
    case "end": return running && world.end(running, { kind: "exit", code: 0 })
    case "kill": return running && world.end(running)
    case "restart": return world.restart()
    case "cancel": return void world.cancel()
    default: given satisfies never
  }
}

function check(world: World): void {
  const { state, outcome } = world.row
  expect(world.runs).toBeLessThanOrEqual(1)
  // S12: what is opened has certainly not run.
  if (state === "opened") expect(world.runs).toBe(0)
  const [started, cancelled] = [world.index("job.started"), world.index("job.cancel.requested")]
  if (cancelled >= 0 && (started < 0 || cancelled < started)) expect([world.runs, started]).toEqual([0, -1])
  expect(world.count("job.settled")).toBe(state === "settled" ? 1 : 0)
  expect(world.count("session.input.admitted")).toBe(world.count("job.settled"))
  if (outcome === "not-started") expect(world.runs).toBe(0)
  if (outcome === "succeeded") expect(world.runs).toBe(1)
  // A running one is followed, not ended: what settles it as lost has seen it gone.
  if (outcome === "lost") expect(world.processes.filter((process) => process.state === "running")).toEqual([])
}

describe("a job", () => {
  test("runs at most once, never after a cancel that came first, and its end is told exactly once (S12, S23)", () => {
    fc.assert(fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
      const world = new World()
      for (const each of moves) {
        perform(world, each)
        check(world)
      }
      // Whoever is left sees it to its end, in a bounded number of steps.
      world.crash(1)
      for (let step = 0; step < 12 && world.row.state !== "settled"; step++) {
        world.act(0)
        check(world)
        // A cancelled one does not wait for its process to end by itself.
        if (world.doing[0] === undefined && world.row.state !== "cancelling") perform(world, { do: "end" })
      }
      expect(world.row.state).toBe("settled")
      expect([world.count("job.settled"), world.count("session.input.admitted")]).toEqual([1, 1])
    }), { numRuns: 500 })
  })

  test("moves as its table says, whatever is tried, and rows and table agree", () => {
    const events = ["job.started", "job.cancel.requested", "job.settled"]
    fc.assert(fc.property(fc.array(fc.constantFrom(...events), { maxLength: 8 }), (tried) => {
      const world = new World()
      let state = next(JOB, NONE, "job.opened")!
      for (const type of tried) {
        const data = { job: "j", owner: "o", outcome: "lost", summary: "" }
        const to = next(JOB, state, type)
        expect(world.append({ type, data })).toBe(to !== undefined)
        state = to ?? state
        expect(world.row.state).toBe(state)
      }
    }))
    expect(events.flatMap((event) => from(JOB, event))).not.toContain("settled")
  })
})
