/** What other agents' files say is taken over where there is a place for it, and named with its line and the reason where there is none; nothing gets lost, and nothing becomes wider. */
import { readFileSync } from "node:fs"
import type { StandardSchemaV1 } from "@standard-schema/spec"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { section as agents } from "../../plugins/agent/section.ts"
import { section as compaction } from "../../plugins/compaction/settings.ts"
import { readForeign, type Reading } from "../../plugins/convert/reading.ts"
import type { Agent } from "../../plugins/convert/places.ts"
import { section as formatter } from "../../plugins/formatter/section.ts"
import { section as instructions } from "../../plugins/instruction/section.ts"
import { leaves, valueAt, type Keys } from "../../plugins/lib/tree.ts"
import { section as lsp } from "../../plugins/lsp/section.ts"
import { section as mcp } from "../../plugins/mcp/section.ts"
import { sections as models } from "../../plugins/model/sections.ts"
import { section as permissions } from "../../plugins/permission/section.ts"
import { section as providers } from "../../plugins/provider-openai-compatible/section.ts"
import { fixtures, outcomeOf, PROJECT } from "../fixtures/foreign.ts"

const read = async (agent: Agent, file: string, value: unknown): Promise<Reading> => {
  const reading = await readForeign(agent, typeof value === "string" ? value : JSON.stringify(value), { file: `${PROJECT}/${file}`, location: PROJECT })
  if ("message" in reading) throw new Error(`${reading.line}: ${reading.message}`)
  return reading
}
const opencode = async (value: unknown) => read("opencode", "opencode.json", value)
const claude = async (value: unknown) => read("claude", ".claude/settings.json", value)

describe("a file as people have it", () => {
  test.for(fixtures.map((fixture) => [`${fixture.agent}/${fixture.name}`, fixture] as const))("%s", async ([, fixture]) => {
    expect(await outcomeOf(fixture)).toEqual(JSON.parse(readFileSync(fixture.expected, "utf8")))
  })

  test("there are many of them, of every agent and kind", () => {
    expect(fixtures.length).toBeGreaterThanOrEqual(44)
    expect([...new Set(fixtures.map(({ agent }) => agent))]).toEqual(["claude", "codex", "opencode", "pi"])
  })
})

describe("permissions", () => {
  const rules = async (permission: unknown) => (await opencode({ permission })).tree.permissions

  test("of which the last counts there are here what nothing is wider in", async () => {
    expect(await rules({ bash: { "*": "deny", "git *": "allow" } })).toEqual({ ask: ["bash"], allow: ["bash:git *"] })
    expect(await rules({ bash: { "git *": "allow", "*": "deny" } })).toEqual({ deny: ["bash"] })
    expect(await rules({ bash: { "rm *": "deny", "*": "allow" } })).toEqual({ deny: ["bash:rm *"], allow: ["bash"] })
    expect(await rules({ "*": "allow", bash: "ask" })).toEqual({ ask: ["bash"] })
  })

  test("of an MCP server know the servers of their file, and a star means the tools that it fits", async () => {
    const { tree, left } = await opencode({ permission: { "gh_grep_*": "deny", "my_docs_search": "ask", "web*": "ask", "external_*": "allow" }, mcp: { gh_grep: { type: "remote", url: "https://a.example" }, "my docs": { type: "remote", url: "https://b.example" } } })
    expect(tree.permissions).toEqual({ deny: ["mcp:gh_grep/*"], ask: ["mcp:my docs/search", "webfetch", "websearch"] })
    expect(left.filter(({ from }) => from[0] === "permission").map(({ from, reason }) => `${from[1]}: ${reason.slice(0, 24)}`)).toEqual(["external_*: a rule of each action sa"])
  })

  test("of an agent take away tools, and never give more than it had", async () => {
    const tools = async (permission: unknown) => ((await opencode({ agent: { a: { permission } } })).tree.agents as { a?: { tools?: string[] } } | undefined)?.a?.tools
    expect(await tools({ edit: "deny", bash: { "*": "deny", "git diff*": "allow" }, read: "allow" })).toEqual(["!edit", "!write", "!bash"])
    expect(await tools({ "*": "deny", read: "allow", bash: { "git *": "allow" } })).toEqual(["read"])
    expect(await tools({ "*": "deny" })).toEqual(["!*"])
    expect(await tools({ bash: { "rm *": "deny" }, webfetch: "ask" })).toEqual(undefined)
    expect(await tools("deny")).toEqual(["!*"])
  })

  test("for everything are never taken from another program", async () => {
    for (const reading of [await opencode({ permission: "allow" }), await claude({ permissions: { defaultMode: "bypassPermissions" } }), await claude({ permissions: { allow: ["*"] } }), await read("codex", "config.toml", 'approval_policy = "never"\nsandbox_mode = "danger-full-access"')]) {
      expect(reading.tree).toEqual({})
      expect(reading.left.map(({ reason }) => reason).join()).toContain("--allow '*'")
    }
  })

  test("and other words are never taken for what every object has", async () => {
    const odd = { constructor: "allow", toString: { "*": "deny" }, hasOwnProperty: "ask" }
    const reading = await opencode({ permission: odd, tools: { valueOf: false }, mcp: { toString: { type: "local", command: ["x"] } }, provider: { p: { options: { constructor: 1 }, models: { m: { cost: { context_over_200k: { constructor: 3, input: 1 } }, modalities: { input: ["constructor"] } } } } } })
    expect(reading.tree).toEqual({ providers: { p: { models: { m: { cost: { tiers: [{ above: 200_000, input: 1 }] } } } } } })
    expect(reading.left.every(({ reason }) => typeof reason === "string")).toBe(true)
    expect((await claude({ permissions: { allow: ["constructor", "toString(x)"] }, constructor: 1 })).tree).toEqual({})
    expect((await read("codex", "config.toml", 'profile = "p"\n[profiles.p]\nconstructor = 1')).left.map(({ reason }) => typeof reason)).toEqual(["string", "string"])
  })

  test("of Claude follow the paths of its own kind", async () => {
    const deny = async (rule: string) => ((await claude({ permissions: { deny: [rule] } })).tree.permissions as { deny: string[] }).deny.filter((each) => each.startsWith("read:"))
    expect(await deny("Read(.env)")).toEqual(["read:.env", "read:*/.env"])
    expect(await deny("Read(./.env)")).toEqual(["read:.env", "read:*/.env"])
    expect(await deny("Read(//etc/passwd)")).toEqual(["read:/etc/passwd"])
    expect(await deny("Read(/src/**)")).toEqual(["read:src/*"])
    expect(await deny("Read(~/x/**)")).toEqual(["read:~/x/*"])
    expect(await deny("Read(**/keys/**)")).toEqual(["read:keys/*", "read:*/keys/*"])
    expect(await deny("Read(a[bc]?.txt)")).toEqual(["read:a*.txt", "read:*/a*.txt"])
    expect(await deny("Read(*.pem)")).toEqual(["read:*.pem"])
  })
})

describe("the place of a value", () => {
  test("is where it stands in the other file", async () => {
    const reading = await opencode('{\n  // ours\n  "mcp": {\n    "x": {\n      "type": "local",\n      "command": ["npx", "x"],\n      "enabled": false } },\n  "permission": { "bash": "ask" } }')
    expect([await reading.place(["mcp", "x", "enabled"]), await reading.place(["mcp", "x", "args"]), await reading.place(["mcp", "x"]), await reading.place(["permissions", "ask"])]).toEqual([7, 6, 6, 8])
    const toml = await read("codex", "config.toml", 'model = "m"\n\n[mcp_servers.x]\ncommand = "npx"\n\n[mcp_servers.x.env]\nA = "1"\n')
    expect([await toml.place(["model"]), await toml.place(["mcp", "x", "command"]), await toml.place(["mcp", "x", "env", "A"])]).toEqual([1, 4, 7])
  })
})

describe("a file of no use", () => {
  test("that is huge is read as far as it is one", async () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`key${i}`, { a: i, b: [i, i] }]))
    const reading = await opencode({ model: "a/b", ...many })
    expect([reading.tree, reading.left.length]).toEqual([{ model: "a/b" }, 15_000])
    expect(await readForeign("opencode", " ".repeat(8_388_609), { file: "opencode.json" })).toEqual({ line: 1, message: "it has more than 8388608 characters, which no config needs" })
  })

  test("that is nested without an end is refused, and nothing breaks", async () => {
    for (const depth of [1_000, 100_000]) {
      const reading = await readForeign("opencode", `{"model":"a/b","x":${"[".repeat(depth)}${"]".repeat(depth)}}`, { file: "opencode.json" }).catch(() => "thrown")
      expect(reading).not.toBe("thrown")
    }
  })
})

// ── laws ────────────────────────────────────────────────────────────────────────────────────────────────────────

const word = fc.constantFrom("", "*", "allow", "ask", "deny", "a/b", "x", "local", "remote", "npx -y x", "Bash(git:*)", "Read(./**/x?)", "mcp__a__b", "https://a.example", "{env:X}", "${Y}", "-1", "claude-x-4", "../x")
const key = fc.constantFrom("model", "models", "provider", "providers", "mcp", "mcpServers", "servers", "permission", "permissions", "allow", "deny", "*", "bash", "edit", "tools", "agent", "mode", "command", "args", "env", "options", "headers", "url", "type", "timeout", "limit", "cost", "input", "id", "x.y", "a/b", "constructor", "", "profile", "profiles", "model_providers", "mcp_servers", "compaction", "instructions", "lsp", "formatter", "mode", "steps", "prompt", "projects", PROJECT)
const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 5, depthSize: "medium" }, fc.oneof(word, fc.integer({ min: -2, max: 300_000 }), fc.boolean(), fc.constant(null), fc.double({ noNaN: true, noDefaultInfinity: true })), fc.array(tie("value"), { maxLength: 3 }), fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true })),
})).value
const object = fc.dictionary(key, json, { maxKeys: 6, noNullPrototype: true })
const parsed = fixtures.flatMap(({ agent, place, text }) => { try { return [{ agent, file: place.file.slice(PROJECT.length + 1), value: JSON.parse(text) as unknown }] } catch { return [] } })

/** A real file with something else at one of its places. */
const spoilt = fc.tuple(fc.constantFrom(...parsed), fc.nat(), json).map(([{ agent, file, value }, at, other]) => {
  const places = everyPlace(value)
  const keys = places[at % Math.max(1, places.length)] ?? []
  return { agent, file, value: replaced(value, keys, other) }
})
const invented = fc.tuple(fc.constantFrom<[Agent, string]>(["opencode", "opencode.json"], ["claude", ".claude/settings.json"], ["claude", ".mcp.json"], ["claude", ".claude.json"], ["pi", "models.json"], ["pi", "settings.json"]), object).map(([[agent, file], value]) => ({ agent, file, value: value as unknown }))
const anyFile = fc.oneof(spoilt, invented).filter(({ value }) => typeof value === "object" && value !== null && !Array.isArray(value))

function everyPlace(value: unknown, keys: Keys = []): Keys[] {
  const below = typeof value === "object" && value !== null ? Object.entries(value) : []
  return [...(keys.length > 0 ? [keys] : []), ...below.flatMap(([name, each]) => everyPlace(each, [...keys, name]))]
}
function replaced(value: unknown, [first, ...rest]: Keys, other: unknown): unknown {
  if (first === undefined) return other
  const next = (at: string, each: unknown) => (at === first ? replaced(each, rest, other) : each)
  if (Array.isArray(value)) return value.map((each: unknown, i) => next(String(i), each))
  return Object.fromEntries(Object.entries(value as object).map(([name, each]) => [name, next(name, each)]))
}
const leavesIn = (value: unknown): Keys[] => everyPlace(value).filter((keys) => { const at = valueAt(value, keys); return typeof at !== "object" || at === null || Object.keys(at).length === 0 })
const begins = (keys: Keys, with_: Keys): boolean => with_.every((each, i) => keys[i] === each)

describe("for any file", () => {
  test("every word of it is moved, or left with a reason; and all that holds was said in it", async () => {
    let [moves, stays] = [0, 0]
    await fc.assert(fc.asyncProperty(anyFile, async ({ agent, file, value }) => {
      const { tree, moved, left } = await read(agent, file, value)
      for (const keys of leavesIn(value)) expect([keys, [...moved, ...left].some(({ from }) => begins(keys, from) || begins(from, keys))]).toEqual([keys, true])
      for (const { reason, from } of left) expect([reason.length > 5, valueAt(value, from) !== undefined]).toEqual([true, true])
      for (const { to, from } of moved) expect([to, valueAt(tree, to) !== undefined, valueAt(value, from) !== undefined]).toEqual([to, true, true])
      for (const { keys } of leaves(tree).filter((leaf) => leaf.keys.length > 0)) expect([keys, moved.some(({ to }) => begins(keys, to))]).toEqual([keys, true])
      moves += moved.length
      stays += left.length
    }), { numRuns: 250 })
    expect(moves).toBeGreaterThan(100)
    expect(stays).toBeGreaterThan(500)
  })

  test("what holds is what the owners of those keys take", async () => {
    const judges = new Map([...models, mcp, permissions, providers, compaction, formatter, lsp, agents, instructions].map(({ id, schema }) => [id, schema as StandardSchemaV1]))
    let judged = 0
    const check = (tree: Readonly<Record<string, unknown>>) => {
      for (const [id, value] of Object.entries(tree)) {
        const result = judges.get(id)?.["~standard"].validate(value) as StandardSchemaV1.Result<unknown> | undefined
        if (result) judged++
        expect([id, value, result?.issues?.map(({ message }) => message)]).toEqual([id, value, undefined])
      }
    }
    for (const fixture of fixtures) { const { tree } = await outcomeOf(fixture); if (tree) check(tree) }
    await fc.assert(fc.asyncProperty(anyFile, async ({ agent, file, value }) => check((await read(agent, file, value)).tree)), { numRuns: 150 })
    expect(judged).toBeGreaterThan(100)
  })

  test("it is read the same each time", async () => {
    await fc.assert(fc.asyncProperty(anyFile, async ({ agent, file, value }) => {
      const [a, b] = [await read(agent, file, value), await read(agent, file, value)]
      expect([a.tree, a.moved, a.left]).toEqual([b.tree, b.moved, b.left])
    }), { numRuns: 50 })
  })

  test("of any text something is said, and nothing is thrown", async () => {
    await fc.assert(fc.asyncProperty(fc.constantFrom<[Agent, string]>(["opencode", "opencode.jsonc"], ["codex", "config.toml"], ["claude", ".mcp.json"], ["pi", "models.json"]), fc.oneof(fc.string({ maxLength: 200, unit: "binary" }), fc.array(fc.constantFrom("{", "}", "[", "]", "[[", "=", ".", '"', "'", '"""', "\\", "a", "b", "1", "-", "\n", " ", "#", "true", ",", ":"), { maxLength: 30 }).map((parts) => parts.join("")), fc.constantFrom(...fixtures).chain(({ text }) => fc.nat(text.length).map((at) => text.slice(0, at)))), async ([agent, file], text) => {
      const reading = await readForeign(agent, text, { file: `${PROJECT}/${file}`, location: PROJECT })
      if ("message" in reading) expect([reading.message.length > 3, reading.line]).toEqual([true, Math.max(1, Math.min(reading.line, text.split("\n").length))])
      else expect(reading.tree).toBeTypeOf("object")
    }), { numRuns: 120 })
  })
})
