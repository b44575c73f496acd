/** grep always comes back: bounded in matches, bytes and time, with ripgrep gone; and searches only what was judged. */
import { execFileSync } from "node:child_process"
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { search, type Search } from "../../plugins/tool-grep/search.ts"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
beforeAll(async () => {
  project = await openProject({ only: ["tool", "permission", "tool-grep"] })
  mkdirSync(join(project.directory, "src"))
  writeFileSync(join(project.directory, "src/a.ts"), "before\nneedle one\nafter\n\n\nneedle.two\n")
  writeFileSync(join(project.directory, "src/b.md"), "NEEDLE\n")
  writeFileSync(join(project.directory, ".env"), "needle=secret\n")
  writeFileSync(join(project.directory, "wide.txt"), `needle${"x".repeat(100_000)}\n`)
  writeFileSync(join(project.outside, "o.txt"), "needle outside\n")
  symlinkSync(project.outside, join(project.directory, "linked"))
  symlinkSync(join(project.outside, "o.txt"), join(project.directory, "linked.txt"))
})
afterAll(async () => project[Symbol.asyncDispose]())
const grep = (pattern: string, more: object = {}) => project.call("grep", { pattern, ...more })
const left = () => execFileSync("ps", ["-eo", "comm"], { encoding: "utf8" }).split("\n").filter((name) => name === "rg").length

test("matches by file and line; long lines are cut; links and .env files are not searched", async () => {
  const { output } = await grep("needle")
  expect(output).toContain("src/a.ts:\n  2: needle one\n  6: needle.two")
  expect(output).toMatch(/wide.txt:\n {2}1: needlex{300,400} \[\.\.\. omitted end of long line\]/)
  expect(output).not.toMatch(/outside|secret|linked/)
})

test("literal, case, glob, context, one file", async () => {
  expect((await grep("needle.", { literal: true })).output).toBe("src/a.ts:\n  6: needle.two")
  expect((await grep("needle$", { ignoreCase: true, glob: "*.md" })).output).toBe("src/b.md:\n  1: NEEDLE")
  expect((await grep("needle", { path: "src/a.ts", context: 1 })).output).toBe("src/a.ts:\n  1- before\n  2: needle one\n  3- after\n  …\n  5- \n  6: needle.two")
  expect((await grep("nothing like it")).output).toBe("nothing matches")
})

test("a pattern that is none says why; one that looks like an option is a pattern", async () => {
  expect(await grep("(")).toMatchObject({ outcome: "error", output: expect.stringContaining("unclosed group") })
  expect((await grep("--files")).output).toBe("nothing matches")
  for (const pattern of ["-e", "--pre=id", "-f/etc/passwd", "--"]) expect((await grep(pattern)).output).toBe("nothing matches")
  for (const glob of ["--pre=id", "-e"]) expect((await grep("needle", { glob })).output).toBe("nothing matches")
  expect(await grep("a\0b")).toMatchObject({ outcome: "invalid" })
  expect(await grep("x", { path: "-" })).toMatchObject({ outcome: "error", output: expect.stringContaining("no such file") })
})

test("what .gitignore names is not searched: below a directory, by a name, and where git keeps nothing", async () => {
  const { directory } = project
  writeFileSync(join(directory, ".gitignore"), "ignored.txt\nout/\n")
  mkdirSync(join(directory, "out"))
  for (const name of ["ignored.txt", "src/ignored.txt", "out/a.txt", "kept.txt"]) writeFileSync(join(directory, name), "buried\n")
  for (const kept of ["in git", "without git"]) {
    if (kept === "without git") rmSync(join(directory, ".git"), { recursive: true })
    expect((await grep("buried")).output, kept).toBe("kept.txt:\n  1: buried")
    expect((await grep("buried", { glob: "*.txt" })).output, kept).toBe("kept.txt:\n  1: buried")
    expect((await grep("buried", { glob: "**/*.{txt,md}" })).output, kept).toBe("kept.txt:\n  1: buried")
    expect((await grep("buried", { path: "src" })).output, kept).toBe("nothing matches")
  }
  mkdirSync(join(directory, ".git"))
})

test("a name with a line end in it is one name", async () => {
  writeFileSync(join(project.directory, "two\nlines.txt"), "strange\nstranger\n")
  expect((await grep("strange")).output).toBe('"two\\nlines.txt":\n  1: strange\n  2: stranger')
})

test("a file that may not be read is not shown by a search over its directory", async () => {
  mkdirSync(join(project.directory, "keys"))
  writeFileSync(join(project.directory, "keys/private"), "hush\n")
  writeFileSync(join(project.directory, "public"), "hush\n")
  for (const rules of [{ deny: ["read:keys/*"] }, { ask: ["read:keys/*"] }, { deny: ["*:keys"] }]) {
    project.rules.user = rules
    expect((await grep("hush")).output).toBe("public:\n  1: hush\n(1 file is not shown: reading it needs permission, or is denied)")
  }
  project.rules.user = { deny: ["read:keys/*"] }
  expect((await grep("hush", { path: "keys/private" })).output).toMatch(/^nothing matches\n\(1 file is not shown/)
  project.rules.user = {}
  expect((await grep("hush", { path: "keys/private" })).output).toContain("1: hush")
})

test("asks outside of the project, for .env, and for a whole home", async () => {
  expect(await grep("needle", { path: "linked" })).toMatchObject({ outcome: "blocked", rule: expect.stringContaining("grep:") })
  expect(await grep("needle", { path: "linked.txt" })).toMatchObject({ outcome: "blocked" })
  expect(await grep("needle", { path: ".env" })).toMatchObject({ outcome: "blocked", rule: `grep:${project.directory}/.env` })
  expect(await grep("needle", { path: homedir() })).toMatchObject({ outcome: "blocked" })
  expect(await grep("needle", { path: "/" })).toMatchObject({ outcome: "blocked" })
})

test("ripgrep is killed at the limit of matches, at the deadline, and at the signal", async () => {
  const options: Search = { pattern: "", directory: project.directory, literal: false, ignoreCase: false, context: 0, matches: 10, deadline: 10_000, signal: new AbortController().signal }
  writeFileSync(join(project.directory, "many.txt"), "match\n".repeat(500_000))
  const limited = await search({ ...options, pattern: "match" })
  expect(limited.lines).toHaveLength(10)
  expect(limited.partial).toBe("stopped at 10 matches")
  // A device that never ends stands for a file system that is too slow.
  const { open } = await import("node:fs/promises")
  await using endless = await open("/dev/zero")
  const since = performance.now()
  expect((await search({ ...options, pattern: "x", directory: undefined, file: endless.fd, deadline: 100 })).partial).toBe("stopped after 0.1 s")
  await using again = await open("/dev/zero")
  const stop = new AbortController()
  const interrupted = search({ ...options, pattern: "x", directory: undefined, file: again.fd, signal: stop.signal })
  setImmediate(() => stop.abort())
  expect((await interrupted).partial).toBe("interrupted")
  expect(performance.now() - since).toBeLessThan(2_000)
  expect(left()).toBe(0)
})

test("a regular expression that would explode elsewhere comes back", async () => {
  writeFileSync(join(project.directory, "bomb.txt"), `${"a".repeat(50_000)}!\n`)
  const since = performance.now()
  await grep("(a+)+$", { path: "bomb.txt" })
  expect((await grep("(a{1000}){1000}")).outcome).toBe("error")
  expect(performance.now() - since).toBeLessThan(3_000)
})
