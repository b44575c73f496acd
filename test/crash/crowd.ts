/** Many at once on one home: fifty runs of the program, and four that start on an old schema. */
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { LogChecker } from "../../plugins/doctor/automata.ts"
import { makeOld } from "./old.ts"
import { child } from "./run.ts"
import { Ledgers, type World } from "./world.ts"

const PROGRAM = join(import.meta.dirname, "../../plugins/cli/bin.cjs")

/** `graft run`, so many beside each other, each with a session of its own. What went wrong. */
export async function manyRuns(count: number): Promise<string[]> {
  await using home = temporary()
  const { directory, project } = home
  const ended = await Promise.all(Array.from({ length: count }, (_, n) => new Promise<string | undefined>((resolve) => {
    const started = spawn(process.execPath, [PROGRAM, "run", `hello ${n}`, "--model", "demo/demo"], { cwd: project, stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, GRAFT_HOME: directory, NODE_OPTIONS: "" } })
    let said = ""
    started.stderr!.on("data", (text: Buffer) => { said = (said + String(text)).slice(-500) })
    started.on("close", (code, signal) => resolve(code === 0 ? undefined : `run ${n} ended with ${signal ?? code}: ${said.trim()}`))
  })))
  return [...ended.filter((each) => each !== undefined), ...judge(join(directory, "data/graft.db"), count)]
}

/** Four that find the same old schema: each step is applied once, and all four come to their end. */
export async function oldStarters(world: World, cache: string): Promise<string[]> {
  await using home = temporary()
  const { directory, project } = home
  await makeOld(directory, cache)
  const file = join(directory, "data/graft.db")
  const sessions = Array.from({ length: 4 }, (_, n) => `ses_old${process.pid}_${n}`)
  for (const session of sessions) world.runs.set(session, new Ledgers(session, file))
  const ended = await Promise.all(sessions.map((session) => child({ home: directory, project, cache, world: world.url, scenario: "answer", session }, {})))
  const wrong = [...sessions.flatMap((session) => world.runs.get(session)!.wrong), ...ended.flatMap(({ told, how }) => (told ? [] : [`a starter ended ${how}`])), ...judge(file, 4)]
  for (const session of sessions) world.runs.delete(session)
  return wrong
}

/** All sessions are there, and whole. */
function judge(file: string, count: number): string[] {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const all = <T>(sql: string, ...params: string[]) => database.prepare(sql).all(...params) as T[]
    const sessions = all<{ id: string; seq: number }>("SELECT id, seq FROM aggregate WHERE kind = 'session'")
    const wrong = sessions.flatMap(({ id, seq }) => {
      const events = all<{ seq: number; type: string; epoch: number; data: string }>("SELECT e.seq, t.text AS type, e.epoch, e.data FROM event e JOIN name t ON t.key = e.type JOIN aggregate a ON a.key = e.aggregate WHERE a.id = ? ORDER BY e.seq", id)
      const checker = new LogChecker()
      for (const event of events) checker.accept({ ...event, data: JSON.parse(event.data) as unknown })
      return [...checker.end().map(({ law, what }) => `S28 ${law} ${id}: ${what}`), ...(events.length === seq && events.some(({ type }) => type === "activity.settled") ? [] : [`${id} holds ${events.length} of ${seq} events, or did not end`])]
    })
    if (sessions.length !== count) wrong.push(`${sessions.length} sessions instead of ${count}`)
    const [{ integrity }] = all<{ integrity: string }>("SELECT integrity_check AS integrity FROM pragma_integrity_check") as [{ integrity: string }]
    return integrity === "ok" ? wrong : [...wrong, integrity]
  } finally {
    database.close()
  }
}

function temporary(): AsyncDisposable & { directory: string; project: string } {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "graft-crowd-")))
  const project = join(directory, "project")
  mkdirSync(join(project, ".git"), { recursive: true })
  return { directory, project, [Symbol.asyncDispose]: async () => rmSync(directory, { recursive: true, force: true }) }
}
