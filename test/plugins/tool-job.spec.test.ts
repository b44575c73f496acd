/** What a model has of jobs: bash and task may go to the background, and job says what became of them; of its own session only. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { EmbeddedKernel, Graft } from "graft"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Job } from "../../plugins/job/contract.ts"
import type { Settlement } from "../../plugins/tool/contract.ts"
import { eventsOf, eventually, makeJobbing, type Jobbing } from "../fixtures/jobs.ts"

let home: Jobbing, kernel: EmbeddedKernel, graft: Graft & Disposable
beforeAll(async () => {
  home = makeJobbing()
  ;({ kernel, graft } = await home.kernel({ only: ["tool", "permission", "tool-bash", "tool-job", "tool-task", "agent"] }))
})
afterAll(() => home[Symbol.asyncDispose]())

const newSession = async (parent?: string) => (await graft.session.create({ directory: home.directory, ...(parent && { parent }) })).id
let calls = 0
async function call(session: string, name: string, input: unknown, how: { signal?: AbortSignal; progress?(update: { output?: string }): void } = {}): Promise<Settlement> {
  const set = await graft.tool.advertise()
  try {
    return await set.settle({ id: `c${++calls}`, name, input: JSON.stringify(input), session, directory: home.directory }, { signal: how.signal ?? new AbortController().signal, started: async () => {}, progress: how.progress })
  } finally {
    set.dispose()
  }
}
/** What the runner does with a call that goes to the background: one commit, then the start. */
async function background(session: string, settlement: Settlement): Promise<Job> {
  const opened = await graft.job.opening(session, settlement.job!, { message: "a1.1", call: `c${calls}` })
  await graft.eventlog.append({ aggregate: session, actor: "runner", location: home.directory, events: [{ type: "job.opened", data: opened as never }] })
  await graft.job.start(opened.job)
  return (await graft.job.get(opened.job))!
}
const children = async (session: string) => (await graft.session.list({ limit: 100 })).filter(({ parent }) => parent === session)

describe("bash with background", () => {
  test("ends at once, names the job that will be, and runs nothing by itself", async () => {
    const session = await newSession()
    const settlement = await call(session, "bash", { command: "echo hello; sleep 91", description: "a server", background: true })
    expect(settlement).toMatchObject({ outcome: "backgrounded", title: "a server", metadata: { job: settlement.job!.id }, job: { spec: { kind: "shell", command: "echo hello; sleep 91", directory: home.directory }, delivery: "steer" } })
    expect(settlement.output).toContain(`the job ${settlement.job!.id}`)
    expect(await graft.job.list({ session })).toEqual([])
    const job = await background(session, settlement)
    expect(job).toMatchObject({ id: settlement.job!.id, state: "running", title: "a server", origin: { message: "a1.1" } })
    await graft.job.cancel(job.id)
  })

  test("that is interrupted first leaves no job", async () => {
    const stop = new AbortController()
    const remove = graft.on("tool.before", () => stop.abort())
    const settlement = await call(await newSession(), "bash", { command: "true", background: true }, { signal: stop.signal })
    remove()
    expect([settlement.outcome, settlement.job]).toEqual(["interrupted", undefined])
  })

  test("and a hook that says otherwise: no job either", async () => {
    const remove = graft.on("tool.after", (draft) => { draft.outcome = "error" })
    const settlement = await call(await newSession(), "bash", { command: "true", background: true })
    remove()
    expect([settlement.outcome, settlement.job]).toEqual(["error", undefined])
  })
})

describe("job", () => {
  test("lists, tails, waits and cancels", async () => {
    const session = await newSession()
    expect((await call(session, "job", { action: "list" })).output).toBe("no job of this session")
    const gate = join(home.base, "gate")
    const { id } = await background(session, await call(session, "bash", { command: `echo one; while [ ! -e ${gate} ]; do sleep 0.02; done; echo two; exit 4`, background: true }))
    await eventually(async () => (await call(session, "job", { action: "tail", job: id })).output).toMatch(new RegExp(`^${id} running shell: [^]*\n\none\n\n\\(go on with after: 4\\)$`))
    expect((await call(session, "job", { action: "wait", job: id, seconds: 1 })).output).toMatch(/^\(it has not ended within 1 s\)[^]*one/)
    writeFileSync(gate, "")
    expect(await call(session, "job", { action: "wait", job: id })).toMatchObject({ outcome: "error", output: expect.stringMatching(/failed \(exit code 4\)[^]*one\ntwo$/) })
    expect((await call(session, "job", { action: "tail", job: id, after: 4 })).output).toMatch(/\n\ntwo$/)
    expect((await call(session, "job", { action: "cancel", job: id })).output).toMatch(/^it had ended: /)
    expect((await call(session, "job", { action: "list" })).output).toMatch(new RegExp(`^${id} failed \\(exit code 4\\) shell: echo one;`))
    const second = await background(session, await call(session, "bash", { command: "sleep 92", background: true }))
    expect((await call(session, "job", { action: "cancel", job: second.id })).output).toMatch(/cancelled shell: sleep 92$/)
  })

  test("an interrupt ends the wait, not the job", async () => {
    const session = await newSession()
    const { id } = await background(session, await call(session, "bash", { command: "sleep 93", background: true }))
    expect((await call(session, "job", { action: "wait", job: id }, { signal: AbortSignal.timeout(50) })).outcome).toBe("interrupted")
    expect(await graft.job.get(id)).toMatchObject({ state: "running" })
    await graft.job.cancel(id)
  })

  test("another session's is none of its own, and wrong arguments never run", async () => {
    const [mine, other] = [await newSession(), await newSession()]
    const { id } = await background(other, await call(other, "bash", { command: "sleep 94", background: true }))
    expect(await call(mine, "job", { action: "cancel", job: id })).toMatchObject({ outcome: "error", output: `this session has no job "${id}"` })
    await graft.job.cancel(id)
    for (const wrong of [{}, { action: "kill" }, { action: "tail" }, { action: "wait", job: id, seconds: 0 }]) expect((await call(mine, "job", wrong)).outcome).toBe("invalid")
  })
})

describe("task", () => {
  test("is a session below this one, and its last words are the answer", async () => {
    const session = await newSession()
    const settlement = await call(session, "task", { description: "look it up", prompt: "what is six times seven" })
    const [child] = await children(session)
    expect(settlement).toMatchObject({ outcome: "ok", title: "look it up", output: `heard: what is six times seven\n\n(its session is ${child!.id})`, metadata: { session: child!.id } })
    expect(child).toMatchObject({ title: "look it up", directory: home.directory })
    expect(await graft.job.list({ session })).toEqual([])
  })

  test("an interrupt reaches it", async () => {
    const session = await newSession()
    const stop = new AbortController()
    const settlement = call(session, "task", { description: "hang", prompt: "hang" }, { signal: stop.signal })
    await eventually(async () => (await children(session))[0]?.status).toBe("running")
    stop.abort()
    expect(await settlement).toMatchObject({ outcome: "interrupted" })
    expect((await graft.session.wait((await children(session))[0]!.id)).state).toBe("interrupted")
  })

  test("in the background it is a job, and its answer is work", async () => {
    const session = await newSession()
    const settlement = await call(session, "task", { description: "later", prompt: "say it", background: true })
    expect(settlement).toMatchObject({ outcome: "backgrounded", job: { spec: { kind: "subagent", prompt: "say it", title: "later" } } })
    const job = await background(session, settlement)
    expect(await graft.job.wait(job.id)).toMatchObject({ outcome: "succeeded" })
    expect((await eventsOf(graft, session)).find(({ type }) => type === "session.input.admitted")!.data).toMatchObject({ kind: "job-result", text: expect.stringContaining("heard: say it") })
  })

  test("three deep, and no deeper", async () => {
    let session = await newSession()
    for (let depth = 0; depth < 3; depth++) session = await newSession(session)
    for (const background of [false, true]) expect(await call(session, "task", { description: "deeper", prompt: "go", background })).toMatchObject({ outcome: "error", output: expect.stringContaining("3 subagents deep") })
    expect(await children(session)).toEqual([])
  })

  test("by an agent that takes work; one that a person chooses takes none, and one that is not there is said", async () => {
    const session = await newSession()
    expect((await call(session, "task", { description: "look", prompt: "look", agent: "explore" })).outcome).toBe("ok")
    expect((await children(session))[0]).toMatchObject({ agent: "explore" })
    expect(await call(session, "task", { description: "plan", prompt: "plan", agent: "plan", background: true })).toMatchObject({ outcome: "error", output: expect.stringMatching(/for a person to choose.*these do: .*explore/) })
    expect(await call(session, "task", { description: "x", prompt: "x", agent: "exploer" })).toMatchObject({ outcome: "error", output: expect.stringContaining('did you mean "explore"?') })
    expect(await children(session)).toHaveLength(1)
  })

  test("what it may do is judged by its parent's rules, and it brings none of its own", async () => {
    const session = await newSession()
    await call(session, "task", { description: "work", prompt: "work" })
    const [child] = await children(session)
    const verdicts = await Promise.all([session, child!.id].map((each) => graft.permission.evaluate({ action: "write", resource: join(home.directory, "x"), session: each })))
    expect(verdicts[1]).toEqual(verdicts[0])
    expect(kernel.inspect().realms.filter(({ location }) => location !== undefined)).toHaveLength(1)
  })

  test.each([{}, { description: "x", prompt: "  " }, { description: "", prompt: "x" }, { description: "x", prompt: "x", background: "yes" }])("never runs with wrong arguments: %j", async (input) => {
    const session = await newSession()
    expect((await call(session, "task", input)).outcome).toBe("invalid")
    expect(await children(session)).toEqual([])
  })
})

test("what a provider is told of them is an object each", async () => {
  const set = await graft.tool.advertise()
  for (const { inputSchema } of set.tools) expect(inputSchema).toMatchObject({ type: "object", properties: expect.any(Object) })
  expect(set.tools.map(({ name }) => name)).toEqual(["bash", "job", "task"])
  set.dispose()
})
