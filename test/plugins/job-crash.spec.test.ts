/**
 * A process that sees to a job may be killed at any point, and the next one too: the job never runs twice, one that was not
 * started certainly did not run, and its end is told exactly once, in the commit that says how it ended (S12, S23).
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Job, JobFacts, JobRequest } from "../../plugins/job/contract.ts"
import { soon } from "../fixtures/conversation.ts"
import { eventsOf, eventually, makeJobbing, writes, type Jobbing, type JobProcess } from "../fixtures/jobs.ts"

let home: Jobbing
let here: Awaited<ReturnType<Jobbing["kernel"]>>
/** Sees nothing to by itself: it came up in an empty home. It reads, and adopts what it is asked about. */
beforeAll(async () => {
  home = makeJobbing()
  here = await home.kernel()
})
afterAll(() => home[Symbol.asyncDispose]())

let serial = 0
const newWord = () => `w${++serial}`
const shell = (command: string): JobRequest => ({ spec: { kind: "shell", command, directory: home.directory }, title: "a job", delivery: "steer" })
const newSession = async () => (await here.graft.session.create({ directory: home.directory })).id
const factsOf = async (session: string) => eventsOf(here.graft, session)
const delivered = async (session: string) => (await factsOf(session)).filter(({ type, data }) => type === "session.input.admitted" && (data as { kind?: string }).kind === "job-result")
const settledOf = async (session: string) => (await factsOf(session)).flatMap(({ type, data }) => (type === "job.settled" ? [data as unknown as JobFacts["job.settled"]] : []))
const opened = async (session: string) => (await factsOf(session)).flatMap(({ type, data }) => (type === "job.opened" ? [data as unknown as JobFacts["job.opened"]] : []))
const times = (word: string) => home.ran().filter((each) => each === word).length
const alive = (text: string) => readdirSync("/proc").filter((pid) => {
  if (!/^\d+$/.test(pid)) return false
  try { return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(text) && !/ Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1")) } catch { return false }
})

/** Settles, whoever sees to it. */
async function settled(session: string): Promise<JobFacts["job.settled"]> {
  await eventually(async () => (await settledOf(session)).length).toBe(1)
  return (await settledOf(session))[0]!
}

/** Points in the order in which a job comes by. */
const POINTS = ["T9.job.before", "T9.job.after", "T13.started.before", "T13.started.after", "T13.go.after", "T13.settled.before", "T13.settled.after"]
/** In a process that comes up: the last is not reached where the one before it was not. */
const PAIRS = POINTS.slice(1, -1).flatMap((first) => POINTS.slice(2).map((second) => [first, second] as const))
/** A share of them in each run; `GRAFT_CRASH_ALL=1` takes all. */
const pairs = process.env.GRAFT_CRASH_ALL ? PAIRS : fc.sample(fc.constantFrom(...PAIRS), 3)

/** A process opens a job and is killed at the first point, one that comes up and finds it at the second; whoever asks then sees to the rest. */
async function crash(first: string, second: string | undefined, word: string): Promise<{ session: string; job?: string }> {
  const session = await newSession()
  const one = home.process({ GRAFT_CRASH: first })
  await one.ready
  await one.ask("job.open", session, shell(writes(home.ledger, word))).catch(() => {})
  await soon(one.gone, `the end at ${first}`, 15_000)
  const job = (await opened(session))[0]?.job
  if (job === undefined) return { session }
  if (second !== undefined) {
    const two = home.process({ GRAFT_CRASH: second })
    const over = async () => { while ((await settledOf(session)).length === 0 || existsSync(join(home.base, "home/data/jobs", job))) await pause(20) }
    await soon(Promise.race([two.gone, two.ready.then(over)]), `the end at ${second}`, 15_000)
    await two.kill()
  }
  await eventually(async () => (await here.graft.job.get(job))?.state).toBe("settled")
  return { session, job }
}

describe("S12 and S23, killed at", () => {
  test.each([...POINTS.map((first) => [first, undefined] as const), ...pairs])("%s, then %s", async (first, second) => {
    const word = newWord()
    const { session, job } = await crash(first, second, word)
    if (first === "T9.job.before") return expect([job, (await factsOf(session)).length]).toEqual([undefined, 1])
    const [{ outcome }] = await settledOf(session) as [JobFacts["job.settled"]]
    // Between the two acts it certainly did not run, and is not begun anew either.
    expect(outcome).toBe([first, second].includes("T13.started.after") && times(word) === 0 ? "not-started" : "succeeded")
    expect(times(word)).toBe(outcome === "succeeded" ? 1 : 0)
    expect(await settledOf(session)).toHaveLength(1)
    expect((await delivered(session)).map(({ data }) => (data as { input: string }).input)).toEqual([(await opened(session))[0]!.input])
  })

  test("leaves nothing behind that the next start does not clear away", async () => {
    const next = home.process()
    await next.ready
    const left = () => readdirSync(join(home.base, "home/data/jobs")).length
    // What was announced and not opened may yet be, for a while.
    await eventually(left).toBeLessThanOrEqual(1)
    await next.kill()
  })
})

describe("while nobody is there", () => {
  const leave = async (request: JobRequest): Promise<{ session: string; job: Job; process: JobProcess }> => {
    const session = await newSession()
    const process = home.process()
    await process.ready
    const job = await process.ask<Job>("job.open", session, request)
    return { session, job, process }
  }

  test("a job goes on, and whoever comes next finds the same process and no other (row 29)", async () => {
    const word = newWord()
    const gate = join(home.base, `gate-${word}`)
    const { session, job, process } = await leave(shell(`while [ ! -e '${gate}' ]; do sleep 0.02; done; ${writes(home.ledger, word)}`))
    await process.kill()
    const next = home.process()
    await next.ready
    expect(await next.ask("job.get", job.id)).toMatchObject({ state: "running" })
    expect(alive(gate)).not.toEqual([])
    writeFileSync(gate, "")
    expect(await settled(session)).toMatchObject({ outcome: "succeeded", exit: 0 })
    expect([times(word), (await delivered(session)).length]).toEqual([1, 1])
    await next.kill()
  })

  test("it may end: its real end is told (row 30)", async () => {
    const word = newWord()
    const { session, job, process } = await leave(shell(`sleep 0.3; ${writes(home.ledger, word)}; exit 5`))
    await process.kill()
    await eventually(() => times(word)).toBe(1)
    // Whoever asks about it sees to it.
    await eventually(async () => (await here.graft.job.get(job.id))?.state).toBe("settled")
    expect(await settled(session)).toMatchObject({ outcome: "failed", exit: 5 })
    expect(await delivered(session)).toHaveLength(1)
  })

  test("it may be killed: it is lost, and nobody says that it went well", async () => {
    const { session, job, process } = await leave(shell("sleep 81"))
    const { handle } = await here.graft.store.get<{ handle: string }>("SELECT handle FROM job WHERE id = ?", [job.id]).then((row) => ({ handle: JSON.parse(row!.handle) as { pid: number } }))
    await process.kill()
    globalThis.process.kill(handle.pid, "SIGKILL")
    await eventually(async () => (await here.graft.job.get(job.id))?.state).toBe("settled")
    expect(await settled(session)).toMatchObject({ outcome: "lost", summary: expect.stringContaining("its process was killed") })
    // What it had begun is ended with it.
    await eventually(() => alive("sleep\x0081")).toEqual([])
  })

  test("the machine may be restarted: it is lost, and no process of that number is touched (row 31)", async () => {
    const { session, job, process } = await leave(shell("sleep 82"))
    await eventually(() => alive("sleep\x0082")).not.toEqual([])
    await process.kill()
    const row = await here.graft.store.get<{ handle: string }>("SELECT handle FROM job WHERE id = ?", [job.id])
    const handle = JSON.parse(row!.handle) as { pid: number }
    await here.graft.store.write((tx) => tx.run("UPDATE job SET handle = ? WHERE id = ?", [JSON.stringify({ ...handle, boot: "another" }), job.id]))
    await eventually(async () => (await here.graft.job.get(job.id))?.state).toBe("settled")
    expect(await settled(session)).toMatchObject({ outcome: "lost", summary: expect.stringContaining("the machine was restarted while it ran") })
    expect(alive("sleep\x0082")).not.toEqual([])
    globalThis.process.kill(handle.pid, "SIGTERM")
    await eventually(() => alive("sleep\x0082")).toEqual([])
  })

  test("a cancel that came too late to be done is done (row 34)", async () => {
    const session = await newSession()
    const process = home.process({ GRAFT_CRASH: "T13.cancel.after" })
    await process.ready
    const job = await process.ask<Job>("job.open", session, shell("sleep 83"))
    await eventually(() => alive("sleep\x0083")).not.toEqual([])
    await process.ask("job.cancel", job.id).catch(() => {})
    await process.gone
    expect(alive("sleep\x0083")).not.toEqual([])
    const next = home.process()
    await next.ready
    expect(await settled(session)).toMatchObject({ outcome: "cancelled" })
    expect(alive("sleep\x0083")).toEqual([])
    await next.kill()
  })

  test("a subagent's answer is copied once (row 33)", async () => {
    const session = await newSession()
    const process = home.process({ GRAFT_CRASH: "T13.settled.before" })
    await process.ready
    await process.ask("job.open", session, { spec: { kind: "subagent", prompt: "what is it", directory: home.directory }, title: "ask", delivery: "queue" }).catch(() => {})
    await process.gone
    const next = home.process()
    await next.ready
    const { job, outcome, summary } = await settled(session)
    expect([outcome, summary]).toEqual(["succeeded", expect.stringContaining("heard: what is it")])
    expect(await delivered(session)).toHaveLength(1)
    const { child } = (await here.graft.job.get(job))!
    expect((await factsOf(child!)).filter(({ type }) => type === "activity.opened")).toHaveLength(1)
    await next.kill()
  })
})

test("two processes beside each other: one sees to it, the other may cancel it, and it is told once", async () => {
  const session = await newSession()
  const other = home.process()
  await other.ready
  const job = await other.ask<Job>("job.open", session, shell("sleep 84"))
  expect(await here.graft.job.list({ session, live: true })).toMatchObject([{ id: job.id, state: "running" }])
  expect(await here.graft.job.cancel(job.id)).toBe(true)
  expect(await settled(session)).toMatchObject({ outcome: "cancelled" })
  expect(await other.ask("job.wait", job.id)).toMatchObject({ outcome: "cancelled" })
  expect([alive("sleep\x0084"), (await delivered(session)).length]).toEqual([[], 1])
  await other.kill()
})

test("what runs in the foreground does not outlive a killed process, whatever group it is in; a job does", async () => {
  const session = await newSession()
  const process = home.process({}, ["tool", "permission", "tool-bash"])
  await process.ready
  const job = await process.ask<Job>("job.open", session, shell("sleep 85"))
  void process.ask("call", "bash", { command: "setsid sleep 86 & trap '' TERM; sleep 87" }, session).catch(() => {})
  void process.ask("job.shell", session, "sleep 88").catch(() => {})
  await eventually(() => [86, 87, 88].map((n) => alive(`sleep\x00${n}`).length)).toEqual([1, 1, 1])
  await process.kill()
  await eventually(() => [86, 87, 88].flatMap((n) => alive(`sleep\x00${n}`))).toEqual([])
  expect(alive("sleep\x0085")).not.toEqual([])
  // The person's command is said to be lost by whoever comes next.
  const next = home.process()
  await next.ready
  await eventually(async () => (await factsOf(session)).find(({ type }) => type === "shell.settled")?.data).toMatchObject({ ending: "lost" })
  await next.ask("job.cancel", job.id)
  await next.kill()
})
