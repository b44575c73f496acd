/** What a language server thinks of a file is told to whoever changed it, of the text that is there and of no other; and whatever a server does, every call ends and nothing is left running. */
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Readable } from "node:stream"
import fc from "fast-check"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { Diagnostic, LspServer } from "../../plugins/lsp/contract.ts"
import { boundedFrames } from "../../plugins/lsp/frames.ts"
import { diagnosticsOf, report } from "../../plugins/lsp/report.ts"
import { openProject, type Project } from "../fixtures/project.ts"

const PROGRAM = join(import.meta.dirname, "../fixtures/lsp-server.ts")
const PACKAGES = join(import.meta.dirname, "../packages/node_modules")
const fake = (...flags: string[]) => ({ fake: { command: [process.execPath, "--no-warnings", PROGRAM, ...flags], extensions: [".w"] } })

let project: Project
let trusted = true
const told: { event: string; payload: { server: LspServer; path: string; diagnostics: Diagnostic[] } }[] = []
const file = (path: string) => join(project.directory, path)
const put = (path: string, text: string) => (mkdirSync(dirname(file(path)), { recursive: true }), writeFileSync(file(path), text))
const write = async (path: string, content: string) => (await project.call("write", { path, content })).output
const events = () => told.map(({ event, payload }) => `${event} ${payload.path ? `${payload.path.slice(project.directory.length + 1)} ${payload.diagnostics.length}` : (payload.server.reason ?? payload.server.name)}`)
const tools = async () => (await project.graft.tool.list()).map(({ name }) => name)
/** Processes of this run that speak to nobody any more would be found by what they were started with. */
const running = () => readdirSync("/proc").filter((pid) => {
  try {
    return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("lsp-server.ts") && readFileSync(`/proc/${pid}/environ`, "latin1").includes(project.directory)
  } catch { return false }
})

beforeAll(async () => {
  project = await openProject({
    only: ["tool", "permission", "tool-read", "tool-write", "tool-edit", "lsp"], allow: ["*"], copy: true,
    with: (graft) => graft.provide("trust", { allowed: async () => trusted } as never),
  })
  project.kernel.on("*", (payload, { event }) => { if (event.startsWith("lsp.")) told.push({ event, payload: payload as never }) })
})
afterAll(async () => {
  await project?.[Symbol.asyncDispose]()
  expect(running()).toEqual([])
})
const config = async (settings: unknown) => {
  if (settings === undefined) delete project.settings.lsp
  else project.settings.lsp = settings
  project.kernel.emit("config.changed", { paths: ["lsp"] })
  await project.kernel.settled()
}
beforeEach(() => {
  for (const name of readdirSync(project.directory)) if (name !== ".git") rmSync(file(name), { recursive: true, force: true })
  trusted = true
})
afterEach(async () => {
  await config(undefined)
  told.length = 0
})

describe("typescript-language-server, with TypeScript 5.9", () => {
  it("says what is wrong with a file that was changed, and knows names", async () => {
    symlinkSync(PACKAGES, file("node_modules"))
    put("tsconfig.json", JSON.stringify({ compilerOptions: { strict: true, module: "nodenext", target: "es2022" }, include: ["src"] }))
    put("src/area.ts", "export function area(side: number): number {\n  return side * side\n}\n")
    await config(true)
    expect(await tools()).not.toContain("symbols")
    // On a machine that has much to do it may be late, and says so.
    const says = (path: string) => expect.poll(async () => (await project.graft.lsp.diagnose([file(path)])).map(({ diagnostics, late }) => late ?? diagnostics.map(({ severity, line, column, code, message }) => `${line}:${column} ${severity} ${code} ${message}`)), { interval: 50, timeout: 15_000 })
    expect(await write("src/use.ts", 'import { area } from "./area.js"\n\nexport const size: string = area("two")\n')).toMatch(/\ntypescript reports 2 errors:\nsrc\/use\.ts:3:14 error 2322: Type|\n\(typescript has not said/)
    await says("src/use.ts").toEqual([["3:14 error 2322 Type 'number' is not assignable to type 'string'.", "3:34 error 2345 Argument of type 'string' is not assignable to parameter of type 'number'."]])
    // Another file changes, by a command that nobody told the server of.
    put("src/area.ts", "export function area(side: string): string {\n  return side\n}\n")
    await write("src/use.ts", 'import { area } from "./area.js"\n\nexport const size: string = area("three")\n')
    await says("src/use.ts").toEqual([[]])
    expect((await project.call("symbols", { action: "definition", path: "src/use.ts", line: 3, name: "area" })).output).toBe("src/area.ts:1:17 export function area(side: string): string {")
    const { output } = await project.call("symbols", { action: "references", path: "src/area.ts", line: 1, name: "area" })
    expect(output.split("\n").sort()).toEqual(["src/area.ts:1:17 export function area(side: string): string {", 'src/use.ts:1:10 import { area } from "./area.js"', 'src/use.ts:3:29 export const size: string = area("three")'])
    expect((await project.call("symbols", { action: "outline", path: "src/use.ts" })).output).toContain("3 constant size")
    expect((await project.call("symbols", { action: "search", query: "area" })).output).toContain("src/area.ts:1 function area")
    expect(await project.graft.lsp.list()).toMatchObject([{ name: "typescript", root: project.directory, state: "running", files: 2 }])
    await config(undefined)
    expect(await tools()).not.toContain("symbols")
    expect(events().map((line) => line.replace(/^lsp\.diagnostics .*/, "…")).filter((line, at, all) => line !== all[at - 1])).toEqual(["lsp.started typescript", "…", "lsp.stopped the config changed"])
  }, 40_000)
})

describe("a server", () => {
  it("is started by the first of its files, in the root of what it serves, without the keys in the environment", async () => {
    process.env.SPEC_SECRET = "hidden"
    await config({ fake: { ...fake("asks").fake, initialization: { deep: 1 }, settings: { a: { b: "yes" } } } })
    expect(await project.graft.lsp.list()).toEqual([])
    await write("other.txt", "wrong")
    expect(await project.graft.lsp.list()).toEqual([])
    expect(await write("a.w", "all well\nthis is wrong\nand odd\n")).toMatch(/^made [^\n]*\nfake reports 1 error and 1 warning:\na\.w:2:9 error W1: "wrong" is not right\na\.w:3:5 warning W1: "odd" is not right$/)
    await expect.poll(async () => (await project.graft.lsp.logs("fake")).join("\n"), { interval: 10, timeout: 15_000 }).toContain('settings ["yes",{"a":{"b":"yes"}}] edit {"applied":false,"failureReason":"only the agent changes files"} unknown -32601')
    expect((await project.graft.lsp.logs("fake")).join("\n")).toContain(`root ${project.directory} options {"deep":1} secret undefined`)
    delete process.env.SPEC_SECRET
  })

  it("is there already when a file that was read is changed", async () => {
    put("a.w", "fine")
    await config(fake())
    await project.call("read", { path: "a.w" })
    await expect.poll(() => events(), { interval: 10, timeout: 15_000 }).toEqual(["lsp.started fake"])
  })

  it("is one a root, whoever asks at the same time; a package has its own", async () => {
    await config({ fake: { ...fake().fake } })
    await project.kernel.put("marked", (graft) => { graft.lsp.register({ name: "marked", extensions: { ".m": "m" }, command: fake().fake.command, marks: ["root.m"] }) }, project.directory)
    put("one/root.m", "fine")
    put("two/root.m", "fine")
    await Promise.all([write("one/a.m", "wrong"), write("one/deep/b.m", "wrong"), write("two/c.m", "wrong"), write("d.m", "wrong")])
    expect((await project.graft.lsp.list()).map(({ name, root, files }) => [name, root.slice(project.directory.length), files]).sort()).toEqual([["marked", "", 1], ["marked", "/one", 2], ["marked", "/two", 1]])
    await project.kernel.drop("marked", project.directory)
    await expect.poll(() => events().filter((line) => line.startsWith("lsp.stopped")), { interval: 10, timeout: 15_000 }).toHaveLength(3)
  })

  it("is none where the config asks for none, and in a project that is not trusted", async () => {
    expect(await write("a.w", "wrong")).toMatch(/^made [^\n]*$/)
    trusted = false
    await config(fake())
    expect(await write("a.w", "quite wrong")).toMatch(/^wrote [^\n]*$/)
    expect([events(), running()]).toEqual([[], []])
  })

  it("ends when trust is taken back", async () => {
    await config(fake())
    await write("a.w", "wrong")
    project.kernel.emit("trust.revoked", { location: project.directory })
    await expect.poll(() => events().at(-1), { interval: 10, timeout: 15_000 }).toBe("lsp.stopped the project is not trusted any more")
    expect(running()).toEqual([])
  })

  it.each([["stale"], ["stale", "versionless"]])("that answers late (%s %s) is believed only of the text that is there", async (...flags) => {
    await config(fake(...flags))
    expect(await write("a.w", "wrong")).toContain("1 error")
    expect(await write("a.w", "all well")).toMatch(/^wrote [^\n]*$/)
    expect(await write("a.w", "odd")).toContain("1 warning")
  })

  it("hears of files that others changed or took away", async () => {
    await config(fake())
    await write("a.w", "fine")
    await write("b.w", "fine")
    put("a.w", "now wrong")
    await write("b.w", "still fine")
    await expect.poll(() => events(), { interval: 10, timeout: 15_000 }).toContain("lsp.diagnostics a.w 1")
    rmSync(file("a.w"))
    await write("b.w", "fine again")
    await expect.poll(async () => (await project.graft.lsp.logs("fake")).at(-1), { interval: 10, timeout: 15_000 }).toBe("closed a.w")
    expect((await project.graft.lsp.diagnose([file("a.w"), file("b.w")])).map(({ path }) => path)).toEqual([file("b.w")])
  })

  it("is started anew when somebody asks, and a name that nobody has is said", async () => {
    await config(fake())
    await write("a.w", "fine")
    await project.graft.lsp.restart("fake")
    expect(running()).toEqual([])
    expect(await write("a.w", "wrong")).toContain("1 error")
    await expect(project.graft.lsp.restart("fak")).rejects.toMatchObject({ code: "lsp.unknown", message: 'there is no language server "fak"; did you mean "fake"?' })
  })
})

describe("whatever it does, the call ends with what the tool did: a server that", () => {
  it.each<[string, string[], RegExp]>([
    ["ends at once", ["exits"], /it ended \(exit code 3\): no licence was found\)$/],
    ["does not speak the protocol", ["babbles"], /it does not speak the protocol\)$/],
    ["announces a message of a terabyte", ["huge"], /it sent more than 32 MiB in one message\)$/],
  ])("%s", async (_, flags, says) => {
    await config(fake(...flags))
    const output = await write("a.w", "wrong")
    expect(output).toMatch(/^made .*\n\(fake has not said what it thinks of a\.w: /)
    expect(output).toMatch(says)
    // It is left alone for a while, and says why.
    expect(await write("a.w", "wronger")).toMatch(/it is tried again within 1 s\)$/)
    expect(events().map((line) => line.split(" ")[0])).toEqual(["lsp.failed"])
    expect(running()).toEqual([])
  })

  it("is not installed is none", async () => {
    await config({ absent: { command: ["no-such-server"], extensions: [".w"] } })
    expect(await write("a.w", "wrong")).toMatch(/^made [^\n]*$/)
  })

  it("dies in the middle is told, and is started again by the next call after a pause", async () => {
    await config(fake())
    expect(await write("a.w", "die")).toMatch(/it ended \(exit code 7\)/)
    expect(await tools()).not.toContain("symbols")
    await expect.poll(async () => /1 error/.test(await write("a.w", `wrong ${Math.random()}`)), { interval: 100, timeout: 15_000 }).toBe(true)
    expect(events().map((line) => line.split(" ")[0])).toEqual(["lsp.started", "lsp.failed", "lsp.started", "lsp.diagnostics"])
  })

  it("says nothing of a text is waited for three seconds, and that is said", async () => {
    await config(fake())
    await write("a.w", "wrong")
    expect(await write("a.w", "silence")).toMatch(/\n\(fake has not said what it thinks of a\.w: no word in 3 s\)$/)
  })

  it("floods its log and its client is bounded, and answers", async () => {
    await config(fake("floods"))
    expect(await write("a.w", "wrong")).toContain("1 error")
    await expect.poll(async () => (await project.graft.lsp.logs("fake")).some((line) => line.startsWith("yyy")), { interval: 10, timeout: 15_000 }).toBe(true)
    expect((await project.graft.lsp.logs("fake")).reduce((sum, line) => sum + line.length, 0)).toBeLessThan(10_000)
  })

  it("lies about what it found loses only that; places outside of the project are not shown", async () => {
    await config(fake("lies"))
    expect(await write("a.w", "wrong")).toContain("1 error")
    expect((await project.call("symbols", { action: "search", query: "else" })).output).toBe('no name in the project is like "else"')
    expect((await project.call("symbols", { action: "outline", path: "/etc/passwd" })).output).toContain("is not in this project")
    expect((await project.call("symbols", { action: "definition", path: "a.w", line: 1, name: "right" })).output).toBe('"right" does not stand in line 1: wrong')
  })
})

describe("an edit of this plugin", () => {
  it("keeps the server and what it knows; the next call is on the new code", async () => {
    await config(fake())
    await write("a.w", "wrong")
    const [before] = running()
    const source = join(project.sources, "lsp/report.ts")
    writeFileSync(source, readFileSync(source, "utf8").replace("reports $", "complains of $"))
    await project.kernel.reconcile([source])
    await project.kernel.settled()
    expect(await tools()).toContain("symbols")
    expect(await write("a.w", "wrong and odd")).toContain("fake complains of 1 error and 1 warning")
    expect(running()).toEqual([before])
    expect(events()).toEqual(["lsp.started fake", "lsp.diagnostics a.w 1", "lsp.diagnostics a.w 2"])
  })

  it("in the middle of a start ends in one server", async () => {
    await config(fake())
    const writing = write("a.w", "wrong")
    await expect.poll(() => running().length, { interval: 20, timeout: 15_000 }).toBe(1)
    const source = join(project.sources, "lsp/report.ts")
    writeFileSync(source, readFileSync(source, "utf8").replace("complains of $", "is unhappy with $"))
    await project.kernel.reconcile([source])
    expect(await writing).toContain("fake complains of 1 error")
    expect(await write("a.w", "odd")).toContain("fake is unhappy with 1 warning")
    expect(running()).toHaveLength(1)
  })
})

describe("what is pure", () => {
  it("the model reads errors first, in order of place, and no more than helps", () => {
    const at = (line: number, severity: unknown, message = "no") => ({ range: { start: { line, character: 0 } }, severity, message })
    const diagnostics = diagnosticsOf([at(5, 2), at(3, 1), at(9, undefined), at(1, 4), at(2, 1, "a\n  b"), "none", { message: "no place" }])
    expect(diagnostics.map(({ line, severity }) => `${severity} ${line}`)).toEqual(["error 3", "error 4", "error 10", "warning 6", "hint 2"])
    expect(report({ server: "s", path: "/p/a", diagnostics }, "a")).toBe("s reports 3 errors and 1 warning:\na:3:1 error: a b\na:4:1 error: no\na:10:1 error: no\na:6:1 warning: no")
    const many = diagnosticsOf(Array.from({ length: 500 }, (_, line) => at(line, 1, "x".repeat(10_000))))
    expect(report({ server: "s", path: "/p/a", diagnostics: many }, "a").length).toBeLessThan(10_000)
    expect(diagnosticsOf("nonsense")).toEqual([])
    expect(report({ server: "s", path: "/p/a", diagnostics: diagnosticsOf([at(1, 3)]) }, "a")).toBe("")
  })

  it("messages pass however the bytes are cut, and what is none ends it", async () => {
    const message = (text: string) => `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
    await fc.assert(fc.asyncProperty(fc.array(fc.string(), { maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 20 }), async (texts, cuts) => {
      const whole = Buffer.from(texts.map(message).join(""))
      const pieces: Buffer[] = []
      for (let at = 0, i = 0; at < whole.length; i++) pieces.push(whole.subarray(at, (at += cuts[i % cuts.length]!)))
      const wrong: string[] = []
      const passed = await Readable.from(pieces).pipe(boundedFrames((why) => wrong.push(why))).toArray()
      expect([Buffer.concat(passed).equals(whole), wrong]).toEqual([true, []])
    }), { numRuns: 200 })
    for (const nonsense of ["x".repeat(9_000), "Content-Length: many\r\n\r\n{}", "Content-Type: a\r\n\r\n"]) {
      const wrong: string[] = []
      await Readable.from([Buffer.from(nonsense)]).pipe(boundedFrames((why) => wrong.push(why))).toArray()
      expect(wrong).toEqual(["it does not speak the protocol"])
    }
  })
})

it("a program of the project is found before one on the PATH", async () => {
  put("node_modules/.bin/typescript-language-server", `#!/bin/sh\ntouch "${file("started")}"\n`)
  chmodSync(file("node_modules/.bin/typescript-language-server"), 0o755)
  await config(true)
  await write("a.ts", "let a")
  expect(existsSync(file("started"))).toBe(true)
})
