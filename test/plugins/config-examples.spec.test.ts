/** What the folder config/ shows works as it is shown. */
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel, type Control, type EmbeddedKernel } from "graft"
import * as v from "valibot"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { check, type Judge } from "../../plugins/config/check.ts"
import { isDocument, parseDocument } from "../../plugins/lib/jsonc.ts"
import { filesOf } from "../../plugins/config/files.ts"
import { formatPath } from "../../plugins/config/path.ts"
import { sections as own } from "../../plugins/config/sections.ts"
import { leaves, type Tree } from "../../plugins/lib/tree.ts"
import { sections as models } from "../../plugins/model/sections.ts"
import { section as permissions } from "../../plugins/permission/section.ts"
import { section as providers } from "../../plugins/provider-openai-compatible/section.ts"
import type { ToolDefinition } from "../../plugins/tool/contract.ts"

const folder = join(import.meta.dirname, "../../config")
const judges = new Map<string, Judge>([...own, ...models, permissions, providers].map(({ id, schema }) => [id, (value) => {
  const result = schema["~standard"].validate(value)
  if (result instanceof Promise) throw new Error(`${id}: an asynchronous schema`)
  return (result.issues ?? []).map((issue) => ({ keys: (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step)), message: issue.message }))
}]))

async function read(file: string): Promise<Tree> {
  const parsed = await parseDocument(readFileSync(file, "utf8"))
  if (!isDocument(parsed)) throw new Error(`${file}:${parsed.line}: ${parsed.message}`)
  return parsed.tree
}

describe("the configs", () => {
  test.each(["default.jsonc", "examples/config.jsonc"])("%s has no key that nobody knows, and no value that nobody takes", async (name) => {
    const tree = await read(join(folder, name))
    expect(leaves(tree).length).toBeGreaterThanOrEqual(2)
    expect(check([{ layer: "user", tree, place: () => ({}) }], judges, true).problems.map(({ keys, message }) => `${formatPath(keys)} ${message}`)).toEqual([])
  })

  test("the default one is what an install reads", () => {
    expect(filesOf({ roots: () => [{ dir: join(folder, "../plugins"), kind: "built-in" }], host: {} } as unknown as Control).default).toBe(join(folder, "default.jsonc"))
  })
})

describe("the plugins", () => {
  let kernel: EmbeddedKernel
  let base: string
  beforeAll(async () => {
    base = realpathSync(mkdtempSync(join(tmpdir(), "graft-examples-")))
    kernel = createKernel({ roots: [{ dir: join(folder, "examples"), kind: "user", per: "process" }], dataDir: base })
    await kernel.start()
  })
  afterAll(async () => {
    await kernel.close()
    rmSync(base, { recursive: true, force: true })
  })

  test("are all live, and each stands in the guide", () => {
    const files = readdirSync(join(folder, "examples")).filter((name) => name !== "README.md")
    const guide = readFileSync(join(folder, "examples/README.md"), "utf8")
    expect(files.filter((name) => !guide.includes(`(${name})`))).toEqual([])
    const { plugins } = kernel.inspect().realms[0]!
    expect(plugins.map(({ id, status }) => `${id} ${status}`)).toEqual(files.filter((name) => name.endsWith(".ts")).map((name) => `${name.replace(".ts", "")} live`).sort())
  })

  test("the dice roll within their sides, and refuse a die with one", () => {
    const dice = kernel.graft.all("tool").get("dice") as ToolDefinition
    for (let i = 0; i < 50; i++) {
      const [, ...rolls] = /^(\d+) \+ (\d+) \+ (\d+) = (\d+)$/.exec(String(dice.execute({ sides: 6, count: 3 }, {} as never)))!.map(Number)
      const sum = rolls.pop()
      expect([rolls.every((roll) => roll >= 1 && roll <= 6), rolls.reduce((a, b) => a + b)]).toEqual([true, sum])
    }
    expect([v.safeParse(dice.input, { sides: 1 }).success, v.parse(dice.input, { sides: 2 })]).toEqual([false, { sides: 2, count: 1 }])
  })

  test("the house rules are said in each request and kept before each command, as the options have them", async () => {
    const { graft } = kernel
    await graft.kernel.configure(undefined, { "house-rules": { never: ["rm -rf"] } })
    const request = { model: "m", system: ["first"], messages: [], tools: [], options: {}, headers: {} }
    expect((await graft.mutate("turn.request", request)).value.system).toEqual(["first", "Prefer small changes, and say what you did not check."])
    const before = async (name: string, command: string) => (await graft.mutate("tool.before", { call: "c", session: "s", name, input: { command } })).value.verdict
    expect([await before("bash", "rm -rf /"), await before("bash", "git push --force"), await before("write", "rm -rf /")]).toEqual([{ deny: 'the house rules never run "rm -rf"' }, undefined, undefined])
  })
})

test("a plugin that a config switches off by its example name is one that exists", async () => {
  const { plugins } = (await read(join(folder, "examples/config.jsonc"))) as { plugins: Record<string, unknown> }
  const known = [...readdirSync(join(folder, "../plugins")), ...readdirSync(join(folder, "examples")).map((name) => name.replace(".ts", ""))]
  expect(Object.keys(plugins).filter((id) => !known.includes(id))).toEqual([])
})

