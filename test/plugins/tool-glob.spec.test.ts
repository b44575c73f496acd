/** glob finds what matches below one directory, and nothing that is ignored, linked or elsewhere. */
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import fc from "fast-check"
import { findFiles } from "../../plugins/tool-glob/files.ts"
import { matcher } from "../../plugins/tool-glob/pattern.ts"
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
  const options = { root: project.directory, location: project.directory, matches: () => true, deadline: 5_000, entries: 5_000, signal: new AbortController().signal }
  expect((await findFiles({ ...options, entries: 1 })).partial).toMatch(/stopped after 1 files/)
  expect((await findFiles({ ...options, deadline: 0 })).partial).toMatch(/stopped after/)
  expect((await findFiles({ ...options, signal: AbortSignal.abort() })).partial).toBe("interrupted")
  expect((await findFiles(options)).partial).toBeUndefined()
})

test("a name with a line end in it is one line", async () => {
  writeFileSync(join(project.directory, "odd\n\u001b[2Jname"), "")
  expect(await glob("odd*")).toEqual(['"odd\\n\\u001b[2Jname"'])
})

test("a pattern that explodes does not hold up the process", async () => {
  const since = performance.now()
  await project.call("glob", { pattern: `${"{a,b}".repeat(30)}*` })
  await project.call("glob", { pattern: `${"**/".repeat(50)}x` })
  await project.call("glob", { pattern: "+(+(+(+(a*)*)*)*)b" })
  // A pattern, and a .gitignore, that take a backtracking matcher for ever.
  writeFileSync(join(project.directory, "a".repeat(250)), "")
  mkdirSync(join(project.directory, "hostile"))
  writeFileSync(join(project.directory, "hostile/.gitignore"), `${"*a".repeat(60)}b\n`)
  writeFileSync(join(project.directory, "hostile", "a".repeat(250)), "")
  expect(await glob(`${"*a".repeat(60)}b`)).toEqual(["no file matches"])
  expect(await glob(`${"*a".repeat(60)}*`)).toEqual(["a".repeat(250)])
  expect(performance.now() - since).toBeLessThan(3_000)
})

test.each([
  ["**/*.ts", "a.ts", true], ["**/*.ts", "x/y/a.ts", true], ["*.ts", "x/a.ts", false], ["src/**", "src/a/b", true], ["src/**/b", "src/b", true], ["src/", "src/a/b", true], ["./a", "a", true], ["**", ".x/y", true], ["*", ".x", true],
  ["?.ts", "a.ts", true], ["?.ts", "ab.ts", false], ["[a-c].ts", "b.ts", true], ["[!a-c].ts", "b.ts", false], ["[]].ts", "].ts", true], ["[a", "[a", true], ["a\\*", "a*", true], ["a\\*", "ab", false], ["{a,b}/{c,{d,e}}", "b/e", true], ["{a}", "{a}", true], ["{a,b", "{a,b", true], ["{,x/}a", "x/a", true], ["a**b", "axxb", true], ["a**b", "a/b", false],
])("%s against %s: %s", (pattern, path, matches) => expect(matcher(pattern)(path)).toBe(matches))

test("the matcher agrees with a regular expression made of the pattern", () => {
  const segment = fc.array(fc.constantFrom("a", "b", "c", "?", "*", "[ab]", "[!a]", "{a,bb}"), { minLength: 1, maxLength: 4 }).map((parts) => parts.join(""))
  const pattern = fc.array(fc.oneof(segment, fc.constant("**")), { minLength: 1, maxLength: 4 }).map((parts) => parts.filter((part, at) => part !== "**" || parts[at - 1] !== "**").join("/"))
  const path = fc.array(fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 }).map((parts) => parts.join("")), { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"))
  fc.assert(fc.property(pattern, path, (p, text) => {
    const source = p.replace(/\*{3,}/g, "*").replace(/(^|\/)\*\*(?=\/|$)|\*+|\?|\[!a\]|\{a,bb\}/g, (part, slash: string | undefined) => (slash !== undefined ? `${slash}@` : part.startsWith("*") ? "[^/]*" : part === "?" ? "[^/]" : part === "[!a]" ? "[^a/]" : "(?:a|bb)"))
      .replace(/@\//g, "(?:[^/]+/)*").replace(/\/@/g, "(?:/[^/]+)*").replace(/@/g, ".*")
    expect(matcher(p)(text), source).toBe(new RegExp(`^${source}$`).test(text))
  }), { numRuns: 2_000 })
})
