/** checkLaws: a plugin that leaves something behind, crashes on its own options or does not stop is told so, with its line and what to change. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { checkLaws, examine, LawsBroken, sayReport, type Broken, type LawsOptions } from "../kit/index.ts"

let base: string
beforeAll(() => { base = realpathSync(mkdtempSync(join(tmpdir(), "graft-author-"))) })
afterAll(() => rmSync(base, { recursive: true, force: true }))

let serial = 0
/** The laws of a plugin whose setup this is, after these lines. */
async function laws(setup: string, { head = "", fields = "", ...options }: LawsOptions & { head?: string; fields?: string } = {}) {
  const file = join(base, `plugin${++serial}.ts`)
  writeFileSync(file, `import { definePlugin } from "graft"\n${head}\nexport default definePlugin({ ${fields}\n  async setup(graft) {\n${setup}\n  },\n})\n`)
  const { laws: found } = await examine(file, { loads: 5, ...options })
  return Object.fromEntries(found.flatMap(({ law, broken, skipped }): [string, Broken | string][] => (broken ? [[law, broken]] : skipped ? [[law, skipped]] : [])))
}
const NO_TOOLS = { options: "it has no options", calls: "it has no tools" }

describe("a plugin that is as it should be", () => {
  test("keeps every law, and each that could not be tried says why", async () => {
    const report = await checkLaws(join(import.meta.dirname, "../../config/examples/dice.ts"), { loads: 5 })
    expect(sayReport({ ...report, milliseconds: 5 })).toBe([
      "dice keeps all 8 laws that were tried, in 5 ms",
      "✓ load: it comes up by itself",
      "✓ unload: 5 loads and unloads leave nothing behind (L21, L22)",
      "✓ same: each load gives the same (L10, L28)",
      "✓ memory: no generation stays in memory (L22)",
      "✓ abort: interrupted on its way up, it leaves nothing behind (L3)",
      "– options: it has no options",
      "✓ calls: a call ends when it is told to, and its failure is an answer (L6)",
      "✓ cleanup: its cleanups end, and do not fail (L8)",
      "✓ faults: nothing it started failed unheard (L19, L23)",
    ].join("\n"))
  })

  test("may keep a server, a timer of graft's and a listener that it takes off again", async () => {
    expect(await laws(`
      await graft.keep("door", "0", () => new Promise((resolve) => { const server = createServer().listen(0, () => resolve(server)) }), (server) => new Promise((resolve) => server.close(resolve)))
      graft.every(10, () => {})
      const hear = () => {}
      process.on("SIGWINCH", hear)
      graft.defer(() => process.off("SIGWINCH", hear))`, { head: 'import { createServer } from "node:net"' })).toEqual(NO_TOOLS)
  })
})

describe("a plugin that leaves something behind", () => {
  test("a timer: the line that made it, and what to use instead", async () => {
    const { unload } = await laws("    setInterval(() => {}, 60_000)")
    expect(unload).toEqual({
      seen: "after 5 loads and unloads: 5 more × timer", where: expect.stringMatching(/plugin\d+\.ts:5:5$/) as string, frame: expect.stringContaining(">    5 |     setInterval(() => {}, 60_000)") as string,
      change: "use graft.every or graft.timeout: they start at the commit and stop with the plugin",
    })
  })

  test("a server that is opened before it is owned: only when setup is interrupted", async () => {
    const found = await laws(`
      const server = createServer()
      await new Promise((resolve) => server.listen(0, resolve))
      graft.defer(() => new Promise((resolve) => server.close(resolve)))`, { head: 'import { createServer } from "node:net"' })
    expect(found).toMatchObject({ ...NO_TOOLS, abort: {
      seen: expect.stringMatching(/^after it was interrupted while it loaded, at each of the 1 steps of its setup, and at its commit: \d more × TCP server$/) as string, where: expect.stringMatching(/plugin\d+\.ts:7:\d+$/) as string,
      change: "what setup opens has to be owned before its next await: open it with graft.keep(name, key, acquire, release): the next generation takes it over, the last one closes it",
    } })
    expect(Object.keys(found).sort()).toEqual(["abort", "calls", "options"])
  })

  test("a listener of the process, a global, a variable of the environment", async () => {
    const { unload } = await laws('    process.on("SIGWINCH", () => {})')
    expect(unload).toEqual({ seen: "after 5 loads and unloads: 5 more × listener of the process (SIGWINCH)", change: 'take it off in graft.defer: process.off("SIGWINCH", …)' })
    const globals = await laws("    globalThis[`law${Math.random()}`] = 1")
    expect(globals.unload).toMatchObject({ seen: expect.stringMatching(/^after 5 loads and unloads: 5 more × global \(law0/) as string })
    process.removeAllListeners("SIGWINCH")
  })

  test("its own generations, when something global holds a function of them", async () => {
    const { memory } = await laws("    (process.lawsHold ??= []).push(() => graft)")
    expect(memory).toEqual({ seen: "5 of 5 generations are still in memory", change: "something that lives longer holds a function of the plugin: a listener that is not taken off, a global list, a promise that never ends; take it back in graft.defer" })
  })
})

describe("a plugin that is not the same each time", () => {
  test("says what came and what went", async () => {
    const { same } = await laws('    if ((globalThis.lawsCount = (globalThis.lawsCount ?? 0) + 1) === 1) graft.on("plugin.loaded", () => {})')
    expect(same).toMatchObject({ seen: "the first load gave listener of plugin.loaded, a later one did not" })
  })

  test("does not load at all: the reason, and nothing else is tried", async () => {
    const found = await laws('    throw new Error("no")')
    expect(found).toEqual({ load: { seen: expect.stringMatching(/^plugin\d+ is failed: no\n {2}at .*plugin\d+\.ts:5:11/) as string, where: expect.stringMatching(/:5:11$/) as string, frame: expect.stringContaining("throw new Error") as string, change: "make this load first: graft plugin dev <file> shows each try as you save" } })
  })
})

describe("options", () => {
  test("that its schema takes and its setup does not: the least of them", async () => {
    const { options } = await laws("    if (graft.options.paths?.length > 0) graft.options.paths[0].not.there()", { head: 'import * as v from "valibot"', fields: "options: v.object({ name: v.optional(v.string()), paths: v.optional(v.array(v.string())) })," })
    expect(options).toMatchObject({ seen: expect.stringMatching(/^its options take \{"paths":\[".*"\]\}, and setup crashes: Cannot read properties of undefined \(reading 'there'\)$/) as string, where: expect.stringMatching(/:5:\d+$/) as string, change: "let the schema refuse it, or throw an error with a string `code` that says what is wrong with the value" })
  })

  test("a typed refusal is none of its faults", async () => {
    expect(await laws('    if (graft.options.n > 3) throw Object.assign(new Error("n is too large"), { code: "mine.large" })', { head: 'import * as v from "valibot"', fields: "options: v.object({ n: v.optional(v.number()) })," })).toEqual({ calls: "it has no tools" })
  })
})

describe("calls", () => {
  const tool = (execute: string, effects = '["read"]') => `    graft.tool.register({ name: "slow", description: "", input: {}, effects: ${effects}, execute: ${execute} })`

  test("one that does not listen to its signal", async () => {
    const { calls } = await laws(tool("() => new Promise((resolve) => setTimeout(resolve, 60_000).unref())"), { grace: 200 })
    expect(calls).toEqual({ seen: expect.stringMatching(/^slow\(.*\), to its end: it had not ended 0.2 s after its signal aborted$/) as string, change: "give context.signal to what it waits for (fetch, spawn, timers), or look at signal.aborted between steps" })
  })

  test("one that crashes instead of answering", async () => {
    const { calls } = await laws(tool("() => { throw new Error('oops') }"))
    expect(calls).toMatchObject({ seen: expect.stringMatching(/^slow\(.*\) crashed: oops$/) as string, where: expect.stringMatching(/:5:\d+$/) as string })
  })

  test("one with effects is not called unless it is said how", async () => {
    expect(await laws(tool("() => 'did it'", '["run"]'))).toEqual({ options: "it has no options", calls: 'not called, for it may have effects: give calls: [{ tool: "slow", input: … }]' })
  })
})

test("cleanups that fail, and what fails unheard", async () => {
  const { cleanup, faults } = await laws('    graft.defer(() => { throw new Error("stuck") })\n    graft.fork(async () => { throw new Error("lost") })')
  expect(cleanup).toMatchObject({ seen: "defer: stuck", where: expect.stringMatching(/:5:\d+$/) as string })
  expect(faults).toMatchObject({ seen: "fork: lost", where: expect.stringMatching(/:6:\d+$/) as string })
})

test("what is thrown reads as the report", async () => {
  const file = join(base, "thrower.ts")
  writeFileSync(file, 'export default { setup() { setInterval(() => {}, 60_000) } }\n')
  const error = await checkLaws(file, { loads: 4 }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(LawsBroken)
  expect((error as Error).message).toMatch(/^thrower breaks 3 of 7 laws\n✓ load: it comes up by itself\n✗ unload: 4 loads and unloads leave nothing behind \(L21, L22\)\n {4}seen {4}after 4 loads and unloads: 4 more × timer\n {4}at {6}.*thrower\.ts:1:28\n {12}> {4}1 \|/)
})
