/**
 * Every declared hook and event is raised in one real run, in the realm that the reference says, and a plugin that was
 * dropped into the project hears it; and whoever owns a noun tells exactly what changed, no more and no less.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createKernel, systemClock, type Clock, type EmbeddedKernel, type Graft } from "graft"
import { describeEvents } from "../scripts/generate-events.ts"
import { BOUNDS } from "../kernel/clock.ts"
import { nounOf } from "../kernel/bus/bus.ts"
import type { Ended, Message } from "../plugins/session/contract.ts"
import type { Heard } from "./fixtures/ears.ts"
import { openLoop, type Loop } from "./fixtures/loop.ts"
import { OAuthServer } from "./fixtures/oauth.ts"

const declared = await describeEvents()
const hooks = declared.filter(({ kind }) => kind !== "notify").map(({ event }) => event)
const facts = declared.filter(({ kind }) => kind === "notify").map(({ event }) => event)

/** Real time, but ten idle minutes pass when they are told to. */
function makeClock(): Clock & { passIdleTime(): void } {
  const idle = new Set<() => void>()
  let passing = false
  return {
    now: systemClock.now,
    after(milliseconds, work) {
      if (milliseconds !== BOUNDS.idleLocation) return systemClock.after(milliseconds, work)
      if (passing) return systemClock.after(0, work)
      idle.add(work)
      return () => void idle.delete(work)
    },
    passIdleTime() {
      passing = true
      for (const work of idle) work()
    },
  }
}

const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-events-")))
const [home, project, elsewhere] = [join(base, "home"), join(base, "project"), join(base, "elsewhere")]
/** The built-ins as they are now: whoever edits them meanwhile does not disturb. A copy stays in the repository, where its packages are found. */
const house = mkdtempSync(join(import.meta.dirname, "fixtures/.house-"))
const dropped = (name: string) => join(project, ".graft/plugins", `${name}.ts`)
const userConfig = join(home, "config/config.jsonc")
const clock = makeClock()
let loop: Loop, kernel: EmbeddedKernel, graft: Graft & Disposable
/** What the process hears of this project and of itself. */
const told: Heard[] = []
/** Plugins about which `plugin.admit` was raised. */
const admitted: string[] = []
/** Nouns whose facts were counted. */
const counted = new Set<string>()
const wakes = new Set<() => void>()

/** Ends when it holds; looked at whenever something is told. */
async function until(holds: () => boolean, what: string): Promise<void> {
  if (holds()) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error(`${what} did not happen; last told: ${told.slice(-12).map(({ event }) => event).join(", ")}`)), 15_000)
  const look = () => { if (holds()) resolve() }
  wakes.add(look)
  await promise.finally(() => (clearTimeout(timer), wakes.delete(look)))
}

/** Does something, and expects that of these nouns exactly these facts are told, each noun's in this order. */
async function exactly(nouns: string[], expected: string[], work: () => unknown): Promise<Heard[]> {
  for (const noun of nouns) counted.add(noun)
  await kernel.settled()
  const from = told.length
  const since = () => told.slice(from).filter(({ event }) => nouns.includes(nounOf(event)))
  await work()
  await until(() => since().length >= expected.length, expected.join(", ")).catch((error: unknown) => { if (since().length === 0) throw error })
  await kernel.settled()
  const byNoun = (events: string[]) => Object.groupBy(events, nounOf)
  expect(byNoun(since().map(({ event }) => event))).toEqual(byNoun(expected))
  return since()
}

const change = async (path: string, text: string | undefined): Promise<void> => {
  if (text === undefined) rmSync(path)
  else writeFileSync(path, text)
  await kernel.reconcile([path])
}

async function say(text: string, options: { session?: string; model?: string } = {}): Promise<Ended & { session: string; messages: Message[] }> {
  const session = options.session ?? (await graft.session.create({ directory: project, ...(options.model && { model: options.model }) })).id
  await graft.session.prompt({ session, text })
  const ended = await graft.session.wait(session)
  return { ...ended, session, messages: await graft.session.messages(session) }
}

/** While somebody is there who can answer. */
async function withPerson(work: () => Promise<void>): Promise<void> {
  const leave = kernel.add("face", { id: "person", answers: true })
  await work().finally(leave)
}

const arrivalOf = (plugin: string) => ({ event, payload }: Heard) => event === "plugin.loaded" && (payload as { plugin: string }).plugin === plugin
const textOf = (messages: readonly Message[]): string => messages.at(-1)!.parts.flatMap((part) => (part.kind === "text" ? part.text : [])).join("")
const lastAsked = () => loop.asked.at(-1)!
const json = JSON.stringify

beforeAll(async () => {
  loop = await openLoop()
  for (const directory of [join(project, ".git"), join(project, ".graft/plugins"), join(elsewhere, ".git"), join(home, "config")]) mkdirSync(directory, { recursive: true })
  cpSync(join(import.meta.dirname, "fixtures/ears.ts"), dropped("ears"))
  writeFileSync(userConfig, json({ model: "loop/one", catalogue: { refresh: false }, title: { auto: false }, providers: { loop: { url: loop.url } } }))
  for (const folder of ["plugins", "config"]) cpSync(join(import.meta.dirname, "..", folder), join(house, folder), { recursive: true })
  kernel = createKernel({
    roots: [{ dir: join(house, "plugins"), kind: "built-in" }, { dir: ".graft/plugins", kind: "project", per: "location", guarded: true }],
    dataDir: home, clock,
  })
  kernel.on("*", (payload, meta) => {
    if (meta.location === undefined || meta.location === project) told.push({ ...meta, payload })
    for (const wake of wakes) wake()
  })
  kernel.on("plugin.admit", ({ plugin }) => void admitted.push(plugin), { order: -1 })
  await kernel.start()
  graft = await kernel.child(project)
  await withPerson(async () => {
    await until(() => told.some(({ event }) => event === "trust.asked"), "the question about the ears")
    await graft.trust.answer((await graft.trust.pending())[0]!.id, "content")
    await until(() => told.some(arrivalOf("ears")), "the ears' arrival")
  })
  await kernel.settled()
})
afterAll(async () => {
  graft?.[Symbol.dispose]()
  await kernel?.close()
  await loop[Symbol.asyncDispose]()
  for (const made of [base, house]) rmSync(made, { recursive: true, force: true })
})

describe("a plugin that was dropped into the project takes part in", () => {
  it("config.load: the value it set is in force there, and nowhere else", async () => {
    await expect.poll(() => graft.config.get("small_model", project)).toBe("loop/two")
    expect(await graft.config.get("small_model")).toBeUndefined()
  })

  it("turn.request, tool.definition and turn.response: what leaves and what comes back", async () => {
    const { messages } = await say("hello")
    const { headers, messages: [system], tools } = lastAsked()
    expect(system!.content).toContain("The ears are open.")
    expect(headers["x-ears"]).toBe("open")
    expect(tools!.find((tool) => tool.function.name === "read")!.function.description).toBe("Reads what the ears let it.")
    expect(textOf(messages)).toBe("cooked words")
  })

  it("tool.before, permission.evaluate, shell.env and tool.after: what a call may do, with what, and what is read of it", async () => {
    writeFileSync(join(project, "a.txt"), "secret\n")
    const { state } = await say(`please\ncall read {"path":"a.txt"}\ncall bash {"command":"echo $EARS"}`)
    const results = lastAsked().messages.filter(({ role }) => role === "tool").map(({ content }) => content)
    expect(results).toEqual([expect.stringContaining("the ears do not like reading"), "open\n(the ears heard it)"])
    expect(state).toBe("done")
  })

  it("model.resolve: which model is asked", async () => {
    await say("hello", { model: "loop/any" })
    expect(lastAsked().model).toBe("one")
  })

  it("input.admit: what is not even taken in", async () => {
    await expect(say("my password is 1234")).rejects.toMatchObject({ code: "session.refused", message: "no passwords here" })
  })
})

describe("whoever owns a noun tells exactly what changed:", () => {
  const dice = (more: string, description = "Rolls dice") => `import { definePlugin } from "graft"
export default definePlugin((graft) => {
  graft.tool.register({ name: "dice", description: "${description}", input: { type: "object" }, execute: () => "4" })
  ${more}
})
`
  it("trust", async () => {
    await withPerson(async () => {
      await exactly(["trust"], ["trust.asked"], () => change(dropped("stranger"), "export default () => {}"))
      await exactly(["trust"], ["trust.answered"], async () => graft.trust.answer((await graft.trust.pending())[0]!.id, "content"))
      await until(() => told.some(arrivalOf("stranger")), "its arrival")
    })
    await exactly(["trust", "plugin"], ["trust.granted"], () => graft.trust.allow(project, { remember: true }))
    await exactly(["trust", "plugin"], [], () => graft.trust.allow(project, { remember: true }))
  })

  it("plugins and tools", async () => {
    const owners = ["plugin", "tool"]
    await exactly(owners, ["plugin.loaded", "tool.added"], () => change(dropped("dice"), dice("")))
    await exactly(owners, ["plugin.reloaded", "tool.updated"], () => change(dropped("dice"), dice("", "Rolls two dice")))
    await exactly(owners, [], () => change(dropped("dice"), dice("", "Rolls two dice")))
    await exactly(owners, ["plugin.failed"], () => change(dropped("dice"), "export default {"))
    await exactly(owners, ["plugin.logged", "plugin.reloaded"], () => change(dropped("dice"), dice(`graft.log.info("ready")`, "Rolls two dice")))
    await exactly(owners, ["plugin.reloaded", "plugin.reverted"], () => kernel.undo("dice", "by hand", project))
    await exactly(owners, ["plugin.removed", "tool.removed"], () => change(dropped("dice"), undefined))
    await exactly(owners, ["plugin.waiting"], () => change(dropped("lonely"), `export default { needs: ["company"], setup() {} }`))
    await exactly(owners, [], () => change(dropped("lonely"), undefined))
  })

  it("models and providers", async () => {
    const owners = ["model", "provider"]
    const shelf = (name: string, ready = true) => `import { definePlugin } from "graft"
export default definePlugin((graft) => {
  graft.add("provider", { id: "shelf", name: "Shelf", ready: ${ready}, ${ready ? "" : `reason: "closed",`} languageModel() { throw new Error("none") } })
  graft.model.register({ id: "book", provider: "shelf", name: "${name}" })
})
`
    await exactly(owners, ["provider.added", "model.added"], () => change(dropped("shelf"), shelf("A book")))
    await exactly(owners, ["model.updated"], () => change(dropped("shelf"), shelf("Another book")))
    await exactly(owners, ["model.updated"], () => graft.config.set("providers.shelf.models.book", { name: "A third book" }))
    await exactly(owners, ["provider.updated", "model.updated"], () => change(dropped("shelf"), shelf("Another book", false)))
    await exactly(owners, ["model.updated"], () => graft.config.set("providers.shelf", undefined))
    await exactly(owners, ["model.removed", "provider.removed"], () => change(dropped("shelf"), undefined))
  })

  it("keys", async () => {
    await exactly(["auth"], ["auth.added"], () => graft.auth.set("shelf", "a-first-key"))
    await exactly(["auth"], [], () => graft.auth.set("shelf", "a-first-key"))
    await exactly(["auth"], ["auth.updated"], () => graft.auth.set("shelf", "a-second-key"))
    await exactly(["auth"], ["auth.removed"], () => graft.auth.remove("shelf"))
  })

  it("logins", async () => {
    await using server = await OAuthServer.open()
    await exactly(["auth"], ["auth.added"], async () => {
      for await (const step of graft.auth.login("shelf", { method: { id: "shelf.oauth", provider: "shelf", kind: "oauth", label: "Shelf", env: [], issuer: server.origin, client: { id: "graft-test" } } })) {
        if (step.kind === "open") await graft.auth.answer(step.login, await server.agree(step.url, { follow: false }))
      }
    })
    await exactly(["auth"], ["auth.refreshed"], () => graft.auth.renew("shelf"))
    await exactly(["auth"], ["auth.added"], () => graft.auth.set("shelf", "a-key-of-work", "work"))
    await exactly(["auth"], ["auth.updated"], () => graft.auth.switch("shelf", "default"))
    server.revoke()
    await exactly(["auth"], ["auth.failed"], () => graft.auth.renew("shelf").catch(() => {}))
    await exactly(["auth"], ["auth.removed", "auth.removed"], () => graft.auth.remove("shelf"))
  })

  it("settings, also when a file of them is edited", async () => {
    await exactly(["config"], ["config.changed"], () => graft.config.set("model", "loop/two"))
    await exactly(["config"], [], () => graft.config.set("model", "loop/two"))
    const [there] = await exactly(["config"], ["config.changed"], () => graft.config.set("model", "loop/one", { layer: "project", location: project }))
    expect(there).toMatchObject({ location: project, payload: { paths: ["model"], location: project } })
    await exactly(["config"], ["config.warned"], () => graft.config.set("colour", "blue"))
    await exactly(["config", "watch"], ["watch.changed", "config.changed"], () => writeFileSync(userConfig, json({ model: "loop/one", catalogue: { refresh: false }, title: { auto: false }, providers: { loop: { url: loop.url } } })))
  })

  it("instructions", async () => {
    const agents = join(project, "AGENTS.md")
    const look = () => graft.instruction.list(project)
    await exactly(["instruction"], ["instruction.added"], () => (writeFileSync(agents, "Be brief."), look()))
    await exactly(["instruction"], ["instruction.updated"], () => (writeFileSync(agents, "Be briefer."), look()))
    await exactly(["instruction"], [], look)
    await exactly(["instruction"], ["instruction.removed"], () => (rmSync(agents), look()))
  })

  it("skills, commands and agents", async () => {
    const sheets = { skill: join(project, ".graft/skills/tidy/SKILL.md"), command: join(project, ".graft/commands/tidy.md"), agent: join(project, ".graft/agents/tidy.md") }
    for (const file of Object.values(sheets)) mkdirSync(dirname(file), { recursive: true })
    for (const noun of ["skill", "command", "agent"] as const) {
      const look = () => graft[noun].list()
      const save = (text: string) => (writeFileSync(sheets[noun], `---\ndescription: tidy up\n---\n${text}`), look())
      await exactly([noun], [`${noun}.added`], () => save("Fold the clothes."))
      await exactly([noun], [`${noun}.updated`], () => save("Fold all clothes."))
      await exactly([noun], [], look)
      await exactly([noun], [`${noun}.removed`], () => (rmSync(sheets[noun]), look()))
    }
  })

  it("a plan", async () => {
    await exactly(["todo"], ["todo.updated"], () => say(`call todo {"todos":[{"text":"fold"}]}`))
  })

  it("tables", async () => {
    const steps = [{ id: 1, name: "spec", sql: "CREATE TABLE spec (id INTEGER PRIMARY KEY) STRICT" }]
    await exactly(["store"], ["store.migrated"], () => graft.store.migrate("spec", steps))
    await exactly(["store"], [], () => graft.store.migrate("spec", steps))
    await exactly(["store"], ["store.opened"], async () => {
      await kernel.graft.kernel.disable("store")
      await kernel.graft.kernel.enable("store")
      await graft.store.info()
    })
  })

  it("sessions", async () => {
    const { id: session } = await graft.session.create({ directory: project, title: "" })
    await exactly(["session", "eventlog"], ["session.updated", "eventlog.appended"], () => graft.session.update(session, { title: "Events" }))
    await exactly(["session", "eventlog"], [], () => graft.session.update(session, {}))
    await exactly(["session", "eventlog"], ["session.input.admitted", "eventlog.appended"], () => graft.session.prompt({ session, text: "later", id: "inp_1", resume: false }))
    await exactly(["session", "eventlog"], ["session.input.delivery.changed", "eventlog.appended"], () => graft.session.deliver(session, "inp_1", "queue"))
    await exactly(["session", "eventlog"], ["session.input.cancelled", "eventlog.appended"], () => graft.session.cancel(session, "inp_1"))
    await exactly(["session", "eventlog"], [], () => graft.session.deliver(session, "inp_1", "steer"))
    await exactly(["session", "eventlog"], ["session.moved", "eventlog.appended"], () => graft.session.move(session, join(project, ".graft")))
    await exactly(["session", "eventlog"], [], () => graft.session.move(session, join(project, ".graft")))
  })

  it("sessions that are taken back, forked and deleted", async () => {
    const { session } = await say("hello")
    await exactly(["session", "eventlog"], ["session.reverted", "eventlog.appended"], () => graft.session.revert(session))
    await exactly(["session", "eventlog"], ["session.restored", "eventlog.appended"], () => graft.session.restore(session))
    await exactly(["session", "eventlog"], ["session.created", "session.forked", "session.updated", "eventlog.appended"], () => graft.session.fork(session))
    await exactly(["session", "eventlog"], ["session.deleted"], () => graft.session.remove(session))
  })

  it("a summary, as it is written", async () => {
    const said = (id: string): Message => ({ id, session: "s", seq: 1, created: 1, role: "user", state: "settled", parts: [{ kind: "text", id: `${id}:0`, text: "words ".repeat(400) }] })
    const work = { session: "s", directory: project, model: await graft.model.resolve("loop/one"), messages: [said("one"), { ...said("two"), role: "assistant" as const }], reason: "manual" as const, signal: new AbortController().signal }
    await exactly(["session"], ["session.compaction.delta"], () => graft.compaction.fold(work))
  })

  it("questions", async () => {
    const ask = { action: "bash", resource: "make" }
    await withPerson(async () => {
      await exactly(["permission"], ["permission.asked"], () => void graft.permission.request(ask))
      await exactly(["permission"], ["permission.replied"], async () => graft.permission.reply((await graft.permission.pending())[0]!.id, "deny"))
    })
    await exactly(["permission"], [], () => graft.permission.request(ask))
  })

  it("questions of the work", async () => {
    await withPerson(async () => {
      await exactly(["question"], ["question.asked"], () => void graft.question.ask({ text: "Which?" }))
      await exactly(["question"], ["question.replied"], async () => graft.question.reply((await graft.question.pending())[0]!.id, ["this"]))
    })
    await exactly(["question"], [], () => graft.question.ask({ text: "Which?" }))
  })

  it("jobs, and commands that a person types", async () => {
    const { id: session } = await graft.session.create({ directory: project, title: "Jobs" })
    const open = (command: string) => graft.job.open(session, { spec: { kind: "shell", command, directory: project }, title: command, delivery: "inform" })
    await exactly(["job"], ["job.opened", "job.started", "job.settled"], async () => graft.job.wait((await open("true")).id))
    await exactly(["job"], ["job.opened", "job.started", "job.cancel.requested", "job.settled"], async () => graft.job.cancel((await open("sleep 60")).id))
    await exactly(["shell"], ["shell.started", "shell.settled"], () => graft.job.shell(session, "true"))
  })

  it("MCP servers", async () => {
    const server = { command: process.execPath, args: ["--no-warnings", join(import.meta.dirname, "fixtures/mcp-server.ts")] }
    await graft.mcp.list()
    await exactly(["mcp"], ["mcp.added", "mcp.updated"], () => graft.config.set("mcp.one", server))
    await exactly(["mcp"], [], () => graft.config.set("mcp.one", server))
    await exactly(["mcp"], ["mcp.removed"], () => graft.config.set("mcp", undefined))
  })

  it("packages", async () => {
    const folder = mkdtempSync(join(base, "package-"))
    const publish = (version: string) => writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "graft-parcel", version, type: "module", graft: "./index.js" }))
    writeFileSync(join(folder, "index.js"), "export default { setup() {} }")
    publish("1.0.0")
    await exactly(["package"], ["package.added"], () => graft.package.add(folder))
    publish("1.1.0")
    await exactly(["package"], ["package.updated"], () => graft.package.update("graft-parcel"))
    await exactly(["package"], ["package.removed"], () => graft.package.remove("graft-parcel"))
    await exactly(["package"], ["package.failed"], () => graft.config.set("packages", [join(base, "nowhere")]))
    await graft.config.set("packages", undefined)
  })

  it("formatters, and language servers", async () => {
    await graft.formatter.list()
    const formatter = { command: ["cat"], extensions: [".loop"] }
    await exactly(["formatter"], ["formatter.added"], () => graft.config.set("formatter.one", formatter))
    await exactly(["formatter"], ["formatter.updated"], () => graft.config.set("formatter.one", { ...formatter, enabled: false }))
    await exactly(["formatter"], ["formatter.removed"], () => graft.config.set("formatter", undefined))

    const server = (...flags: string[]) => ({ command: [process.execPath, "--no-warnings", join(import.meta.dirname, "fixtures/lsp-server.ts"), ...flags], extensions: [".loop"] })
    const file = join(project, "a.loop")
    writeFileSync(file, "wrong")
    await graft.config.set("lsp.one", server())
    await exactly(["lsp"], ["lsp.started", "lsp.diagnostics"], () => graft.lsp.diagnose([file]))
    await exactly(["lsp"], [], () => graft.lsp.diagnose([file]))
    await exactly(["lsp"], ["lsp.stopped"], () => graft.config.set("lsp.one", server("exits")))
    await exactly(["lsp"], ["lsp.failed"], () => graft.lsp.diagnose([file]))
    await exactly(["lsp"], [], () => graft.config.set("lsp", undefined))
  })

  it("the door", async () => {
    const address = await graft.server.address()
    const socket = connect(address!)
    await exactly(["server"], ["server.connected"], () => {})
    await exactly(["server"], ["server.disconnected"], () => socket.destroy())
  })

  it("HTTP", async () => {
    await exactly(["server"], ["server.serving"], () => graft.server.serve({ port: 0 }))
    await exactly(["server"], [], () => graft.server.serve({ port: 0 }))
    await exactly(["server"], ["server.draining"], () => graft.server.handOver({}))
    await exactly(["server"], [], () => graft.server.handOver({}))
  })

  it("projects, and faults", async () => {
    await change(dropped("clumsy"), `export default (graft) => graft.on("location.opened", () => { throw new Error("oops") })`)
    await exactly(["location", "kernel"], ["location.opened", "kernel.fault"], async () => (await kernel.child(elsewhere))[Symbol.dispose]())
    await exactly(["location"], ["location.closed"], () => clock.passIdleTime())
  })

  it("trust that somebody took back in its file", async () => {
    const file = join(home, "data/trust.json")
    const agreed = readFileSync(file, "utf8")
    expect(agreed).toContain(`"directory": true`)
    await exactly(["trust", "watch"], ["watch.changed", "trust.revoked"], () => writeFileSync(file, agreed.replace(`"directory": true`, `"directory": false`)))
  })

  it("commands", async () => {
    kernel.add("subcommand", { name: "nothing", summary: "", usage: "", run: async () => 0 })
    await exactly(["cli"], ["cli.started"], () => graft.cli.main(["nothing"]))
  })
})

describe("a session tells of", () => {
  it("a turn, fact by fact", async () => {
    const { id: session } = await graft.session.create({ directory: project })
    await exactly(["session", "activity", "message", "provider", "llm"], [
      "session.input.admitted", "session.updated", "session.status", "session.claimed", "session.input.promoted", "session.status", "session.idle",
      "activity.opened", "activity.turn.started", "activity.turn.settled", "activity.settled",
      // The day is told first; words are heard at once, and again when they are stored.
      "message.created", "message.created", "message.part.delta", "message.part.started", "message.part.appended", "message.part.settled", "message.settled",
      "provider.attempt.prepared", "provider.attempt.dispatched", "provider.attempt.output", "provider.attempt.settled", "llm.requested",
    ], () => say("hello", { session }))
  })

  it("an attempt that is made again", async () => {
    const { state, messages } = await say("again")
    expect([state, textOf(messages)]).toEqual(["done", "cooked words"])
  })

  it("a call that nobody allowed, and the work that is taken up again", async () => {
    const { state, session } = await say(`call bash {"command":"make"}`)
    expect(state).toBe("blocked")
    expect((await say("then stop", { session })).state).toBe("done")
  })

  it("a call that a person allowed", async () => {
    const reply = kernel.on("permission.asked", ({ id }) => { setImmediate(() => void graft.permission.reply(id, "once")) })
    await withPerson(async () => expect((await say(`call bash {"command":"touch made"}`)).state).toBe("done"))
    reply()
  })

  it("what a dead process left: a request that may have been sent, and a call that only reads", async () => {
    const leave = async (then: [string, object][]) => {
      const { id: session } = await graft.session.create({ directory: project })
      const { epoch } = await graft.eventlog.claim(session, "rt_dead")
      const events: [string, object][] = [
        ["session.claimed", { owner: "rt_dead", epoch }], ["activity.opened", { activity: "a1", ordinal: 1, by: "run", allowance: 25 }], ["activity.turn.started", { activity: "a1", turn: 1 }],
        ["message.created", { message: "a1.1", role: "assistant", activity: "a1" }],
        ["provider.attempt.prepared", { attempt: "a1.1.1", activity: "a1", turn: 1, n: 1, message: "a1.1", model: "loop/one", hash: "", class: "billing-only" }], ["provider.attempt.dispatched", { attempt: "a1.1.1" }], ...then,
      ]
      await graft.eventlog.append({ aggregate: session, epoch, actor: "runtime:rt_dead", location: project, events: events.map(([type, data]) => ({ type, data: data as never })) })
      return session
    }
    const sent = await leave([])
    const called = await leave([
      ["provider.attempt.output", { attempt: "a1.1.1" }], ["tool.called", { message: "a1.1", call: "c1", name: "ls", input: "{}", recovery: "rerun" }], ["tool.started", { message: "a1.1", call: "c1" }],
    ])
    expect((await graft.runner.discover()).sort()).toEqual([sent, called].sort())
    expect((await graft.session.wait(sent)).reason).toBe("needs-decision")
    await graft.session.run(sent)
    for (const session of [sent, called]) expect((await graft.session.wait(session)).state).toBe("done")
  })

  it("a conversation that is folded by hand, and one that is too short for it", async () => {
    const { session } = await say("words ".repeat(20_000))
    for (const text of ["more", "and more", "and more again"]) await say(text, { session })
    await graft.session.compact(session)
    await graft.session.wait(session)
    const { id: short } = await graft.session.create({ directory: project })
    await graft.session.compact(short)
    expect((await graft.session.wait(short)).turns).toBe(0)
  })

  it("a refusal of the provider", async () => {
    expect((await say("refuse")).state).toBe("failed")
  })

  it("an interrupt", async () => {
    const { id: session } = await graft.session.create({ directory: project })
    await graft.session.prompt({ session, text: "hang" })
    await until(() => told.some(({ event, payload }) => event === "message.part.delta" && (payload as { session: string }).session === session), "the first word")
    await graft.session.interrupt(session)
    expect((await graft.session.wait(session)).state).toBe("interrupted")
  })
})

describe("in the whole run", () => {
  it(`each of ${facts.length} facts was told in the realm that the reference says`, async () => {
    await kernel.settled()
    const heard = new Map(Map.groupBy(told, ({ event }) => event))
    expect(facts.filter((event) => !heard.has(event))).toEqual([])
    const wrong = declared.flatMap(({ event, realm }) => (heard.get(event) ?? []).filter(({ location }) => realm !== "either" && (location === undefined) !== (realm === "process")).map(({ location }) => `${event} in ${location ?? "the process"}`))
    expect(wrong).toEqual([])
    const astray = told.filter(({ event, by, location, payload }) => by === "kernel@0" && nounOf(event) !== "location" && (payload as { realm: string }).realm !== (location ?? "root"))
    expect(astray).toEqual([])
    expect(facts.length).toBe(127)
  })

  it("each noun's facts were counted by somebody", () => {
    expect([...new Set(facts.map(nounOf))].filter((noun) => !counted.has(noun))).toEqual([])
  })

  it(`the dropped-in plugin heard all of it, in order, and took part in ${hooks.length - 1} of ${hooks.length} hooks`, async () => {
    const heard = await graft.ears.heard()
    const since = told.findIndex(arrivalOf("ears"))
    const line = ({ event, by, at }: Heard) => `${event} ${by} ${at}`
    expect(heard.filter(({ event }) => !hooks.includes(event)).map(line)).toEqual(told.slice(since).map(line))
    expect(facts.filter((event) => !heard.some((each) => each.event === event))).toEqual([])
    expect(admitted).toContain("ears")
    // Trust, in the process, has answered before a project is asked: it does not admit its own plugins.
    expect(hooks.filter((event) => !heard.some((each) => each.event === event))).toEqual(["plugin.admit"])
    expect(heard.filter(({ event, location }) => hooks.includes(event) && location !== project)).toEqual([])
    expect(hooks.length).toBe(11)
  })
})
