/** A running instance has one private door: calls, streams and events as JSON lines, whatever is thrown at it, and across its own reload. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync, mkdirSync, cpSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createKernel, type EmbeddedKernel, type Graft } from "graft"
import { LineReader } from "../../plugins/lib/lines.ts"
import { paths } from "../../plugins/lib/paths.ts"
import type { Greeting, Told } from "../../plugins/server/contract.ts"

const source = fileURLToPath(new URL("../../plugins/", import.meta.url))
type Line = Record<string, any>

/** Plays a client of the protocol: lines in the order they came, each waited for with a deadline. */
class Peer {
  readonly socket: Socket
  readonly lines: Line[] = []
  closed = false
  #wake = () => {}
  constructor(address: string) {
    const reader = new LineReader(64_000_000)
    this.socket = connect(address)
    this.socket.on("data", (chunk) => {
      for (const line of reader.push(chunk)) this.lines.push(JSON.parse(line) as Line)
      this.#wake()
    })
    this.socket.on("error", () => {}).on("close", () => { this.closed = true; this.#wake() })
  }
  say(message: unknown): void { this.socket.write(`${JSON.stringify(message)}\n`) }
  async until<T>(find: () => T | undefined | false, milliseconds = 4_000): Promise<T> {
    const end = Date.now() + milliseconds
    for (;;) {
      const found = find()
      if (found !== undefined && found !== false) return found
      const left = end - Date.now()
      if (left <= 0) throw new Error(`nothing came in time; so far: ${JSON.stringify(this.lines).slice(0, 2_000)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => (clearTimeout(timer), resolve())
      })
    }
  }
  line(matches: (line: Line) => boolean): Promise<Line> { return this.until(() => this.lines.find(matches)) }
  answer(id: string | number): Promise<Line> { return this.line((line) => line.id === id) }
}

let home: string, plugins: string, kernel: EmbeddedKernel, address: string
const peers: Peer[] = []
const dial = async (to = address): Promise<Peer> => {
  const peer = new Peer(to)
  peers.push(peer)
  await peer.line((line) => "protocol" in line || "error" in line)
  return peer
}

const echo = {
  per: "process" as const,
  setup(graft: Graft) {
    graft.provide("echo" as never, {
      say: async (value: unknown) => value,
      fail: async () => { throw Object.assign(new Error("no such thing"), { code: "echo.missing" }) },
      async *count(to: number) { for (let i = 1; i <= to; i++) yield i },
      async *forever() { for (let i = 0; ; i++) { yield i; await new Promise((resolve) => setImmediate(resolve)) } },
      big: async () => 1n,
      never: () => new Promise(() => {}),
      odd: async () => { throw Object.assign(new Error("odd"), { code: { no: "text" } }) },
      where: async () => graft.location ?? "process",
    } as never)
  },
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "graft-server-"))
  plugins = join(home, "builtin")
  mkdirSync(plugins)
  cpSync(join(source, "server"), join(plugins, "server"), { recursive: true })
  cpSync(join(source, "lib"), join(plugins, "lib"), { recursive: true })
  kernel = createKernel({ roots: [{ dir: plugins, kind: "built-in", per: "process" }], dataDir: home })
  await kernel.start()
  await kernel.put("echo", echo)
})
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.destroy()
  await kernel.close()
  rmSync(home, { recursive: true, force: true })
})

/** Opened as a conversation opens it. */
async function open(): Promise<void> {
  const listening = new Promise<void>((resolve) => kernel.on("server.listening", ({ socket }) => { address = socket; resolve() }))
  kernel.emit("cli.started", { command: "chat", interactive: true })
  await listening
}

const heard = (event: "server.disconnected" | "location.opened"): Promise<void> => new Promise((resolve) => { const remove = kernel.on(event, () => { remove(); resolve() }) })

describe("the door", () => {
  it("is shut until a conversation is open or a request has gone out", async () => {
    kernel.emit("cli.started", { command: "models", interactive: false })
    await kernel.settled()
    expect(await kernel.graft.server.address()).toBeUndefined()
    const listening = new Promise<string>((resolve) => kernel.on("server.listening", ({ socket }) => resolve(socket)))
    kernel.emit("llm.requested", { model: "m", provider: "p", messages: 1, tools: 0 })
    expect(await listening).toBe(await kernel.graft.server.address())
  })

  it("is private, greets, and is gone with the process", async () => {
    await open()
    expect(statSync(address).mode & 0o777).toBe(0o600)
    expect(statSync(paths(home).run).mode & 0o777).toBe(0o700)
    const [greeting] = (await dial()).lines as [Greeting]
    expect(greeting).toMatchObject({ graft: kernel.graft.kernel.version, protocol: 1, pid: process.pid })
    await kernel.close()
    expect(existsSync(address)).toBe(false)
  })

  it("lists who answers, newest first, and clears away the sockets of the dead", async () => {
    await open()
    const { run } = paths(home)
    // What a killed process leaves behind: the file without a listener. One that is about to listen looks the same, for a moment.
    const gone = spawnSync("true").pid
    const opening = join(run, `${process.pid}-opening.sock`)
    const forgotten = join(run, `${process.pid}-forgotten.sock`)
    for (const path of [join(run, `${gone}-dead.sock`), opening, forgotten]) writeFileSync(path, "")
    utimesSync(forgotten, new Date(0), new Date(0))
    const found = await kernel.graft.server.instances()
    expect(found.map(({ socket, pid }) => ({ socket, pid }))).toEqual([{ socket: address, pid: process.pid }])
    expect(readdirSync(run).sort()).toEqual([address.slice(run.length + 1), `${process.pid}-opening.sock`].sort())
  })
})

describe("a call", () => {
  it("reaches a service, in order of its ids, several at once", async () => {
    await open()
    const peer = await dial()
    peer.say({ id: 1, call: { service: "echo", method: "say", args: [{ deep: [1, null, "ü"] }] } })
    peer.say({ id: "b", call: { service: "echo", method: "say" } })
    expect(await peer.answer(1)).toEqual({ id: 1, result: { deep: [1, null, "ü"] } })
    expect(await peer.answer("b")).toEqual({ id: "b" })
  })

  it("gives a typed error as it is", async () => {
    await open()
    const peer = await dial()
    peer.say({ id: 1, call: { service: "echo", method: "fail" } })
    peer.say({ id: 2, call: { service: "nothing", method: "at" } })
    expect(await peer.answer(1)).toEqual({ id: 1, error: { code: "echo.missing", message: "no such thing" } })
    expect((await peer.answer(2)).error.code).toBe("Unavailable")
  })

  it("streams, and a stream can be cancelled", async () => {
    await open()
    const peer = await dial()
    peer.say({ id: 1, call: { service: "echo", method: "count", args: [3] } })
    await peer.line((line) => line.id === 1 && line.end === true)
    expect(peer.lines.filter((line) => line.id === 1)).toEqual([{ id: 1, next: 1 }, { id: 1, next: 2 }, { id: 1, next: 3 }, { id: 1, end: true }])
    peer.say({ id: 2, call: { service: "echo", method: "forever" } })
    await peer.line((line) => line.id === 2 && line.next === 5)
    peer.say({ id: 3, cancel: 2 })
    expect(await peer.answer(3)).toEqual({ id: 3, result: true })
    peer.say({ id: 2, call: { service: "echo", method: "say", args: ["free again"] } })
    await peer.line((line) => line.result === "free again")
  })

  it("reaches the kernel's verbs, and only those", async () => {
    await open()
    const peer = await dial()
    peer.say({ id: 1, call: { service: "kernel", method: "inspect" } })
    peer.say({ id: 2, call: { service: "kernel", method: "disable", args: ["echo"] } })
    expect((await peer.answer(1)).result.realms[0].plugins.map((plugin: Line) => plugin.id)).toContain("server")
    await peer.answer(2)
    expect(kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "echo")?.status ?? "gone").not.toBe("live")
    for (const method of ["put", "addRoot", "configure", "constructor", "__proto__"]) {
      peer.say({ id: method, call: { service: "kernel", method } })
      expect((await peer.answer(method)).error.code).toMatch(/^server\.(refused|request)$/)
    }
  })

  it.each([["auth", "get"], ["config", "expand"], ["store", "write"], ["tool", "advertise"]])("never brings out %s.%s", async (service, method) => {
    await open()
    const peer = await dial()
    peer.say({ id: 1, call: { service, method, args: ["anthropic"] } })
    expect((await peer.answer(1)).error).toMatchObject({ code: "server.refused" })
  })
})

describe("hostile input", () => {
  it.each([
    ["broken JSON", "{nope"], ["no object", "7"], ["null", "null"], ["no id", '{"call":{}}'], ["an id that is no id", '{"id":{},"call":{}}'],
    ["no verb", '{"id":1}'], ["a call that is no object", '{"id":1,"call":null}'], ["names that are no names", '{"id":1,"call":{"service":"__proto__","method":"x"}}'],
    ["an inherited method", '{"id":1,"call":{"service":"echo","method":"constructor"}}'], ["registering", '{"id":1,"call":{"service":"echo","method":"register","args":[{}]}}'],
    ["arguments that are no list", '{"id":1,"call":{"service":"echo","method":"say","args":{}}}'], ["a subscription to what is no list", '{"id":1,"subscribe":{"events":"x"}}'], ["an empty subscription", '{"id":1,"subscribe":null}'],
    ["a project that is not there", '{"id":1,"call":{"service":"echo","method":"say","location":"/nowhere/at/all"}}'], ["a project that is a file", '{"id":1,"call":{"service":"echo","method":"say","location":"/dev/null"}}'], ["a relative project", '{"id":1,"call":{"service":"echo","method":"say","location":"."}}'],
  ])("%s gets a plain error, and the next line is served", async (_, line) => {
    await open()
    const peer = await dial()
    peer.socket.write(`${line}\n\n`)
    peer.say({ id: "next", call: { service: "echo", method: "say", args: ["fine"] } })
    expect((await peer.answer("next")).result).toBe("fine")
    const errors = peer.lines.filter((each) => "error" in each)
    expect(errors).toHaveLength(1)
    expect(errors[0]!.error).toMatchObject({ code: "server.request", message: expect.stringMatching(/./) })
    expect(kernel.graft.kernel.locations()).toEqual([])
  })

  it("an error is told by its code, and by none where that is no text", async () => {
    await open()
    const peer = await dial()
    peer.say({ id: 1, call: { service: "echo", method: "odd" } })
    expect((await peer.answer(1)).error).toEqual({ code: "failed", message: "odd" })
  })

  it("half a line, half a call and an end: what was whole is answered, nothing is left behind", async () => {
    await open()
    const peer = await dial()
    peer.say({ id: 1, call: { service: "echo", method: "say", args: ["whole"] } })
    peer.socket.end('{"id":2,"call":')
    expect((await peer.answer(1)).result).toBe("whole")
    await peer.until(() => peer.closed)
    expect(peer.lines.filter((line) => "error" in line)).toEqual([])
  })

  it("whoever leaves a call behind keeps no project open", async () => {
    await open()
    const project = join(home, "project")
    mkdirSync(join(project, ".git"), { recursive: true })
    const peer = await dial()
    const opened = heard("location.opened")
    peer.say({ id: 1, call: { service: "echo", method: "never", location: project } })
    await opened
    const left = heard("server.disconnected")
    peer.socket.destroy()
    await left
    await new Promise(setImmediate)
    expect(kernel.inspect().realms.find(({ location }) => location !== undefined)?.leases).toBe(0)
  })

  it("64 calls at once and no more; 64 clients at once and no more, and room again when they leave", async () => {
    await open()
    const first = await dial()
    for (let id = 0; id < 1_000; id++) first.say({ id, call: { service: "echo", method: "never" } })
    await first.until(() => first.lines.filter((line) => "error" in line).length === 936)
    const others = await Promise.all(Array.from({ length: 63 }, () => dial()))
    const refused = await dial()
    expect(refused.lines).toMatchObject([{ error: { code: "server.full" } }])
    const left = heard("server.disconnected")
    others[0]!.socket.destroy()
    await left
    expect((await dial()).lines).toMatchObject([{ protocol: 1 }])
  })

  it("a line that never ends costs its sender the connection, and nobody else anything", async () => {
    await open()
    const [bad, good] = [await dial(), await dial()]
    bad.socket.write(Buffer.alloc(2_000_000, "a"))
    await bad.until(() => bad.closed)
    expect(bad.lines.at(-1)).toMatchObject({ id: null, error: { code: "server.request" } })
    good.say({ id: 1, call: { service: "echo", method: "say", args: [1] } })
    expect((await good.answer(1)).result).toBe(1)
  })

  it("what is no JSON is said to be so", async () => {
    await open()
    const peer = await dial()
    peer.say({ id: 1, call: { service: "echo", method: "big" } })
    expect((await peer.answer(1)).error.code).toBe("server.encoding")
  })

  it("calls beyond the bound are refused, and an id in use is", async () => {
    await open()
    const peer = await dial()
    for (let id = 0; id < 70; id++) peer.say({ id, call: { service: "echo", method: "forever" } })
    peer.say({ id: 0, call: { service: "echo", method: "say" } })
    const refused = await peer.until(() => { const errors = peer.lines.filter((line) => "error" in line); return errors.length === 7 && errors })
    expect(refused.map((line) => line.id).sort((a, b) => a - b)).toEqual([0, 64, 65, 66, 67, 68, 69])
  })

  it("bytes that come one by one are a line all the same", async () => {
    await open()
    const peer = await dial()
    for (const byte of Buffer.from('{"id":1,"call":{"service":"echo","method":"say","args":["ü"]}}\r\n')) peer.socket.write(Buffer.from([byte]))
    expect((await peer.answer(1)).result).toBe("ü")
  })
})

describe("events", () => {
  const logged = (text: string) => kernel.emit("plugin.logged", { at: 1, plugin: "x", gen: 1, realm: "root", level: "info", text })

  it("come to who asked for them, by name, by noun or all, each once", async () => {
    await open()
    const [one, all, none] = [await dial(), await dial(), await dial()]
    one.say({ id: 1, subscribe: { events: ["plugin.*"] } })
    one.say({ id: 2, subscribe: { events: ["plugin.logged"] } })
    all.say({ id: 1, subscribe: {} })
    none.say({ id: 1, subscribe: { events: ["model.added"] } })
    await Promise.all([one.answer(2), all.answer(1), none.answer(1)])
    logged("hello")
    await Promise.all([one, all].map((peer) => peer.line((line) => line.payload?.text === "hello")))
    expect(one.lines.filter((line) => line.event === "plugin.logged")).toMatchObject([{ event: "plugin.logged", by: "host@1", payload: { text: "hello" } }])
    none.say({ id: 2, call: { service: "echo", method: "say" } })
    await none.answer(2)
    expect(none.lines.filter((line) => "event" in line)).toEqual([])
  })

  it("of a project come with its location, and can be narrowed to it", async () => {
    await open()
    const [here, there] = [mkdtempSync(join(home, "a-")), mkdtempSync(join(home, "b-"))]
    for (const dir of [here, there]) mkdirSync(join(dir, ".git"))
    const peer = await dial()
    peer.say({ id: 1, subscribe: { events: ["plugin.logged"], location: here } })
    await peer.answer(1)
    for (const dir of [there, here]) {
      using project = await kernel.child(dir)
      project.emit("plugin.logged", { at: 1, plugin: "x", gen: 1, realm: dir, level: "info", text: dir })
    }
    const told = (await peer.line((line) => "event" in line)) as Told
    expect(told).toMatchObject({ location: here, payload: { text: here } })
  })

  it("one client that does not read misses events and is told how many; the others get all", async () => {
    await open()
    const [slow, quick] = [await dial(), await dial()]
    for (const peer of [slow, quick]) peer.say({ id: 1, subscribe: { events: ["plugin.logged"] } })
    await Promise.all([slow.answer(1), quick.answer(1)])
    slow.socket.pause()
    const total = 300
    for (let i = 0; i < total; i++) {
      logged(`${i} ${"x".repeat(40_000)}`)
      if (i % 20 === 19) await quick.until(() => quick.lines.filter((line) => "event" in line).length === i + 1)
    }
    slow.socket.resume()
    const gap = await slow.line((line) => "gap" in line)
    const got = slow.lines.filter((line) => "event" in line).length
    expect(got + gap.gap).toBe(total)
    expect(gap.gap).toBeGreaterThan(0)
    logged("after")
    await slow.line((line) => line.payload?.text === "after")
  })
})

describe("an edit of the server itself", () => {
  it("cuts nobody off: the connection, its subscription and a running stream go on, and the new code answers", async () => {
    await open()
    const peer = await dial()
    peer.say({ id: 1, subscribe: { events: ["plugin.*"] } })
    peer.say({ id: 2, call: { service: "echo", method: "forever" } })
    await peer.answer(1)
    await peer.line((line) => line.id === 2)
    const file = join(plugins, "server", "socket", "calls.ts")
    writeFileSync(file, readFileSync(file, "utf8").replace("secrets stay in the process", "said by the new code"))
    await kernel.reconcile([file])
    await peer.line((line) => line.event === "plugin.reloaded" && line.payload.plugin === "server")
    peer.say({ id: 3, call: { service: "auth", method: "get" } })
    expect((await peer.answer(3)).error.message).toContain("said by the new code")
    const seen = peer.lines.filter((line) => line.id === 2).length
    await peer.until(() => peer.lines.filter((line) => line.id === 2).length > seen + 5)
    peer.say({ id: 4, cancel: 2 })
    expect((await peer.answer(4)).result).toBe(true)
    expect((await dial()).lines[0]).toMatchObject({ protocol: 1 })
    expect(await kernel.graft.server.address()).toBe(address)
  })

  it("an edit that breaks it changes nothing", async () => {
    await open()
    const peer = await dial()
    const file = join(plugins, "server", "index.ts")
    const good = readFileSync(file, "utf8")
    writeFileSync(file, `${good}\nexport const broken = (`)
    await kernel.reconcile([file])
    peer.say({ id: 1, call: { service: "echo", method: "say", args: [1] } })
    expect((await peer.answer(1)).result).toBe(1)
  })
})
