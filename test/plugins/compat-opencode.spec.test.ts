/** Plugins that were written for opencode run unmodified: ten that are published, and each hook of the V1 API by a file of ours. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as z from "zod"
import { createKernel, definePlugin, type EmbeddedKernel, type Graft } from "graft"
import { afterAll, afterEach, beforeEach, describe, expect, it, test, vi } from "vitest"
import { checked, schemaOf } from "../../plugins/compat-opencode/parameters.ts"
import { entries } from "../../plugins/compat-opencode/package.ts"
import { makeShell, type ShellOutput } from "../../plugins/compat-opencode/shell.ts"

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const PLUGINS = fileURLToPath(new URL("../../plugins", import.meta.url))
const PUBLISHED = fileURLToPath(new URL("../packages/node_modules", import.meta.url))
const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-opencode-")))
afterAll(() => rmSync(base, { recursive: true, force: true }))

let kernel: EmbeddedKernel
let project: Graft & Disposable
let home: string, directory: string

beforeEach(async () => {
  home = mkdtempSync(join(base, "home-"))
  directory = mkdtempSync(join(base, "project-"))
  mkdirSync(join(directory, ".git"))
  mkdirSync(join(directory, ".opencode/plugin"), { recursive: true })
  vi.stubEnv("HOME", home)
  vi.stubEnv("XDG_CONFIG_HOME", "")
  kernel = createKernel({ roots: [{ dir: PLUGINS, kind: "built-in" }], skip: ["convert", "watch", "server", "cli", "guard"], dataDir: home })
  await kernel.start()
  // Whoever is asked says yes: what it means to say no is for the spec of "trust".
  await kernel.put("agrees", definePlugin({ per: "process", setup: (graft) => void graft.on("plugin.admit", ({ root }) => (root.includes(".opencode") ? { admit: true, below: directory } : undefined), { order: -10 }) }))
  project = await kernel.child(directory)
  await kernel.settled()
})
afterEach(async () => {
  project[Symbol.dispose]()
  await kernel.close()
  vi.unstubAllEnvs()
})

const logs = (id: string) => kernel.logs(id).map(({ text }) => text).join("\n")
const write = async (name: string, source: string) => {
  const file = join(directory, ".opencode/plugin", name)
  writeFileSync(file, source)
  await kernel.reconcile([file])
  await kernel.settled()
}
const view = (id: string) => kernel.inspect().realms.flatMap(({ plugins }) => plugins).find((plugin) => plugin.id === id)
const use = async (name: string, input: unknown) => {
  const set = await project.tool.advertise()
  try {
    return await set.settle({ id: "c1", name, input: JSON.stringify(input), session: "ses_1", directory }, { signal: new AbortController().signal, started: async () => {} })
  } finally {
    set.dispose()
  }
}

describe("a published plugin", () => {
  it("of ten, each of another kind, is live, unmodified", async () => {
    const published = ["opencode-wakatime", "opencode-skills", "opencode-vibeguard", "opencode-beads", "opencode-supermemory", "opencode-gemini-auth", "opencode-openai-codex-auth", "opencode-anthropic-auth", "opencode-copilot-auth", "cc-safety-net"]
    for (const name of published) await project.package.add(join(PUBLISHED, name))
    await kernel.settled()
    expect(published.map((name) => `${name} ${view(name)?.status} ${view(name)?.reason}`)).toEqual(published.map((name) => `${name} live `))
    expect(view("opencode-beads")!.slots.command!.length).toBeGreaterThan(20)
    expect(view("opencode-supermemory")!.slots.tool).toEqual(["supermemory"])
    expect(view("opencode-gemini-auth")!.slots.authMethod).toHaveLength(1)
  })

  it("does here what it does there: a dangerous command is refused, and the reason is for the model", async () => {
    await project.package.add(join(PUBLISHED, "cc-safety-net"))
    await kernel.settled()
    await project.permission.rules()
    const settled = await use("bash", { command: "git reset --hard HEAD~3" })
    expect(settled).toMatchObject({ outcome: "denied", output: expect.stringMatching(/git reset --hard/) as string })
  })
})

describe("a file in .opencode/plugin", () => {
  it("gives a tool, whose arguments are checked and which is told its session; edited, the next call runs the new one", async () => {
    const source = (word: string) => `import { tool } from "@opencode-ai/plugin"
export const Dice = async ({ directory, $ }) => ({ tool: { dice: tool({ description: "Rolls", args: { sides: tool.schema.number().int().describe("how many"), word: tool.schema.string().default("${word}") }, async execute({ sides, word }, { sessionID }) { return word + " " + sides + " " + sessionID + " " + (await $\`basename \${directory}\`.text()).trim() } }) } })\n`
    await write("dice.ts", source("one"))
    expect(view("dice")?.status, view("dice")?.reason).toBe("live")
    expect((await project.tool.list()).find(({ name }) => name === "dice")).toMatchObject({ description: "Rolls", inputSchema: { properties: { sides: { type: "integer", description: "how many" }, word: { type: "string", default: "one" } }, required: ["sides"] } })
    await project.config.set("permissions.allow", ["dice"])
    expect(await use("dice", { sides: 6 })).toMatchObject({ outcome: "ok", output: `one 6 ses_1 ${directory.split("/").at(-1)}` })
    await write("dice.ts", source("two"))
    expect(await use("dice", { sides: 6 })).toMatchObject({ output: expect.stringMatching(/^two 6/) as string })
    await write("dice.ts", "export const Dice = async (")
    expect(await use("dice", { sides: 6 })).toMatchObject({ output: expect.stringMatching(/^two 6/) as string })
    expect(await use("dice", { sides: "x" })).toMatchObject({ outcome: "invalid", output: expect.stringMatching(/sides: .*expected number/) as string })
  })

  it("has the parts of Bun that Node has by another name", async () => {
    await write("bun.ts", `import { Glob, file, which, write } from "bun"
export default async ({ directory }) => { await write(directory + "/a.txt", "in it"); const found = []; for await (const path of new Glob("*.txt").scan({ cwd: directory })) found.push(path); const text = await file(directory + "/a.txt").text(); return { tool: { bun: { args: {}, execute: async () => [found, text, which("sh") !== null, await file("none").exists()].join(" ") } } } }\n`)
    await project.config.set("permissions.allow", ["bun"])
    expect(await use("bun", {}), view("bun")?.reason).toMatchObject({ output: "a.txt in it true false" })
  })

  it("takes part where opencode asks it", async () => {
    await write("all.ts", `export const All = async ({ client }) => ({
      "tool.execute.before": async ({ tool }, output) => { if (tool === "read" && output.args.path.endsWith(".secret")) throw new Error("that is private"); if (tool === "ls") output.args.path = "sub" },
      "tool.execute.after": async ({ tool }, output) => { if (tool === "ls") output.output += "\\nand no more" },
      "tool.definition": async ({ toolID }, output) => { if (toolID === "ls") output.description = "Lists, for " + toolID },
      "shell.env": async ({ cwd }, output) => { output.env.FROM_OPENCODE = cwd },
      "permission.ask": async ({ type, pattern }, output) => { if (type === "bash" && pattern.startsWith("make")) output.status = "deny" },
      "chat.params": async ({ model }, output) => { output.temperature = 0.25; output.options.seed = model.id.length },
      "chat.headers": async (_, output) => { output.headers["x-from"] = "opencode" },
      "experimental.chat.system.transform": async (_, output) => { output.system.push("be brief") },
      "experimental.chat.messages.transform": async (_, { messages }) => { for (const { parts } of messages) for (const part of parts) if (part.text) part.text = part.text.replaceAll("tok_123", "[hidden]") },
      "experimental.text.complete": async (_, output) => { output.text = output.text.toUpperCase() },
      "experimental.session.compacting": async () => {},
      config: async (config) => { config.command.greet = { template: "Say hello to $ARGUMENTS ($1)", description: "Greets" }; config.agent.reviewer = { prompt: "x" } },
      auth: { provider: "acme", methods: [{ type: "api", label: "Acme key" }, { type: "oauth", label: "Acme login" }], loader: async () => ({}) },
    })\n`)
    expect(view("all")?.status, view("all")?.reason).toBe("live")
    mkdirSync(join(directory, "sub"))
    writeFileSync(join(directory, "sub/inside.txt"), "")
    expect(await use("ls", { path: "." })).toMatchObject({ outcome: "ok", output: expect.stringMatching(/inside\.txt[\s\S]*and no more$/) as string })
    expect(await use("read", { path: join(directory, "a.secret") })).toMatchObject({ outcome: "denied", output: expect.stringContaining("that is private") as string })
    expect((await project.tool.advertise().then((set) => (set.dispose(), set.tools))).find(({ name }) => name === "ls")!.description).toBe("Lists, for ls")
    expect((await project.mutate("shell.env", { command: "x", directory, env: {} })).value.env).toEqual({ FROM_OPENCODE: directory })
    expect(await project.permission.evaluate({ action: "bash", resource: "make install" })).toMatchObject({ effect: "deny" })
    const { value } = await project.mutate("turn.request", { session: "ses_1", model: "acme/big", system: ["house"], messages: [{ role: "user", content: [{ type: "text", text: "my key is tok_123" }] }], tools: [], options: {}, headers: {} })
    expect(value).toMatchObject({ system: ["house", "be brief"], options: { temperature: 0.25, provider: { acme: { seed: 3 } } }, headers: { "x-from": "opencode" }, messages: [{ content: [{ text: "my key is [hidden]" }] }] })
    expect((await project.mutate("turn.response", { session: "ses_1", model: "acme/big", finish: "stop", parts: [{ kind: "text", text: "done" }] })).value.parts).toEqual([{ kind: "text", text: "DONE" }])
    expect(await project.command.expand("/greet the world", { directory })).toBe("Say hello to the world (the)")
    expect((await project.auth.methods()).find(({ provider }) => provider === "acme")).toMatchObject({ kind: "key", label: "Acme key" })
    expect(logs("all")).toMatch(/Graft has no place for what its config hook sets in agent \(reviewer\), its login "Acme login".*what its auth loader does to acme, the hook experimental\.session\.compacting; the rest of it works/)
  })

  it("hears what happens, and acts through its client", async () => {
    await write("ears.ts", `import { appendFileSync } from "node:fs"
export default async ({ client, directory }) => ({
  event: async ({ event }) => { appendFileSync(directory + "/heard", event.type + "\\n"); if (event.type === "session.created") { const { data } = await client.session.update({ path: { id: event.properties.info.id }, body: { title: "named by a plugin" } }); appendFileSync(directory + "/heard", "title " + data.title + "\\n") } },
  "chat.message": async ({ sessionID }, { parts }) => { parts.push({ type: "text", text: "it is raining" }) },
})\n`)
    expect(view("ears")?.status, view("ears")?.reason).toBe("live")
    const { id } = await project.session.create({ directory, model: "demo/demo" })
    const heard = (line: string) => vi.waitFor(() => expect(readFileSync(join(directory, "heard"), "utf8")).toContain(`${line}\n`), { timeout: 10_000 })
    await heard("title named by a plugin")
    await project.session.prompt({ session: id, text: "hello" })
    await project.session.wait(id)
    await kernel.settled()
    for (const type of ["session.created", "message.updated", "message.part.updated", "session.idle"]) await heard(type)
    expect((await project.session.get(id))!.title).toBe("named by a plugin")
    expect(JSON.stringify([...(await project.session.inbox(id)), ...(await project.session.messages(id))])).toContain("it is raining")
  })

  it("that asks for what is not here hears so, and goes on", async () => {
    await write("asks.ts", `export const A = async ({ client }) => { const { error } = await client.tui.openThemes(); const { data } = await client.session.list(); return { tool: { asks: { description: "x", args: {}, execute: async () => error.data.message + " " + data.length } } } }\n`)
    await project.config.set("permissions.allow", ["asks"])
    expect(await use("asks", {})).toMatchObject({ output: "client.tui.openThemes is not known to Graft 0" })
    expect(logs("asks")).toContain("client.tui.openThemes of opencode has no counterpart here")
    await write("none.ts", "export const nothing = 1\n")
    expect(view("none")).toMatchObject({ status: "failed", reason: expect.stringContaining("it exports no function, so it is no plugin for opencode") as string })
  })
})

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

test("arguments of every zod become JSON Schema, and are checked with their path", async () => {
  expect(schemaOf({ a: z.string(), b: z.number().optional(), c: z.enum(["x", "y"]), d: z.object({ e: z.array(z.boolean()) }) })).toMatchObject({ properties: { a: { type: "string" }, b: { type: "number" }, c: { enum: ["x", "y"] }, d: { properties: { e: { type: "array", items: { type: "boolean" } } } } }, required: ["a", "c", "d"] })
  const { z: old } = (await import("zod/v3")) as unknown as { z: typeof z }
  expect(schemaOf({ a: old.string().describe("words"), b: old.number().int().optional(), c: old.enum(["x"]), d: old.array(old.union([old.literal(1), old.boolean()])) })).toEqual({ type: "object", properties: { a: { type: "string", description: "words" }, b: { type: "integer" }, c: { type: "string", enum: ["x"] }, d: { type: "array", items: { anyOf: [{ const: 1 }, { type: "boolean" }] } } }, required: ["a", "c", "d"], additionalProperties: false })
  expect(checked({ a: z.string().default("d"), b: z.number().optional() }, {})).toEqual({ a: "d" })
  expect(() => checked({ a: z.object({ b: z.number() }) }, { a: { b: "x" } })).toThrow(/^a\.b: /)
})

test("$ quotes what it is given, reads in every way, and says what failed", async () => {
  const $ = makeShell(base) as (strings: TemplateStringsArray, ...values: unknown[]) => Promise<ShellOutput> & { text(): Promise<string>; json(): Promise<unknown>; lines(): AsyncIterable<string>; quiet(): unknown; nothrow(): Promise<ShellOutput>; env(env: object): { text(): Promise<string> } }
  expect(await $`echo ${"$(whoami); 'x' \"y\""} ${["a b", "c"]}`.text()).toBe("$(whoami); 'x' \"y\" a b c\n")
  expect(await $`echo '{"a":1}'`.json()).toEqual({ a: 1 })
  expect(await all($`printf 'a\nb\n'`.lines())).toEqual(["a", "b"])
  expect((await $`exit 3`.nothrow()).exitCode).toBe(3)
  await expect($`echo no >&2; exit 4`).rejects.toMatchObject({ name: "ShellError", exitCode: 4, message: "Failed with exit code 4: no" })
  expect(await $`echo $WORD`.env({ WORD: "up" }).text()).toBe("up\n")
})

test("a package is known by what it stands on, its name, or its keywords; no other is taken for one", () => {
  expect(entries({ name: "opencode-x", exports: { ".": { import: "./dist/index.js" } } })).toEqual({ "opencode-x": "./dist/index.js" })
  expect(entries({ name: "@me/guard", main: "m.js", peerDependencies: { "@opencode-ai/plugin": "*" } })).toEqual({ "me-guard": "m.js" })
  expect(entries({ name: "guard", keywords: ["opencode"], main: "m.js" })).toEqual({ guard: "m.js" })
  expect(entries({ name: "left-pad", main: "index.js" })).toBeUndefined()
})
