/** Every call ends in one settlement: valid arguments only, hooks and permission before the effect, output bounded and kept; and each change of a tool is one event. */
import { readFileSync, writeFileSync } from "node:fs"
import { mkdirSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { definePlugin, type Definition } from "graft"
import * as v from "valibot"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { z } from "zod"
import { bound, countLines, exceeds } from "../../plugins/tool/output.ts"
import { jsonSchemaOf } from "../../plugins/tool/schema.ts"
import type { ToolDefinition, ToolInfo } from "../../plugins/tool/contract.ts"
import { next, openProject, type Project } from "../fixtures/project.ts"

let project: Project
beforeAll(async () => { project = await openProject({ only: ["tool", "permission"], allow: ["echo", "slow", "stuck", "big", "bomb", "plain", "asks"], copy: true }) })
afterAll(async () => project[Symbol.asyncDispose]())

const put = (id: string, setup: Definition["setup"]) => project.kernel.put(id, definePlugin({ per: "location", setup }), project.directory)
const drop = (id: string) => project.kernel.drop(id, project.directory)
const tool = (definition: Partial<ToolDefinition> & { name: string }): ToolDefinition => ({ description: "for a test", input: v.object({}), execute: () => "done", ...definition })
/** A plugin with these tools, for the length of one piece of work. */
async function having<T>(tools: ToolDefinition[], work: () => Promise<T>): Promise<T> {
  await put("having", (graft) => { for (const one of tools) graft.tool.register(one) })
  try { return await work() } finally { await drop("having") }
}

describe("what a model is told", () => {
  test.each([
    ["valibot", v.object({ sides: v.pipe(v.number(), v.minValue(2)) })],
    ["zod", z.object({ sides: z.number().min(2) })],
    ["JSON Schema", { $schema: "x", type: "object", properties: { sides: { type: "number", minimum: 2 } }, required: ["sides"] }],
  ])("a schema of %s becomes the same JSON Schema, and is checked the same", async (_, input) => {
    expect(await jsonSchemaOf(input)).toMatchObject({ type: "object", properties: { sides: { type: "number", minimum: 2 } }, required: ["sides"] })
    await having([tool({ name: "plain", input, execute: ({ sides }) => `got ${sides}` })], async () => {
      expect(await project.call("plain", { sides: 6 })).toMatchObject({ outcome: "ok", output: "got 6" })
      const refused = await project.call("plain", { sides: 1 })
      expect(refused.outcome).toBe("invalid")
      expect(refused.output).toMatch(/^nothing was run.*\n- sides: /)
    })
  })

  test("tools come in the order of their names, byte for byte the same each time; what has no usable schema is left out alone", async () => {
    await having([tool({ name: "zeta" }), tool({ name: "alpha" }), tool({ name: "no_object", input: v.string() as never }), tool({ name: "bad name" })], async () => {
      const [a, b] = [await project.graft.tool.advertise(), await project.graft.tool.advertise()]
      expect(a.tools.map(({ name }) => name)).toEqual(["alpha", "zeta"])
      expect(JSON.stringify(a.tools)).toBe(JSON.stringify(b.tools))
      a.dispose()
      b.dispose()
    })
  })

  test("a hook may change the definition", async () => {
    await put("hook", (graft) => { graft.on("tool.definition", (draft) => { draft.description += " (changed)" }) })
    await having([tool({ name: "plain" })], async () => {
      expect((await project.graft.tool.list()).map(({ description }) => description)).toEqual(["for a test (changed)"])
    })
    await drop("hook")
  })

  test("declared effects give the recovery class", async () => {
    await having([tool({ name: "reads", effects: ["read"] }), tool({ name: "runs" }), tool({ name: "probes", recovery: "probe" })], async () => {
      const set = await project.graft.tool.advertise()
      expect(["reads", "runs", "probes", "absent"].map(set.recovery)).toEqual(["rerun", "unknown", "probe", "unknown"])
      set.dispose()
    })
  })
})

describe("a call", () => {
  test("an unknown name is told what is near", async () => {
    await having([tool({ name: "webfetch" })], async () => {
      expect(await project.call("web_fetch", {})).toMatchObject({ outcome: "unknown-tool", output: expect.stringContaining("did you mean webfetch?") })
    })
  })

  test("nothing at all is no arguments; what is no JSON never runs", async () => {
    let ran = 0
    await having([tool({ name: "plain", execute: () => `ran ${++ran}` })], async () => {
      expect(await project.call("plain", "")).toMatchObject({ outcome: "ok", output: "ran 1" })
      expect(await project.call("plain", "{ half")).toMatchObject({ outcome: "invalid", output: expect.stringContaining("not JSON") })
      expect(ran).toBe(1)
    })
  })

  test("what must be durable first is: the effect comes after started(), and not at all when that fails", async () => {
    const order: string[] = []
    await having([tool({ name: "plain", execute: () => (order.push("effect"), "") })], async () => {
      await project.call("plain", {}, { started: async () => void order.push("started") })
      expect(order).toEqual(["started", "effect"])
      expect(await project.call("plain", {}, { started: async () => { throw new Error("disk full") } })).toMatchObject({ outcome: "error", output: "disk full" })
      expect(order).toEqual(["started", "effect"])
    })
  })

  test("hooks: change the input (checked again), deny, answer, ask; and change the result", async () => {
    const verdicts: Record<string, object> = { deny: { deny: "not today" }, answer: { answer: "42" }, ask: { ask: "sure?" } }
    await put("hook", (graft) => {
      graft.on("tool.before", (draft) => {
        const input = draft.input as { word: string | number }
        if (input.word === "shout") input.word = "SHOUT"
        if (input.word === "break") input.word = 7
        if (verdicts[String(input.word)]) draft.verdict = verdicts[String(input.word)] as never
      })
      graft.on("tool.after", (draft) => { draft.output += ` [${draft.outcome}]` })
    })
    await having([tool({ name: "echo", input: v.object({ word: v.string() }), execute: ({ word }) => word })], async () => {
      const say = (word: string) => project.call("echo", { word })
      expect(await say("plain")).toMatchObject({ outcome: "ok", output: "plain [ok]" })
      expect(await say("shout")).toMatchObject({ output: "SHOUT [ok]" })
      expect(await say("break")).toMatchObject({ outcome: "invalid", output: expect.stringMatching(/word: .*changed by hook@/) })
      expect(await say("deny")).toMatchObject({ outcome: "denied", output: "a hook refused this call: not today [denied]" })
      expect(await say("answer")).toMatchObject({ outcome: "ok", output: "42 [ok]" })
      expect(await say("ask")).toMatchObject({ outcome: "blocked", rule: "confirm:echo" })
    })
    await drop("hook")
  })

  test("permission: by the tool's own name where it declares none; blocked names the rule; read-only needs none", async () => {
    let ran = 0
    await having([tool({ name: "dice", execute: () => `ran ${++ran}` }), tool({ name: "looks", effects: ["read"] })], async () => {
      expect(await project.call("dice", {})).toMatchObject({ outcome: "blocked", rule: "dice" })
      expect(await project.call("looks", {})).toMatchObject({ outcome: "ok" })
      project.rules.project = { deny: ["dice"] }
      expect(await project.call("dice", {})).toMatchObject({ outcome: "denied", rule: "dice", output: expect.stringContaining("/project.jsonc:3") })
      delete project.rules.project
      expect(ran).toBe(0)
    })
  })

  test("permission in mid-call: what was allowed before is not asked again, what was not is", async () => {
    const asks = tool({ name: "asks", permission: () => ({ action: "read", resource: "/srv/a" }), execute: async (_, context) => { await context.permit({ action: "read", resource: "/srv/a" }); await context.permit({ action: "read", resource: "/srv/b" }); return "both" } })
    project.rules.user = { allow: ["read:/srv/a"] }
    await having([asks], async () => {
      expect(await project.call("asks", {})).toMatchObject({ outcome: "blocked", rule: "read:/srv/*" })
      project.rules.user = { allow: ["read:/srv/*"] }
      expect(await project.call("asks", {})).toMatchObject({ outcome: "ok", output: "both" })
    })
    delete project.rules.user
  })

  test("a person says no, and the waiting is told", async () => {
    await project.kernel.put("face", definePlugin({ per: "process", setup: (graft) => { graft.add("face", { id: "test", answers: true }) } }))
    await having([tool({ name: "dice" })], async () => {
      const asked = next(project.graft, "permission.asked")
      const waited: string[] = []
      const settlement = project.call("dice", {}, { waiting: (ask) => void waited.push(ask.action) })
      await project.graft.permission.reply((await asked).id, "deny")
      expect(await settlement).toMatchObject({ outcome: "denied", output: expect.stringContaining("the user said no") })
      expect(waited).toEqual(["dice"])
    })
    await project.kernel.drop("face")
  })

  test("a deadline ends a tool that heeds it, and one that does not", async () => {
    const heeds = tool({ name: "slow", limits: { milliseconds: 20 }, execute: (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve("half"))) })
    const ignores = tool({ name: "stuck", limits: { milliseconds: 20 }, execute: () => new Promise<string>(() => {}) })
    await having([heeds, ignores], async () => {
      expect(await project.call("slow", {})).toMatchObject({ outcome: "error", output: expect.stringMatching(/^half\n\(stopped: it did not end within 0.02 s/) })
      expect(await project.call("stuck", {})).toMatchObject({ outcome: "error", output: expect.stringContaining("did not end") })
    })
  })

  test("an interrupt settles within a second, whatever the tool does", async () => {
    const started = Promise.withResolvers<void>()
    await having([tool({ name: "stuck", execute: () => (started.resolve(), new Promise<string>(() => {})) })], async () => {
      const stop = new AbortController()
      const settlement = project.call("stuck", {}, { signal: stop.signal })
      await started.promise
      const since = performance.now()
      stop.abort()
      expect(await settlement).toMatchObject({ outcome: "interrupted" })
      expect(performance.now() - since).toBeLessThan(1_000)
    })
  })

  test("metadata that cannot be written down, or are too much, are left out; the answer stands", async () => {
    const circular: Record<string, unknown> = {}
    circular.self = circular
    for (const metadata of [circular, { big: "x".repeat(300_000) }, { n: 1n }]) {
      await having([tool({ name: "plain", execute: () => ({ output: "fine", metadata, title: 7 as never }) })], async () => {
        const settlement = await project.call("plain", {})
        expect(settlement).toMatchObject({ outcome: "ok", output: "fine" })
        expect([settlement.metadata, settlement.title]).toEqual([undefined, undefined])
      })
    }
    await having([tool({ name: "plain", execute: () => ({ output: "half \ud83d a character", metadata: { a: [1, undefined] } }) })], async () => {
      expect(await project.call("plain", {})).toMatchObject({ output: "half \ufffd a character", metadata: { a: [1, null] } })
    })
  })

  test("what a tool throws is its answer, whatever it gives back becomes text", async () => {
    await having([tool({ name: "bomb", execute: () => { throw new Error("boom") } }), tool({ name: "plain", execute: () => ({ a: 1 }) as never }), tool({ name: "echo", execute: () => undefined as never })], async () => {
      expect(await project.call("bomb", {})).toMatchObject({ outcome: "error", output: "boom" })
      expect(await project.call("plain", {})).toMatchObject({ outcome: "ok", output: '{\n  "a": 1\n}' })
      expect(await project.call("echo", {})).toMatchObject({ outcome: "ok", output: "(no output)" })
    })
  })
})

describe("the output", () => {
  test("what is too long keeps its beginning and its end, the whole is a blob, and the model is told how to read on", async () => {
    const whole = Array.from({ length: 5_000 }, (_, index) => `line ${index + 1}`).join("\n")
    await having([tool({ name: "big", execute: () => whole })], async () => {
      const settlement = await project.call("big", {})
      expect(settlement).toMatchObject({ outcome: "ok", truncated: true, bytes: whole.length })
      expect(Buffer.from(project.blobs.get(settlement.blob!)!).toString()).toBe(whole)
      expect(settlement.output).toMatch(/^line 1\n/)
      expect(settlement.output).toMatch(/line 5000$/)
      expect(settlement.output).toContain(`… 3000 lines (`)
      expect(settlement.output).toContain(`{"path":"blob:${settlement.blob}","offset":1501}`)
    })
  })

  test("never more than the limits and the note, never half a character, nothing lost between", () => {
    const text = fc.array(fc.string({ unit: "grapheme", maxLength: 40 }), { maxLength: 60 }).map((lines) => lines.join("\n"))
    fc.assert(fc.property(text, fc.integer({ min: 1, max: 30 }), fc.integer({ min: 16, max: 400 }), (whole, lines, bytes) => {
      if (!exceeds(whole, { lines, bytes })) return
      const mark = "\u0001CUT\u0001"
      let left = { bytes: 0 }
      const shown = bound(whole, { lines, bytes }, (cut) => ((left = cut), mark))
      const [head, tail] = shown.split(`${mark}\n`) as [string, string]
      const raw = Buffer.from(whole)
      const start = raw.subarray(0, raw.length - left.bytes - Buffer.byteLength(tail)).toString()
      expect([start, `${start}\n`]).toContain(head)
      expect(whole.startsWith(start) && whole.endsWith(tail)).toBe(true)
      expect(Buffer.byteLength(start) + Buffer.byteLength(tail)).toBeLessThanOrEqual(bytes)
      expect(countLines(start) + countLines(tail)).toBeLessThanOrEqual(lines + 2)
    }))
  })
})

/** The list is what was told; then every listener has heard it. */
async function everythingTold() {
  await project.graft.tool.list()
  await project.kernel.settled()
}

describe("changes", () => {
  test("each is told once, with its payload, and nothing else is", async () => {
    const told: string[] = []
    const removers = (["tool.added", "tool.updated", "tool.removed"] as const).map((event) => project.graft.on(event, ({ tool: { name, description } }: { tool: ToolInfo }) => void told.push(`${event} ${name} ${description}`)))
    await everythingTold()
    await put("one", (graft) => { graft.tool.register(tool({ name: "a" })); graft.tool.register(tool({ name: "b" })) })
    await everythingTold()
    expect(told.splice(0)).toEqual(["tool.added a for a test", "tool.added b for a test"])
    await put("one", (graft) => { graft.tool.register(tool({ name: "a", description: "better" })); graft.tool.register(tool({ name: "b" })) })
    await everythingTold()
    expect(told.splice(0)).toEqual(["tool.updated a better"])
    await drop("one")
    await everythingTold()
    expect(told.splice(0)).toEqual(["tool.removed a better", "tool.removed b for a test"])
    for (const remove of removers) remove()
  })

  test("a reload of the registry itself tells nothing, and the next turn goes on", async () => {
    await having([tool({ name: "plain" })], async () => {
      await everythingTold()
      const told: string[] = []
      const remove = project.graft.on("tool.added", () => void told.push("added"))
      const set = await project.graft.tool.advertise()
      const source = join(project.sources, "tool", "index.ts")
      const reloaded = next<{ plugin: string }>(project.graft, "plugin.reloaded", ({ plugin }) => plugin === "tool")
      writeFileSync(source, `${readFileSync(source, "utf8")}// saved again`)
      await project.kernel.reconcile([source])
      await reloaded
      await everythingTold()
      expect(await project.call("plain", {}, { set })).toMatchObject({ outcome: "ok" })
      set.dispose()
      expect(await project.call("plain", {})).toMatchObject({ outcome: "ok" })
      expect(told).toEqual([])
      remove()
    })
  })

  test("a turn runs what it was shown, though the plugin was replaced or removed meanwhile", async () => {
    await put("one", (graft) => { graft.tool.register(tool({ name: "echo", execute: () => "old" })) })
    const set = await project.graft.tool.advertise()
    await put("one", (graft) => { graft.tool.register(tool({ name: "echo", execute: () => "new" })) })
    expect(await project.call("echo", {}, { set })).toMatchObject({ output: "old" })
    expect(await project.call("echo", {})).toMatchObject({ output: "new" })
    await drop("one")
    expect(await project.call("echo", {}, { set })).toMatchObject({ output: "old" })
    expect(await project.call("echo", {})).toMatchObject({ outcome: "unknown-tool" })
    set.dispose()
  })

  test("of two plugins with one name the later is used, and both are named once", async () => {
    const warned: string[] = []
    await put("aaa", (graft) => { graft.tool.register(tool({ name: "echo", execute: () => "aaa" })) })
    await put("bbb", (graft) => { graft.tool.register(tool({ name: "echo", execute: () => "bbb" })) })
    expect(await project.call("echo", {})).toMatchObject({ output: "bbb" })
    warned.push(...project.kernel.logs("tool").map((entry) => entry.text).filter((text) => text.includes('"echo"')))
    expect(warned).toHaveLength(1)
    expect(warned[0]).toMatch(/bbb.*is used.*aaa.*is not/)
    await drop("aaa")
    await drop("bbb")
  })
})

describe("files", () => {
  test("a change that expects something else is refused; changes of one path come one after the other", async () => {
    const directory = mkdtempSync(join(tmpdir(), "graft-files-"))
    mkdirSync(directory, { recursive: true })
    const path = join(directory, "a.txt")
    const change = (text: string, expect?: string) => project.graft.file.replace({ session: "s", path, bytes: Buffer.from(text), text, expect })
    const first = await change("one")
    expect(first.created).toBe(true)
    await expect(change("two")).rejects.toMatchObject({ code: "file.changed" })
    const results = await Promise.allSettled(["two", "three", "four"].map((text) => change(text, first.version)))
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"])
    expect(readFileSync(path, "utf8")).toBe("two")
    expect(await project.graft.file.lastSeen("s", path)).toMatchObject({ text: "two" })
    expect(await project.graft.file.lastSeen("other", path)).toBeUndefined()
  })
})
