/** glob finds what matches below one directory, and nothing that is ignored, linked or elsewhere. */
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { walk } from "../../plugins/tool-glob/walk.ts"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
beforeAll(async () => {
  project = await openProject({ only: ["tool", "permission", "tool-glob"] })
  const files = { ".gitignore": "dist/\n*.log\n!keep.log\n", "src/a.ts": "", "src/deep/b.ts": "", "src/deep/.gitignore": "secret.ts\n", "src/deep/secret.ts": "", "dist/out.ts": "", "x.log": "", "keep.log": "", "node_modules/m/i.ts": "", ".hidden/h.ts": "" }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(project.directory, name)), { recursive: true })
    writeFileSync(join(project.directory, name), content)
  }
  writeFileSync(join(project.outside, "o.ts"), "")
  symlinkSync(project.outside, join(project.directory, "src/linked"))
  utimesSync(join(project.directory, "src/deep/b.ts"), new Date(), new Date(Date.now() + 60_000))
})
afterAll(async () => project[Symbol.asyncDispose]())
const glob = async (pattern: string, path?: string) => (await project.call("glob", { pattern, ...(path ? { path } : {}) })).output.split("\n")

test("files by pattern, latest change first; .gitignore of every depth, node_modules and links are left out", async () => {
  const found = await glob("**/*.ts")
  expect(found[0]).toBe("src/deep/b.ts")
  expect(found.sort()).toEqual([".hidden/h.ts", "src/a.ts", "src/deep/b.ts"])
  expect(await glob("*.log")).toEqual(["keep.log"])
  expect((await glob("src/**/*.{ts,js}")).sort()).toEqual(["src/a.ts", "src/deep/b.ts"])
  expect(await glob("*.ts", "src")).toEqual(["a.ts"])
  expect(await glob("deep/*.ts", "src")).toEqual(["deep/b.ts"])
  expect(await glob("**/*.rs")).toEqual(["no file matches"])
})

test.each(["../**", "/etc/*", "src/../../**", "~/x", "{..,src}/*", "{src,..}/outside/*"])("a pattern that leaves its directory is refused: %s", async (pattern) => {
  expect(await project.call("glob", { pattern })).toMatchObject({ outcome: "error", output: expect.stringContaining("must stay below") })
})

test.each(["{{..},a}/*", "@(..)/**", "+(.)+(.)/outside/*", "[.][.]/outside/*", ".{.,x}/outside/*"])("nor does a cleverer one find anything there: %s", async (pattern) => {
  expect((await project.call("glob", { pattern })).output).not.toContain("o.ts")
})

test("outside of the project it asks", async () => {
  expect(await project.call("glob", { pattern: "*", path: project.outside })).toMatchObject({ outcome: "blocked", rule: expect.stringContaining("glob:") })
})

test("it ends at its bounds and says so", async () => {
  const options = { root: project.directory, location: project.directory, pattern: "**/*", deadline: 5_000, entries: 5_000, signal: new AbortController().signal }
  expect((await walk({ ...options, entries: 1 })).partial).toMatch(/stopped after 1 entries/)
  expect((await walk({ ...options, deadline: -1 })).partial).toMatch(/stopped after/)
  expect((await walk({ ...options, signal: AbortSignal.abort() })).partial).toBe("interrupted")
  expect((await walk(options)).partial).toBeUndefined()
})

test("a pattern that explodes does not hold up the process", async () => {
  const since = performance.now()
  await project.call("glob", { pattern: `${"{a,b}".repeat(30)}*` })
  await project.call("glob", { pattern: `${"**/".repeat(50)}x` })
  await project.call("glob", { pattern: "+(+(+(+(a*)*)*)*)b" })
  expect(performance.now() - since).toBeLessThan(3_000)
})
