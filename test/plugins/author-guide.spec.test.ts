/** The guide is true: every block of code in it is right for `tsc`, each plugin comes up and keeps the laws, each spec holds, and each command is one. */
import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { pathToFileURL } from "node:url"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import { sayProblem, typeCheck } from "../../plugins/lib/typecheck.ts"
import { keepTypings } from "../../plugins/lib/typings.ts"
import { createTestKernel, examine, sayReport } from "../kit/index.ts"
import { place, ROOT, type Place } from "../e2e/graft.ts"

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const PAPERS = ["config/examples/README.md", "kernel/README.md", "plugins/README.md", "config/skills/write-a-plugin/SKILL.md"]
const blocks = (language: string) => PAPERS.flatMap((paper) => [...readFileSync(join(ROOT, paper), "utf8").matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text], index) => ({ paper, text: text!, name: /^\/\/ (\S+)$/m.exec(text!.split("\n")[0]!)?.[1] ?? `block-${dirname(paper).replaceAll("/", "-")}-${index}.ts` })))
const code = blocks("ts")
const plugins = code.filter(({ text }) => text.includes("export default definePlugin")).map(({ name }) => name)
const specs = code.filter(({ name }) => name.endsWith(".test.ts")).map(({ name }) => name)

let here: Place
beforeAll(async () => {
  here = place()
  // Whoever edited the kit has its declarations built.
  await here.graft(["paths"])
  for (const { name, text } of code) {
    mkdirSync(dirname(join(here.plugins, name)), { recursive: true })
    writeFileSync(join(here.plugins, name), text)
  }
  keepTypings(here.plugins, ROOT)
})
afterAll(() => here[Symbol.dispose]())

test("it has blocks to try", () => {
  expect([plugins.length, specs.length]).toEqual([9, 2])
})

test("every block is right for tsc", async () => {
  const checked = await typeCheck(join(here.plugins, "tsconfig.json"), [ROOT])
  expect("problems" in checked ? checked.problems.map(sayProblem) : checked).toEqual([])
})

test.each(plugins)("%s comes up, and keeps the laws", async (name) => {
  const report = await examine(join(here.plugins, name), { loads: 3, samples: 3 })
  expect(report.laws.filter(({ broken }) => broken).map(({ law }) => law), sayReport(report)).toEqual([])
})

test("its specs hold, the recorded session included", async () => {
  await using kernel = await createTestKernel({ plugins: [join(here.plugins, "dice.ts")] })
  const { session } = await kernel.ask("roll", { calls: [{ tool: "dice", input: { sides: 6 } }] }, "Rolled.")
  let lines = ""
  for await (const line of kernel.graft.session.export(session)) lines += `${line}\n`
  writeFileSync(join(here.plugins, "test/rolled.jsonl"), lines)
  const run = promisify(execFile)(process.execPath, ["--disable-warning=ExperimentalWarning", "--import", pathToFileURL(join(ROOT, "plugins/lib/testing-hook.mjs")).href, "--test", "--test-force-exit", ...specs], { cwd: here.plugins, env: here.env })
  expect((await run.catch((error: { stdout: string }) => error)).stdout).toMatch(/pass 5\n[\s\S]*fail 0\n/)
})

describe("every command in it", () => {
  const commands = new Set([...blocks("sh").flatMap(({ text }) => text.trim().split("\n")), ...PAPERS.flatMap((paper) => [...readFileSync(join(ROOT, paper), "utf8").replaceAll(/```[\s\S]*?```/g, "").matchAll(/`(graft [^`]+)`/g)].map(([, span]) => span!))].filter((line) => line.startsWith("graft ")))
  const VERBS = [...commands].filter((line) => line.startsWith("graft plugin ")).map((line) => line.split(/\s+/)[2]!)

  test("is one", async () => {
    const [overview, plugin, docs] = await Promise.all([here.graft(["--help"]), here.graft(["plugin", "--help"]), here.graft(["docs"])])
    for (const command of commands) {
      const [, word, verb] = command.split(/\s+/)
      if (!word!.startsWith("<")) expect(overview.out, command).toMatch(new RegExp(`^ {2}${word!}\\b`, "m"))
      if (word === "docs" && verb && !verb.startsWith("<") && verb !== "compat-opencode") expect(docs.out, command).toMatch(new RegExp(`^${verb}\\b`, "m"))
    }
    for (const verb of VERBS) expect(plugin.out).toMatch(new RegExp(`\\b${verb}\\b`))
    expect(VERBS.length).toBeGreaterThan(5)
  })

  test("docs prints a topic of its own: its heading, and nothing of the next", async () => {
    const { out } = await here.graft(["docs", "hooks"])
    expect(out).toMatch(/^# Hooks and drafts\n\nThree kinds of events/)
    expect(out).not.toContain("## ")
    expect((await here.graft(["docs", "first"])).out).toMatch(/^# Your first plugin in five minutes\n[\s\S]*graft plugin new dice/)
  })
})
