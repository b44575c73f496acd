/** The servers that the protocol's own authors publish are of use here: every kind of what they offer arrives where it belongs. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createKernel, definePlugin, type EmbeddedKernel, type Graft } from "graft"
import type { TurnRequest } from "../../plugins/llm/contract.ts"
import type { Settlement } from "../../plugins/tool/contract.ts"

const root = join(import.meta.dirname, "../..")
const PLUGINS = ["tool", "permission", "config", "trust", "question", "command", "store", "mcp"]
const program = (name: string, ...args: string[]) => ({ command: process.execPath, args: [join(root, "node_modules/.bin", name), ...args] })

const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-mcp-published-")))
const [home, directory] = [join(base, "home"), join(base, "project")]
let kernel: EmbeddedKernel
let graft: Graft & Disposable
const asked: TurnRequest[] = []

beforeAll(async () => {
  for (const made of [join(directory, ".git"), join(home, "config")]) mkdirSync(made, { recursive: true })
  writeFileSync(join(directory, "notes.txt"), "remember the milk\n")
  writeFileSync(join(home, "config/config.jsonc"), JSON.stringify({ mcp: { all: program("mcp-server-everything", "stdio"), files: program("mcp-server-filesystem", directory) } }))
  kernel = createKernel({ roots: [{ dir: join(root, "plugins"), kind: "built-in" }], dataDir: home, only: [...PLUGINS, "stand-ins"] })
  await kernel.put("stand-ins", definePlugin({ per: "process", setup(own) {
    own.provide("session", { get: async () => undefined } as never)
    own.provide("model", { resolve: async () => ({ ref: "stand/in" }) } as never)
    own.provide("llm", { async *stream(request: TurnRequest) {
      asked.push(request)
      yield { type: "text-delta", id: "1", delta: "forty-" }
      yield { type: "text-delta", id: "1", delta: "two" }
      yield { type: "finish", finishReason: { unified: "stop" }, usage: {} }
    } } as never)
  } }))
  await kernel.start()
  graft = await kernel.child(directory)
  await kernel.settled()
  await kernel.graft.config.flags({ permissions: { allow: ["mcp"] } })
  await graft.mcp.list({ settled: true })
}, 30_000)
afterAll(async () => {
  graft?.[Symbol.dispose]()
  await kernel?.close()
  rmSync(base, { recursive: true, force: true })
})

async function call(name: string, input: unknown = {}, progress?: (update: { output?: string }) => void): Promise<Settlement> {
  const set = await graft.tool.advertise()
  try {
    return await set.settle({ id: "c", name, input: JSON.stringify(input), session: "s", directory }, { signal: new AbortController().signal, started: async () => {}, ...(progress && { progress }) })
  } finally {
    set.dispose()
  }
}

const lastWords = (text: string) => ({ role: "user" as const, content: [{ type: "text" as const, text }] })

describe("server-everything", () => {
  it("calls, with arguments that are checked before they are sent", async () => {
    expect((await call("all_get-sum", { a: 2, b: 40 })).output).toContain("42")
    expect(await call("all_get-sum", { a: "two" })).toMatchObject({ outcome: "invalid" })
    expect((await call("all_get-structured-content", { location: "Chicago" })).output).toContain("temperature")
  })

  it("says how far it is", async () => {
    const heard: string[] = []
    await call("all_trigger-long-running-operation", { duration: 0.2, steps: 2 }, ({ output }) => heard.push(output ?? ""))
    expect(heard.length).toBeGreaterThan(0)
  })

  it("sends a picture, which the model may look at", async () => {
    const { files, output } = await call("all_get-tiny-image")
    expect(output).toMatch(/\(image, image\/png, \d+ bytes\)/)
    expect(files?.map(({ media }) => media)).toEqual(["image/png"])
  })

  it("has resources that are read, and knows where it works", async () => {
    const [uri] = /\S+:\/\/\S+/.exec((await call("mcp_resources", { server: "all" })).output)!
    expect((await call("mcp_read", { server: "all", uri })).output.length).toBeGreaterThan(20)
    expect((await call("all_get-roots-list")).output).toContain(directory)
  })

  it("has prompts, which are commands", async () => {
    const commands = await graft.command.list()
    expect(commands.filter(({ name }) => name.startsWith("all/")).map(({ name, hint }) => `${name} ${hint ?? ""}`.trim())).toEqual(expect.arrayContaining(["all/args-prompt <city> [state]", "all/simple-prompt"]))
    expect(await graft.command.expand("/all/args-prompt Boston", { directory })).toContain("Boston")
    await expect(graft.command.expand("/all/args-prompt", { directory })).rejects.toMatchObject({ code: "command.failed", message: "/all/args-prompt: it needs <city>" })
  })

  it("asks the person through a form, field by field, and gives up where nobody is", async () => {
    expect((await call("all_trigger-elicitation-request")).output).toContain('"action": "cancel"')
    const leave = kernel.add("face", { id: "person", answers: true })
    const stop = graft.on("question.asked", ({ id, text, choices }) => {
      const words = /mail/i.test(text) ? "ada@example.org" : /date/i.test(text) ? "1815-12-10" : /https?:/i.test(text) ? "https://example.org" : /(number|integer|age)/i.test(text) ? "42" : "Ada"
      void graft.question.reply(id, [choices?.[0]?.label ?? words])
    })
    const { output } = await call("all_trigger-elicitation-request")
    expect(output).toContain('"action": "accept"')
    expect(output).toContain('"name": "Ada"')
    stop()
    leave()
  })

  it("asks a model only with permission, and gets its words", async () => {
    const wanted = { prompt: "What is the answer?", maxTokens: 50 }
    expect((await call("all_trigger-sampling-request", wanted)).output).toContain("nobody is here to say yes")
    await kernel.graft.config.flags({ permissions: { allow: ["mcp", "sampling:all"] } })
    expect((await call("all_trigger-sampling-request", wanted)).output).toContain("forty-two")
    expect(asked.map(({ model, system, messages, tools }) => ({ model, system: system.length, messages, tools }))).toMatchObject([{ model: "stand/in", messages: [lastWords(expect.stringContaining("What is the answer?") as never)], tools: [] }])
  })

  it("says how it is used, and that is told to the model behind everything else, where its tools are", async () => {
    const request = async (tools: string[]) => (await graft.mutate("turn.request", { session: "s", model: "stand/in", system: ["first"], messages: [], tools: tools.map((name) => ({ name, description: "", inputSchema: {} })), options: {}, headers: {} })).value.system
    const [first, said, ...others] = await request(["all_echo", "read"])
    expect([first, others]).toEqual(["first", []])
    expect(said).toMatch(/<server name="all">\n[\s\S]{50,}\n<\/server>/)
    expect(said!.length).toBeLessThan(5_000)
    expect(await request(["read"])).toEqual(["first"])
  })
})

describe("server-filesystem", () => {
  it("reads and writes where it may, and its refusals are failures", async () => {
    expect((await call("files_read_text_file", { path: join(directory, "notes.txt") })).output).toContain("remember the milk")
    expect((await call("files_write_file", { path: join(directory, "made.txt"), content: "made" })).outcome).toBe("ok")
    expect(readFileSync(join(directory, "made.txt"), "utf8")).toBe("made")
    expect(await call("files_read_text_file", { path: join(home, "config/config.jsonc") })).toMatchObject({ outcome: "error", output: expect.stringContaining("denied") })
  })
})
