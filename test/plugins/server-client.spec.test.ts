/** The client is what the server is: its types, its errors, and streams that no broken connection can tear. */
import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createClient, type Client } from "../../plugins/server/client/index.ts"
import { FrameReader } from "../../plugins/server/client/frames.ts"
import { ROUTES } from "../../plugins/server/client/generated/routes.ts"
import { createClient as createLocal, findLocal } from "../../plugins/server/client/local.ts"
import { documentOf, generate, type Document } from "../../scripts/generate-client.ts"
import { Cutter } from "../fixtures/cutter.ts"
import { openServed, type Served } from "../fixtures/served.ts"

const root = join(import.meta.dirname, "../..")

describe("the generated part", () => {
  let document: Document
  beforeAll(async () => { document = await documentOf() })

  it("is what the document says now: node scripts/generate-client.ts after a route has changed", () => {
    expect(Object.keys(ROUTES).length).toBeGreaterThan(60)
    const made = generate(document)
    expect(Object.fromEntries(Object.keys(made).map((name) => [name, readFileSync(join(root, "plugins/server/client/generated", name), "utf8")]))).toEqual(made)
  })

  it("compiles a call of every route, and none that lacks what it needs", async () => {
    const directory = join(import.meta.dirname, `.client-${process.pid}`)
    mkdirSync(directory)
    try {
      const calls = Object.entries(document.paths).flatMap(([, methods]) => Object.values(methods).map(({ operationId, parameters = [], requestBody, responses }) => {
        const fields = parameters.filter(({ name, in: place, required }) => required && !(name === "directory" && place === "query")).map(({ name, schema }) => [name, sampleOf(schema, document)])
        const body = requestBody?.content?.["application/json"]?.schema
        const sent = (body?.required ?? []).map((name) => [name, sampleOf(body!.properties![name]!, document)])
        const lines = requestBody?.content?.["application/x-ndjson"] ? [["lines", ["{}"]]] : []
        const all = Object.fromEntries([...fields, ...sent, ...lines]) as Record<string, unknown>
        const [group, verb] = operationId.split(".")
        const streams = Object.values(responses).some(({ content }) => content?.["application/x-ndjson"])
        const first = Object.keys(all)[0]
        const good = `${streams ? `for await (const line of client.${group}.${verb}(${JSON.stringify(all)})) line.length` : `void await client.${group}.${verb}(${JSON.stringify(all)})`}`
        return first === undefined ? good : `${good}\n// @ts-expect-error: ${first} is needed\nvoid client.${group}.${verb}(${JSON.stringify({ ...all, [first]: undefined })})`
      }))
      expect(calls.length).toBe(Object.keys(ROUTES).length)
      writeFileSync(join(directory, "calls.ts"), `import { createClient } from "../../../plugins/server/client/index.ts"\nconst client = createClient()\n${calls.join("\n")}\n`)
      writeFileSync(join(directory, "same.ts"), SAME)
      writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ extends: "../../../tsconfig.json", compilerOptions: { exactOptionalPropertyTypes: true, paths: { graft: ["../../../kernel/index.ts"] } }, include: ["*.ts"] }))
      const { stdout } = await promisify(execFile)(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", directory]).catch((error: { stdout: string }) => error)
      expect(stdout.split("\n").filter((line) => line.includes(".client-"))).toEqual([])
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})

/** What a session, a message and an event are is the same on both sides. */
const SAME = `
import type * as client from "../../../plugins/server/client/generated/schemas.ts"
import type { StoredEvent } from "../../../plugins/eventlog/contract.ts"
import type { Ended, Message, Receipt, Session, Waiting } from "../../../plugins/session/contract.ts"
import type { PendingAsk } from "../../../plugins/permission/contract.ts"
import type { PendingQuestion } from "../../../plugins/question/contract.ts"
declare function same<Server extends Client, Client>(): void
same<Session, client.Session>()
same<Message, client.Message>()
same<Receipt, client.Receipt>()
same<Ended, client.Ended>()
same<Waiting, client.Waiting>()
same<StoredEvent, client.StoredEvent>()
same<PendingAsk, client.PendingAsk>()
same<PendingQuestion, client.PendingQuestion>()
// @ts-expect-error: one is not the other
same<Session, client.Message>()
`

type Schema = Document["components"]["schemas"][string]
function sampleOf(schema: Schema, document: Document): unknown {
  if (schema.$ref) return sampleOf(document.components.schemas[schema.$ref.split("/").at(-1)!]!, document)
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return schema.enum[0]
  const several = schema.oneOf ?? schema.anyOf
  if (several) return sampleOf(several[0]!, document)
  if (schema.type === "object") return Object.fromEntries((schema.required ?? []).map((name) => [name, sampleOf(schema.properties![name]!, document)]))
  if (schema.type === "array") return []
  return schema.type === "boolean" ? true : schema.type === "integer" || schema.type === "number" ? 1 : "text"
}

describe("a frame reader", () => {
  it("reads what was said, wherever the bytes are cut and however lines end", () => {
    const line = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !/[\r\n\0]/.test(text))
    const said = fc.array(fc.record({ data: fc.array(line, { minLength: 1, maxLength: 3 }), id: fc.option(line, { nil: undefined }) }), { maxLength: 8 })
    fc.assert(fc.property(said, fc.constantFrom("\n", "\r\n", "\r"), fc.array(fc.nat(40)), (frames, end, cuts) => {
      const bytes = Buffer.from(frames.map(({ data, id }) => [": a comment", "unknown: field", ...(id === undefined ? [] : [`id: ${id}`]), ...data.map((each) => `data: ${each}`), "", ""].join(end)).join("") + (end === "\r" ? "\n" : ""))
      const reader = new FrameReader("before")
      const got: { data: string; id: string }[] = []
      for (let at = 0; at < bytes.length; ) {
        const to = at + 1 + (cuts.length > 0 ? cuts[at % cuts.length]! : bytes.length)
        got.push(...reader.push(bytes.subarray(at, to)))
        at = to
      }
      let last = "before"
      expect(got.map(({ data, id }) => ({ data, id }))).toEqual(frames.map(({ data, id }) => ({ data: data.join("\n"), id: (last = id ?? last) })))
    }), { numRuns: 300 })
  })
})

describe("a client", () => {
  let served: Served
  let client: Client
  beforeAll(async () => {
    served = await openServed()
    client = createClient({ url: served.serving.url, token: served.token, directory: served.project })
  })
  afterAll(() => served[Symbol.asyncDispose]())

  it("begins a session, says something, waits for the end, and reads what was said", async () => {
    const { id, directory } = await client.sessions.create({ title: "first" })
    expect(directory).toBe(served.project)
    const session = client.session(id)
    expect(await session.prompt("hello")).toMatchObject({ session: id, state: "pending" })
    expect(await session.wait()).toMatchObject({ session: id, state: "done" })
    const { messages } = await client.sessions.messages({ id })
    expect(messages.map(({ role }) => role).filter((role) => role !== "synthetic")).toEqual(["user", "assistant"])
    expect((await client.sessions.list()).map((each) => each.id)).toContain(id)
    expect(await client.sessions.update({ id, title: "renamed" })).toMatchObject({ title: "renamed" })
    const lines: string[] = []
    for await (const line of client.sessions.export({ id })) lines.push(line)
    await client.sessions.delete({ id })
    expect((await client.sessions.import({ lines })).id).toBe(id)
  })

  it("says what went wrong by a code, and where", async () => {
    await expect(client.sessions.get({ id: "ses_none" })).rejects.toMatchObject({ name: "GraftError", code: "session.unknown", status: 404 })
    await expect(client.sessions.list({ limit: -1 })).rejects.toMatchObject({ code: "server.input", status: 400, field: expect.stringContaining("limit") })
    await expect(createClient({ url: served.serving.url, token: "no" }).health.get()).rejects.toMatchObject({ code: "server.token", status: 401, hint: expect.stringContaining("graft server token") })
    await expect(createClient({ url: "http://127.0.0.1:1" }).health.get()).rejects.toMatchObject({ code: "client.unreachable", status: 0 })
    await expect(client.session("ses_none").events().next()).rejects.toMatchObject({ code: "session.unknown" })
    await expect(client.session(await served.session()).events({ after: "cafe:1" }).next()).rejects.toMatchObject({ code: "eventlog.cursor", status: 410 })
    // Before an answer, and in the middle of one that refuses.
    for (const bytes of [0, 300, 420]) {
      using cutter = new Cutter(served.serving.port)
      cutter.cuts = Array.from({ length: 9 }, () => bytes)
      const far = createClient({ url: await cutter.open(), token: served.token })
      await expect(far.sessions.get({ id: `ses_${"x".repeat(190)}` }), String(bytes)).rejects.toMatchObject({ code: "client.unreachable" })
    }
  })

  it("gives up at its deadline, or when it is told to, and at once", async () => {
    const id = await served.session()
    await expect(client.sessions.wait({ id }, { deadline: 1 })).rejects.toMatchObject({ code: expect.stringMatching(/^client\.deadline$/) })
    const stop = new AbortController()
    const waiting = client.session(id).events({ signal: stop.signal })
    await waiting.next()
    const rest = waiting.next()
    stop.abort()
    expect(await rest).toEqual({ done: true, value: undefined })
  })

  it("prompts once, though the connection breaks before the answer", async () => {
    using cutter = new Cutter(served.serving.port)
    cutter.cuts = [10, 40]
    const far = createClient({ url: await cutter.open(), token: served.token })
    const id = await served.session()
    await far.session(id).prompt("only once")
    await client.session(id).wait()
    const { messages } = await client.sessions.messages({ id })
    expect(messages.filter(({ role }) => role === "user")).toHaveLength(1)
    expect(cutter.connections).toBeGreaterThan(1)
  })

  it("misses nothing and repeats nothing, wherever its connection is cut: any cut, any number of them", async () => {
    const id = await served.filled(40)
    await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12_000 }), { maxLength: 5 }), fc.nat(39), async (cuts, after) => {
      using cutter = new Cutter(served.serving.port)
      cutter.cuts = [...cuts]
      const far = createClient({ url: await cutter.open(), token: served.token })
      const seqs: number[] = []
      for await (const { seq, cursor } of far.session(id).events({ after })) {
        expect(cursor.endsWith(`:${seq}`)).toBe(true)
        if (seqs.push(seq) === 40 - after) break
      }
      expect(seqs).toEqual(Array.from({ length: 40 - after }, (_, i) => after + 1 + i))
    }), { numRuns: 10 })
  })

  it("follows the feed across a cut: what happened meanwhile comes first, and no snapshot again", async () => {
    using cutter = new Cutter(served.serving.port)
    cutter.cuts = [60_000]
    const far = createClient({ url: await cutter.open(), token: served.token })
    const seen: string[] = []
    const log = (text: string) => served.kernel.emit("plugin.logged", { at: 1, plugin: "x", gen: 1, realm: "root", level: "info", text })
    for await (const said of far.events({ events: ["plugin.logged", "tool.progress"] })) {
      if (said.type === "fact" && said.event === "tool.progress") {
        expect(said.id).toBeUndefined()
        continue
      }
      seen.push(said.type === "fact" ? (said.payload as { text: string }).text.slice(0, 3) : said.type)
      if (said.type === "snapshot") served.kernel.emit("tool.progress", { session: "s", call: "c" })
      if (said.type === "snapshot") for (let i = 0; i < 10; i++) log(`${i} ${"x".repeat(10_000)}`)
      if (seen.length === 11) break
    }
    expect(seen).toEqual(["snapshot", ...Array.from({ length: 10 }, (_, i) => `${i} x`)])
    expect(cutter.connections).toBe(2)
  })

  it("finds the instance of this home, and its token, by itself", async () => {
    expect(await findLocal(served.home)).toEqual({ url: served.serving.url, token: served.token })
    expect((await createLocal({ home: served.home }).health.get()).pid).toBe(process.pid)
    await expect(createLocal({ home: join(served.home, "nowhere") }).health.get()).rejects.toMatchObject({ code: "client.absent", hint: expect.stringContaining("graft serve") })
  })
})
