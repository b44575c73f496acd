/**
 * The process that is killed: the real kernel with the real plugins on one home, and of the outside world only what
 * leads to the parent's ledgers. It does what the scenario's person does, until nothing is left to do; started again on
 * the same home, it does the same.
 */
import { mkdirSync } from "node:fs"
import { request } from "node:http"
import { join } from "node:path"
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider"
import { createKernel, definePlugin, type Graft } from "../../kernel/index.ts"
import { point } from "../../plugins/lib/crash.ts"
import type { TurnRequest } from "../../plugins/llm/contract.ts"
import type { Ended } from "../../plugins/session/contract.ts"
import { scenarioOf, type Act } from "./scenarios.ts"

export interface Orders { home: string; project: string; cache: string; world: string; scenario: string; session: string }
/** What the process says of itself when it came to an end. */
export interface Told { ended: Ended[]; messages: { role: string; text: string; calls: string[] }[]; rebuilt: { projection: string; same: boolean }[]; pending: number }

const orders = JSON.parse(process.argv[2]!) as Orders
const scenario = scenarioOf(orders.scenario)
const PLUGINS = join(import.meta.dirname, "../../plugins")
const ONLY = ["store", "eventlog", "session", "runner", "instruction", "tool", "permission", "tool-write", ...(scenario.plugins ?? [])]
/** Runs that a person asks for before giving up. */
const PATIENCE = 6

function post<T>(path: string, body: unknown, onLine?: (line: T) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(`${orders.world}${path}`, { method: "POST", headers: { "content-type": "application/json" } }, (response) => {
      let rest = ""
      let last: T | undefined
      response.setEncoding("utf8")
      response.on("data", (text: string) => {
        const lines = (rest + text).split("\n")
        rest = lines.pop()!
        for (const line of lines) { last = JSON.parse(line) as T; onLine?.(last) }
      })
      response.on("end", () => resolve(last))
      response.on("error", reject)
    })
    asked.on("error", reject)
    asked.end(JSON.stringify({ session: orders.session, ...(body as object) }))
  })
}

async function* stream(asked: TurnRequest, signal: AbortSignal): AsyncGenerator<LanguageModelV4StreamPart> {
  const parts: (LanguageModelV4StreamPart | { refused: { code: string } })[] = []
  let wake = () => {}
  let over = false
  // Who asks without tools is no turn: a summary is wanted.
  if (asked.tools.length === 0) {
    for (const type of ["text-start", "text-delta", "text-end"] as const) yield { type, id: "s", delta: "what was said before" } as LanguageModelV4StreamPart
    yield { type: "finish", usage: { inputTokens: {}, outputTokens: {} }, finishReason: { unified: "stop" } } as LanguageModelV4StreamPart
    return
  }
  point("network.before")
  const done = post<LanguageModelV4StreamPart>("/turn", { scenario: scenario.name, messages: asked.messages }, (part) => { parts.push(part); wake() }).finally(() => { over = true; wake() })
  done.catch(() => {})
  signal.addEventListener("abort", () => wake())
  for (;;) {
    signal.throwIfAborted()
    const part = parts.shift()
    if (!part) {
      if (over) { await done; return }
      await new Promise<void>((resolve) => { wake = resolve })
      continue
    }
    if ("refused" in part) throw Object.assign(new Error("refused"), { provider: "world", ...part.refused })
    yield part
    point("part.after")
  }
}

const outside = definePlugin({
  per: "process",
  setup(graft) {
    graft.provide("model", { resolve: async () => ({ ref: "world/one", id: "one", provider: "world", name: "One", usable: true, limits: { context: 100_000 } }) } as never)
    graft.provide("llm", { stream: (asked: TurnRequest, { signal = new AbortController().signal } = {}) => stream(asked, signal) } as never)
    graft.provide("config", {
      get: async (path: string) => (path === "compaction" ? { keep: { turns: 1, tokens: 10 } } : undefined),
      explain: async (path: string) => {
        const value = path === "permissions.allow" && !scenario.ask ? ["*"] : path === "permissions.ask" ? scenario.ask : undefined
        const winner = value && { layer: "flag", value }
        return { path, value, winner, losers: winner ? [winner] : [], live: "now" }
      },
    } as never)
    graft.add("face", { id: "person", answers: true })
  },
})

/** Tools whose effects the parent writes down. */
const hands = definePlugin({
  per: "location",
  setup(graft) {
    for (const name of ["look", "note", "wait"]) {
      graft.add("tool", {
        name, description: name, input: { type: "object" }, effects: name === "look" ? ["read"] : ["run"],
        async execute(_: unknown, { call, signal }: { call: string; signal: AbortSignal }) {
          point("effect.before")
          await post("/effect", { tool: name, call })
          point("effect.after")
          if (name === "wait") await new Promise((_, reject) => { signal.addEventListener("abort", () => reject(new Error("stopped"))) })
          return `${name} was done`
        },
      } as never)
    }
  },
})

const kernel = createKernel({ roots: [{ dir: PLUGINS, kind: "built-in" }], only: [...ONLY, "outside", "hands"], dataDir: orders.home, cacheDir: orders.cache })
await kernel.put("outside", outside)
await kernel.put("hands", hands)
await kernel.start()
await kernel.settled()
const graft = await kernel.child(orders.project)
await kernel.settled()
point("started")

const called = new Map<string, PromiseWithResolvers<void>>()
const whenCalled = (tool: string) => called.get(tool) ?? (called.set(tool, Promise.withResolvers()), called.get(tool)!)
graft.on("tool.started", ({ data }: { data: { call: string } }) => whenCalled(data.call.replace("call_", "")).resolve())

const ended: Ended[] = []
// Of two at once one makes it.
if (!(await graft.session.get(orders.session))) await graft.session.create({ directory: orders.project, id: orders.session, title: orders.session }).catch((error: unknown) => { if (!scenario.beside) throw error })
// As graft does in a terminal: what the one before left is taken up.
await graft.runner.discover()
// What is not known by a name is not done again once the next words were said.
const said = await saidBefore(graft)
for (const [n, act] of scenario.acts.entries()) {
  const named = act.do === "prompt" || act.do === "interrupt" || act.do === "reply" || act.do === "idle"
  if (named || !scenario.acts.slice(n).some((later) => later.do === "prompt" && said.has(later.id))) await perform(graft, act)
}
await settle(graft)
process.send!(await report(graft))
await kernel.close()
process.exit(0)

async function saidBefore(graft: Graft): Promise<Set<string>> {
  const { events } = await graft.eventlog.read({ aggregate: orders.session, types: ["session.input.admitted"] })
  return new Set(events.map(({ data }) => (data as { input: string }).input))
}

/** Until nothing is left to do. A person who sees it stopped in mid-work asks for more of it; who interrupted it does not. */
async function settle(graft: Graft): Promise<void> {
  for (let n = 0; n < PATIENCE; ) {
    const last = await graft.session.wait(orders.session)
    const live = scenario.plugins?.includes("job") ? await graft.job.list({ session: orders.session, live: true }) : []
    await Promise.all(live.map(({ id }) => graft.job.wait(id)))
    if (live.length > 0) continue
    ended.push(last)
    if (last.state === "done" || last.state === "failed" || scenario.interrupted) return
    // Of two at once only one can; the other sees what comes of it.
    await graft.session.run(orders.session).catch((error: unknown) => { if (!scenario.beside || (error as { code?: string }).code !== "eventlog.owned") throw error })
    n++
  }
}

async function perform(graft: Graft, act: Act): Promise<void> {
  const { session } = orders
  switch (act.do) {
    case "prompt":
      // What comes before it may be over already: then it is said now.
      if (act.after !== undefined) await Promise.race([whenCalled(act.after).promise, graft.session.wait(session)])
      await graft.session.prompt({ session, id: act.id, text: act.text, ...(act.delivery && { delivery: act.delivery }) })
      return
    case "interrupt":
      await Promise.race([whenCalled(act.after).promise, graft.session.wait(session)])
      await graft.session.interrupt(session, "enough")
      await post("/said", { act: "interrupted" })
      return
    case "reply":
      graft.on("permission.asked", ({ id }: { id: string }) => graft.permission.reply(id, act.reply))
      for (const { id } of await graft.permission.pending()) await graft.permission.reply(id, act.reply)
      return
    case "rename": case "archive":
      await graft.session.update(session, act.do === "rename" ? { title: "another name" } : { archived: true })
      if (act.do === "archive") await graft.session.update(session, { archived: false })
      return
    // A second time there may be nothing to take back: what was said since made it final.
    case "revert": case "restore":
      return void (await graft.session[act.do](session).catch((error: unknown) => { if ((error as { code?: string }).code !== "session.nothing") throw error }))
    case "fork":
      return void (await graft.session.fork(session))
    case "move":
      mkdirSync(join(orders.project, "below"), { recursive: true })
      return void (await graft.session.move(session, join(orders.project, "below")))
    case "idle":
      return settle(graft)
    case "compact": {
      if (!(await graft.session.inbox(session)).some(({ kind }) => kind === "compact")) await graft.session.compact(session)
      return
    }
    default:
      act satisfies never
  }
}

async function report(graft: Graft): Promise<Told> {
  const messages = await graft.session.messages(orders.session, { limit: 1_000 })
  const rebuilt: Told["rebuilt"] = []
  for (const { id, tables } of graft.all("projection")) {
    const dump = async () => JSON.stringify(await Promise.all(tables.map((table) => graft.store.all(`SELECT * FROM "${table}" ORDER BY 1, 2`))))
    const before = await dump()
    await graft.eventlog.rebuild(id)
    rebuilt.push({ projection: id, same: before === (await dump()) })
  }
  return {
    ended, rebuilt, pending: (await graft.session.inbox(orders.session)).filter(({ resume }) => resume).length,
    messages: messages.map(({ role, parts }) => ({ role, text: parts.flatMap((part) => (part.kind === "text" ? part.text : [])).join(""), calls: parts.flatMap((part) => (part.kind === "tool" ? `${part.name} ${part.outcome ?? part.state}` : [])) })),
  }
}
