/** Every question that a face may have is one HTTP call, described by one document, and answered with a reason when it cannot be. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Readable } from "node:stream"
import type { ReadableStream as WebStream } from "node:stream/web"
import * as v from "valibot"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Graft } from "graft"
import { server } from "../../plugins/cli/commands/server.ts"
import type { Terminal } from "../../plugins/cli/contract.ts"
import { openApi, type Served } from "../fixtures/api.ts"
import { OAuthServer } from "../fixtures/oauth.ts"
import { operationsOf } from "../fixtures/openapi.ts"

let api: Served
beforeAll(async () => { api = await openApi() }, 60_000)
afterAll(async () => { await api[Symbol.asyncDispose]() })

const begin = async (title = "One") => (await api.ask("POST", "/sessions", { body: { title } })).body.id as string
const done = (id: string) => api.ask("GET", `/sessions/${id}/wait`, { query: { seconds: 20 } })

describe("a session over HTTP", () => {
  it("is begun, prompted, waited for, and read in pages of messages and of events", async () => {
    const id = await begin("First")
    const receipt = await api.ask("POST", `/sessions/${id}/prompt`, { body: { text: "say hello", input: "inp_mine" } })
    expect(receipt.body).toMatchObject({ session: id, input: "inp_mine" })
    expect((await done(id)).body.ended).toMatchObject({ session: id, state: "done" })

    const { messages } = (await api.ask("GET", `/sessions/${id}/messages`)).body
    expect(messages.map(({ role }: { role: string }) => role).filter((role: string) => role !== "synthetic")).toEqual(["user", "assistant"])
    const first = (await api.ask("GET", `/sessions/${id}/messages`, { query: { limit: 1 } })).body
    const others = (await api.ask("GET", `/sessions/${id}/messages`, { query: { after: first.next } })).body
    expect([...first.messages, ...others.messages]).toEqual(messages)

    const all = (await api.ask("GET", `/sessions/${id}/events`)).body
    const pages = []
    for (let after: string | undefined; ; ) {
      const page = (await api.ask("GET", `/sessions/${id}/events`, { query: { limit: 3, ...(after !== undefined && { after }) } })).body
      if (page.events.length === 0) break
      pages.push(...page.events)
      after = page.next
    }
    expect(pages).toEqual(all.events)
    expect(all.events.at(-1).seq).toBe(all.head)
    expect((await api.ask("GET", `/sessions/${id}/report`)).body.session).toEqual((await api.ask("GET", `/sessions/${id}`)).body)
  })

  it("takes an input once, however often it is asked to", async () => {
    const id = await begin()
    const prompt = (text: string) => api.ask("POST", `/sessions/${id}/prompt`, { body: { text, input: "inp_once", resume: false } })
    const [one, two] = await Promise.all([prompt("hello"), prompt("hello")])
    expect(one.body).toEqual(two.body)
    expect(await prompt("other")).toMatchObject({ status: 409, body: { error: { code: "session.conflict" } } })
    expect((await api.ask("GET", `/sessions/${id}/inbox`)).body).toMatchObject([{ id: "inp_once", delivery: "steer", resume: false }])
    expect((await api.ask("PATCH", `/sessions/${id}/inbox/inp_once`, { body: { delivery: "queue" } })).body).toEqual({ done: true })
    expect((await api.ask("DELETE", `/sessions/${id}/inbox/inp_once`)).body).toEqual({ done: true })
    expect((await api.ask("DELETE", `/sessions/${id}/inbox/inp_once`)).body).toEqual({ done: false })
  })

  it("is renamed, forked, archived, found, listed and deleted", async () => {
    const id = await begin("Draft")
    await api.ask("POST", `/sessions/${id}/prompt`, { body: { text: "remember the zebra" } })
    await done(id)
    expect((await api.ask("PATCH", `/sessions/${id}`, { body: { title: "Zebra" } })).body.title).toBe("Zebra")
    const fork = (await api.ask("POST", `/sessions/${id}/fork`)).body
    expect(fork).toMatchObject({ forked: id })
    expect((await api.ask("GET", "/sessions/search", { query: { text: "zebra" } })).body.map(({ session }: { session: string }) => session)).toContain(id)
    const listed = async (query = {}) => (await api.ask("GET", "/sessions", { query })).body.map((each: { id: string }) => each.id)
    await api.ask("PATCH", `/sessions/${fork.id}`, { body: { archived: true } })
    expect(await listed()).toContain(id)
    expect(await listed()).not.toContain(fork.id)
    expect(await listed({ archived: true })).toContain(fork.id)
    expect((await api.ask("DELETE", `/sessions/${fork.id}`)).status).toBe(204)
    expect(await api.ask("GET", `/sessions/${fork.id}`)).toMatchObject({ status: 404, body: { error: { code: "session.unknown" } } })
  })

  it("is carried away and brought back, byte for byte", async () => {
    const id = await begin("Traveller")
    await api.ask("POST", `/sessions/${id}/prompt`, { body: { text: "say hello" } })
    await done(id)
    const before = (await api.ask("GET", `/sessions/${id}/events`)).body
    const lines = await api.ask("GET", `/sessions/${id}/export`)
    expect(lines.headers.get("content-type")).toBe("application/x-ndjson")
    await api.ask("DELETE", `/sessions/${id}`)
    const back = await api.ask("POST", "/sessions/import", { raw: lines.text, headers: { "content-type": "application/x-ndjson" } })
    expect(back.body).toMatchObject({ id, title: "Traveller" })
    const after = (await api.ask("GET", `/sessions/${id}/events`)).body
    // Where an event stands among those of all sessions is this log's own.
    const told = (event: Record<string, unknown>) => ({ ...event, position: 0 })
    expect(after.events.map(told)).toEqual(before.events.map(told))
    expect(await api.ask("POST", "/sessions/import", { raw: "no line of an export", headers: { "content-type": "application/x-ndjson" } })).toMatchObject({ status: 422, body: { error: { code: "session.import" } } })
  })

  it("is one of 1,000 in a page", async () => {
    const many = join(api.home, "many")
    mkdirSync(join(many, ".git"), { recursive: true })
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => api.graft.session.create({ directory: many, title: `Session ${i}` })))
    const { body } = await api.ask("GET", "/sessions", { directory: many, query: { limit: 1_000 } })
    expect(new Set(body.map(({ title }: { title: string }) => title)).size).toBe(1_000)
  })

  it("waits no longer than it is asked to", async () => {
    const id = await begin()
    const asked = api.ask("GET", `/sessions/${id}/wait`, { query: { seconds: 0 } })
    expect((await asked).status).toBe(200)
    expect(await api.ask("GET", "/sessions/ses_nobody/wait", { query: { seconds: 0 } })).toMatchObject({ status: 404 })
  })
})

describe("questions to a person", () => {
  it("are listed and answered: a permission, and a question of a tool", async () => {
    using _face = { [Symbol.dispose]: api.kernel.add("face", { id: "spec", answers: true }) }
    const asked = api.graft.permission.request({ action: "bash", resource: "rm -rf everything" })
    const [ask] = await until(async () => (await api.ask("GET", "/permissions")).body, (list) => list.length > 0)
    expect(ask).toMatchObject({ action: "bash", resource: "rm -rf everything", verdict: { effect: "ask" } })
    expect((await api.ask("POST", `/permissions/${ask.id}`, { body: { reply: "perhaps" } })).body.error).toMatchObject({ code: "server.input", field: "reply" })
    expect((await api.ask("POST", `/permissions/${ask.id}`, { body: { reply: "deny" } })).status).toBe(204)
    expect(await asked).toMatchObject({ allowed: false, because: "denied" })
    expect(await api.ask("POST", `/permissions/${ask.id}`, { body: { reply: "deny" } })).toMatchObject({ status: 404, body: { error: { code: "permission.unknown" } } })

    const question = api.graft.question.ask({ text: "Which colour?", choices: [{ label: "red" }, { label: "blue" }] })
    const [pending] = await until(async () => (await api.ask("GET", "/questions")).body, (list) => list.length > 0)
    expect((await api.ask("POST", `/questions/${pending.id}`, { body: { answer: ["blue"] } })).status).toBe(204)
    expect(await question).toEqual(["blue"])
  })
})

describe("what a project works with", () => {
  it("is all there to be looked at", async () => {
    const names = async (path: string) => (await api.ask("GET", path)).body.map((each: { id?: string; name?: string }) => each.name ?? each.id)
    expect(await names("/tools")).toEqual(expect.arrayContaining(["read", "bash", "edit"]))
    expect(await names("/models?all=true")).not.toEqual([])
    expect((await api.ask("GET", "/providers")).body).toContainEqual(expect.objectContaining({ id: "demo", ready: true }))
    expect((await api.ask("GET", "/models/resolve")).body.ref).toMatch(/^demo\//)
    expect(await names("/agents")).not.toEqual([])
    expect((await api.ask("GET", "/agents/nobody")).body.error.code).toBe("agent.unknown")
    for (const path of ["/skills", "/commands", "/mcp", "/jobs", "/trust", "/permissions/rules", "/config/warnings", "/plugins/journal", "/plugins/logs"]) expect(Array.isArray((await api.ask("GET", path)).body), path).toBe(true)
  })

  it("keeps secrets in: a key that is set never comes back", async () => {
    const secret = "sk-very-secret-indeed-000111222"
    const kept = await api.ask("PUT", "/credentials/anthropic", { body: { secret } })
    expect(kept).toMatchObject({ status: 200, body: { provider: "anthropic", kind: "key" } })
    for (const path of ["/credentials", "/credentials/methods", "/config?path=plugins", "/plugins", "/plugins/logs", "/providers"]) expect((await api.ask("GET", path)).text, path).not.toContain(secret)
    expect((await api.ask("DELETE", "/credentials/anthropic")).body).toEqual({ done: true })
  })

  it("is logged in to step by step: each step is a line, told when it is reached", async () => {
    await using server = await OAuthServer.open()
    await api.kernel.put("acme", { setup(graft) {
      graft.authMethod.register({ id: "acme-oauth", provider: "acme", kind: "oauth", label: "Acme", env: [], issuer: server.origin, client: { id: "graft-test" } })
    } })
    const login = await fetch(`${api.url}/credentials/acme/login`, { method: "POST", headers: { authorization: `Bearer ${api.token}`, "content-type": "application/json" }, body: '{"method":"acme-oauth"}' })
    const steps = []
    for await (const line of createInterface(Readable.fromWeb(login.body as WebStream))) {
      const step = JSON.parse(line)
      steps.push(step.kind)
      if (step.kind === "open") expect((await api.ask("POST", `/credentials/logins/${step.login}`, { body: { pasted: await server.agree(step.url, { follow: false }) } })).status).toBe(204)
    }
    expect(steps).toEqual(["open", "done"])
    const kept = await api.ask("GET", "/credentials")
    expect(kept.body).toContainEqual(expect.objectContaining({ provider: "acme", kind: "oauth", active: true }))
    for (const secret of server.secrets) expect(kept.text).not.toContain(secret)
    await api.ask("DELETE", "/credentials/acme")
    await api.kernel.drop("acme")
  })

  it("is settled by the config, which says why", async () => {
    expect((await api.ask("PUT", "/config", { body: { path: "server.rate", value: 5_000 } })).body).toMatchObject({ file: expect.stringContaining("config.jsonc") })
    expect((await api.ask("GET", "/config", { query: { path: "server.rate" } })).body).toEqual({ value: 5_000 })
    expect((await api.ask("GET", "/config/explain", { query: { path: "server.rate" } })).body).toMatchObject({ winner: { layer: "user", value: 5_000 } })
    expect((await api.ask("PUT", "/config", { body: { path: "server.rate", value: "fast" } })).body.error.code).toBe("config.value")
    expect((await api.ask("PUT", "/config", { body: { path: "server.rate" } })).status).toBe(200)
    expect((await api.ask("GET", "/config", { query: { path: "server.rate" } })).body).toEqual({})
  })

  it("is made of plugins, which are looked at, switched off and on", async () => {
    expect((await api.ask("GET", "/plugins/doctor")).body).toMatchObject([{ id: "doctor", status: "live" }])
    expect((await api.ask("POST", "/plugins/doctor/disable", { body: { reason: "not now" } })).status).toBe(204)
    expect((await api.ask("GET", "/plugins/doctor")).body).toMatchObject([{ status: "disabled", reason: "not now" }])
    expect((await api.ask("POST", "/plugins/doctor/enable")).status).toBe(204)
    await api.kernel.settled()
    expect((await api.ask("GET", "/plugins/doctor")).body).toMatchObject([{ status: "live" }])
    expect((await api.ask("POST", "/plugins/nobody/disable")).body.error.code).toBe("plugin.unknown")
  })
})

describe("the files of a project", () => {
  it("are listed, read in parts and found", async () => {
    expect((await api.ask("GET", "/files", { query: { path: "src" } })).body).toEqual({ path: "src", entries: [{ name: "hello.txt", kind: "file", size: 14 }], total: 1 })
    expect((await api.ask("GET", "/files/find", { query: { text: "HELLO txt" } })).body.paths).toEqual(["src/hello.txt"])
    let text = ""
    for (let after: number | undefined = 0; after !== undefined; ) {
      const part: { content: string; encoding: string; next?: number } = (await api.ask("GET", "/files/content", { query: { path: "src/hello.txt", after, limit: 9 } })).body
      expect(part.encoding).toBe("utf-8")
      text += part.content
      after = part.next
    }
    expect(text).toBe("hello, wörld\n")
    writeFileSync(join(api.project, "src/bytes"), Buffer.from([0, 255, 1]))
    expect((await api.ask("GET", "/files/content", { query: { path: "src/bytes" } })).body).toMatchObject({ encoding: "base64", content: "AP8B" })
  })

  it("are those of the project, whatever a link says", async () => {
    mkdirSync(join(api.home, "secret"), { recursive: true })
    writeFileSync(join(api.home, "secret/key"), "secret")
    symlinkSync(join(api.home, "secret"), join(api.project, "way-out"))
    for (const path of ["way-out/key", "../home/secret/key", "/etc/passwd", "~/.bashrc", "src/../../home/secret/key"]) {
      const answer = await api.ask("GET", "/files/content", { query: { path } })
      expect(answer, path).toMatchObject({ status: 403, body: { error: { code: "server.outside", field: "path" } } })
    }
    expect((await api.ask("GET", "/files", { query: { path: "nowhere" } })).status).toBe(404)
    expect((await api.ask("GET", "/files", { query: { path: "src/hello.txt" } })).body.error.code).toBe("server.kind")
  })
})

describe("what goes wrong", () => {
  it("says what, where, and by which code", async () => {
    const id = await begin()
    const code = async (asking: Parameters<Served["ask"]>) => { const { status, body } = await api.ask(...asking); return [status, body.error.code, body.error.field] }
    expect(await code(["POST", "/sessions", { body: { titel: "x" } }])).toEqual([400, "server.input", "titel"])
    expect(await code(["PATCH", `/sessions/${id}`, { body: { archived: "yes" } }])).toEqual([400, "server.input", "archived"])
    expect(await code(["GET", "/sessions", { query: { limit: "many" } }])).toEqual([400, "server.input", "limit"])
    expect(await code(["GET", "/sessions", { query: { limit: 0 } }])).toEqual([400, "server.input", "limit"])
    expect(await code(["GET", "/sessions", { query: { colour: "red" } }])).toEqual([400, "server.input", "colour"])
    expect(await code(["POST", `/sessions/${id}/fork`, { query: { message: "x" } }])).toEqual([400, "server.input", "message"])
    expect(await code(["POST", "/sessions", { raw: "{" }])).toEqual([400, "server.json", undefined])
    expect(await code(["POST", "/sessions", { raw: "[]" }])).toEqual([400, "server.json", undefined])
    expect(await code(["POST", "/sessions", { body: {}, headers: { "content-type": "text/plain" } }])).toEqual([415, "server.media", "content-type"])
    expect(await code(["GET", "/nowhere"])).toEqual([404, "server.route", undefined])
    expect(await code(["GET", "/sessions/"])).toEqual([400, "server.input", "id"])
    expect(await code(["GET", "/sessions/%E0%A4%A"])).toEqual([400, "server.input", "path"])
    expect(await code(["GET", "/sessions", { directory: "/not/there" }])).toEqual([400, "server.directory", "directory"])
    expect(await code(["GET", "/sessions", { directory: "relative" }])).toEqual([400, "server.directory", "directory"])
    expect(await code(["GET", `/sessions/${id}/events`, { query: { after: "other:9" } }])).toEqual([400, "eventlog.cursor", undefined])
    const wrong = await api.ask("PUT", "/sessions")
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, POST"])
  })

  it("answers HEAD as it would GET, without the body", async () => {
    const head = await api.ask("HEAD", "/health")
    expect([head.status, head.text, head.headers.get("content-type")]).toEqual([200, "", "application/json"])
  })
})

describe("several projects in one process", () => {
  it("are told apart by the directory that a request names", async () => {
    const other = join(api.home, "other projeçt")
    mkdirSync(join(other, ".git"), { recursive: true })
    const made = await api.ask("POST", "/sessions", { directory: false, headers: { "x-graft-directory": encodeURIComponent(other) }, body: { title: "Elsewhere" } })
    expect(made.body.directory).toBe(other)
    const titles = async (directory: string) => (await api.ask("GET", "/sessions", { directory })).body.map(({ title }: { title: string }) => title)
    expect(await titles(other)).toEqual(["Elsewhere"])
    expect(await titles(api.project)).not.toContain("Elsewhere")
    expect((await api.ask("GET", "/health")).body.locations).toEqual(expect.arrayContaining([api.project]))
  })
})

describe("a plugin's route", () => {
  const weather = (sky: string) => (graft: Graft) => {
    graft.route.register({
      id: "weather.get", method: "GET", path: "/weather/:city", summary: "The weather of a city",
      input: v.strictObject({ city: v.string(), days: v.optional(v.pipe(v.number(), v.integer()), 1) }), output: v.object({ city: v.string(), days: v.number(), sky: v.string() }),
      errors: { "weather.hidden": 410 },
      async handler({ city, days }) {
        if (city === "Atlantis") throw Object.assign(new Error("it has sunk"), { code: "weather.hidden" })
        if (city === "Nowhere") throw new Error("the secret reason")
        return { city, days, sky }
      },
    })
  }
  const operation = async () => operationsOf((await api.ask("GET", "/openapi.json")).body).find(({ id }) => id === "weather.get")

  it("is served from its commit on, described, edited live, and gone with it", async () => {
    expect((await api.ask("GET", "/weather/Paris")).status).toBe(404)
    await api.kernel.put("weather", { setup: weather("blue") })
    expect((await api.ask("GET", "/weather/Paris", { query: { days: 3 } })).body).toEqual({ city: "Paris", days: 3, sky: "blue" })
    expect((await api.ask("GET", "/weather/Paris", { query: { days: 1.5 } })).body.error).toMatchObject({ code: "server.input", field: "days" })
    expect(await operation()).toMatchObject({ path: "/weather/{city}", parameters: [{ name: "city", in: "path" }, { name: "days", required: false, schema: { type: "integer", default: 1 } }, { name: "directory" }], responses: { 410: { "x-codes": ["weather.hidden"] } } })
    await api.kernel.put("weather", { setup: weather("grey") })
    expect((await api.ask("GET", "/weather/Paris")).body.sky).toBe("grey")
    expect(await api.ask("GET", "/weather/Atlantis")).toMatchObject({ status: 410, body: { error: { code: "weather.hidden", message: "it has sunk" } } })
    await api.kernel.drop("weather")
    expect((await api.ask("GET", "/weather/Paris")).status).toBe(404)
    expect(await operation()).toBeUndefined()
  })

  it("may crash: the client hears that it did, and the log why", async () => {
    await api.kernel.put("weather", { setup: weather("blue") })
    const crashed = await api.ask("GET", "/weather/Nowhere")
    expect(crashed).toMatchObject({ status: 500, body: { error: { code: "server.internal" } } })
    expect(crashed.text).not.toContain("secret reason")
    expect(api.kernel.graft.kernel.logs("server").at(-1)!.text).toContain("the secret reason")
    expect((await api.ask("GET", "/weather/Paris")).status).toBe(200)
    await api.kernel.drop("weather")
  })

  it("is there for the projects whose plugin it is", async () => {
    await api.kernel.put("weather", { per: "location", setup: weather("blue") }, api.project)
    expect((await api.ask("GET", "/weather/Paris")).status).toBe(200)
    expect((await api.ask("GET", "/weather/Paris", { directory: api.home })).status).toBe(404)
    expect((await api.ask("GET", "/weather/Paris", { directory: false })).status).toBe(404)
    await api.kernel.drop("weather", api.project)
  })

  it("answers what it was asked before the server's plugin was reloaded", async () => {
    const { promise: asked, resolve: wasAsked } = Promise.withResolvers<void>()
    const { promise: sky, resolve: say } = Promise.withResolvers<string>()
    await api.kernel.put("slow", { setup(graft) {
      graft.route.register({ id: "slow.get", method: "GET", path: "/slow", summary: "Takes its time", output: v.object({ sky: v.string() }), handler: async () => (wasAsked(), { sky: await sky }) })
    } })
    const answer = api.ask("GET", "/slow")
    await asked
    const { gen } = api.kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "server")!
    await api.kernel.graft.kernel.configure(undefined, { server: { anything: 1 } })
    expect(api.kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "server")).toMatchObject({ gen: gen + 1, status: "live" })
    expect((await api.ask("GET", "/health")).status).toBe(200)
    say("still blue")
    expect((await answer).body).toEqual({ sky: "still blue" })
    await api.kernel.drop("slow")
  })

  it("takes the place of a built-in one of the same id, but not that of another one", async () => {
    await api.kernel.put("mine", { setup(graft) {
      graft.route.register({ id: "tools.list", method: "GET", path: "/tools", summary: "Mine", output: v.array(v.string()), handler: async () => ["mine"] })
      graft.route.register({ id: "mine.list", method: "GET", path: "/agents", summary: "Not mine", output: v.array(v.string()), handler: async () => ["not mine"] })
    } })
    expect((await api.ask("GET", "/tools")).body).toEqual(["mine"])
    expect((await api.ask("GET", "/agents")).text).not.toContain("not mine")
    expect(api.kernel.graft.kernel.logs("server").map(({ text }) => text)).toContainEqual(expect.stringContaining("the route mine.list is left out: GET /agents is agents.list's"))
    await api.kernel.drop("mine")
  })
})

describe("the document", () => {
  it("names each operation once, as a noun and a verb, with a line about it, and leads nowhere else", async () => {
    const { body: document, text } = await api.ask("GET", "/openapi.json")
    const operations = operationsOf(document)
    expect(document.openapi).toBe("3.1.0")
    expect(operations.length).toBeGreaterThan(60)
    expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length)
    for (const { id } of operations) expect(id).toMatch(/^[a-z]+\.[a-z]+$/)
    for (const methods of Object.values(document.paths)) for (const operation of Object.values(methods as object)) expect(operation.summary, operation.operationId).toMatch(/\S/)
    // Whatever a route may fail with has a status of its own.
    for (const { id, responses } of operations) expect(responses[500]["x-codes"], id).toEqual(["server.failed", "server.internal"])
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name)
    expect(references.length).toBeGreaterThan(60)
    expect(references.filter((name) => !(name! in document.components.schemas))).toEqual([])
    expect(await api.graft.server.document(api.project)).toEqual(document)
  })

  it("is a page as well, whole and without a script", async () => {
    const page = await api.ask("GET", "/docs", { headers: { accept: "text/html" } })
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'")
    for (const { id } of operationsOf((await api.ask("GET", "/openapi.json")).body)) expect(page.text).toContain(`id="${id}"`)
    expect(page.text).not.toMatch(/<script|https?:\/\/|src=/)
  })
})

describe("graft server", () => {
  async function command(...argv: string[]): Promise<{ code: number; out: string }> {
    let out = ""
    const terminal: Terminal = {
      out: (text) => { out += text }, err: () => {}, paint: (_, text) => text, ask: async () => undefined, input: Readable.from([]), color: false, cursor: false, interactive: false, together: false, columns: 80, rows: 24,
      directory: api.project, signal: new AbortController().signal, trap: () => () => {},
    }
    return { code: await server(api.kernel.graft).run(argv, terminal), out }
  }

  it("prints the document that is served", async () => {
    const { code, out } = await command("openapi")
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual((await api.ask("GET", "/openapi.json")).body)
  })

  it("prints the token, and makes a new one when it is told to: the old one is refused from then on", async () => {
    expect((await command("token")).out.trim()).toBe(api.token)
    const { out } = await command("token", "--rotate")
    expect((await api.ask("GET", "/health")).status).toBe(401)
    api.token = out.trim()
    expect((await api.ask("GET", "/health")).status).toBe(200)
    await expect(command("tokne")).rejects.toMatchObject({ code: "cli.usage", message: expect.stringContaining("did you mean") })
  })
})

/** Looks again with every answer: what is told is told by HTTP alone here. */
async function until<T>(look: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look()
    if (holds(value)) return value
  }
}
