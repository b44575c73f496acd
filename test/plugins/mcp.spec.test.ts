/**
 * The tools of MCP servers are tools like any other: they come, change and go with their server, which is a process of its
 * own or an address; whatever a server does, every call ends, the others go on, and nothing is left running.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import { createKernel, definePlugin, systemClock, type EmbeddedKernel, type Graft } from "graft"
import type { McpServer } from "../../plugins/mcp/contract.ts"
import type { Settlement } from "../../plugins/tool/contract.ts"
import { argumentsOf } from "../../plugins/mcp/offer/prompts.ts"
import { makeBrain, type Brain, type Message } from "../fixtures/mcp-server.ts"

const PROGRAM = join(import.meta.dirname, "../fixtures/mcp-server.ts")
const PLUGINS = ["tool", "permission", "config", "convert", "trust", "question", "mcp"]
const local = (...flags: string[]) => ({ command: process.execPath, args: ["--no-warnings", PROGRAM, ...flags] })

const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-mcp-")))
const [home, directory] = [join(base, "home"), join(base, "project")]
const sources = mkdtempSync(join(import.meta.dirname, "../fixtures/.plugins-"))
let kernel: EmbeddedKernel
let graft: Graft & Disposable
const told: { event: string; payload: any }[] = []
/** Waits between attempts, while somebody is in a hurry. */
let hurry: number[] | undefined
const RETRIES = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]
const clock = { now: systemClock.now, after: (milliseconds: number, work: () => void) => {
  if (!hurry || !RETRIES.includes(milliseconds)) return systemClock.after(milliseconds, work)
  hurry.push(milliseconds)
  return systemClock.after(5, work)
} }

beforeAll(async () => {
  for (const made of [join(directory, ".git"), join(home, "config")]) mkdirSync(made, { recursive: true })
  for (const folder of ["lib", ...PLUGINS]) cpSync(join(import.meta.dirname, "../../plugins", folder), join(sources, folder), { recursive: true })
  kernel = createKernel({ roots: [{ dir: sources, kind: "built-in" }], dataDir: home, only: [...PLUGINS, "stand-ins"], clock })
  await kernel.put("stand-ins", definePlugin({ per: "process", setup: (own) => own.provide("store", {
    putBlob: async (bytes: Uint8Array | string) => ({ sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length }), getBlob: async () => undefined,
  } as never) }))
  kernel.on("*", (payload, { event }) => void told.push({ event, payload }))
  await kernel.start()
  graft = await kernel.child(directory)
  await kernel.settled()
  await kernel.graft.config.flags({ permissions: { allow: ["mcp"] } })
})
afterAll(async () => {
  graft?.[Symbol.dispose]()
  await kernel?.close()
  for (const made of [base, sources]) rmSync(made, { recursive: true, force: true })
})
beforeEach(() => { told.length = 0 })

/** Those servers are all there are, connected or not. */
async function servers(wanted: Record<string, object>): Promise<McpServer[]> {
  await graft.config.set("mcp", wanted)
  await vi.waitFor(async () => expect((await graft.mcp.list()).map(({ name }) => name)).toEqual(Object.keys(wanted).sort()), { interval: 5, timeout: 5_000 })
  const list = await graft.mcp.list({ settled: true })
  // What is listed was also told.
  await graft.tool.list()
  await kernel.settled()
  return list
}
const server = async (name: string): Promise<McpServer> => (await graft.mcp.list()).find((each) => each.name === name)!
const becomes = (name: string, state: McpServer["state"]) => expect.poll(async () => (await server(name)).state, { interval: 5, timeout: 5_000 }).toBe(state)
const tool = async (name: string) => (await graft.tool.list()).find((each) => each.name === name)
const isAlive = (pid: number) => {
  // A dead process that nobody has buried runs no more.
  try { return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1")) } catch { return false }
}
const mcpFacts = () => told.filter(({ event }) => event.startsWith("mcp.")).map(({ event, payload }) => `${event} ${payload.server?.state ?? payload.name}`)

async function call(name: string, input: object = {}, how: { signal?: AbortSignal; progress?(update: { output?: string }): void } = {}): Promise<Settlement> {
  const set = await graft.tool.advertise()
  try {
    return await set.settle({ id: `c${Math.random()}`, name, input: JSON.stringify(input), session: "s1", directory }, { signal: new AbortController().signal, started: async () => {}, ...how })
  } finally {
    set.dispose()
  }
}

describe("before anybody needs them", () => {
  it("no server is started: the first request, a person, or a question begins", async () => {
    await graft.config.set("mcp", { one: local() })
    await kernel.settled()
    expect(told.filter(({ event, payload }) => event.startsWith("mcp.") || payload.tool?.owner === "mcp")).toEqual([])
    kernel.graft.emit("llm.requested", { model: "m", provider: "p", messages: 1, tools: 0 })
    await expect.poll(() => mcpFacts(), { interval: 5, timeout: 5_000 }).toEqual(["mcp.added connecting", "mcp.updated ready"])
    await kernel.settled()
    expect(told.filter(({ event, payload }) => event === "tool.added" && payload.tool.owner === "mcp").length).toBe(17)
  })
})

describe("a server as a process", () => {
  beforeAll(async () => { await servers({ one: local() }) })

  it("offers all pages of its tools, by names that models can call, with their schemas and what they say of themselves", async () => {
    const one = await server("one")
    expect(one).toMatchObject({ kind: "stdio", state: "ready" })
    expect(one.tools).toContain("one_get_it")
    expect(await tool("one_echo")).toMatchObject({ owner: "mcp", description: "Says it again", inputSchema: { required: ["text"] }, effects: ["net"], recovery: "rerun" })
    expect((await tool("one_sum"))!.recovery).toBe("rerun")
    expect((await tool("one_die"))!.recovery).toBe("unknown")
  })

  it("answers: text as it is, the rest as notes, structure as JSON, and its failure is one", async () => {
    expect(await call("one_echo", { text: "héllo" })).toMatchObject({ outcome: "ok", output: "héllo", title: "one echo" })
    expect((await call("one_get_it")).output).toBe("got it")
    expect(await call("one_fail")).toMatchObject({ outcome: "error", output: "it cannot be done" })
    expect(JSON.parse((await call("one_sum", { a: 1, b: 2 })).output)).toEqual({ sum: 3 })
    // What is said twice is read once.
    expect((await call("one_sum", { a: 1, b: 2, twice: true })).output).toBe('{"sum":3}')
    expect((await call("one_picture")).output).toBe("(image, image/png, 3 bytes, not shown)\nnote://1:\na note\n(resource note://2, two: mcp_read reads it)\n(a part of type \"hologram\", not shown)\n(a part of type nothing, not shown)")
    expect(await call("one_echo", { text: 5 })).toMatchObject({ outcome: "invalid" })
  })

  it("is asked for only with permission, by server and tool", async () => {
    await kernel.graft.config.flags({ permissions: { deny: ["mcp:one/ec*"] } })
    expect(await call("one_echo", { text: "x" })).toMatchObject({ outcome: "denied", rule: "mcp:one/ec*" })
    await kernel.graft.config.flags({})
    expect(await call("one_echo", { text: "x" })).toMatchObject({ outcome: "blocked", rule: "mcp:one/echo" })
    await kernel.graft.config.flags({ permissions: { allow: ["mcp"] } })
  })

  it("knows where it works and what it was given, and none of the keys in the environment", async () => {
    process.env.MCP_SPEC_SECRET = "hush"
    process.env.MCP_SPEC_GIVEN = "this"
    await servers({ one: { ...local(), env: { GIVEN: "{env:MCP_SPEC_GIVEN} and that" } } })
    expect(JSON.parse((await call("one_where")).output)).toEqual({ cwd: directory, given: "this and that", roots: [{ uri: `file://${directory}`, name: "project" }] })
  })

  it("says how far it is, and an interrupt ends the call at once and is told to it", async () => {
    const heard: (string | undefined)[] = []
    const stop = new AbortController()
    const settled = call("one_slow", {}, { signal: stop.signal, progress: ({ output }) => { if (heard.push(output) === 3) stop.abort() } })
    expect(await settled).toMatchObject({ outcome: "interrupted" })
    expect(heard).toEqual(["1 of 3", "half way", "3 of 3"])
    await expect.poll(() => graft.mcp.logs("one"), { interval: 5 }).toContain("it was cancelled")
  })

  it("changes what it offers while it runs, and exactly that is told", async () => {
    told.length = 0
    await call("one_grow")
    await expect.poll(() => tool("one_grown"), { interval: 5 }).toBeDefined()
    await call("one_shrink")
    await expect.poll(() => tool("one_grown"), { interval: 5 }).toBeUndefined()
    await kernel.settled()
    expect(told.filter(({ event }) => /^(tool|mcp)\./.test(event)).map(({ event, payload }) => `${event} ${payload.tool?.name ?? payload.server.state}`).sort()).toEqual(["mcp.updated ready", "mcp.updated ready", "tool.added one_grown", "tool.removed one_grown"])
  })

  it("asks the person through a form, and is told no where nobody is; a model's words it gets only where somebody says yes", async () => {
    expect((await call("one_ask")).output).toBe('{"action":"cancel"}')
    const leave = kernel.add("face", { id: "person", answers: true })
    const replies: Record<string, string> = { name: "Ada", adult: "yes", age: "36" }
    const asked: string[] = []
    const stop = graft.on("question.asked", ({ id, text, session, choices }) => {
      const field = /\n(\w+)/.exec(text)![1]!
      asked.push(`${field} ${session} ${choices?.map(({ label }) => label).join("|")}`)
      void graft.question.reply(id, [replies[field]!])
    })
    expect(JSON.parse((await call("one_ask")).output)).toEqual({ action: "accept", content: { name: "Ada", adult: true, age: 36 } })
    expect(asked).toEqual(["name s1 undefined", "adult s1 yes|no", "age s1 undefined"])
    stop()
    const refuse = graft.on("permission.asked", ({ id, action, resource, session }) => {
      asked.push(`${action}:${resource} ${session}`)
      void graft.permission.reply(id, "deny")
    })
    expect((await call("one_sample")).output).toContain("the user said no")
    expect(asked.at(-1)).toBe("sampling:one s1")
    refuse()
    leave()
    expect((await call("one_sample")).output).toContain("nobody is here to say yes")
  })
})

describe("whatever it does", () => {
  it("one that dies ends its call with the reason, comes back by itself, and keeps its tools meanwhile", async () => {
    await servers({ one: local() })
    told.length = 0
    hurry = []
    expect(await call("one_die")).toMatchObject({ outcome: "error", output: expect.stringMatching(/"one" is not there.*it ended \(exit code 3\).*may have taken effect/) })
    await becomes("one", "ready")
    hurry = undefined
    expect((await call("one_echo", { text: "again" })).output).toBe("again")
    expect(mcpFacts()).toEqual(["mcp.updated connecting", "mcp.updated ready"])
    expect(told.filter(({ event }) => event.startsWith("tool."))).toEqual([])
  })

  it("one that cannot start fails with its own words, and is tried again ever more slowly, silently", async () => {
    hurry = []
    await servers({ one: local(), bad: local("--refuse"), none: { command: "no-such-program" }, lost: { ...local(), cwd: "nowhere" } })
    expect(await server("bad")).toMatchObject({ state: "failed", reason: "it ended (exit code 7): there is no license for this", tools: [] })
    expect((await server("none")).reason).toMatch(/exit code 127.*no-such-program/)
    expect((await server("lost")).reason).toBe(`its directory ${join(directory, "nowhere")} is not there`)
    await expect.poll(() => hurry!.filter((wait) => wait === 60_000).length, { interval: 5, timeout: 10_000 }).toBeGreaterThan(3)
    hurry = undefined
    expect(mcpFacts().sort()).toEqual(["mcp.added connecting", "mcp.added connecting", "mcp.added connecting", "mcp.updated failed", "mcp.updated failed", "mcp.updated failed"])
    expect((await call("one_echo", { text: "still here" })).output).toBe("still here")
  })

  it("one that sends 100 MB in one message is ended, and one that floods its log is not", async () => {
    await servers({ one: local() })
    expect((await call("one_flood")).output).toBe("flooded")
    await expect.poll(async () => (await graft.mcp.logs("one")).at(-1), { interval: 5 }).toBe("the last word")
    const lines = await graft.mcp.logs("one")
    expect(lines.join("\n").length).toBeLessThan(1_000_000)
    hurry = []
    expect((await call("one_huge")).output).toMatch(/it sent more than 32 MiB in one message/)
    await becomes("one", "ready")
    hurry = undefined
  })

  it("one that lies about its schema loses those tools alone, and each is said once", async () => {
    const [liar] = await servers({ liar: local("--liar") })
    expect(liar!.tools.filter((name) => !/_(echo|sum|fail|die|hang|flood|huge|picture|grow|shrink|children|ask|sample|where|slow|learn|get_it)$/.test(name))).toEqual(["liar_bare", "liar_odd"])
    const warned = told.filter(({ event }) => event === "plugin.logged").map(({ payload }) => payload.text as string)
    expect(warned.length).toBe(7)
    expect(warned.join("\n")).toMatch(/"nameless-schema" is left out: .*"inputSchema"[\s\S]*"list" is left out: its schema describes "array"[\s\S]*"broken"[\s\S]*"dangling"/)
    const { tools, dispose } = await graft.tool.advertise()
    expect(tools.filter(({ name }) => name.startsWith("liar_")).length).toBe(liar!.tools.length)
    dispose()
  })

  it("one that does not answer a call is given up after its time", async () => {
    await servers({ one: { ...local(), timeout: 0.1 } })
    expect(await call("one_hang")).toMatchObject({ outcome: "error", output: 'the MCP server "one": it did not answer in time' })
    // A person may take longer.
    const leave = kernel.add("face", { id: "person", answers: true })
    const stop = graft.on("question.asked", ({ id }) => void setTimeout(() => void graft.question.reply(id, ["yes"]), 120))
    expect((await call("one_ask")).output).toBe('{"action":"accept","content":{"name":"yes","adult":true}}')
    stop()
    leave()
  })

  it("one that never says a word is still being connected, and can be taken away", async () => {
    await graft.config.set("mcp", { mute: local("--mute") })
    await expect.poll(async () => (await server("mute"))?.state, { interval: 5 }).toBe("connecting")
    expect(await servers({})).toEqual([])
  })
})

describe("the config", () => {
  it("reconnects exactly the server that changed", async () => {
    await servers({ one: local(), two: local() })
    const pids = async () => Promise.all(["one", "two"].map(async (name) => (JSON.parse((await call(`${name}_children`)).output) as number[])[0]!))
    const before = await pids()
    await graft.config.set("mcp.two.tools", ["echo", "children", "d*", "!die"])
    await expect.poll(() => tool("two_sum"), { interval: 5, timeout: 5_000 }).toBeUndefined()
    await graft.mcp.list({ settled: true })
    expect((await server("two")).tools).toEqual(["two_children", "two_echo"])
    const after = await pids()
    expect(after[0]).toBe(before[0])
    expect(after[1]).not.toBe(before[1])
    expect(isAlive(before[1]!)).toBe(false)
  })

  it("disables a server without forgetting it, and a name that nobody has is said", async () => {
    const [one] = await servers({ one: { ...local(), enabled: false } })
    expect(one).toMatchObject({ state: "disabled", tools: [] })
    await expect(graft.mcp.restart("two")).rejects.toMatchObject({ code: "mcp.unknown", message: expect.stringContaining("one") })
  })

  it("names a variable that is not set", async () => {
    const [one] = await servers({ one: { ...local(), env: { A: "{env:MCP_SPEC_UNSET}" } } })
    expect(one!.reason).toMatch(/config\.jsonc:\d+: .*MCP_SPEC_UNSET is not set/)
  })

  it("takes .mcp.json of the project once that is trusted, as other agents write it, and the project's own file says more of one in it", async () => {
    const file = join(directory, ".mcp.json")
    const own = join(directory, ".graft/config.jsonc")
    const saved = (path: string, text: string) => {
      mkdirSync(join(path, ".."), { recursive: true })
      writeFileSync(path, text)
      kernel.graft.emit("watch.changed", { paths: [path] })
    }
    await servers({})
    saved(file, JSON.stringify({ mcpServers: { shared: { ...local(), type: "stdio", env: { GIVEN: "${MCP_SPEC_GIVEN:-x}" } } } }))
    await expect.poll(() => told.some(({ event, payload }) => event === "config.warned" && payload.file === file && /until this project is trusted/.test(payload.message)), { interval: 5, timeout: 5_000 }).toBe(true)
    expect(await graft.mcp.list()).toEqual([])
    await kernel.graft.trust.allow(directory)
    await expect.poll(async () => (await server("shared"))?.state, { interval: 5, timeout: 5_000 }).toBe("ready")
    expect(JSON.parse((await call("shared_where")).output)).toMatchObject({ given: "this" })
    saved(own, '{ "mcp": { "shared": { "enabled": false } } }')
    await becomes("shared", "disabled")
    rmSync(own)
    rmSync(file)
    kernel.graft.emit("watch.changed", { paths: [own, file] })
    await expect.poll(() => graft.mcp.list(), { interval: 5, timeout: 5_000 }).toEqual([])
    await kernel.graft.trust.revoke(directory)
  })
})

describe("many tools, and resources", () => {
  it("more than forty tools are found first, and then are tools like any other", async () => {
    await servers({ one: local("--many") })
    const names = async () => (await graft.tool.list()).filter(({ owner }) => owner === "mcp").map(({ name }) => name)
    expect(await names()).toEqual(["mcp_find"])
    await graft.config.set("plugins.mcp", { many: 100 })
    await expect.poll(async () => (await names()).length, { interval: 10, timeout: 15_000 }).toBe(77)
    await graft.config.set("plugins.mcp", undefined)
    await expect.poll(names, { interval: 10, timeout: 15_000 }).toEqual(["mcp_find"])
    expect((await server("one")).tools.length).toBe(77)
    expect((await call("mcp_find", { query: "something that is not" })).output).toContain("nothing fits")
    expect((await call("mcp_find", { query: "water plants" })).output).toContain("- one_chore_42: Waters the plants")
    await kernel.settled()
    expect(await names()).toEqual(["mcp_find", "one_chore_42"])
    expect((await call("one_chore_42")).output).toBe("chore_42")
  })

  it("prompts are commands while a server has them, and change with it", async () => {
    await servers({ one: local("--prompts") })
    await becomes("one", "ready")
    const commands = () => [...graft.all("command").rows()].map(({ key, item }) => `${key} ${item.hint ?? ""}`.trim())
    expect(commands()).toEqual(["one/greet <who> [how]"])
    expect(await graft.all("command").get("one/greet")!.expand("Ada", { directory })).toBe("Say hello to Ada.\n\n(as an answer) Hello!\n\nnote://1:\nbe kind")
    await expect(graft.all("command").get("one/greet")!.expand("", { directory })).rejects.toThrow("it needs <who>")
    await call("one_learn")
    await expect.poll(commands, { interval: 5 }).toEqual(["one/greet <who> [how]", "one/part"])
    await servers({})
    expect(commands()).toEqual([])
  })

  it("arguments of a prompt are given by name or in their order, and the last one takes the rest", () => {
    const prompt = { name: "p", description: "", arguments: [{ name: "a", required: true }, { name: "b", required: false }] }
    expect(argumentsOf(prompt, "one")).toEqual({ a: "one" })
    expect(argumentsOf(prompt, 'one two "and three"')).toEqual({ a: "one", b: 'two "and three"' })
    expect(argumentsOf(prompt, '"one two" three')).toEqual({ a: "one two", b: "three" })
    expect(argumentsOf(prompt, "b=2 one")).toEqual({ b: "2", a: "one" })
    expect(argumentsOf(prompt, "c=3")).toEqual({ a: "c=3" })
    expect(() => argumentsOf(prompt, "b=2")).toThrow("it needs <a>")
  })

  it("resources are listed and read while a server has some", async () => {
    await servers({ one: local("--resources"), two: local() })
    expect((await call("mcp_resources")).output).toBe("one:\nnote://1 · one · text/plain\nnote://{n} · a note · template")
    expect((await call("mcp_read", { server: "one", uri: "note://1" })).output).toBe("note://1:\nmilk\n\n(note://1/cover, image/png, 3 bytes, not shown)")
    expect(await call("mcp_read", { server: "one", uri: "note://7" })).toMatchObject({ outcome: "error", output: expect.stringContaining("no such note") })
    expect(await call("mcp_read", { server: "oen", uri: "note://1" })).toMatchObject({ outcome: "error", output: expect.stringContaining('did you mean "one"') })
    await servers({ two: local() })
    expect(await tool("mcp_read")).toBeUndefined()
  })
})

describe("a server at an address", () => {
  interface Remote { url: string; brain: Brain; requests: { method: string; session: string | undefined; authorization: string | undefined; body?: Message }[]; down(): Promise<void>; up(): Promise<void>; session: string | undefined }
  const opened: Remote[] = []
  afterAll(() => Promise.all(opened.map((remote) => remote.down())))

  /** Streamable HTTP as the specification has it: requests are answered by a stream of events or by JSON, news come over GET, a session has an id. `old`: the transport before it. */
  async function open({ old = false } = {}): Promise<Remote> {
    let news: ServerResponse | undefined
    let sessions = 0
    const answers = new Map<number | string, ServerResponse>()
    const event = (response: ServerResponse, message: Message) => void response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`)
    const brain = makeBrain((message) => {
      const response = message.method === undefined && message.id !== undefined ? answers.get(message.id) : undefined
      if (!response) return news && event(news, message)
      answers.delete(message.id!)
      if (response.getHeader("content-type") === "application/json") return void response.end(JSON.stringify(message))
      event(response, message)
      response.end()
    })
    const read = async (request: IncomingMessage) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      return chunks.length > 0 ? (JSON.parse(Buffer.concat(chunks).toString()) as Message) : undefined
    }
    const hear = async (request: IncomingMessage, response: ServerResponse) => {
      const body = await read(request)
      const { "mcp-session-id": session, authorization } = request.headers as Record<string, string | undefined>
      remote.requests.push({ method: request.method!, session, authorization, ...(body && { body }) })
      if (old) return hearOld(request, response, body)
      if (request.method === "GET") {
        news = response.writeHead(200, { "content-type": "text/event-stream" })
        return void response.flushHeaders()
      }
      if (request.method === "DELETE") return void response.writeHead(200).end()
      if (body!.method === "initialize") response.setHeader("mcp-session-id", (remote.session = `session-${++sessions}`))
      else if (session !== remote.session) return void response.writeHead(404).end()
      if (body!.id === undefined || body!.method === undefined) return void response.writeHead(202).end(() => brain.hear(body!))
      answers.set(body!.id, response)
      response.setHeader("content-type", body!.method === "tools/call" ? "text/event-stream" : "application/json")
      brain.hear(body!)
    }
    const hearOld = (request: IncomingMessage, response: ServerResponse, body: Message | undefined) => {
      if (request.method === "GET") {
        news = response.writeHead(200, { "content-type": "text/event-stream" })
        return void response.write("event: endpoint\ndata: /say?id=1\n\n")
      }
      if (!request.url!.startsWith("/say")) return void response.writeHead(405).end()
      response.writeHead(202).end()
      brain.hear(body!)
    }
    const listener = createServer((request, response) => void hear(request, response))
    const up = (port: number) => new Promise<void>((resolve) => listener.listen(port, "127.0.0.1", resolve))
    await up(0)
    const { port } = listener.address() as AddressInfo
    const remote: Remote = {
      url: `http://127.0.0.1:${port}/mcp`, brain, requests: [], session: undefined, up: () => up(port),
      down: () => new Promise((resolve) => {
        listener.close(() => resolve())
        listener.closeAllConnections()
      }),
    }
    opened.push(remote)
    return remote
  }

  it("is spoken to over streamable HTTP, in a session, with its headers, and told when that ends", async () => {
    process.env.MCP_SPEC_TOKEN = "sesame"
    const remote = await open()
    const [far] = await servers({ far: { url: remote.url, headers: { authorization: "Bearer {env:MCP_SPEC_TOKEN}" } } })
    expect(far).toMatchObject({ kind: "http", state: "ready" })
    expect((await call("far_echo", { text: "hello" })).output).toBe("hello")
    expect(remote.requests.every(({ authorization }) => authorization === "Bearer sesame")).toBe(true)
    expect(remote.requests.filter(({ body }) => body?.method !== "initialize").every(({ session }) => session === "session-1")).toBe(true)
    await expect.poll(() => remote.requests.some(({ method }) => method === "GET"), { interval: 5 }).toBe(true)
    await call("far_grow")
    await expect.poll(() => tool("far_grown"), { interval: 5 }).toBeDefined()
    await servers({})
    expect(remote.requests.at(-1)).toMatchObject({ method: "DELETE", session: "session-1" })
  })

  it("that forgot the session is begun anew with; one that was down is there again when it is up", async () => {
    const remote = await open()
    await servers({ far: { url: remote.url } })
    remote.session = "another"
    hurry = []
    expect((await call("far_echo", { text: "hello" })).output).toMatch(/its session has ended/)
    await becomes("far", "ready")
    expect((await call("far_echo", { text: "hello" })).output).toBe("hello")
    const hanging = call("far_hang")
    await expect.poll(() => remote.requests.at(-1)?.body?.params?.name, { interval: 5 }).toBe("hang")
    await remote.down()
    expect((await hanging).output).toMatch(/"far" is not there/)
    await becomes("far", "failed")
    expect((await server("far")).reason).toMatch(/nobody listens there/)
    expect(await tool("far_echo")).toBeUndefined()
    await remote.up()
    await becomes("far", "ready")
    hurry = undefined
    expect((await call("far_echo", { text: "hello" })).output).toBe("hello")
  })

  it("of the first protocol is spoken to as it was then", async () => {
    const remote = await open({ old: true })
    expect(await servers({ far: { url: remote.url } })).toMatchObject([{ state: "ready" }])
    expect((await call("far_echo", { text: "hello" })).output).toBe("hello")
    hurry = []
    await remote.down()
    await becomes("far", "failed")
    hurry = undefined
  })

  it("is left alone while Graft runs offline, and nobody else is disturbed", async () => {
    const remote = await open()
    await servers({ far: { url: remote.url }, one: local() })
    told.length = 0
    await graft.config.set("offline", true)
    await becomes("far", "disabled")
    expect((await server("far")).reason).toBe("Graft runs offline")
    await graft.config.set("offline", undefined)
    await becomes("far", "ready")
    expect(mcpFacts().sort()).toEqual(["mcp.updated connecting", "mcp.updated disabled", "mcp.updated ready"])
  })

  it("that wants a key says so, without repeating what it was sent", async () => {
    const refusing = createServer((_, response) => response.writeHead(401).end("your key sesame is wrong")).listen(0, "127.0.0.1")
    await new Promise((resolve) => refusing.once("listening", resolve))
    const [far] = await servers({ far: { url: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}/`, headers: { authorization: "Bearer sesame" } } })
    expect(far).toMatchObject({ state: "failed", reason: expect.stringContaining("it answered 401") })
    expect((await graft.mcp.logs("far")).join("\n")).not.toContain("sesame")
    refusing.close()
  })
})

describe("an edit of the plugin", () => {
  it("in mid-call keeps the server, its tools and the call; a person hears nothing of it", async () => {
    await servers({ one: local() })
    const [pid] = JSON.parse((await call("one_children")).output) as number[]
    told.length = 0
    const stop = new AbortController()
    let half = () => {}
    const reached = new Promise<void>((resolve) => { half = resolve })
    const slow = call("one_slow", {}, { signal: stop.signal, progress: half })
    await reached
    const entry = join(sources, "mcp/index.ts")
    writeFileSync(entry, `${readFileSync(entry, "utf8")}// edited\n`)
    await kernel.reconcile([entry])
    await expect.poll(() => told.map(({ event }) => event), { interval: 5 }).toContain("plugin.reloaded")
    expect((JSON.parse((await call("one_children")).output) as number[])[0]).toBe(pid)
    expect((await call("one_echo", { text: "still" })).output).toBe("still")
    stop.abort()
    expect((await slow).outcome).toBe("interrupted")
    await call("one_grow")
    await expect.poll(() => tool("one_grown"), { interval: 5 }).toBeDefined()
    expect(told.filter(({ event }) => /^(tool|mcp)\./.test(event)).map(({ event }) => event).sort()).toEqual(["mcp.updated", "tool.added"])
  })
})

describe("at the end", () => {
  it("nothing is left running: not the server, its children, or those that left its group", async () => {
    await servers({ one: local() })
    const pids = JSON.parse((await call("one_children")).output) as number[]
    expect(pids.map(isAlive)).toEqual([true, true, true])
    graft[Symbol.dispose]()
    await kernel.close()
    expect(pids.map(isAlive)).toEqual([false, false, false])
  })

  it("nor when the host was killed", async () => {
    const file = join(base, "pid")
    mkdirSync(join(base, "killed/.git"), { recursive: true })
    mkdirSync(join(base, "other/config"), { recursive: true })
    writeFileSync(join(base, "other/config/config.jsonc"), JSON.stringify({ mcp: { one: { command: "/bin/sh", args: ["-c", 'echo $$ > "$0"; exec "$@"', file, ...Object.values(local()).flat()] } } }))
    const host = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", `
      const { createKernel } = await import(${JSON.stringify(join(import.meta.dirname, "../../kernel/index.ts"))})
      const kernel = createKernel({ roots: [{ dir: ${JSON.stringify(join(import.meta.dirname, "../../plugins"))}, kind: "built-in" }], dataDir: ${JSON.stringify(join(base, "other"))}, only: ["tool", "config", "mcp"] })
      await kernel.start()
      const project = await kernel.child(${JSON.stringify(join(base, "killed"))})
      console.log((await project.mcp.list({ settled: true }))[0].state)
      setInterval(() => {}, 60_000)
    `], { stdio: ["ignore", "pipe", "inherit"] })
    const said = await new Promise<string>((resolve) => host.stdout.once("data", (chunk) => resolve(String(chunk))))
    const pid = Number(readFileSync(file, "utf8"))
    expect([said.trim(), isAlive(pid)]).toEqual(["ready", true])
    host.kill("SIGKILL")
    await expect.poll(() => isAlive(pid), { interval: 10, timeout: 5_000 }).toBe(false)
  })
})
