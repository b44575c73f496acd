/** Whatever a model asks of the tools that touch files, and whatever lies there, each call ends in time in one of the known outcomes, and what is not valid never runs. */
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { definePlugin } from "graft"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { ToolInfo } from "../../plugins/tool/contract.ts"
import { openProject, type Project } from "../fixtures/project.ts"

const TOOLS = ["read", "ls", "glob", "grep", "edit", "write", "patch"]
const OUTCOMES = ["ok", "error", "invalid", "blocked"]
const RUNS = 40

let project: Project
let tools: ToolInfo[]
beforeAll(async () => {
  project = await openProject({ only: ["tool", "permission", ...TOOLS.map((name) => `tool-${name}`)], allow: ["write", "edit"] })
  tools = await project.graft.tool.list()
  const at = (name: string) => join(project.directory, name)
  mkdirSync(at("dir/deep"), { recursive: true })
  writeFileSync(at("text.txt"), "one\ntwo\nthree\n")
  writeFileSync(at("binary"), Buffer.from([0, 1, 2, 255]))
  writeFileSync(at("latin.txt"), Buffer.from([0x67, 0x72, 0xfc, 0x6e, 0x0a]))
  writeFileSync(at("wide.txt"), Buffer.from("\uFEFFweit\n", "utf16le"))
  writeFileSync(at("long.txt"), "x".repeat(1_000_000))
  writeFileSync(at("dir/deep/na\nme"), "odd\n")
  writeFileSync(at("huge"), "begin\n")
  truncateSync(at("huge"), 200 * 1024 ** 2)
  execFileSync("mkfifo", [at("pipe")])
  symlinkSync("loop", at("loop"))
  symlinkSync(project.outside, at("out"))
  writeFileSync(join(project.outside, "secret"), "SECRET\n")
})
afterAll(async () => project[Symbol.asyncDispose]())

const words = fc.constantFrom("text.txt", "binary", "latin.txt", "wide.txt", "long.txt", "huge", "pipe", "loop", "out/secret", "out/new", "dir", "dir/deep", "absent", "dir/new/file", "text.txt/below", "..", ".", "", "\0", "~", "one", "two", "x", "(a+)+$", "(x+x+)+y", "[", "(", "**/*", "*".repeat(50), "{a,{b,c}}".repeat(5), "\\", "*** Begin Patch\n*** Update File: text.txt\n-one\n+1\n*** End Patch", "*** Begin Patch\n*** Delete File: dir\n*** End Patch", "*** Begin Patch\n*** Add File: pipe/x\n+x\n*** End Patch", "--- a/huge\n+++ b/huge\n@@ -1 +1 @@\n-begin\n+end\n", "blob:" + "0".repeat(64))
const text = fc.oneof({ weight: 4, arbitrary: words }, { weight: 1, arbitrary: fc.string({ maxLength: 60 }) }, { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 20 }) })

interface Schema { type?: string; properties?: Record<string, Schema>; required?: string[]; minimum?: number; maximum?: number; items?: Schema; enum?: unknown[] }
function from(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum)
  switch (schema.type) {
    case "object": return fc.record(Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, each]) => [name, from(each)])), { requiredKeys: schema.required ?? [] })
    case "array": return fc.array(from(schema.items ?? {}), { maxLength: 3 })
    case "integer": case "number": return fc.integer({ min: schema.minimum ?? -5, max: Math.min(schema.maximum ?? 50, 5_000) })
    case "boolean": return fc.boolean()
    default: return text
  }
}
/** Mostly as the schema says; now and then one argument is something else, is missing, or is one too many. */
const argumentsOf = (schema: Schema): fc.Arbitrary<unknown> => {
  const right = from(schema)
  const wrong = fc.tuple(right, fc.constantFrom(...Object.keys(schema.properties ?? {}), "more"), fc.oneof(fc.constantFrom<unknown>(null, undefined, -1, 1.5, 1e308, [], {}, true), text)).map(([given, name, value]) => ({ ...(given as object), [name]: value }))
  return fc.oneof({ weight: 4, arbitrary: right }, { weight: 2, arbitrary: wrong }, { weight: 1, arbitrary: fc.jsonValue() })
}

test.each(TOOLS)("%s", async (name) => {
  const { inputSchema } = tools.find((tool) => tool.name === name)!
  const seen = new Set<string>()
  await fc.assert(fc.asyncProperty(argumentsOf(inputSchema), fc.boolean(), async (input, vanishes) => {
    writeFileSync(join(project.directory, "text.txt"), "one\ntwo\nthree\n")
    let started = false
    const began = performance.now()
    const settled = await project.call(name, JSON.stringify(input) ?? "", { started: async () => {
      started = true
      if (vanishes) rmSync(join(project.directory, "text.txt"), { force: true })
    } })
    seen.add(settled.outcome)
    expect(OUTCOMES).toContain(settled.outcome)
    if (settled.outcome === "invalid") expect([started, /\n- [^\n]+/.test(settled.output)]).toEqual([false, true])
    expect(settled.output).not.toContain("SECRET")
    expect(Buffer.byteLength(settled.output)).toBeLessThan(60_000)
    expect(performance.now() - began).toBeLessThan(10_000)
  }), { numRuns: RUNS })
  expect([...seen]).toEqual(expect.arrayContaining(["invalid", "error"]))
  expect(readdirSync(project.outside)).toEqual(["secret"])
  expect(readFileSync(join(project.outside, "secret"), "utf8")).toBe("SECRET\n")
  expect((readdirSync(project.directory, { recursive: true }) as string[]).filter((file) => file.includes(".graft-"))).toEqual([])
})

test("what was cut from an output can be read on as the model is told: every line is there, in order", async () => {
  let output = ""
  await project.kernel.put("talker", definePlugin({ per: "location", setup: (graft) => { graft.tool.register({ name: "talk", description: "talks", input: {}, effects: ["read"], limits: { lines: 40, bytes: 2_000 }, execute: () => output }) } }), project.directory)
  const cuts = { none: 0, some: 0 }
  await fc.assert(fc.asyncProperty(fc.array(fc.string({ maxLength: 120 }).map((line) => line.replaceAll(/[\r\n]/g, " ")), { minLength: 1, maxLength: 150, size: "max" }), async (lines) => {
    output = lines.map((line, n) => `${n} ${line}`).join("\n")
    const settled = await project.call("talk", {})
    if (!settled.truncated) return void (cuts.none++, expect(settled.output).toBe(output))
    cuts.some++
    const [head, note, tail] = settled.output.split(/^(… .* left out here; .* …)$/m) as [string, string, string]
    const [, path, offset] = /read \{"path":"(blob:[0-9a-f]{64})","offset":(\d+)/.exec(note)!
    const seen: string[] = []
    for (let from: string | undefined = offset; from !== undefined;) {
      const read = await project.call("read", { path, offset: Number(from), limit: 50 })
      const [numbered, more] = read.output.split(/\n\(lines (?=\d+ to)/) as [string, string | undefined]
      seen.push(...numbered.split("\n").map((line) => line.replace(/^\d+\t/, "")))
      from = /go on with offset (\d+)/.exec(more ?? "")?.[1]
    }
    // The line in which it was cut is read as a whole.
    expect(seen).toEqual(output.split("\n").slice(Number(offset) - 1))
    expect(output.startsWith(head.replace(/\n$/, "")) && output.endsWith(tail.replace(/^\n/, ""))).toBe(true)
  }), { numRuns: 60 })
  await project.kernel.drop("talker", project.directory)
  expect(Math.min(cuts.none, cuts.some)).toBeGreaterThan(5)
})
