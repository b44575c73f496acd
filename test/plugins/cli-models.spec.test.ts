/** `graft models` says what can be asked and what each of the others lacks, `graft models test` everything that one request teaches, `graft stats` what was used. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { createKernel, type EmbeddedKernel } from "graft"
import { afterAll, beforeAll, expect, test } from "vitest"
import { models } from "../../plugins/cli/commands/models.ts"
import { stats } from "../../plugins/cli/commands/stats.ts"
import type { Terminal, Work } from "../../plugins/cli/contract.ts"
import type { Model } from "../../plugins/model/contract.ts"

let base: string
let kernel: EmbeddedKernel
const project = () => join(base, "project")

beforeAll(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "graft-cli-models-")))
  mkdirSync(join(project(), ".git"), { recursive: true })
  const only = ["auth", "config", "eventlog", "instruction", "llm", "model", "permission", "runner", "session", "store", "tool", "provider-demo", "provider-google", "provider-amazon-bedrock", "provider-openai-compatible"]
  kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], dataDir: join(base, "home"), only })
  await kernel.start()
})
afterAll(async () => {
  await kernel.close()
  rmSync(base, { recursive: true, force: true })
})

async function call(work: Work, ...argv: string[]): Promise<{ code: number; out: string; err: string; rows: any[] }> {
  let [out, err] = ["", ""]
  const terminal: Terminal = {
    out: (text) => { out += text }, err: (text) => { err += text }, paint: (_, text) => text, ask: async () => undefined, input: Readable.from([]), color: false, cursor: false, interactive: false, together: false, columns: 80, rows: 24,
    directory: project(), signal: new AbortController().signal, trap: () => () => {},
  }
  const code = await work.run(argv, terminal)
  return { code, out, err, rows: argv.includes("--json") ? out.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line) as unknown) : [] }
}

test("all models of all providers are told, each with its provider and why it cannot be used; by default only those that can", async () => {
  const { rows, code } = await call(models(kernel.graft), "--all", "--json")
  const all = rows as Model[]
  expect(code).toBe(0)
  expect(all.length).toBeGreaterThanOrEqual(1_500)
  expect(new Set(all.map(({ provider }) => provider)).size).toBeGreaterThanOrEqual(30)
  expect(all.filter(({ usable, reason }) => !usable && !reason)).toEqual([])
  expect(all.find(({ ref }) => ref === "google/gemini-3.8-flash")!.reason).toContain("set GOOGLE_GENERATIVE_AI_API_KEY")
  expect(all.find(({ ref }) => ref === "deepseek/deepseek-v4-pro")?.reason).toContain("set DEEPSEEK_API_KEY")
  const usable = await call(models(kernel.graft))
  expect(usable.out).toBe("demo/demo  Demo (rules, no model)    $0 / $0 per M\n")
  expect(usable.err).toMatch(/^\d+ more are known and not ready: graft models --all says what each lacks\n$/)
  expect((await call(models(kernel.graft), "opus", "--provider", "amazon-bedrock", "--all")).out.split("\n").length).toBeGreaterThan(5)
})

test("one request teaches how a model answers; one that cannot be asked says why, and that is no success", async () => {
  const tested = await call(models(kernel.graft), "test", "demo")
  expect(tested.code).toBe(0)
  for (const line of [/^model +demo\/demo \(Demo/m, /^result +answered in /m, /^said +\S/m, /^tools +/m, /^reasoning +\d+ characters/m, /^finish +stop/m, /^tokens +\d+ in \(0 from the cache, 0 into it\), \d+ out/m, /^cost +\$0$/m, /^context +not known/m]) expect(tested.out).toMatch(line)
  expect((await call(models(kernel.graft), "test", "demo", "--json")).rows[0]).toMatchObject({ ref: "demo/demo", ok: true, finish: "stop", usage: { cost: 0 } })
  await expect(call(models(kernel.graft), "test", "google/gemini-3.8-flash")).rejects.toMatchObject({ code: "model.unusable", message: expect.stringContaining("no key") })
  await expect(call(models(kernel.graft), "test")).rejects.toMatchObject({ code: "cli.usage" })
})

test("what was used is told by model, session, project and day, with what the cache held apart", async () => {
  expect(await call(stats(kernel.graft))).toMatchObject({ code: 0, out: "", err: "nothing was used yet in this project; --all looks at every project\n" })
  using graft = await kernel.graft.at(project())
  const { id } = await graft.session.create({ directory: project(), title: "A talk" })
  await graft.session.prompt({ session: id, text: "what can you do?" })
  const { usage } = await graft.session.wait(id)
  const { rows: [line] } = await call(stats(kernel.graft), "--json")
  expect(line).toEqual({ model: "demo/demo", requests: 1, input: usage.input, cacheRead: 0, cacheWrite: 0, output: usage.output, reasoning: usage.reasoning, cost: 0, unpriced: 0 })
  expect((await call(stats(kernel.graft), "--by", "session", "--json")).rows).toMatchObject([{ session: id, requests: 1 }])
  expect((await call(stats(kernel.graft), "--by", "project", "--all", "--json")).rows).toMatchObject([{ project: project() }])
  expect((await call(stats(kernel.graft), "--by", "day", "--days", "1", "--json")).rows).toMatchObject([{ day: expect.stringMatching(/^20\d\d-\d\d-\d\d$/) }])
  expect((await call(stats(kernel.graft))).out).toMatch(/^model +requests +input +cached +to cache +output +reasoning +cost\ndemo\/demo +1 /)
  await expect(call(stats(kernel.graft), "--by", "moon")).rejects.toMatchObject({ code: "cli.usage" })
  await expect(call(stats(kernel.graft), "--days", "x")).rejects.toMatchObject({ code: "cli.usage" })
})
