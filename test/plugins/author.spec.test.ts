/** A new plugin is right for `tsc` where nothing else is, takes the place of nothing, and each of its transactions is told in full. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import type { JournalEntry, PluginView } from "graft"
import { scaffold, TEMPLATES } from "../../plugins/cli/commands/plugin/scaffold.ts"
import { changeOf, contributions, sayChange, sayOutcome, sayTimes } from "../../plugins/cli/commands/plugin/transactions.ts"
import { findCompiler, sayProblem, typeCheck } from "../../plugins/lib/typecheck.ts"
import { areStale, keepTypings } from "../../plugins/lib/typings.ts"
import { place, ROOT, type Place } from "../e2e/graft.ts"

const BIN = join(ROOT, "node_modules/.bin")
const withTsc = { PATH: `${BIN}${delimiter}${process.env.PATH}` }

describe("a scaffold", () => {
  let here: Place
  beforeAll(() => { here = place() })
  afterAll(() => here[Symbol.dispose]())

  it("of each template is right for tsc, in a directory with no node_modules above it", async () => {
    for (const template of TEMPLATES) scaffold(here.plugins, `my-${template}`, template, ROOT, [])
    expect(readdirSync(here.plugins).sort()).toEqual([".types", ...TEMPLATES.map((template) => `my-${template}.ts`).sort(), "test", "tsconfig.json"])
    expect(await typeCheck(join(here.plugins, "tsconfig.json"), [ROOT])).toEqual({ compiler: join(BIN, "tsc"), problems: [] })
  })

  it("is typed: an input that the schema does not have is a mistake, with its place", async () => {
    const file = join(here.plugins, "my-tool.ts")
    writeFileSync(file, readFileSync(file, "utf8").replace("({ sides }) =>", "({ edges }) =>"))
    const { problems } = (await typeCheck(join(here.plugins, "tsconfig.json"), [ROOT], { files: [file] })) as { problems: Parameters<typeof sayProblem>[0][] }
    expect(problems.map(sayProblem)[0]).toMatch(/my-tool\.ts:13:19 TS2339: Property 'edges' does not exist on type '\{ sides: number; \}'\./)
  })

  it("overwrites nothing, and takes no name that means something else", () => {
    const make = (name: string) => () => scaffold(here.plugins, name, "tool", ROOT, [])
    mkdirSync(join(here.plugins, "other"))
    expect(make("my-tool")).toThrow(`${join(here.plugins, "my-tool.ts")} exists already: choose another name, or edit it`)
    expect(make("other")).toThrow(`${join(here.plugins, "other")} exists already: choose another name, or edit it`)
    expect(make("../evil")).toThrow('"../evil" cannot be a plugin\'s name: lower-case letters, digits and dashes, e.g. my-tool')
    expect(make("model")).toThrow('"model" is a built-in plugin, whose place a file of that name would take: choose another name')
    expect(make("test")).toThrow('"test" cannot be a plugin\'s name: the tests of your plugins lie in a folder of that name')
  })

  it("has typings that are made again for another Graft, and a tsconfig that is left alone once it is its author's", () => {
    expect([areStale(here.plugins, ROOT), keepTypings(here.plugins, ROOT).written]).toEqual([false, []])
    const stamp = join(here.plugins, ".types/stamp.json")
    writeFileSync(stamp, JSON.stringify({ ...(JSON.parse(readFileSync(stamp, "utf8")) as object), version: "0.0.1" }))
    const tsconfig = join(here.plugins, "tsconfig.json")
    writeFileSync(tsconfig, "{}")
    expect([areStale(here.plugins, ROOT), keepTypings(here.plugins, ROOT).written]).toEqual([true, [join(here.plugins, ".types")]])
    expect([readFileSync(tsconfig, "utf8"), areStale(here.plugins, ROOT)]).toEqual(["{}", false])
  })

  it("names each contract once: a plugin's own in the place of the built-in's", () => {
    mkdirSync(join(here.plugins, "title"))
    mkdirSync(join(here.plugins, "model"))
    writeFileSync(join(here.plugins, "model/contract.ts"), "export interface Model { mine: true }\n")
    keepTypings(here.plugins, ROOT)
    const contracts = readFileSync(join(here.plugins, ".types/index.d.ts"), "utf8")
    expect(contracts).toContain("graft/plugins/tool/contract")
    expect(contracts).not.toContain("graft/plugins/model/contract")
  })
})

describe("a compiler", () => {
  it("is the author's own, the nearest first, and where there is none that is said", async () => {
    using here = place()
    keepTypings(here.plugins, ROOT)
    vi.stubEnv("PATH", here.home)
    expect(await typeCheck(join(here.plugins, "tsconfig.json"), [])).toEqual({ reason: "no tsc was found, on the path or in this project, if it is trusted: npm install -g typescript, and types are checked too" })
    vi.unstubAllEnvs()
    const own = join(here.project, "node_modules/.bin/tsc")
    mkdirSync(dirname(own), { recursive: true })
    writeFileSync(own, "#!/bin/sh\n", { mode: 0o755 })
    expect([findCompiler([here.project], withTsc), findCompiler([here.home], withTsc), findCompiler([here.home], { PATH: here.home })]).toEqual([own, join(BIN, "tsc"), undefined])
  })
})

describe("a transaction as it is told", () => {
  const view = (slots: Record<string, string[]>, events: string[] = []): PluginView => ({ status: "live", services: [], slots, events, kept: [] }) as unknown as PluginView
  const entry: JournalEntry = { at: 1, plugin: "dice", realm: "root", gen: 3, cause: "a file changed", outcome: "committed", times: { settle: 31.4, load: 4.23, stage: 0.8, commit: 0.1 } }

  it("says how long each phase took, what came, what went, and what goes on", () => {
    expect(sayOutcome(entry, 3)).toBe("dice@3 is live")
    expect(sayTimes(entry)).toBe("settle 31 · load 4.2 · stage 0.8 · commit 0.1 ms")
    expect(sayChange(changeOf(contributions(view({ tool: ["a", "b"] })), contributions(view({ tool: ["b", "c"] }, ["model.added"]))))).toBe("+ tool c   + on model.added   - tool a   1 as before")
    expect(sayOutcome({ ...entry, outcome: "failed", phase: "stage", where: "/d.ts:7:3", message: "no" }, 2)).toBe("dice failed in stage at /d.ts:7:3: no\ndice@2 goes on")
  })
})
