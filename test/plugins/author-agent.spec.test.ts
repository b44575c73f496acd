/** The agent as an author: a wish becomes a file that is typed, keeps the laws and is live, within what its user allowed; and one word takes it out. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { keepTypings } from "../../plugins/lib/typings.ts"
import { createTestKernel, TestClock, type TestKernel } from "../kit/index.ts"
import { ROOT } from "../e2e/graft.ts"

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let kernel: TestKernel
const BUILT_INS = ["config", "store", "eventlog", "auth", "model", "llm", "session", "runner", "compaction", "instruction", "permission", "tool", "snapshot", "job", "tool-plugin"]
beforeAll(async () => {
  vi.stubEnv("PATH", `${join(ROOT, "node_modules/.bin")}${delimiter}${process.env.PATH}`)
  kernel = await createTestKernel({ builtIns: BUILT_INS })
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await kernel[Symbol.asyncDispose]()
})

const shout = (body: string, head = "") => `import { definePlugin } from "graft"
import * as v from "valibot"
${head}
export default definePlugin({
  setup(graft) {
    graft.tool.register({ name: "shout", description: "Says it loudly", input: v.object({ text: v.string() }), effects: ["read"], execute: ${body} })
  },
})
`
const good = shout("({ text }) => text.toUpperCase()")
const write = (source: string, more: object = {}) => ({ calls: [{ tool: "plugin", input: { do: "write", name: "shout", source, ...more } }] })
const outputs = (answer: Awaited<ReturnType<TestKernel["ask"]>>) => answer.messages.flatMap(({ parts }) => parts.flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : [])))

test("a wish: read the guide, get the types wrong, then right, and use it; then have it gone", async () => {
  const answer = await kernel.ask("add a tool that shouts",
    { calls: [{ tool: "plugin", input: { do: "guide" } }] },
    write(shout("({ words }) => words.toUpperCase()")),
    write(shout("({ text }) => text.toUpperCase()").replace("setup(graft) {", "setup(graft) {\n    setInterval(() => {}, 60_000)")),
    write(good),
    { calls: [{ tool: "shout", input: { text: "it works" } }] },
    { calls: [{ tool: "plugin", input: { do: "list" } }] },
    "It shouts.")
  const [guide, types, laws, live, shouted, listed] = outputs(answer)
  expect(guide).toMatch(/^# How a plugin is written\n/)
  expect(types).toMatch(/^nothing was made live: shout\.ts:7:\d+ TS2339: Property 'words' does not exist on type '\{ text: string; \}'\./)
  expect(laws).toMatch(/^nothing was made live: it breaks a law, "unload": 50 loads and unloads leave nothing behind \(L21, L22\)\n {2}seen: after 50 loads and unloads: 50 more × timer\n {2}at: shout\.ts:7:5\n[\s\S]*change: use graft\.every/)
  expect(live).toMatch(/^shout@1 is live: tool shout\. From the next turn on it is there\. File: .*shout\.ts$/)
  expect(shouted).toBe("IT WORKS")
  expect(listed).toMatch(/^shout {2}.*shout\.ts$/)
  expect(answer).toMatchObject({ text: "It shouts.", ended: { state: "done" } })

  const [gone] = outputs(await kernel.ask("remove it", { calls: [{ tool: "plugin", input: { do: "remove", name: "shout" } }] }, "Gone."))
  expect(gone).toBe("shout is gone, with exactly what it added")
  expect((await kernel.graft.tool.list()).map(({ name }) => name)).toEqual(["plugin"])
})

test("what does not come up leaves what was there before", async () => {
  const [first, second] = outputs(await kernel.ask("again", write(good), write(good.replace("setup(graft) {", 'setup(graft) {\n    if (graft.location?.includes("graft-test")) throw Object.assign(new Error("not here"), { code: "not.here" })')), "Hm."))
  expect([first!.slice(0, 16), second!.split("\n")[0]]).toEqual(["shout@2 is live:", "it did not come up, and was taken away again: not here"])
  expect(await kernel.call("shout", { text: "still" })).toMatchObject({ output: "STILL" })
})

test("a file that somebody else wrote, or a built-in's name, is not taken", async () => {
  const file = outputs(await kernel.ask("list", { calls: [{ tool: "plugin", input: { do: "list" } }] }, "So."))[0]!.split("  ")[1]!
  writeFileSync(file, readFileSync(file, "utf8").split("\n").slice(1).join("\n"))
  const said = outputs(await kernel.ask("once more", write(good), { calls: [{ tool: "plugin", input: { do: "remove", name: "shout" } }, { tool: "plugin", input: { do: "write", name: "model", source: good } }] }, "So."))
  expect(said).toEqual([`${file} was not written by you: choose another name, or change it with edit`, 'you have written no plugin "shout"', '"model" is a built-in plugin: choose another name'])
})

test("without a rule that allows it nothing runs, and nothing is written", async () => {
  await using strict = await createTestKernel({ builtIns: BUILT_INS, allow: [] })
  const answer = await strict.ask("add a tool", write(good.replace("setup(graft) {", 'setup(graft) {\n    process.emit("pluginRan" as never)')), "I may not.")
  expect(answer.ended).toMatchObject({ state: "blocked", rule: expect.stringMatching(/^plugin:.*shout\.ts$/) as string })
  expect(existsSync(join(strict.home, "cache/bench"))).toBe(false)
})

test("one for the project waits until the project is trusted", async () => {
  await using guarded = await createTestKernel({ builtIns: [...BUILT_INS, "trust"] })
  await guarded.kernel.graft.kernel.addRoot({ dir: ".graft/plugins", kind: "project", per: "location", guarded: true })
  const [said] = outputs(await guarded.ask("for this project", write(good, { project: true }), "It waits."))
  expect(said).toMatch(/\.graft\/plugins\/shout\.ts is written, and runs once its owner has trusted it: .* \(graft trust allow\)/)
  expect((await guarded.graft.tool.list()).map(({ name }) => name)).toEqual(["plugin"])
  await guarded.graft.trust.allow(guarded.project)
  await expect.poll(async () => (await guarded.graft.tool.list()).map(({ name }) => name)).toEqual(["plugin", "shout"])
})

test("typings that another Graft made are made again, ten seconds after the start; where there are none, none are made", async () => {
  const clock = new TestClock()
  await using opened = await createTestKernel({ clock, builtIns: ["tool-plugin"] })
  const stale = join(opened.home, "config/plugins")
  keepTypings(stale, ROOT)
  const stamp = join(stale, ".types/stamp.json")
  const right = readFileSync(stamp, "utf8")
  writeFileSync(stamp, right.replace(/"version":"[^"]+"/, '"version":"0.0.1"'))
  await opened.kernel.graft.kernel.addRoot({ dir: stale, kind: "user" })
  await clock.advance(9_000)
  expect(readFileSync(stamp, "utf8")).not.toBe(right)
  await clock.advance(1_000)
  expect(readFileSync(stamp, "utf8")).toBe(right)
  expect(existsSync(join(opened.project, ".graft"))).toBe(false)
})
