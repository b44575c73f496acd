/** Other agents' files count where they lie: below one's own, hot, explained with their line, only of a project that is trusted; and what is migrated says the same from then on. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { definePlugin } from "graft"
import { describe, expect, test, vi } from "vitest"
import agent from "../../plugins/agent/index.ts"
import command from "../../plugins/command/index.ts"
import model from "../../plugins/model/index.ts"
import { openForeign } from "../fixtures/foreign-world.ts"

describe("files of other agents", () => {
  test("count without a word, below one's own of the same layer, and say where they stand", async () => {
    const { graft, get, location, home, at } = await openForeign({
      "~/.config/opencode/opencode.jsonc": '{\n  // mine\n  "model": "openai/gpt-5.1",\n  "small_model": "openai/gpt-5-nano"\n}',
      "~/.codex/config.toml": 'model = "o3"\n\n[mcp_servers.docs]\nurl = "https://docs.example/mcp"\n',
      ".mcp.json": '{ "mcpServers": { "db": { "command": "npx", "args": ["db"] } } }',
      ".claude/settings.json": '{\n  "permissions": {\n    "deny": ["Bash(curl:*)"]\n  }\n}',
      "@/config.jsonc": '{ "small_model": "mine/small", "permissions": { "allow": ["bash:ls"] } }',
    })
    expect([await get("model"), await get("small_model"), await get("mcp")]).toEqual(["openai/gpt-5.1", "mine/small", { docs: { url: "https://docs.example/mcp" }, db: { command: "npx", args: ["db"] } }])
    expect(await graft.config.explain("small_model", location)).toMatchObject({ winner: { layer: "user", file: at("@/config.jsonc") }, losers: [{ layer: "user", from: "opencode", file: join(home, ".config/opencode/opencode.jsonc"), line: 4, value: "openai/gpt-5-nano" }] })
    expect(await graft.config.explain("permissions.deny", location)).toMatchObject({ winner: { layer: "project", from: "claude", file: join(location, ".claude/settings.json"), line: 3, value: ["bash:curl *"] } })
    expect(await graft.config.explain("model", location)).toMatchObject({ winner: { from: "opencode", line: 3 }, losers: [{ from: "codex", line: 1, value: "openai/o3" }] })
    expect(await graft.config.warnings(location)).toEqual([])
  })

  test("are hot: an edit holds and is told once, a broken one leaves what was and says where, one that is gone is gone", async () => {
    const { get, edit } = await openForeign({ "opencode.json": '{ "model": "a/b", "theme": "x" }' })
    expect(await get("model")).toBe("a/b")
    expect([await edit("opencode.json", '{ "model": "a/c", "theme": "x" }'), await get("model")]).toEqual([["project: model"], "a/c"])
    expect(await edit("opencode.json", '{ "model": "a/c", "theme": "y" }')).toEqual([])
    expect([await edit("opencode.json", '{ "model": "a/d",\n "theme" }'), await get("model")]).toEqual([["warned: project/opencode.json:2 colon expected; what it said before holds"], "a/c"])
    expect([await edit(".mcp.json", '{ "mcpServers": { "x": { "command": "y" } } }'), await get("mcp")]).toEqual([["project: mcp.x.command"], { x: { command: "y" } }])
    expect([await edit(".mcp.json", '{ "mcpServers": {} }'), await get("mcp.x")]).toEqual([["project: mcp.x.command"], undefined])
  })

  test("of a project count once it is trusted; the user's always", async () => {
    const { graft, get, location, settle } = await openForeign({ ".claude/settings.json": '{ "permissions": { "allow": ["Bash"] } }', "~/.claude.json": JSON.stringify({ mcpServers: { all: { command: "a" } }, projects: {} }) }, { trusted: false })
    expect([await get("permissions"), await get("mcp")]).toEqual([undefined, { all: { command: "a" } }])
    expect(await graft.config.warnings(location)).toEqual([{ file: join(location, ".claude/settings.json"), line: 1, path: "permissions", message: "is not honoured until this project is trusted (graft trust allow)" }])
    await graft.trust.allow(location)
    await settle()
    expect([await get("permissions"), await graft.config.warnings(location)]).toEqual([{ allow: ["bash"] }, []])
  })

  test("are switched off by agent, or all of them, also while they count", async () => {
    const { get, edit } = await openForeign({ "~/.codex/config.toml": 'model = "o3"', "~/.config/opencode/opencode.json": '{ "small_model": "a/b" }' })
    expect(await edit("@/config.jsonc", '{ "compat": { "codex": false } }')).toEqual(["user: compat.codex model"])
    expect([await get("model"), await get("small_model")]).toEqual([undefined, "a/b"])
    await edit("@/config.jsonc", '{ "compat": false }')
    expect(await get("small_model")).toBe(undefined)
    await edit("@/config.jsonc", "{}")
    expect([await get("model"), await get("small_model")]).toEqual(["openai/o3", "a/b"])
  })

  test("of the user are not switched off by a project, whose word counts for its own", async () => {
    const { get, edit } = await openForeign({ "~/.claude/settings.json": '{ "permissions": { "deny": ["Bash(curl:*)"] } }', ".mcp.json": '{ "mcpServers": { "x": { "command": "y" } } }' })
    expect(await get("mcp")).toEqual({ x: { command: "y" } })
    await edit(".graft/config.jsonc", '{ "compat": false }')
    expect([await get("permissions"), await get("mcp")]).toEqual([{ deny: ["bash:curl *"] }, undefined])
  })

  test("of a project that Claude keeps in its memory are that project's alone", async () => {
    const { graft, edit, get, location } = await openForeign()
    await edit("~/.claude.json", JSON.stringify({ projects: { [location]: { mcpServers: { mine: { command: "m" } } }, "/elsewhere": { mcpServers: { theirs: { command: "t" } } } } }))
    expect([await get("mcp"), await graft.config.get("mcp")]).toEqual([{ mine: { command: "m" } }, undefined])
  })

  test("bring agents, whose words may stand in a file of their own, and commands", async () => {
    const { there, location, settle, edit } = await openForeign({
      "opencode.json": '{\n "agent": { "docs": { "prompt": "{file:./docs.txt}", "mode": "subagent" }, "lost": { "prompt": "{file:./nowhere}" } },\n "command": { "greet": { "template": "Greet $1." } } }', "docs.txt": "Write as we do.\n",
    })
    for (const [id, plugin] of [["agent", agent], ["command", command]] as const) await there.kernel.put(id, plugin as never, location)
    await settle()
    expect(await there.agent.get("docs")).toMatchObject({ prompt: "Write as we do.", mode: "subagent" })
    await expect(there.agent.get("lost")).rejects.toMatchObject({ code: "agent.unknown" })
    expect(there.kernel.logs("agent").map(({ text }) => text)).toEqual([expect.stringMatching(/agents\.lost in the config: .*opencode\.json:2: .*nowhere.* is not there/)])
    expect(await there.command.expand("/greet Ada", { directory: location })).toBe("Greet Ada.")
    await edit("opencode.json", '{ "command": { "greet": { "template": "Hello $1." } } }')
    expect(await there.command.expand("/greet Ada", { directory: location })).toBe("Hello Ada.")
    await edit("@/config.jsonc", '{ "compat": { "opencode": false } }')
    expect(await there.command.list()).toEqual([])
  })

  test("keep counting when the code that reads them is edited, and another reading holds at once", async () => {
    const { kernel, get, told, copied, settle } = await openForeign({ "~/.codex/config.toml": 'model = "o3"' }, { sources: true })
    expect(await get("model")).toBe("openai/o3")
    const file = join(copied, "convert", "codex.ts")
    writeFileSync(file, readFileSync(file, "utf8").replace('text) ?? "openai"', 'text) ?? "another"'))
    await kernel.reconcile([file])
    await settle()
    expect([await get("model"), told]).toEqual(["another/o3", ["user: model"]])
  })
})

describe("a model that another agent's file names", () => {
  test("is only a wish: where it cannot be used the best one is, while what one's own file names must be there", async () => {
    const { kernel, there, location, edit } = await openForeign({ "~/.codex/config.toml": 'model = "gpt-of-somebody-else"' })
    await there.kernel.put("model", model as never, location)
    await there.kernel.put("acme", definePlugin({ setup: (graft) => {
      graft.add("provider", { id: "acme", name: "Acme", ready: true, languageModel: () => { throw new Error("nobody speaks here") } })
      graft.add("model", [{ id: "one", provider: "acme" }, { id: "two", provider: "acme" }])
    } }), location)
    await kernel.settled()
    expect((await there.model.resolve()).ref).toBe("acme/one")
    await edit("~/.codex/config.toml", 'model = "two"\nmodel_provider = "acme"')
    expect((await there.model.resolve()).ref).toBe("acme/two")
    await edit("@/config.jsonc", '{ "model": "openai/gpt-of-somebody-else" }')
    await expect(there.model.resolve()).rejects.toMatchObject({ code: "model.unknown" })
    vi.stubEnv("MY_MODEL", "acme/one")
    await edit("@/config.jsonc", '{ "model": "{env:MY_MODEL}" }')
    expect((await there.model.resolve()).ref).toBe("acme/one")
    vi.stubEnv("MY_MODEL", "")
    await expect(there.model.resolve()).rejects.toMatchObject({ code: "config.variable", message: expect.stringContaining('config.jsonc:1: "model": the environment variable MY_MODEL is not set') })
    await edit("@/config.jsonc", '{ "model": ["{env:MY_MODEL}", "acme/two"] }')
    expect((await there.model.resolve()).ref).toBe("acme/two")
  })
})

describe("migrating", () => {
  const files = {
    "~/.config/opencode/opencode.json": '{\n  "model": "openai/gpt-5.1",\n  "theme": "x",\n  "provider": { "corp": { "options": { "baseURL": "https://c.example/v1", "apiKey": "sk-in-the-open-0000", "headers": { "x-id": "{file:./id}" } } } },\n  "permission": { "bash": { "git *": "allow" } },\n  "agent": { "docs": { "prompt": "Write." } }\n}',
    "~/.claude/settings.json": '{ "permissions": { "allow": ["Bash(ls:*)"], "deny": ["Read(.env)"] } }',
    ".mcp.json": '{ "mcpServers": { "db": { "command": "npx", "args": ["db"] } } }',
    "@/config.jsonc": '{\n  // I like this one\n  "model": "mine/model",\n  "permissions": { "allow": ["bash:make *"] }\n}\n',
  }

  test("shows first what would be written, with all that has no home and why", async () => {
    const { graft, location, at, text } = await openForeign(files)
    const { conversions, steps } = await graft.convert.plan({ location })
    expect(text("@/config.jsonc")).toBe(files["@/config.jsonc"])
    expect(existsSync(at(".graft/config.jsonc"))).toBe(false)
    expect(steps.map(({ file, paths }) => [file, paths])).toEqual([
      [at("@/config.jsonc"), ["permissions.allow", "permissions.deny", "providers.corp.url", "providers.corp.headers.x-id"]],
      [at(".graft/config.jsonc"), ["mcp.db.command", "mcp.db.args"]],
    ])
    const homeless = conversions.flatMap(({ fates }) => fates.filter(({ to }) => !to).map(({ from, line, reason }) => `${from}:${line} ${reason}`))
    expect(homeless).toEqual(["theme:3 the terminal's own colours are used", 'agent.docs.prompt:6 nothing here reads "agents"'])
    expect(conversions.flatMap(({ fates }) => fates.filter(({ from }) => from === "provider.corp.options.apiKey"))).toMatchObject([{ line: 4, to: ["providers.corp.key"], reason: expect.stringContaining("is not copied") }])
  })

  test("writes into one's own files, keeps every comment and what stood there, and no secret; a second time there is nothing to do", async () => {
    const { graft, location, home, get, at, text, told } = await openForeign(files)
    const before = { permissions: await get("permissions.deny"), mcp: await get("mcp"), providers: await get("providers.corp.url") }
    const planned = await graft.convert.plan({ location })
    expect(await graft.convert.migrate({ location })).toEqual([at("@/config.jsonc"), at(".graft/config.jsonc")])
    expect([text("@/config.jsonc"), text(".graft/config.jsonc")]).toEqual(planned.steps.map(({ after }) => after))
    expect(text("@/config.jsonc")).toContain("// I like this one")
    expect(text("@/config.jsonc")).not.toContain("sk-in-the-open")
    expect(JSON.parse(text("@/config.jsonc").replace(/\/\/.*/, ""))).toEqual({
      model: "mine/model", permissions: { allow: ["bash:make *", "bash:ls *", "bash:git *"], deny: ["read:.env", "read:*/.env", "grep:.env", "grep:*/.env"] },
      providers: { corp: { url: "https://c.example/v1", headers: { "x-id": `{file:${join(home, ".config/opencode/id")}}` } } },
    })
    expect({ permissions: await get("permissions.deny"), mcp: await get("mcp"), providers: await get("providers.corp.url") }).toEqual(before)
    expect((await graft.convert.plan({ location })).steps).toEqual([])
    expect(await graft.convert.migrate({ location })).toEqual([])
    expect(told.filter((fact) => fact.includes("mcp"))).toEqual([])
  })

  test("of one agent leaves the others; one that is not known is refused by name", async () => {
    const { graft, location } = await openForeign(files)
    expect((await graft.convert.plan({ location, from: "claude" })).conversions.map(({ agent }) => agent)).toEqual(["claude", "claude"])
    await expect(graft.convert.plan({ location, from: "cursor" })).rejects.toMatchObject({ code: "convert.agent", message: 'the files of "cursor" are not read; those of codex, pi, claude, opencode are' })
  })

  test("does not write what a section refuses, nor into a file that cannot be read", async () => {
    const { graft, location, at } = await openForeign({ "~/.config/opencode/opencode.json": '{ "model": "a/b", "mcp": { "x": { "type": "local", "command": ["c"] } } }', "@/config.jsonc": '{ "mcp": { "x": { "url": "https://x.example" } ' })
    await expect(graft.convert.plan({ location })).rejects.toMatchObject({ code: "convert.broken", message: `${at("@/config.jsonc")}:1: close brace expected; repair it first, nothing was written` })
  })

  test("names what else lies beside, and who reads it", async () => {
    const { graft, location, at } = await openForeign({ ".claude/agents/a.md": "Be brief.", ".opencode/agent/b.md": "Be long.", "~/.claude/CLAUDE.md": "Be kind.", "~/.codex/prompts/c.md": "Go.", ".opencode/themes/.keep": "", "~/.pi/agent/extensions/d.ts": "x" })
    expect((await graft.convert.plan({ location })).neighbours).toEqual([
      { agent: "codex", path: at("~/.codex/prompts"), layer: "user", reason: "commands", reader: "command" },
      { agent: "claude", path: at("~/.claude/CLAUDE.md"), layer: "user", reason: "instructions", reader: "instruction" },
      { agent: "pi", path: at("~/.pi/agent/extensions"), layer: "user", reason: "its extensions are not Graft's" },
      { agent: "claude", path: at(".claude/agents"), layer: "project", reason: "agents", reader: "agent" },
      { agent: "opencode", path: at(".opencode/agent"), layer: "project", reason: "agents", reader: "agent" },
    ])
  })

  test("of a broken file says where, and does the rest", async () => {
    const { graft, location } = await openForeign({ "~/.codex/config.toml": 'model = "a"\nx = [1,\n', "~/.config/opencode/opencode.json": '{ "model": "a/b" }' })
    const { conversions, steps } = await graft.convert.plan({ location })
    expect(conversions.find(({ agent }) => agent === "codex")).toMatchObject({ fates: [], broken: { line: 3, message: expect.stringContaining("value is expected") } })
    expect(steps).toMatchObject([{ paths: ["model"] }])
  })
})

describe("keys of other agents", () => {
  test("are named without the secret, and handed over one by one; logins stay", async () => {
    const { graft, secrets, at, home } = await openForeign({
      "~/.local/share/opencode/auth.json": JSON.stringify({ openai: { type: "api", key: "sk-oc-000000000000" }, anthropic: { type: "oauth", refresh: "r", access: "a", expires: 1 }, corp: { type: "wellknown", key: "K", token: "t" } }),
      "~/.codex/auth.json": JSON.stringify({ OPENAI_API_KEY: "sk-cx-000000000000", tokens: { access_token: "a" } }),
      "~/.pi/agent/auth.json": JSON.stringify({ groq: { type: "api_key", key: "gsk-000000000000" }, x: { type: "api_key", key: "!pass x" } }),
      "~/.claude/.credentials.json": "{}",
    })
    const found = await graft.convert.credentials()
    expect(found.map(({ agent, provider, kind, reason }) => `${agent} ${provider} ${kind}${reason ? ` ${reason.split(":")[0]}` : ""}`)).toEqual([
      "opencode openai key", "opencode anthropic oauth is a login, which belongs to the program that made it", "opencode corp wellknown is a company's gateway",
      "pi groq key", "pi x key is a command or a variable", "codex openai key", "codex chatgpt oauth is a login, which belongs to the program that made it", "claude anthropic oauth is a login, which belongs to the program that made it",
    ])
    expect(JSON.stringify(found)).not.toMatch(/sk-|gsk-|"a"/)
    await graft.convert.adopt(found[0]!)
    await graft.convert.adopt(found.find(({ agent }) => agent === "pi")!)
    expect(secrets).toEqual([["openai", { kind: "key", secret: "sk-oc-000000000000" }], ["groq", { kind: "key", secret: "gsk-000000000000" }]])
    await expect(graft.convert.adopt(found[1]!)).rejects.toMatchObject({ code: "convert.credential" })
    rmSync(at("~/.codex/auth.json"))
    await expect(graft.convert.adopt({ agent: "codex", file: join(home, ".codex/auth.json"), provider: "openai", kind: "key" })).rejects.toMatchObject({ code: "convert.credential", message: expect.stringContaining("is not there any more") })
    expect(statSync(at("~/.pi/agent/auth.json")).isFile()).toBe(true)
  })
})
