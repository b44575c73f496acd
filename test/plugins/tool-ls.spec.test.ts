/** ls shows one directory as it is: bounded, links with where they lead, and outside only by permission. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
beforeAll(async () => { project = await openProject({ only: ["tool", "permission", "tool-ls"] }) })
afterAll(async () => project[Symbol.asyncDispose]())

test("entries by name: directories with a slash, files with their size, links with their target, control characters made visible", async () => {
  mkdirSync(join(project.directory, "src"))
  writeFileSync(join(project.directory, "b.ts"), "12345")
  writeFileSync(join(project.directory, "a\nb"), "")
  symlinkSync("/etc", join(project.directory, "link"))
  expect((await project.call("ls", "")).output).toBe('.git/\n"a\\nb"  0\nb.ts  5\nlink -> /etc\nsrc/')
  expect((await project.call("ls", { path: "src" })).output).toBe("(empty directory)")
})

test("a large directory is cut, and says so", async () => {
  const large = join(project.directory, "large")
  mkdirSync(large)
  for (let index = 0; index < 1_100; index++) writeFileSync(join(large, `f${index}`), "")
  expect((await project.call("ls", { path: "large" })).output).toMatch(/\n… 100 more entries; use glob to narrow them down$/)
})

test("a link out of the project asks, and what is missing or a file says so", async () => {
  symlinkSync(project.outside, join(project.directory, "out"))
  expect(await project.call("ls", { path: "out" })).toMatchObject({ outcome: "blocked" })
  expect(await project.call("ls", { path: "absent" })).toMatchObject({ outcome: "error", output: expect.stringContaining("no such file or directory") })
  expect(await project.call("ls", { path: "b.ts" })).toMatchObject({ outcome: "error", output: expect.stringMatching(/b\.ts is not a directory; a file is shown by read/) })
})
