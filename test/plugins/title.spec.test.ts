/**
 * A session is called by the first words of what was asked, until a small model of its own provider finds a title: when
 * the work is done and nobody waits, and never over a title that a person gave.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import fc from "fast-check"
import { createKernel, systemClock, type Clock, type Graft } from "graft"
import { describe, expect, onTestFinished, test } from "vitest"
import type { Json, StoredEvent } from "../../plugins/eventlog/contract.ts"
import { firstWords } from "../../plugins/lib/title.ts"
import type { ProviderRow } from "../../plugins/model/contract.ts"
import type { Session, SessionFacts } from "../../plugins/session/contract.ts"
import { titleIn } from "../../plugins/title/words.ts"
import { chat, chatError } from "../fixtures/vendor-chat.ts"
import { answers, VendorServer } from "../fixtures/vendor-server.ts"
import { soon, until } from "../fixtures/vendor-world.ts"

const PLUGINS = join(import.meta.dirname, "../../plugins")
/** The pause before a title is asked for, and the time that it may take, in ms. */
const [MOMENT, DEADLINE] = [1_000, 20_000]
const ASKED = "fix the login of the admin page\nit says 500"

/** Real time, but those two pass when they are told to. */
function makeClock(): Clock & { pass(milliseconds: number): void; waiting(milliseconds: number): number } {
  const held = new Map<() => void, number>()
  const of = (milliseconds: number) => [...held].filter(([, each]) => each === milliseconds)
  return {
    now: systemClock.now,
    after(milliseconds, work) {
      if (milliseconds !== MOMENT && milliseconds !== DEADLINE) return systemClock.after(milliseconds, work)
      held.set(work, milliseconds)
      return () => void held.delete(work)
    },
    pass: (milliseconds) => { for (const [work] of of(milliseconds)) { held.delete(work); work() } },
    waiting: (milliseconds) => of(milliseconds).length,
  }
}

async function scene(options: { config?: Record<string, unknown>; small?: string | null; provider?: string; copy?: boolean } = {}) {
  const vendor = await VendorServer.open()
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-title-")))
  const project = join(base, "project")
  mkdirSync(join(project, ".git"), { recursive: true })
  const only = ["store", "eventlog", "session", "auth", "model", "llm", "title"]
  // A copy stays in the repository, where its packages are found.
  const sources = options.copy ? mkdtempSync(join(import.meta.dirname, "../fixtures/.plugins-")) : PLUGINS
  if (options.copy) for (const folder of ["lib", ...only]) cpSync(join(PLUGINS, folder), join(sources, folder), { recursive: true })
  const clock = makeClock()
  const kernel = createKernel({ roots: [{ dir: sources, kind: "built-in" }], only, dataDir: join(base, "home"), clock })
  const config = options.config ?? {}
  await kernel.put("config", { per: "process", setup: (graft) => graft.provide("config", { get: async (path: string) => config[path] } as never) })
  await kernel.start()
  const graft = await kernel.child(project)
  const provider = options.provider ?? "acme"
  const speak = (id: string, smallModel?: string | null): ProviderRow => ({ id, name: id, ready: true, ...(smallModel && { smallModel }), languageModel: ({ id: model }) => createOpenAICompatible({ name: id, baseURL: vendor.url, includeUsage: true }).languageModel(model) })
  await kernel.put("vendors", { setup(own: Graft) {
    own.add("model", ["large", "small"].map((id) => ({ id, provider, cost: { input: 1, output: 2 } })))
    own.add("model", { id: "other", provider: "elsewhere" })
    own.add("provider", speak(provider, options.small === undefined ? "small" : options.small))
    own.add("provider", speak("elsewhere", "other"))
  } }, project)
  await kernel.settled()
  onTestFinished(async () => {
    graft[Symbol.dispose]()
    await kernel.close()
    await vendor[Symbol.asyncDispose]()
    for (const made of [base, ...(options.copy ? [sources] : [])]) rmSync(made, { recursive: true, force: true })
  })

  let activities = 0
  /** What the runner writes of a turn, without the runner. */
  async function work(session: Session, text: string | undefined, outcome: "completed" | "failed" = "completed"): Promise<void> {
    const activity = `a${++activities}`
    const input = text === undefined ? undefined : (await graft.session.prompt({ session: session.id, text, resume: false })).input
    const { epoch } = await graft.eventlog.claim(session.id, await graft.eventlog.runtime())
    const fact = <T extends keyof SessionFacts>(type: T, data: SessionFacts[T]) => ({ type, data: data as Json })
    const message = `${activity}.1`
    await graft.eventlog.append({ aggregate: session.id, epoch, actor: "runtime:spec", location: session.location, events: [
      fact("activity.opened", { activity, ordinal: activities, by: input ? "input" : "run", allowance: 25 }),
      ...(input ? [fact("session.input.promoted", { input, activity })] : []),
      fact("message.created", { message, role: "assistant", activity, model: `${provider}/large` }),
      fact("message.part.started", { message, part: `${message}:0`, kind: "text" }),
      fact("message.part.appended", { message, part: `${message}:0`, text: "The session cookie was missing." }),
      fact("message.settled", { message, finish: "stop" }),
      fact("activity.settled", { activity, outcome }),
    ] })
    await graft.eventlog.release(session.id, epoch)
    await kernel.settled()
  }
  const begin = async (text = ASKED, init: { title?: string } = {}) => {
    const session = await graft.session.create({ directory: project, ...init })
    await work(session, text)
    return session
  }
  const titled = async (session: Session): Promise<StoredEvent[]> => (await graft.eventlog.read({ aggregate: session.id, types: ["session.updated"] })).events
  const title = async ({ id }: Session) => (await graft.session.get(id))!.title
  /** Ends when the title is this. */
  const becomes = async (session: Session, wanted: string) => {
    while ((await title(session)) !== wanted) await new Promise((resolve) => setImmediate(resolve))
  }
  /** The moment is over, and nothing was asked. */
  const nobodyAsked = async () => {
    clock.pass(MOMENT)
    // A look takes a handful of reads; these come after them.
    for (let n = 0; n < 30; n++) await graft.session.list()
    expect([clock.waiting(DEADLINE), vendor.requests.length]).toEqual([0, 0])
  }
  return { vendor, kernel, graft, clock, config, sources, work, begin, titled, title, becomes, nobodyAsked }
}

describe("a title", () => {
  test("is found by the small model of the provider that the session was held with, a moment after its work was done", async () => {
    const { vendor, graft, clock, begin, titled, title, becomes } = await scene()
    vendor.script(chat({ says: ["Login error of the admin page"], usage: { input: 300, output: 8 } }))
    const session = await begin()
    expect([await title(session), vendor.turns.length, clock.waiting(MOMENT)]).toEqual(["fix the login of the admin page", 0, 1])
    clock.pass(MOMENT)
    await soon("the title", becomes(session, "Login error of the admin page"))
    const { model, messages } = vendor.turns[0]!.body as { model: string; messages: { content: string }[] }
    expect(model).toBe("small")
    expect(messages[0]!.content).toContain("You name conversations")
    for (const part of [ASKED, "The session cookie was missing."]) expect(messages[1]!.content).toContain(part)
    expect((await titled(session)).at(-1)).toMatchObject({ actor: "plugin:title", data: { title: "Login error of the admin page", was: "fix the login of the admin page" } })
    // What it took counts to the session.
    expect((await graft.session.get(session.id))!.usage).toMatchObject({ input: 300, output: 8, cost: (300 + 2 * 8) / 1e6 })
  })

  test("is found once", async () => {
    const { vendor, clock, begin, work, becomes } = await scene()
    vendor.script(chat("Login error"))
    const session = await begin()
    clock.pass(MOMENT)
    await soon("the title", becomes(session, "Login error"))
    await work(session, "and now the logout")
    clock.pass(MOMENT)
    await soon("a look", until(() => clock.waiting(MOMENT) === 0))
    expect(vendor.turns.length).toBe(1)
  })

  test("stays the first words when the model fails, and is tried twice more", async () => {
    const { vendor, kernel, clock, begin, work, title, becomes } = await scene()
    vendor.script(answers(400, chatError("no")), chat({ says: [" \n\n*** \n"] }))
    const session = await begin()
    for (const n of [1, 2]) {
      clock.pass(MOMENT)
      await soon("the request", until(() => vendor.turns.length === n))
      await soon("its end", until(() => clock.waiting(DEADLINE) === 0))
      expect(await title(session)).toBe("fix the login of the admin page")
      if (n === 1) await work(session, "go on")
    }
    vendor.script(chat("Login error"))
    await work(session, "and on")
    clock.pass(MOMENT)
    await soon("the title", becomes(session, "Login error"))
    expect(kernel.inspect().realms.flatMap(({ plugins }) => plugins).find(({ id }) => id === "title")!.errors).toBe(0)
  })

  test("is not waited for longer than its time", async () => {
    const { vendor, clock, begin, title } = await scene()
    vendor.script(chat("Login error", { last: "hang", gate: () => new Promise<void>(() => {}) }))
    const session = await begin()
    clock.pass(MOMENT)
    await soon("the request", until(() => vendor.turns.length === 1 && clock.waiting(DEADLINE) === 1))
    clock.pass(DEADLINE)
    await soon("the end of the connection", vendor.turns[0]!.closed)
    expect(await title(session)).toBe("fix the login of the admin page")
  })

  test("outlives an edit of this plugin: the next work finds it", async () => {
    const { vendor, kernel, clock, sources, begin, work, becomes } = await scene({ copy: true })
    const session = await begin()
    const entry = join(sources, "title/index.ts")
    writeFileSync(entry, `${readFileSync(entry, "utf8")}// edited\n`)
    await kernel.reconcile([entry])
    expect(clock.waiting(MOMENT)).toBe(0)
    vendor.script(chat("Login error"))
    await work(session, "go on")
    clock.pass(MOMENT)
    await soon("the title", becomes(session, "Login error"))
  })
})

describe("nobody is asked", () => {
  test.each([
    ["when it is off", { config: { title: { auto: false } } }],
    ["where the provider has no small model, though another one has", { small: null }],
    ["where there is no such model", { small: "tiny" }],
    ["with the demo", { provider: "demo" }],
    ["with the demo as the small model of the config", { provider: "demo", config: { small_model: "demo/small" } }],
  ])("%s", async (_, options) => {
    const { begin, title, nobodyAsked } = await scene(options)
    const session = await begin()
    await nobodyAsked()
    expect(await title(session)).toBe("fix the login of the admin page")
  })

  test("for a title that a person gave, at the beginning or since", async () => {
    const { graft, begin, work, title, nobodyAsked } = await scene()
    const named = await begin(ASKED, { title: "Mine" })
    await nobodyAsked()
    const renamed = await begin()
    await graft.session.update(renamed.id, { title: "Mine as well" })
    await nobodyAsked()
    await work(renamed, "go on")
    await nobodyAsked()
    expect([await title(named), await title(renamed)]).toEqual(["Mine", "Mine as well"])
  })

  test("after work that failed", async () => {
    const { graft, clock, work, nobodyAsked } = await scene()
    const session = await graft.session.create({ directory: graft.location! })
    await work(session, ASKED, "failed")
    expect(clock.waiting(MOMENT)).toBe(0)
    await nobodyAsked()
  })
})

test("a person who renames it while the model thinks is right", async () => {
  const { vendor, graft, clock, begin, titled, title } = await scene()
  const gate = Promise.withResolvers<void>()
  vendor.script(chat("Login error", { gate: (event) => (event === 1 ? gate.promise : undefined) }))
  const session = await begin()
  clock.pass(MOMENT)
  await soon("the request", until(() => vendor.turns.length === 1))
  await graft.session.update(session.id, { title: "Mine" })
  gate.resolve()
  await soon("the end", until(() => clock.waiting(DEADLINE) === 0))
  // Commits come one after the other: this one after the title's.
  for (let n = 0; n < 30; n++) await graft.session.list()
  await graft.session.update(session.id, { model: "acme/large" })
  expect(await title(session)).toBe("Mine")
  expect((await titled(session)).map(({ actor }) => actor)).toEqual(["user", "user", "user"])
})

test.each([
  ["title.model", { title: { model: "elsewhere/other" } }],
  ["small_model", { small_model: "elsewhere/other" }],
])("the model that %s names is asked", async (_, config) => {
  const { vendor, clock, begin, becomes } = await scene({ config, small: null })
  vendor.script(chat("Login error"))
  const session = await begin()
  clock.pass(MOMENT)
  await soon("the title", becomes(session, "Login error"))
  expect((vendor.turns[0]!.body as { model: string }).model).toBe("other")
})

test("a title is one line without marks, at most 60 characters, and never half of one", () => {
  expect([`"Login error."`, "Title: Login error\nBecause …", "**Login error**", "\n\n# Login error\n", "« Login error »", "title：Login error。"].map(titleIn)).toEqual(Array.from({ length: 6 }, () => "Login error"))
  expect(["", "  \n --- \n", "\"\""].map(titleIn)).toEqual(["", "", ""])
  fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("a\ud83d", "👩‍👩‍👧".repeat(30), "x\u0007\u001b[31my", "語".repeat(90))), (text) => {
    const title = titleIn(text)
    expect(title.length).toBeLessThanOrEqual(60)
    expect(title.isWellFormed()).toBe(true)
    expect(/\p{Cc}/u.test(title)).toBe(false)
    expect(firstWords(title)).toBe(title)
  }))
})
