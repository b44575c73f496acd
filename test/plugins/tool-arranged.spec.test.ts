/** Several plugins may have a say in one tool: around its work, in its place, in how it is shown; who says the same twice is named, and nothing ends. */
import { definePlugin, type Definition } from "graft"
import * as v from "valibot"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { z } from "zod"
import type { ToolDefinition, ToolInfo } from "../../plugins/tool/contract.ts"
import { next, openProject, type Project } from "../fixtures/project.ts"

let project: Project
let own: string[]
beforeAll(async () => { project = await openProject({ only: ["tool", "permission"], allow: ["say"] }) })
afterAll(async () => project[Symbol.asyncDispose]())
beforeEach(() => { own = [] })

const put = (id: string, setup: Definition["setup"]) => project.kernel.put(id, definePlugin({ per: "location", setup }), project.directory)
async function having<T>(plugins: Record<string, Definition["setup"]>, work: () => Promise<T>): Promise<T> {
  for (const [id, setup] of Object.entries(plugins)) await put(id, setup)
  try { return await work() } finally { for (const id of Object.keys(plugins)) await project.kernel.drop(id, project.directory) }
}
const say: ToolDefinition = { name: "say", description: "says it", input: v.object({ word: v.string() }), execute: ({ word }: { word: string }) => (own.push(word), word), permission: ({ word }: { word: string }) => ({ action: "say", resource: word }) }
const sayer: Definition["setup"] = (graft) => { graft.tool.register(say) }
const info = async () => (await project.graft.tool.list()).find(({ name }) => name === "say") as ToolInfo
const warned = () => project.kernel.logs("tool").filter(({ level }) => level === "warn").map(({ text }) => text)

describe("around the work", () => {
  test("in order, the lowest outermost; each may change what goes in and what comes out, or answer itself", async () => {
    const order: string[] = []
    const around = (mark: string, at: number): Definition["setup"] => (graft) => {
      graft.add("toolWrap", { tool: "say", async execute(input: { word: string }, _, again) {
        order.push(mark)
        if (input.word === mark) return `${mark} answers`
        return `${mark}(${String(await again(input.word === "change" ? { word: "changed" } : undefined))})`
      } }, { order: at })
    }
    await having({ sayer, b: around("outer", 1), a: around("inner", 2) }, async () => {
      expect(await info()).toMatchObject({ owner: "sayer", wraps: ["b", "a"] })
      expect(await project.call("say", { word: "hello" })).toMatchObject({ outcome: "ok", output: "outer(inner(hello))" })
      expect(order).toEqual(["outer", "inner"])
      expect(await project.call("say", { word: "inner" })).toMatchObject({ output: "outer(inner answers)" })
      expect(await project.call("say", { word: "change" })).toMatchObject({ output: "outer(inner(changed))" })
      expect(own).toEqual(["hello", "changed"])
    })
    expect(await project.call("say", {})).toMatchObject({ outcome: "unknown-tool" })
  })

  test("what goes in instead is checked and permitted as if the model had said it", async () => {
    const instead = (input: unknown): Definition["setup"] => (graft) => { graft.add("toolWrap", { tool: "say", execute: (_: unknown, __, again) => again(input) }) }
    await having({ sayer, wrap: instead({ word: 7 }) }, async () => {
      expect(await project.call("say", { word: "a" })).toMatchObject({ outcome: "error", output: expect.stringMatching(/not valid\n- word: /) })
    })
    project.rules.project = { deny: ["say:secret"] }
    await having({ sayer, wrap: instead({ word: "secret" }) }, async () => {
      expect(await project.call("say", { word: "a" })).toMatchObject({ outcome: "denied", rule: "say:secret" })
    })
    delete project.rules.project
    expect(own).toEqual([])
  })

  test("one that throws fails the call alone; a turn that began with it ends with it", async () => {
    await having({ sayer }, async () => {
      await put("wrap", (graft) => { graft.add("toolWrap", { tool: "say", execute: () => { throw new Error("wrapped badly") } }) })
      const set = await project.graft.tool.advertise()
      await project.kernel.drop("wrap", project.directory)
      expect(await project.call("say", { word: "a" }, { set })).toMatchObject({ outcome: "error", output: "wrapped badly" })
      set.dispose()
      expect(await project.call("say", { word: "a" })).toMatchObject({ outcome: "ok" })
    })
  })
})

describe("in the place of its parts", () => {
  test("what is not replaced stays; other work is asked about as before, and is not found out by the old one's means", async () => {
    const probing: Definition["setup"] = (graft) => { graft.tool.register({ ...say, recovery: "probe", probe: async () => "done" }) }
    await having({ sayer: probing, other: (graft) => { graft.add("toolReplace", { tool: "say", description: "shouts it", execute: ({ word }: { word: string }) => word.toUpperCase() }) } }, async () => {
      expect(await info()).toMatchObject({ owner: "sayer", replaced: "other", description: "shouts it", recovery: "unknown" })
      expect(await project.call("say", { word: "loud" })).toMatchObject({ outcome: "ok", output: "LOUD" })
      project.rules.project = { deny: ["say:secret"] }
      expect(await project.call("say", { word: "secret" })).toMatchObject({ outcome: "denied" })
      delete project.rules.project
    })
    expect(own).toEqual([])
  })

  test("other arguments are asked about by the tool's name", async () => {
    await having({ sayer, other: (graft) => { graft.add("toolReplace", { tool: "say", input: z.object({ words: z.array(z.string()) }), execute: ({ words }: { words: string[] }) => words.join(" ") }) } }, async () => {
      expect((await info()).inputSchema).toMatchObject({ required: ["words"] })
      expect(await project.call("say", { words: ["a", "b"] })).toMatchObject({ outcome: "ok", output: "a b" })
      expect(await project.call("say", { word: "a" })).toMatchObject({ outcome: "invalid" })
    })
  })

  test("of two the later in order counts, and a warning names both, once", async () => {
    const other = (word: string): Definition["setup"] => (graft) => { graft.add("toolReplace", { tool: "say", execute: () => word }) }
    await having({ sayer, one: other("one"), two: other("two") }, async () => {
      expect(await project.call("say", { word: "a" })).toMatchObject({ output: "two" })
      await project.call("say", { word: "a" })
      expect(warned().filter((text) => text.includes('replace the tool "say"'))).toEqual([expect.stringMatching(/that of two is used, that of one is not.*plugins\.<id>: false/)])
    })
  })
})

describe("how it is shown", () => {
  const shows = (title: string): Definition["setup"] => (graft) => { graft.add("toolRender", { tool: "say", title: ({ input, outcome }) => `${title} ${(input as { word: string }).word} ${outcome ?? "…"}`, body: ({ output }) => output && `**${output}**` }) }

  test("apart from what the model reads; faces ask, and the call's title is it", async () => {
    await having({ sayer, shows: shows("says") }, async () => {
      expect(await info()).toMatchObject({ render: "shows" })
      expect(await project.graft.tool.show({ name: "say", input: { word: "a" } })).toEqual({ title: "says a …" })
      expect(await project.graft.tool.show({ name: "say", input: { word: "a" }, outcome: "ok", output: "a" })).toEqual({ title: "says a ok", body: "**a**" })
      expect(await project.call("say", { word: "a" })).toMatchObject({ output: "a", title: "says a ok" })
      expect(await project.graft.tool.show({ name: "say", input: null })).toEqual({})
      expect(await project.graft.tool.show({ name: "absent", input: {} })).toEqual({})
    })
  })

  test("each change of who has a say is one event", async () => {
    await having({ sayer }, async () => {
      await info()
      const told = next<{ tool: ToolInfo }>(project.graft, "tool.updated")
      await put("shows", shows("says"))
      expect((await told).tool).toMatchObject({ name: "say", render: "shows" })
      const again = next<{ tool: ToolInfo }>(project.graft, "tool.updated")
      await project.kernel.drop("shows", project.directory)
      expect((await again).tool).not.toHaveProperty("render")
    })
  })
})

describe("what it gives", () => {
  const gives = (output: ToolDefinition["output"] | object, value: unknown): Definition["setup"] => (graft) => { graft.add("tool", { name: "say", description: "gives", input: v.object({}), output, execute: () => value } as never) }

  test.each<[string, object]>([
    ["valibot", v.object({ n: v.number() })],
    ["zod", z.object({ n: z.number() })],
    ["JSON Schema", { type: "object", properties: { n: { type: "number" } }, required: ["n"] }],
  ])("is held against its schema (%s), and told as JSON", async (_, output) => {
    await having({ sayer: gives(output, { n: 1 }) }, async () => expect(await project.call("say", {})).toMatchObject({ outcome: "ok", output: '{\n  "n": 1\n}', metadata: { value: { n: 1 } } }))
    await having({ sayer: gives(output, { n: "x" }) }, async () => expect(await project.call("say", {})).toMatchObject({ outcome: "error", output: expect.stringMatching(/a fault of sayer\):\n- n: /) }))
  })

  test("any library that speaks Standard Schema and can tell JSON Schema will do for what goes in", async () => {
    const schema = Object.assign(() => {}, { "~standard": { version: 1 as const, vendor: "another", validate: (value: unknown) => (typeof (value as { n?: unknown }).n === "number" ? { value } : { issues: [{ message: "must be a number", path: ["n"] }] }) }, toJsonSchema: () => ({ $schema: "x", type: "object", properties: { n: { type: "number" } }, required: ["n"] }) })
    await having({ sayer: (graft) => { graft.add("tool", { name: "say", description: "takes", input: schema, execute: ({ n }: { n: number }) => `got ${n}` } as never) } }, async () => {
      expect((await info()).inputSchema).toEqual({ type: "object", properties: { n: { type: "number" } }, required: ["n"] })
      expect(await project.call("say", { n: 1 })).toMatchObject({ outcome: "ok", output: "got 1" })
      expect(await project.call("say", { n: "1" })).toMatchObject({ outcome: "invalid", output: expect.stringContaining("- n: must be a number") })
    })
  })

  test("is bounded as the config says, by tool, in lines, bytes and seconds", async () => {
    project.settings.tools = { say: { lines: 4, seconds: 1 } }
    try {
      const many = Array.from({ length: 20 }, (_, n) => `line ${n + 1}`).join("\n")
      await having({ sayer: (graft) => { graft.tool.register({ ...say, limits: { lines: 2_000, milliseconds: 60_000 }, execute: async ({ word }: { word: string }, { signal }) => (word === "wait" ? new Promise<string>((_, reject) => { signal.addEventListener("abort", () => reject(new Error("stopped"))) }) : many) }) } }, async () => {
        const settled = await project.call("say", { word: "a" })
        expect(settled).toMatchObject({ truncated: true, output: expect.stringMatching(/^line 1\nline 2\nline 3\n… 16 lines \(.*\nline 20$/) })
        expect(project.blobs.get(settled.blob!)!.toString()).toBe(many)
        expect(await project.call("say", { word: "wait" })).toMatchObject({ outcome: "error", output: expect.stringContaining("within 1 s") })
      })
    } finally {
      delete project.settings.tools
    }
  })
})
