/** Every command that the README names is one that works: each is run here, or it is said what else holds it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import { place, ROOT, type Outcome, type Place } from "./graft.ts"

vi.setConfig({ testTimeout: 120_000 })

const README = readFileSync(join(ROOT, "README.md"), "utf8")
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> }

let here: Place
beforeAll(() => {
  here = place()
  here.config({ catalogue: { refresh: false } })
})
afterAll(() => here[Symbol.dispose]())

/** Shell lines of the code blocks, and code spans that begin like a command. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.trim().split("\n"))
  const spans = [...text.replaceAll(/```[\s\S]*?```/g, "").matchAll(/`([^`]+)`/g)].map(([, span]) => span!.replaceAll("\\|", "|")).filter((span) => /^(graft|npm)(\s|$)/.test(span))
  return [...new Set([...blocks, ...spans])]
}

type Check = () => Promise<unknown> | unknown
const runs = (args: readonly string[], options?: Parameters<Place["graft"]>[1]): Check => async () => {
  const outcome: Outcome = await here.graft(args, options)
  expect(outcome, args.join(" ")).toMatchObject({ code: 0 })
  return outcome
}
/** The script exists; running it here would be running the tests within the tests. */
const isScript = (name: string): Check => () => expect(Object.keys(scripts)).toContain(name)
const heldBy = (spec: string): Check => () => expect(readFileSync(join(ROOT, "test/e2e", spec), "utf8").length).toBeGreaterThan(0)
const helps = (...commands: string[]): Check => async () => { for (const command of commands) await runs([...command.split(" "), "--help"])() }

const CHECKS: Record<string, Check> = {
  'npm install && npm start -- run "Read package.json and tell me what this project is"': runs(["run", "Read package.json and tell me what this project is"]),
  "npm install && npm test": isScript("test"),
  "npm install": isScript("prepare"),
  "npm install -g .": () => expect((JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { bin: { graft: string } }).bin.graft).toBe("plugins/cli/bin.cjs"),
  "npm start -- tour": heldBy("tour.e2e.test.ts"),
  "npm start": isScript("start"),
  "npm start --": isScript("start"),
  "npm start -- plugin new dice": runs(["plugin", "new", "dice"]),
  "npm start -- events": heldBy("chat.e2e.test.ts"),
  "graft auth login anthropic": runs(["auth", "login", "anthropic"], { input: "sk-ant-not-a-key\n" }),
  "graft auth login openai": runs(["auth", "login", "openai"], { input: "sk-not-a-key\n" }),
  "graft models": runs(["models"]),
  "graft models --all": runs(["models", "--all"]),
  "graft why model <provider/id> [field]": async () => {
    await runs(["why", "model", "demo/demo"])()
    await runs(["why", "model", "demo/demo", "cost.input"])()
  },
  graft: heldBy("chat.e2e.test.ts"),
  'graft run "…"': async () => {
    const { out } = await here.graft(["run", "--help"])
    for (const flag of ["--model", "--session", "--continue", "--format <text|jsonl>", "--quiet", "--allow <rule>", "--trust"]) expect(out).toContain(flag)
  },
  "graft run": heldBy("run.e2e.test.ts"),
  "graft plugin list · inspect · logs · journal · reload · undo · pin · disable · enable": async () => {
    for (const verb of [["list"], ["inspect", "dice"], ["logs"], ["logs", "dice"], ["journal"], ["reload"], ["disable", "dice"], ["enable", "dice"]]) await runs(["plugin", ...verb])()
    // There is nothing to undo in an instance that has just begun, and it says so.
    expect(await here.graft(["plugin", "undo", "dice"])).toMatchObject({ code: 1, err: expect.stringContaining("no instance is running") as string })
  },
  "graft events [--json]": heldBy("chat.e2e.test.ts"),
  "graft resume": helps("resume"),
  "graft sessions": runs(["sessions"]),
  "graft session show · fork · revert · restore · export · import · search · delete": async () => {
    const { out } = await here.graft(["sessions"])
    const [id] = /ses_\w+/.exec(out)!
    for (const command of [["show", id], ["fork", id], ["search", "project"]]) await runs(["session", ...command])()
    const { out: log } = (await runs(["session", "export", id])()) as Outcome
    expect(log.split("\n").length).toBeGreaterThan(5)
  },
  "graft job list · show · tail · cancel": runs(["job", "list"]),
  "graft plugin new · dev · test · add · update · remove · eject · bisect · profile": async () => {
    const { out } = await here.graft(["plugin", "--help"])
    for (const verb of ["new", "dev", "test", "add", "update", "remove", "eject", "bisect", "profile"]) expect(out).toContain(`\n  ${verb} `)
  },
  "graft plugin new dice": () => expect(existsSync(join(here.plugins, "dice.ts"))).toBe(true),
  "graft plugin dev dice": heldBy("author.e2e.test.ts"),
  "graft plugin test dice": heldBy("author.e2e.test.ts"),
  "graft plugin eject tool-grep": heldBy("operations.e2e.test.ts"),
  "graft plugin add": heldBy("../plugins/package.spec.test.ts"),
  "graft plugin add <package>": heldBy("../plugins/package.spec.test.ts"),
  "graft plugin bisect --probe '<command>'": heldBy("operations.e2e.test.ts"),
  "graft --safe": runs(["--safe", "plugin", "list"]),
  "graft graph": runs(["graph"]),
  "graft why tool bash": runs(["why", "tool", "bash"]),
  "graft permission list · test · forget": async () => {
    await runs(["permission", "list"])()
    // The exit code says what would come of it: allowed, or asked about.
    expect(await here.graft(["permission", "test", "git status"])).toMatchObject({ code: 3, out: expect.stringContaining("ask") as string })
  },
  "graft auth login · list · switch · logout · doctor": runs(["auth", "doctor"]),
  "graft auth login github-copilot": helps("auth"),
  "graft serve": heldBy("serve.e2e.test.ts"),
  'graft run --attach "…"': heldBy("serve.e2e.test.ts"),
  "graft server openapi": runs(["server", "openapi"]),
  "graft config migrate": async () => expect((await here.graft(["config", "migrate"])).code).toBe(0),
  "graft models · agents · stats · config explain · mcp · lsp · paths · docs · upgrade · tour": async () => {
    await helps("models", "agents", "stats", "config", "mcp", "lsp", "paths", "docs", "upgrade", "tour")()
    for (const command of [["config", "explain", "catalogue.refresh"], ["agents"], ["stats"], ["auth", "list"], ["paths"], ["docs"], ["docs", "kernel"], ["docs", "agent"]]) await runs(command)()
  },
  "graft doctor": helps("doctor"),
  "graft mcp list": runs(["mcp", "list"]),
  "graft models test <model>": runs(["models", "test", "demo/demo"]),
  "graft db check · backup · prune · stats": async () => { for (const verb of ["check", "stats"]) await runs(["db", verb])() },
  "graft run --continue": heldBy("run.e2e.test.ts"),
  'graft run --agent plan "…"': runs(["run", "--agent", "plan", "--model", "demo/demo", "list ."]),
  "graft <command> --help": helps("run", "plugin", "events"),
  "npm test": isScript("test"),
  "npm run check": isScript("check"),
  "npm run test:mutants": isScript("test:mutants"),
  "npm run bench": isScript("bench"),
  "npm run dev -- …": () => expect(scripts.dev).toContain("--from-source"),
}

it("is every command that is checked here, and no other", () => {
  expect(commandsOf(README).sort()).toEqual(Object.keys(CHECKS).sort())
})

it("names scripts whose files are there", () => {
  for (const command of Object.values(scripts)) for (const [file] of command.matchAll(/\b(?:scripts|plugins|test)\/[\w./-]+/g)) expect(readFileSync(join(ROOT, file)).length, file).toBeGreaterThan(0)
})

// In the order of the README: what is made by one is used by the next.
it.each(Object.keys(CHECKS))("%s", async (command) => { await CHECKS[command]!() })

it("shows a config that is understood, and a plugin that works", async () => {
  const config = /```jsonc\n([\s\S]*?)```/.exec(README)![1]!
  const plugin = /```ts\n([\s\S]*?)```/.exec(README)![1]!
  using other = place()
  writeFileSync(join(other.plugins, "dice.ts"), plugin)
  const rolled = await other.graft(["run", "--allow", "dice", 'use dice {"sides": 6}'])
  expect(rolled).toMatchObject({ code: 0, out: expect.stringMatching(/rolled [1-6]/) as string })
  mkdirSync(join(other.home, ".config/graft"), { recursive: true })
  writeFileSync(join(other.home, ".config/graft/config.jsonc"), config)
  expect((await other.graft(["config", "explain", "providers.local.url"])).out).toContain("http://127.0.0.1:8080/v1")
  // The model that it names has no server here: it is listed with why not, and nothing else is complained about.
  const listed = await other.graft(["plugin", "list"])
  expect(listed).toMatchObject({ code: 0, err: expect.not.stringContaining("config.jsonc") as string })
})
