/** A job runs beside the conversation and outlives the process that began it; its end is told exactly once, as it really was. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { EmbeddedKernel, Graft } from "graft"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { JobFacts, JobRequest } from "../../plugins/job/contract.ts"
import { soon } from "../fixtures/conversation.ts"
import { eventsOf, eventually, makeJobbing, writes, type Jobbing } from "../fixtures/jobs.ts"

let home: Jobbing, kernel: EmbeddedKernel, graft: Graft & Disposable
beforeAll(async () => {
  home = makeJobbing({ copy: true })
  ;({ kernel, graft } = await home.kernel())
})
afterAll(() => home[Symbol.asyncDispose]())

const newSession = async (more: { parent?: string } = {}) => (await graft.session.create({ directory: home.directory, ...more })).id
const shell = (command: string, more: Partial<JobRequest> = {}): JobRequest => ({ spec: { kind: "shell", command, directory: home.directory }, title: command.slice(0, 60), delivery: "steer", ...more })
const subagent = (prompt: string, more: Partial<JobRequest> = {}): JobRequest => ({ spec: { kind: "subagent", prompt, directory: home.directory }, title: "look into it", delivery: "queue", ...more })
const run = async (request: JobRequest, session?: string) => {
  const id = session ?? (await newSession())
  const job = await graft.job.open(id, request)
  return { session: id, job, settled: await soon(graft.job.wait(job.id), "the end of the job", 8_000) }
}
const factsOf = async (session: string) => (await eventsOf(graft, session)).map(({ type }) => type).filter((type) => type.startsWith("job.") || type === "session.input.admitted")
const settledOf = async (session: string) => (await eventsOf(graft, session)).find(({ type }) => type === "job.settled")!.data as unknown as JobFacts["job.settled"]
const jobs = () => join(home.base, "home/data/jobs")
/** A file that a job waits for. */
let gates = 0
const gate = () => {
  const path = join(home.base, `gate${gates++}`)
  return { until: `while [ ! -e '${path}' ]; do sleep 0.02; done`, open: () => writeFileSync(path, "") }
}

describe("a shell job", () => {
  test("runs in its directory with its output kept, and its end is work for the session, in one commit", async () => {
    const { session, job, settled } = await run(shell("pwd; echo err >&2; exit 3"))
    expect(job).toMatchObject({ session, state: "running", onInterrupt: "keep" })
    expect(settled).toMatchObject({ state: "settled", outcome: "failed", exit: 3, output: { bytes: home.directory.length + 5, blob: expect.any(String) } })
    expect(await factsOf(session)).toEqual(["job.opened", "job.started", "job.settled", "session.input.admitted"])
    const events = await eventsOf(graft, session)
    const { data: opened } = events.find(({ type }) => type === "job.opened")!
    const { data: told } = events.find(({ type }) => type === "session.input.admitted")!
    expect(told).toMatchObject({ input: (opened as { input: string }).input, kind: "job-result", delivery: "steer", resume: true, text: (await settledOf(session)).summary })
    expect((told as { text: string }).text).toMatch(new RegExp(`^The background job ${job.id} \\(pwd.*\\) failed: exit code 3\\.\n\nIts output:\n${home.directory}\nerr$`))
    // It was woken, and heard.
    expect((await graft.session.wait(session)).state).toBe("done")
    expect((await graft.session.messages(session)).at(-1)!.parts).toMatchObject([{ text: expect.stringContaining("heard: The background job") }])
    await eventually(() => existsSync(join(jobs(), job.id))).toBe(false)
  })

  test("that only informs wakes nobody", async () => {
    const { session, settled } = await run(shell("true", { delivery: "inform" }))
    expect(settled.outcome).toBe("succeeded")
    expect(await factsOf(session)).toEqual(["job.opened", "job.started", "job.settled"])
    expect(await graft.session.messages(session)).toEqual([])
  })

  test("can be looked at while it runs, from any place in its output; a private directory holds it", async () => {
    const { until, open } = gate()
    const session = await newSession()
    const job = await graft.job.open(session, shell(`for i in $(seq 1000); do echo line $i; done; printf 'grün →'; ${until}; echo; echo end`))
    await eventually(async () => (await graft.job.tail(job.id)).text).toMatch(/line 1000\ngrün →$/)
    const first = await graft.job.tail(job.id, { after: 0, limit: 100 })
    expect(first.text).toMatch(/^line 1\n[^]*line \d+\n$/)
    const second = await graft.job.tail(job.id, { after: first.next, limit: 100_000 })
    expect(first.text + second.text).toMatch(/^line 1\n[^]*line 1000\ngrün →$/)
    expect(await graft.job.tail(job.id, { after: second.next })).toEqual({ text: "", next: second.next, done: false })
    expect(statSync(join(jobs(), job.id)).mode & 0o777).toBe(0o700)
    open()
    await graft.job.wait(job.id)
    expect(await graft.job.tail(job.id, { after: second.next })).toEqual({ text: "\nend\n", next: second.next + 5, done: true })
  })

  test("has nobody to answer it, and the environment that hooks give", async () => {
    const remove = graft.on("shell.env", (draft) => { draft.env.GREETING = "hello" })
    const { session } = await run(shell("cat; echo $GREETING $PAGER; test -t 0 || echo no terminal"))
    expect((await settledOf(session)).summary).toMatch(/hello cat\nno terminal$/)
    remove()
  })

  test("that cannot be started in its directory says so", async () => {
    const { settled, session } = await run(shell("true", { spec: { kind: "shell", command: "true", directory: "/nowhere" } }))
    expect(settled).toMatchObject({ outcome: "failed" })
    expect((await settledOf(session)).summary).toMatch(/ENOENT/)
  })

  test("is stopped where it writes without end, with what it wrote until then", async () => {
    const { settled, session } = await run(shell("echo first; yes 'a line that goes on and on and on'", { delivery: "inform" }))
    expect(settled).toMatchObject({ outcome: "failed", output: { bytes: 64 * 1024 * 1024 } })
    expect((await settledOf(session)).summary).toMatch(/it wrote too much[^]*The end of its output, of 67108864 bytes[^]*blob:/)
    expect((await graft.job.tail(settled.id, { after: 0, limit: 64 })).text).toMatch(/^first\n/)
  }, 30_000)

  test("ends what it left behind, whatever group that is in", async () => {
    const { settled } = await run(shell("setsid sleep 71 & sleep 72 & echo left", { delivery: "inform" }))
    expect(settled.outcome).toBe("succeeded")
    expect(living("sleep\x007[12]")).toEqual([])
  })

  test("whose output is no end of its own is told whole by a blob", async () => {
    const { session, settled } = await run(shell("seq 10000", { delivery: "inform" }))
    expect((await settledOf(session)).summary).toMatch(new RegExp(`10000\n\nThe whole can be read with read \\{"path":"blob:${settled.output!.blob}"\\}\\.$`))
    expect(Buffer.from((await graft.store.getBlob(settled.output!.blob!))!).toString().split("\n")).toHaveLength(10_001)
  })
})

/** Processes whose command line matches. */
const living = (pattern: string) => readdirSync("/proc").filter((pid) => {
  if (!/^\d+$/.test(pid)) return false
  try { return new RegExp(pattern).test(readFileSync(`/proc/${pid}/cmdline`, "latin1")) && !/ Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1")) } catch { return false }
})

describe("cancelling", () => {
  test("ends all of it, though TERM is ignored and children hide; it is told as cancelled, once", async () => {
    const session = await newSession()
    const job = await graft.job.open(session, shell("trap '' TERM; setsid sleep 73 & echo up; while :; do sleep 0.05; done"))
    await eventually(async () => (await graft.job.tail(job.id)).text).toBe("up\n")
    expect(await graft.job.cancel(job.id, "enough")).toBe(true)
    expect(await graft.job.get(job.id)).toMatchObject({ state: "settled", outcome: "cancelled" })
    expect(living("sleep\x0073")).toEqual([])
    expect(await factsOf(session)).toEqual(["job.opened", "job.started", "job.cancel.requested", "job.settled", "session.input.admitted"])
    expect(await graft.job.cancel(job.id)).toBe(false)
  })

  test("before it started: it never runs (S23)", async () => {
    const session = await newSession()
    const opened = await graft.job.opening(session, shell(writes(home.ledger, "never")))
    await graft.eventlog.append({ aggregate: session, actor: "user", location: home.directory, events: [{ type: "job.opened", data: opened as never }] })
    expect(await graft.job.cancel(opened.job)).toBe(true)
    await graft.job.start(opened.job)
    expect(await graft.job.get(opened.job)).toMatchObject({ state: "settled", outcome: "cancelled" })
    expect(home.ran()).toEqual([])
  })

  test("that many ask for at once is done once", async () => {
    const session = await newSession()
    const job = await graft.job.open(session, shell("sleep 74"))
    const answers = await Promise.all([1, 2, 3].map(() => graft.job.cancel(job.id)))
    expect(answers).toContain(true)
    expect((await factsOf(session)).filter((type) => type !== "session.input.admitted")).toEqual(["job.opened", "job.started", "job.cancel.requested", "job.settled"])
  })
})

describe("a subagent", () => {
  test("is a session below the one that asked, and its answer comes back as work", async () => {
    const { session, settled } = await run(subagent("count to three"))
    expect(settled).toMatchObject({ outcome: "succeeded", child: expect.stringMatching(/^ses_/) })
    expect(await graft.session.get(settled.child!)).toMatchObject({ parent: session, title: "look into it", directory: home.directory })
    expect((await settledOf(session)).summary).toMatch(/has ended well\.\n\nIts answer:\nheard: count to three\n\n\(Its session is ses_/)
    expect((await graft.job.tail(settled.id)).text).toBe("heard: count to three")
  })

  test("is interrupted when it is cancelled", async () => {
    const session = await newSession()
    const job = await graft.job.open(session, subagent("hang"))
    expect(await graft.job.cancel(job.id)).toBe(true)
    const settled = await graft.job.get(job.id)
    expect(settled).toMatchObject({ outcome: "cancelled" })
    expect((await graft.session.wait(settled!.child!)).state).toBe("interrupted")
  })

  test("may have subagents of its own, but not without end", async () => {
    let session = await newSession()
    for (let depth = 0; depth < 3; depth++) session = await newSession({ parent: session })
    await expect(graft.job.open(session, subagent("deeper"))).rejects.toMatchObject({ code: "job.depth", message: expect.stringContaining("3 subagents deep") })
    expect((await run(shell("true"), session)).settled.outcome).toBe("succeeded")
  })
})

describe("bounds and bad input", () => {
  test("at most eight live ones a session, also when all are asked for at once", async () => {
    const session = await newSession()
    const made = await Promise.allSettled(Array.from({ length: 9 }, () => graft.job.opening(session, shell("sleep 75"))))
    expect(made.filter(({ status }) => status === "fulfilled").length).toBe(8)
    expect(made.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "job.limit" } })
    expect((await run(shell("true"))).settled.outcome).toBe("succeeded")
  })

  test.each<[string, unknown]>([
    ["no command", { spec: { kind: "shell", command: " ", directory: "/" } }], ["a NUL byte", { spec: { kind: "shell", command: "a\0", directory: "/" } }], ["a relative directory", { spec: { kind: "shell", command: "a", directory: "." } }],
    ["another kind", { spec: { kind: "magic", directory: "/" } }], ["nothing", { spec: null }], ["another delivery", { delivery: "shout" }], ["no title", { title: "" }], ["an id from elsewhere", { id: "../x" }],
  ])("%s is refused, and nothing is opened", async (_, wrong) => {
    const session = await newSession()
    await expect(graft.job.open(session, { ...shell("true"), ...(wrong as object) })).rejects.toMatchObject({ code: "job.invalid" })
    expect(await factsOf(session)).toEqual([])
  })

  test("what is not there is said", async () => {
    await expect(graft.job.open("ses_none", shell("true"))).rejects.toMatchObject({ code: "job.session" })
    for (const ask of [graft.job.wait("job_none"), graft.job.tail("job_none"), graft.job.cancel("job_none"), graft.job.start("job_none")]) await expect(ask).rejects.toMatchObject({ code: "job.unknown" })
    expect(await graft.job.get("job_none")).toBeUndefined()
  })

  test("a wait that is given up ends with its own reason, and the job goes on", async () => {
    const session = await newSession()
    const job = await graft.job.open(session, shell("sleep 76"))
    await expect(graft.job.wait(job.id, { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ name: "TimeoutError" })
    expect((await graft.job.list({ session, live: true })).map(({ id }) => id)).toEqual([job.id])
    await graft.job.cancel(job.id)
    expect(await graft.job.list({ session, live: true })).toEqual([])
  })
})

describe("across an edit of its own source", () => {
  test("a job goes on, who waits for it goes on waiting, and its end is told once", async () => {
    const { until, open } = gate()
    const session = await newSession()
    const job = await graft.job.open(session, shell(`${until}; ${writes(home.ledger, "once")}`))
    const waiting = graft.job.wait(job.id)
    const entry = join(home.sources, "job/index.ts")
    for (const words of ["// edited\n", "// again\n"]) {
      writeFileSync(entry, `${readFileSync(entry, "utf8")}${words}`)
      await kernel.reconcile([entry])
      await kernel.settled()
    }
    open()
    expect((await soon(waiting, "the end", 8_000)).outcome).toBe("succeeded")
    expect(home.ran().filter((word) => word === "once")).toHaveLength(1)
    expect(await factsOf(session)).toEqual(["job.opened", "job.started", "job.settled", "session.input.admitted"])
  })
})

describe("a command that a person types", () => {
  test("goes on across an edit of the plugin that runs it, and is not said to be lost", async () => {
    const { until, open } = gate()
    const session = await newSession()
    const end = graft.job.shell(session, `${until}; echo through`)
    await eventually(async () => (await eventsOf(graft, session)).at(-1)!.type).toBe("shell.started")
    const entry = join(home.sources, "job/index.ts")
    writeFileSync(entry, `${readFileSync(entry, "utf8")}// once more\n`)
    await kernel.reconcile([entry])
    open()
    expect(await end).toMatchObject({ ending: "exit", output: "through" })
    expect((await eventsOf(graft, session)).filter(({ type }) => type === "shell.settled")).toHaveLength(1)
  })

  test("runs at once in the session's directory, and stands in the conversation", async () => {
    const session = await newSession()
    const end = await graft.job.shell(session, "pwd; exit 2")
    expect(end).toMatchObject({ ending: "exit", exit: 2, output: home.directory })
    expect((await eventsOf(graft, session)).map(({ type }) => type).slice(1)).toEqual(["shell.started", "shell.settled"])
    expect(await graft.session.messages(session)).toMatchObject([{ id: end.shell, role: "user", state: "settled", parts: [{ kind: "shell", command: "pwd; exit 2", output: home.directory, exit: 2 }] }])
  })

  test("is stopped by its signal, bounded in what it tells, and refused while the session works", async () => {
    const session = await newSession()
    const stop = new AbortController()
    const end = await graft.job.shell(session, "echo up; sleep 77", { signal: stop.signal, progress: () => stop.abort() })
    expect(end).toMatchObject({ ending: "interrupted", output: "up" })
    expect(await graft.job.shell(session, "seq 100000")).toMatchObject({ output: expect.stringMatching(/100000\n\(only the end is shown of 588895 bytes\)$/), blob: expect.any(String) })
    await graft.session.prompt({ session, text: "hang" })
    await expect(graft.job.shell(session, "true")).rejects.toMatchObject({ code: "job.busy" })
    await graft.session.interrupt(session)
  })
})

test("what is removed with its session does not run on", async () => {
  const session = await newSession()
  const job = await graft.job.open(session, shell("sleep 78"))
  await graft.store.write((tx) => tx.run("DELETE FROM job WHERE session = ?", [session]))
  kernel.emit("session.deleted", { session })
  await eventually(() => living("sleep\x0078")).toEqual([])
  await eventually(() => existsSync(join(jobs(), job.id))).toBe(false)
  expect(dirname(jobs())).toContain("home")
})
