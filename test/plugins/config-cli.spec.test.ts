/** `graft config` shows what holds and why, edits without losing a word, and takes over what other agents' files say only on a yes. */
import { chmodSync, existsSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test, vi } from "vitest"
import { config } from "../../plugins/cli/commands/config.ts"
import type { Terminal } from "../../plugins/cli/contract.ts"
import { openForeign } from "../fixtures/foreign-world.ts"

type World = Awaited<ReturnType<typeof openForeign>>

/** `answers` to what is asked, in order; without any nobody sits there. */
async function run({ graft, location, home }: World, argv: string[], answers?: string[]) {
  const [out, err, asked]: [string[], string[], string[]] = [[], [], []]
  const terminal: Terminal = {
    out: (text) => void out.push(text), err: (text) => void err.push(text), paint: (_, text) => text,
    ask: async (question) => { asked.push(question); return answers?.shift() },
    input: process.stdin, color: false, cursor: false, interactive: answers !== undefined, together: true, columns: 120, rows: 40, directory: location, signal: new AbortController().signal, trap: () => () => {},
  }
  const code = await config(graft as never).run(argv, terminal)
  const tidy = (text: string) => text.replaceAll(location, "<project>").replaceAll(home, "<home>").replaceAll(join(home, "../graft"), "<graft>")
  return { code, out: tidy(out.join("")), err: tidy(err.join("")), asked: asked.map(tidy) }
}

const FILES = {
  "~/.config/opencode/opencode.json": '{\n  "model": "openai/gpt-5.1",\n  "theme": "x",\n  "mcp": { "docs": { "type": "remote", "url": "https://d.example", "headers": { "Authorization": "Bearer abcdefghijklmnop" } } }\n}',
  "@/config.jsonc": '{\n  // mine\n  "permissions": { "allow": ["bash:ls"] }\n}\n',
}
const DIFF = [
  "@@ -1,4 +1,13 @@", " {", "   // mine", '-  "permissions": { "allow": ["bash:ls"] }', '+  "permissions": { "allow": ["bash:ls"] },', '+  "model": "openai/gpt-5.1",', '+  "mcp": {', '+    "docs": {',
  '+      "url": "https://d.example",', '+      "headers": {', '+        "Authorization": "••••"', "+      }", "+    }", "+  }", " }",
].join("\n")

describe("graft config migrate", () => {
  test("shows each word with its line and where it goes, then the change; and writes nothing unasked", async () => {
    const world = await openForeign(FILES)
    const { code, out, err } = await run(world, ["migrate"])
    expect(code).toBe(0)
    expect(out.slice(0, out.indexOf("---"))).toBe([
      "~/.config/opencode/opencode.json  opencode, yours",
      "  :2  model → model", "  :3  theme  has no home: the terminal's own colours are used",
      '  :4  mcp.docs.url → mcp.docs.url', "  :4  mcp.docs.headers.Authorization → mcp.docs.headers.Authorization", '  :4  mcp.docs.type  needs no home: a "command" or a "url" says it', "",
    ].join("\n"))
    expect(out).toContain(DIFF)
    expect(out).not.toContain("abcdefghijklmnop")
    expect(err).toBe("nothing was written (it holds where it is; --write writes it)\n")
    expect(world.text("@/config.jsonc")).toBe(FILES["@/config.jsonc"])
  })

  test("asks a person, and writes on a yes only", async () => {
    const world = await openForeign(FILES)
    expect(await run(world, ["migrate"], ["n"])).toMatchObject({ code: 0, asked: ["Write it? [y/N] "], err: expect.stringContaining("nothing was written") })
    expect(world.text("@/config.jsonc")).toBe(FILES["@/config.jsonc"])
    expect((await run(world, ["migrate"], ["y"])).out).toContain("<graft>/config/config.jsonc was written\n")
    expect(world.text("@/config.jsonc")).toContain('"Authorization": "Bearer abcdefghijklmnop"')
    expect(await run(world, ["migrate"], [])).toMatchObject({ code: 0, asked: [], err: "your own files say all of it already\n" })
  })

  test("--write needs no question; --from takes one agent's files, and refuses one that is not known", async () => {
    const world = await openForeign({ ...FILES, "~/.codex/config.toml": 'small_model = 1\nmodel = "o3"\n' })
    expect(await run(world, ["migrate", "--from", "codex", "--write"])).toMatchObject({ code: 0, asked: [], out: expect.stringContaining("config.toml  codex, yours") })
    expect(JSON.parse(world.text("@/config.jsonc").replace("// mine", ""))).toEqual({ permissions: { allow: ["bash:ls"] }, model: "openai/o3" })
    await expect(run(world, ["migrate", "--from", "emacs"])).rejects.toMatchObject({ code: "convert.agent" })
    expect(await run(world, ["migrate", "--from", "pi"])).toMatchObject({ code: 0, err: "no files of pi were found\n" })
    expect(JSON.parse((await run(world, ["migrate", "--json"])).out)).toMatchObject({ conversions: [{ agent: "codex" }, { agent: "opencode" }], steps: [{ layer: "user" }] })
  })

  test("--credentials takes over keys, each on a yes", async () => {
    const world = await openForeign({ "~/.codex/auth.json": '{ "OPENAI_API_KEY": "sk-000000000000" }', "~/.pi/agent/auth.json": '{ "groq": { "type": "api_key", "key": "gsk-000000000000" }, "anthropic": { "type": "oauth" } }' })
    const { out, asked } = await run(world, ["migrate", "--credentials"], ["n", "y"])
    expect(asked).toEqual(["Take over the key of groq (key) of pi, ~/.pi/agent/auth.json? [y/N] ", "Take over the key of openai (key) of codex, ~/.codex/auth.json? [y/N] "])
    expect(out).toBe([
      "groq (key) of pi, ~/.pi/agent/auth.json stays where it is (--yes takes it over)",
      "anthropic (oauth) of pi, ~/.pi/agent/auth.json is a login, which belongs to the program that made it: graft auth login",
      "openai (key) of codex, ~/.codex/auth.json is taken over", "",
    ].join("\n"))
    expect(world.secrets.map(([provider]) => provider)).toEqual(["openai"])
    expect((await run(world, ["migrate", "--credentials"])).out).toContain("stays where it is")
    await run(world, ["migrate", "--credentials", "--yes"])
    expect(world.secrets.map(([provider]) => provider)).toEqual(["openai", "groq", "openai"])
  })
})

describe("graft config", () => {
  test("explain, get and files name the other agent, and mask what is secret", async () => {
    const world = await openForeign(FILES)
    expect((await run(world, ["explain", "model"])).out).toBe('model = "openai/gpt-5.1"\n  → "openai/gpt-5.1"  user  <home>/.config/opencode/opencode.json:2  (opencode)\n  a change takes hold at the next turn\n')
    expect((await run(world, ["get", "mcp.docs.headers"])).out).toBe('{\n  "Authorization": "••••mnop"\n}\n')
    expect((await run(world, ["files"])).out).toContain("* user     <home>/.config/opencode/opencode.json  (opencode)\n")
    expect(await run(world, ["get", "nothing"])).toMatchObject({ code: 1, err: "nothing is not set\n" })
  })

  test("set, unset and check work on one's own files alone", async () => {
    const world = await openForeign(FILES)
    expect((await run(world, ["set", "model", "mine/model"])).out).toMatch(/config\.jsonc:\d+\n$/)
    expect(await world.get("model")).toBe("mine/model")
    await run(world, ["unset", "model"])
    expect([await world.get("model"), world.text("~/.config/opencode/opencode.json")]).toEqual(["openai/gpt-5.1", FILES["~/.config/opencode/opencode.json"]])
    expect(await run(world, ["check"])).toMatchObject({ code: 0, err: "nothing is wrong\n" })
    world.write("@/config.jsonc", '{\n  "modell": "x"\n}')
    expect(await run(world, ["files"])).toMatchObject({ code: 0 })
    expect(await run(world, ["check"])).toMatchObject({ code: 1, out: 'config <graft>/config/config.jsonc:2: "modell" is not known; did you mean "model"?\n' })
  })

  test("edit opens the file in the person's editor, new with its schema beside it, and says what is wrong afterwards", async () => {
    const world = await openForeign()
    const editor = join(world.home, "editor")
    writeFileSync(editor, '#!/bin/sh\necho "{ \\"\\$schema\\": \\"./config.schema.json\\", \\"modell\\": 1 }" > "$2"\ntest "$1" = --wait\n')
    chmodSync(editor, 0o755)
    vi.stubEnv("VISUAL", `${editor} --wait`)
    expect(await run(world, ["edit"])).toMatchObject({ code: 1, out: "<graft>/config/config.jsonc\n", err: 'config <graft>/config/config.jsonc:1: "modell" is not known; did you mean "model"?\n' })
    expect(existsSync(world.at("@/config.schema.json"))).toBe(true)
    vi.stubEnv("VISUAL", "false")
    expect(await run(world, ["edit", "--project"])).toMatchObject({ code: 1, err: "false ended with 1; set VISUAL or EDITOR to another one, or edit <project>/.graft/config.jsonc\n" })
    expect(statSync(world.at(".graft/config.jsonc")).mode % 0o1000).toBe(0o600)
  })

  test("schema prints it, and --write puts it beside the config and points there", async () => {
    const world = await openForeign(FILES)
    expect(JSON.parse((await run(world, ["schema"])).out)).toMatchObject({ title: "Graft", properties: { mcp: {}, compat: {} } })
    expect((await run(world, ["schema", "--write"])).out).toBe("<graft>/config/config.schema.json\n")
    expect(world.text("@/config.jsonc")).toBe('{\n  // mine\n  "permissions": { "allow": ["bash:ls"] },\n  "$schema": "./config.schema.json"\n}\n')
  })
})
