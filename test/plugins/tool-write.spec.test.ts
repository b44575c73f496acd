/** write replaces a file whole or not at all, and never what this session has not seen. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { definePlugin } from "graft"
import { afterAll, beforeAll, expect, test } from "vitest"
import { next, openProject, type Project } from "../fixtures/project.ts"

let project: Project
beforeAll(async () => { project = await openProject({ only: ["tool", "permission", "tool-read", "tool-write"], allow: ["write"] }) })
afterAll(async () => project[Symbol.asyncDispose]())
const at = (name: string) => join(project.directory, name)
const write = (path: string, content: string, more: object = {}) => project.call("write", { path, content }, more)

test("a new file, with the directories above it", async () => {
  expect(await write("src/deep/new.ts", "content\n")).toMatchObject({ outcome: "ok", metadata: { after: expect.any(String) } })
  expect(readFileSync(at("src/deep/new.ts"), "utf8")).toBe("content\n")
})

test("what exists must have been read in this session; another session's reading does not count", async () => {
  writeFileSync(at("a.txt"), "precious")
  expect(await write("a.txt", "new")).toMatchObject({ outcome: "error", output: expect.stringContaining("has not read it") })
  await project.call("read", { path: "a.txt" }, { session: "other" })
  expect((await write("a.txt", "new")).outcome).toBe("error")
  expect(readFileSync(at("a.txt"), "utf8")).toBe("precious")
  await project.call("read", { path: "a.txt" })
  expect(await write("a.txt", "new")).toMatchObject({ outcome: "ok", metadata: { diff: expect.stringContaining("-precious") } })
  expect(await write("a.txt", "newer")).toMatchObject({ outcome: "ok" })
})

test("what somebody else changed since is not lost: the change is shown, and the next write knows it", async () => {
  writeFileSync(at("b.txt"), "one\ntwo\n")
  await project.call("read", { path: "b.txt" })
  writeFileSync(at("b.txt"), "one\nTWO\n")
  const refused = await write("b.txt", "one\ntwo\nthree\n")
  expect(refused).toMatchObject({ outcome: "error", output: expect.stringMatching(/changed by somebody else[^]*-two\n\+TWO/) })
  expect(readFileSync(at("b.txt"), "utf8")).toBe("one\nTWO\n")
  expect(await write("b.txt", "one\nTWO\nthree\n")).toMatchObject({ outcome: "ok" })
})

test("mode and encoding are kept, and nothing is left beside", async () => {
  mkdirSync(at("kept"))
  writeFileSync(at("kept/run.sh"), Buffer.from("\uFEFFgrün", "utf16le"))
  chmodSync(at("kept/run.sh"), 0o751)
  await project.call("read", { path: "kept/run.sh" })
  await write("kept/run.sh", "blau")
  expect(statSync(at("kept/run.sh")).mode & 0o7777).toBe(0o751)
  expect(readFileSync(at("kept/run.sh"), "utf16le")).toBe("\uFEFFblau")
  expect(readdirSync(at("kept"))).toEqual(["run.sh"])
})

test("line ends are kept, and a name of any length; an encoding that lacks a character is left, and that is said", async () => {
  writeFileSync(at("crlf.txt"), "a\r\nb\r\n")
  await project.call("read", { path: "crlf.txt" })
  await write("crlf.txt", "a\nc\n")
  expect(readFileSync(at("crlf.txt"), "utf8")).toBe("a\r\nc\r\n")
  const long = `${"長".repeat(83)}.md`
  expect((await write(long, "x")).outcome).toBe("ok")
  expect((await write(long, "y")).outcome).toBe("ok")
  writeFileSync(at("latin.txt"), Buffer.from([0xe4, 0xff]))
  await project.call("read", { path: "latin.txt" })
  expect((await write("latin.txt", "ä")).output).not.toContain("UTF-8")
  expect(readFileSync(at("latin.txt"))).toEqual(Buffer.from([0xe4]))
  expect((await write("latin.txt", "ä→")).output).toContain("as UTF-8: latin1 lacks")
})

test("what appears under a new name in between is not written over", async () => {
  const { graft, directory } = project
  const file = { session: "s", bytes: Buffer.from("mine"), path: join(directory, "new.txt") }
  const all = await Promise.allSettled([1, 2, 3].map(() => graft.file.replace(file)))
  expect(all.map((one) => (one.status === "fulfilled" ? "made" : (one.reason as { code: string }).code)).sort()).toEqual(["file.changed", "file.changed", "made"])
  // Another process makes it between the look and the writing: the kernel's own answer decides.
  const { linkSync, mkdirSync: make, watch } = await import("node:fs")
  make(at("race"))
  writeFileSync(at("theirs"), "theirs")
  const watcher = watch(at("race"), (_, name) => { if (name?.startsWith(".graft-")) try { linkSync(at("theirs"), at("race/new.txt")) } catch { /* it is there already */ } })
  const bytes = Buffer.alloc(32 * 1024 * 1024)
  const raced = await graft.file.replace({ ...file, bytes, path: at("race/new.txt") }).then(() => "made", (error: { code: string }) => error.code)
  watcher.close()
  expect(raced).toBe("file.changed")
  expect(readFileSync(at("race/new.txt"), "utf8")).toBe("theirs")
  expect(readdirSync(at("race"))).toEqual(["new.txt"])
})

test("a link out of the project asks, with both ends; a dangling one too; and is written through, not over, once allowed", async () => {
  symlinkSync(join(project.outside, "target.txt"), at("escape.txt"))
  symlinkSync(project.outside, at("door"))
  for (const path of ["escape.txt", "door/new.txt", "door/deep/new.txt", "../outside/x"]) {
    expect(await write(path, "x"), path).toMatchObject({ outcome: "blocked", rule: expect.stringContaining("write:") })
  }
  expect(readdirSync(project.outside)).toEqual([])
  project.rules.flag = { allow: ["write", `write:${project.outside}/*`] }
  expect(await write("escape.txt", "through")).toMatchObject({ outcome: "ok" })
  expect(readFileSync(join(project.outside, "target.txt"), "utf8")).toBe("through")
})

test("a directory, a binary file and a file where a directory should be are refused", async () => {
  writeFileSync(at("bin"), Buffer.from([0, 1, 2]))
  expect(await write("src", "x")).toMatchObject({ outcome: "error", output: expect.stringContaining("a directory") })
  expect(await write("bin", "x")).toMatchObject({ outcome: "error", output: expect.stringContaining("binary") })
  expect((await write("bin/below", "x")).outcome).toBe("error")
  expect(await write("new/", "x")).toMatchObject({ outcome: "invalid", output: expect.stringContaining("names a directory") })
  expect(readFileSync(at("bin"))).toEqual(Buffer.from([0, 1, 2]))
})

test("a person sees what would change", async () => {
  project.rules.flag = {}
  await project.kernel.put("face", definePlugin({ per: "process", setup: (graft) => { graft.add("face", { id: "test", answers: true }) } }))
  const asked = next(project.graft, "permission.asked")
  const settlement = write("a.txt", "asked")
  const ask = await asked
  expect(ask).toMatchObject({ action: "write", resource: at("a.txt"), detail: expect.stringMatching(/-newer[^]*\+asked/) })
  expect(readFileSync(at("a.txt"), "utf8")).toBe("newer")
  await project.graft.permission.reply(ask.id, "once")
  expect(await settlement).toMatchObject({ outcome: "ok" })
  await project.kernel.drop("face")
})

test("the directory swapped for a link while a person thinks is not followed", async () => {
  await project.kernel.put("face", definePlugin({ per: "process", setup: (graft) => { graft.add("face", { id: "test", answers: true }) } }))
  mkdirSync(at("swap"))
  const asked = next(project.graft, "permission.asked")
  const settlement = write("swap/file.txt", "x")
  const ask = await asked
  const { renameSync } = await import("node:fs")
  renameSync(at("swap"), at("swapped"))
  symlinkSync(project.outside, at("swap"))
  const again = next(project.graft, "permission.asked", (second) => second.id !== ask.id)
  await project.graft.permission.reply(ask.id, "once")
  const second = await again
  expect(second).toMatchObject({ resource: join(project.outside, "file.txt"), detail: expect.stringContaining("leads to") })
  await project.graft.permission.reply(second.id, "deny")
  expect((await settlement).outcome).toBe("denied")
  expect(existsSync(join(project.outside, "file.txt"))).toBe(false)
})
