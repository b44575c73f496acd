/** `graft run` is for scripts: the answer on stdout and nothing else there, an exit code that means something, and no question ever. */
import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { appears, place, type Place } from "./graft.ts"

let here: Place
beforeAll(() => { here = place() })
afterAll(() => here[Symbol.dispose]())

const ESCAPE = "\u001b"

describe("a prompt", () => {
  it("is answered by real tools; the first run says that the demo stands in, and what it cost", async () => {
    const { code, out, err } = await here.graft(["run", "Read package.json and tell me what this project is"])
    expect(code).toBe(0)
    expect(out).toContain("A place where adventurers meet")
    expect(err).toMatch(/built-in demo.*ANTHROPIC_API_KEY/)
    expect(err).toMatch(/✓ read package\.json/)
    expect(err).toMatch(/tokens in, \d+ out · \$0 · 2 turns/)
    expect(out + err).not.toContain(ESCAPE)
  })

  it("may come through stdin, also beside arguments; --quiet leaves only the answer", async () => {
    expect(await here.graft(["run", "--quiet"], { input: "list\n" })).toMatchObject({ code: 0, err: "", out: expect.stringContaining("package.json") as string })
    const both = await here.graft(["run", "-q", "search adventurers", "-"], { input: "then list" })
    expect(both).toMatchObject({ code: 0, out: expect.stringMatching(/For `adventurers`:[\s\S]*holds 2 entries/) as string })
  })

  it("in the arguments never waits for a stdin that nobody writes, and without one it says what is missing", async () => {
    expect(await here.graft(["run", "-q", "list"], { input: false })).toMatchObject({ code: 0 })
    expect(await here.graft(["run"])).toMatchObject({ code: 2, out: "", err: expect.stringContaining("there is no prompt") as string })
  })
})

describe("jsonl", () => {
  it("is one durable event a line, and a result at the end", async () => {
    const { code, out } = await here.graft(["run", "--format", "jsonl", "list"])
    expect(code).toBe(0)
    const lines = out.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, any>)
    expect(lines.map(({ type }) => type)).toEqual(expect.arrayContaining(["session.created", "session.input.admitted", "provider.attempt.dispatched", "tool.settled", "message.settled", "result"]))
    const events = lines.slice(0, -1)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    expect(lines.at(-1)).toMatchObject({ type: "result", state: "done", exit: 0, turns: 2, text: expect.stringContaining("package.json") as string, session: events[0]!.session, usage: { cost: 0 } })
  })

  it("has a result for a failure as well", async () => {
    const { code, out } = await here.graft(["run", "--format", "jsonl", "--model", "nobody/none", "hi"])
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({ type: "result", state: "failed", code: "model.unknown", exit: 1 })
  })
})

describe("exit codes", () => {
  it("1: it failed, and says why", async () => {
    expect(await here.graft(["run", "--model", "nobody/none", "hi"])).toMatchObject({ code: 1, out: "", err: expect.stringContaining('there is no model "nobody/none"') as string })
  })

  it("1: a plugin that ends the process is no success", async () => {
    writeFileSync(join(here.plugins, "leaves.ts"), "export default () => { process.exit(0) }\n")
    expect(await here.graft(["run", "list"])).toMatchObject({ code: 1, err: expect.stringContaining("ended before its work was done") as string })
    rmSync(join(here.plugins, "leaves.ts"))
  })

  it("1: what fails in a plugin is named with its line, and an absent part with its reason", async () => {
    writeFileSync(join(here.plugins, "bad.ts"), "export default () => {\n  throw new Error(\"boo\")\n}\n")
    writeFileSync(join(here.plugins, "runner.ts"), "export default () => {}\n")
    const { code, err } = await here.graft(["run", "list"])
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringMatching(/plugin bad failed: .*bad\.ts:2:\d+: boo[\s\S]*"runner" is missing: .*runner\.ts took the place of the built-in/) as string })
    for (const name of ["bad.ts", "runner.ts"]) rmSync(join(here.plugins, name))
  })

  it("1: the demo does not answer for a model that stands in a config which cannot be read", async () => {
    const config = join(here.plugins, "../config.jsonc")
    const before = existsSync(config) ? readFileSync(config, "utf8") : undefined
    writeFileSync(config, '{ "model": "local/q", ')
    // A file that was only just saved may be half written, and is given a moment.
    utimesSync(config, 1_000_000_000, 1_000_000_000)
    const outcome = await here.graft(["run", "--quiet", "list"])
    if (before === undefined) rmSync(config)
    else writeFileSync(config, before)
    expect(outcome).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/config\.jsonc:1.*The demo does not answer/) as string })
  })

  it("2: what was typed cannot be understood", async () => {
    expect(await here.graft(["run", "--formt", "jsonl", "x"])).toMatchObject({ code: 2, err: expect.stringContaining("did you mean --format?") as string })
    expect(await here.graft(["frobnicate"])).toMatchObject({ code: 2, err: expect.stringContaining('no command "frobnicate"') as string })
  })

  it("3: an ask that nobody could answer, with the rule; --allow and --continue go on from there", async () => {
    const asked = await here.graft(["run", "write notes.txt: remember the milk"])
    expect(asked).toMatchObject({ code: 3, err: expect.stringContaining("--allow write") as string })
    expect(existsSync(join(here.project, "notes.txt"))).toBe(false)
    const allowed = await here.graft(["run", "--allow", "write", "--continue", "write notes.txt: remember the milk"])
    expect(allowed.code).toBe(0)
    expect(readFileSync(join(here.project, "notes.txt"), "utf8")).toBe("remember the milk\n")
    const sessions = await here.graft(["sessions", "--json"])
    const [latest] = sessions.out.split("\n").filter(Boolean).map((line) => JSON.parse(line) as { title: string })
    expect(latest!.title).toBe("write notes.txt: remember the milk")
  })

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("130: %s interrupts, and the command that ran is gone", async (signal) => {
    const run = here.start(["run", "--allow", "bash", "--format", "jsonl", `run: echo $$ > pid.${signal}; sleep 60`], { input: false })
    await run.says('"type":"tool.started"')
    await appears(join(here.project, `pid.${signal}`))
    run.kill(signal)
    const { code, out } = await run.ended
    expect(code).toBe(130)
    expect(JSON.parse(out.trimEnd().split("\n").at(-1)!)).toMatchObject({ type: "result", state: "interrupted", exit: 130 })
    const pid = Number(readFileSync(join(here.project, `pid.${signal}`), "utf8"))
    expect(() => process.kill(pid, 0)).toThrow("ESRCH")
  })
})

describe("a command", () => {
  it("may come from any plugin, and is helped with as all others are", async () => {
    const hello = `import { definePlugin } from "graft"
export default definePlugin({ per: "process", setup(graft) { graft.add("subcommand", { name: "hello", summary: "Says hello", usage: "usage: graft hello <name>", async run([name], terminal) { terminal.out(\`hello \${name}\\n\`); return 0 } }) } })`
    writeFileSync(join(here.plugins, "hello.ts"), hello)
    expect(await here.graft(["hello", "world"])).toEqual({ code: 0, signal: null, out: "hello world\n", err: "" })
    expect((await here.graft(["hello", "--help"])).out).toBe("Says hello\n\nusage: graft hello <name>\n")
    expect((await here.graft(["--help"])).out).toMatch(/^  hello +Says hello$/m)
    // --safe has built-ins only.
    expect(await here.graft(["hello", "world", "--safe"])).toMatchObject({ code: 2 })
    rmSync(join(here.plugins, "hello.ts"))
  })

  it("is plain text where color is not wanted", async () => {
    const why = (env: NodeJS.ProcessEnv, ...more: string[]) => here.terminal(["why", "model", "demo/demo", ...more], { env }).ended
    expect((await why({})).out).toContain(ESCAPE)
    for (const plain of [await why({ NO_COLOR: "1" }), await why({ TERM: "dumb" }), await why({}, "--no-color")]) expect(plain).toMatchObject({ code: 0, out: expect.not.stringContaining(ESCAPE) as string })
  })

  it("says its version at once", async () => {
    expect(await here.graft(["--version"])).toMatchObject({ code: 0, out: "graft 0.1.0\n" })
  })
})

describe("one home", () => {
  it("is shared by runs at the same time", async () => {
    const runs = await Promise.all(Array.from({ length: 4 }, (_, index) => here.graft(["run", "-q", index % 2 ? "list" : "read package.json"])))
    for (const { code, err } of runs) expect({ code, err }).toEqual({ code: 0, err: "" })
  })

  it("is private", () => {
    for (const directory of [".local/share/graft", ".cache/graft"]) expect(statSync(join(here.home, directory)).mode & 0o077).toBe(0)
    expect(statSync(join(here.home, ".local/share/graft/graft.db")).mode & 0o077).toBe(0)
  })
})
