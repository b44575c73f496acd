/** What a tool wrote gets the form that its project is used to, the model reads what became of it, and no formatter loses a byte. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { run } from "../../plugins/formatter/run.ts"
import { openLeash, type Leash } from "../../plugins/lib/leash.ts"
import { inherited } from "../../plugins/lib/inherited.ts"
import { changesOf } from "../../plugins/lib/changes.ts"
import type { Formatter } from "../../plugins/formatter/contract.ts"
import { openProject, type Project } from "../fixtures/project.ts"

/** One space where there are several, and a newline at the end. */
const TIDY = "sed 's/  */ /g'"
let project: Project
let trusted = true
const file = (path: string) => join(project.directory, path)
const read = (path: string) => readFileSync(file(path), "utf8")
const put = (path: string, text: string) => (mkdirSync(dirname(file(path)), { recursive: true }), writeFileSync(file(path), text))
const program = (path: string, script: string) => (put(path, `#!/bin/sh\n${script}\n`), chmodSync(file(path), 0o755))
/** One that is dead and not yet buried is not. */
const isAlive = (pid: number): boolean => {
  try { return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1")) } catch { return false }
}
const told: string[] = []

beforeAll(async () => {
  project = await openProject({
    only: ["tool", "permission", "tool-read", "tool-write", "tool-edit", "tool-patch", "formatter"], allow: ["*"], copy: true,
    with: (graft) => graft.provide("trust", { allowed: async () => trusted } as never),
  })
  project.kernel.on("*", (payload, { event }) => { if (/^(formatter|plugin)\./.test(event)) told.push(`${event} ${(payload as { formatter?: { name: string } }).formatter?.name ?? (payload as { name?: string; text?: string }).name ?? (payload as { text?: string }).text ?? ""}`.trim()) })
})
afterAll(() => project?.[Symbol.asyncDispose]())
beforeEach(() => {
  for (const name of readdirSync(project.directory)) if (name !== ".git") rmSync(file(name), { recursive: true, force: true })
  delete project.settings.formatter
  trusted = true
  told.length = 0
})
const usesPrettier = (script = TIDY) => {
  put("package.json", JSON.stringify({ devDependencies: { prettier: "3" } }))
  program("node_modules/.bin/prettier", script)
}

describe("after a tool changed a file", () => {
  it("the project's own formatter is run, with the file's name, and the model reads what it changed", async () => {
    usesPrettier(`echo "$@" > "${file("args")}"; pwd >> "${file("args")}"; ${TIDY}`)
    const { output, metadata } = await project.call("write", { path: "src/a.ts", content: "let  a  = 1\n" })
    expect(read("src/a.ts")).toBe("let a = 1\n")
    expect(read("args")).toBe(`--stdin-filepath ${file("src/a.ts")}\n${project.directory}\n`)
    expect(output).toMatch(/^made .*a\.ts .*\nprettier then formatted src\/a\.ts:\n[\s\S]*-let  a  = 1\n\+let a = 1$/)
    expect(metadata).toMatchObject({ path: file("src/a.ts"), diff: expect.stringContaining("+let  a  = 1") })
  })

  it("what is in form already is left alone, and nothing is said", async () => {
    usesPrettier()
    expect((await project.call("write", { path: "a.ts", content: "let a\n" })).output).toMatch(/^made [^\n]*$/)
  })

  it("the session has seen the form: it may write and edit on", async () => {
    usesPrettier()
    await project.call("write", { path: "a.ts", content: "let  a\n" })
    expect((await project.call("write", { path: "a.ts", content: "let  b\n" })).outcome).toBe("ok")
    expect((await project.call("edit", { path: "a.ts", oldText: "let b", newText: "let  c" })).output).toContain("prettier then formatted")
    expect(read("a.ts")).toBe("let c\n")
  })

  it("whoever edited a part unseen has still not seen the rest", async () => {
    usesPrettier()
    put("a.ts", "let  a\n// theirs\n")
    await project.call("edit", { path: "a.ts", oldText: "let  a", newText: "let  b" }, { session: "blind" })
    expect(read("a.ts")).toBe("let b\n// theirs\n")
    expect((await project.call("write", { path: "a.ts", content: "mine" }, { session: "blind" })).output).toMatch(/has not read it/)
  })

  it("mode, and the mark at the beginning, are kept", async () => {
    usesPrettier()
    put("a.ts", "\uFEFFlet  a\n")
    chmodSync(file("a.ts"), 0o755)
    await project.call("edit", { path: "a.ts", oldText: "a", newText: "b" })
    expect(read("a.ts")).toBe("\uFEFFlet b\n")
    expect(statSync(file("a.ts")).mode & 0o777).toBe(0o755)
  })

  it("edits of one file at the same time all stand, in form", async () => {
    usesPrettier()
    put("a.ts", "let  a0 = 0;\nlet  a1 = 0;\n")
    const edits = await Promise.all([0, 1].map((i) => project.call("edit", { path: "a.ts", oldText: `a${i} = 0`, newText: `a${i} =   ${i + 1}` })))
    expect(edits.map(({ outcome, output }) => (outcome === "ok" ? outcome : output))).toEqual(["ok", "ok"])
    expect(read("a.ts")).toBe("let a0 = 1;\nlet a1 = 2;\n")
  })

  it("a patch of several files has each formatted where it ended up, and what is gone is let be", async () => {
    usesPrettier()
    put("old.ts", "let  old\n")
    put("gone.ts", "let  gone\n")
    put("same.txt", "a  b\n")
    const lines = ["*** Begin Patch", "*** Add File: new.ts", "+let  a", "*** Update File: old.ts", "*** Move to: moved.ts", "@@", "-let  old", "+let  moved", "*** Update File: same.txt", "@@", "-a  b", "+c  d", "*** Delete File: gone.ts", "*** End Patch"]
    const { output, outcome } = await project.call("patch", { patch: lines.join("\n") })
    expect([outcome, read("new.ts"), read("moved.ts"), read("same.txt")]).toEqual(["ok", "let a\n", "let moved\n", "c  d\n"])
    expect(output.match(/prettier then formatted (\S+):/g)).toEqual(["prettier then formatted new.ts:", "prettier then formatted moved.ts:"])
  })

  it("a tool that says that it changed several files is taken at its word", () => {
    const [one, two] = [{ path: "/p/a.ts", after: "1" }, { path: "/p/b.ts", after: "2" }]
    const moved = { path: "/p/old.ts", to: "/p/new.ts", before: "4", after: "5" }
    expect(changesOf({ files: [one, { path: "/p/gone.ts", before: "3" }, two, moved, "nonsense"] })).toEqual([one, two, { path: "/p/new.ts", after: "5" }])
    expect(changesOf({ ...one, diff: "" })).toEqual([one])
    expect([changesOf(undefined), changesOf({ files: "no" }), changesOf({ path: 1 })].flat()).toEqual([])
  })
})

describe("which formatter", () => {
  it("none, where the project does not say that it uses one", async () => {
    program("node_modules/.bin/prettier", TIDY)
    await project.call("write", { path: "a.ts", content: "let  a\n" })
    expect(read("a.ts")).toBe("let  a\n")
  })

  it("the nearest settings count: a package in a monorepo has its own", async () => {
    usesPrettier()
    put("packages/one/biome.json", "{}")
    program("packages/one/node_modules/.bin/biome", "tr a-z A-Z")
    await project.call("write", { path: "packages/one/src/a.ts", content: "let  a\n" })
    await project.call("write", { path: "packages/two/src/a.ts", content: "let  a\n" })
    expect([read("packages/one/src/a.ts"), read("packages/two/src/a.ts")]).toEqual(["LET  A\n", "let a\n"])
  })

  it("what could run the project's code does not, before it is trusted; that is said once, to people", async () => {
    usesPrettier(`touch "${file("ran")}"; ${TIDY}`)
    trusted = false
    for (const path of ["a.ts", "b.ts"]) await project.call("write", { path, content: "let  a\n" })
    expect([read("a.ts"), existsSync(file("ran"))]).toEqual(["let  a\n", false])
    await project.kernel.settled()
    expect(told.filter((line) => /until this project is trusted/.test(line))).toHaveLength(1)
  })

  it("none outside of the project", async () => {
    usesPrettier()
    const path = join(project.outside, "a.ts")
    await project.call("write", { path, content: "let  a\n" })
    expect(readFileSync(path, "utf8")).toBe("let  a\n")
  })

  it("the config switches off one, or all, or brings another", async () => {
    usesPrettier()
    program("bin/shout", "tr a-z A-Z")
    const written = async (settings: unknown) => {
      project.settings.formatter = settings
      await project.call("edit", { path: "a.ts", oldText: read("a.ts"), newText: "let  a\n" })
      return read("a.ts")
    }
    put("a.ts", "let a")
    expect(await written(false)).toBe("let  a\n")
    put("a.ts", "let a")
    expect(await written({ prettier: { enabled: false } })).toBe("let  a\n")
    put("a.ts", "let a")
    expect(await written({ shout: { command: ["bin/shout", "$FILE"], extensions: [".ts"] } })).toBe("LET  A\n")
    put("a.ts", "let a")
    expect(await written({ prettier: { extensions: [".md"] } })).toBe("let  a\n")
  })

  it("one that rewrites a file gets a copy beside it, and the file is never half written", async () => {
    program("bin/inplace", `echo "$1" > "${file("copy")}"; ${TIDY} "$1" > "$1.new"; mv "$1.new" "$1"; echo done`)
    project.settings.formatter = { mine: { command: ["bin/inplace", "$FILE"], extensions: [".x"], rewrites: true } }
    await project.call("write", { path: "src/a.x", content: "a  b\n" })
    expect(read("src/a.x")).toBe("a b\n")
    expect(read("copy").trim()).toMatch(/src\/a\.graft-[0-9a-f]+\.x$/)
    expect(readdirSync(file("src"))).toEqual(["a.x"])
  })

  it("rows of other plugins come before those of the house, and each change is told once somebody asked", async () => {
    usesPrettier()
    expect((await project.graft.formatter.list()).map(({ name }) => name)).toContain("prettier")
    const row = { name: "prettier", extensions: [".ts"], command: ["tr", "a-z", "A-Z"] } satisfies Formatter
    await project.kernel.put("loud", (graft) => { graft.formatter.register(row) }, project.directory)
    await project.kernel.settled()
    expect(told.filter((line) => line.startsWith("formatter."))).toEqual(["formatter.updated prettier"])
    await project.call("write", { path: "a.ts", content: "let  a\n" })
    expect(read("a.ts")).toBe("LET  A\n")
    await project.kernel.drop("loud", project.directory)
    await project.kernel.settled()
    await project.call("write", { path: "b.ts", content: "let  a\n" })
    expect(read("b.ts")).toBe("let a\n")
  })
})

describe("a formatter that", () => {
  it("fails says so to the model, and the file stays as it was written", async () => {
    usesPrettier("echo 'half a' ; echo 'a.ts: SyntaxError: Unexpected token (1:5)' >&2; exit 2")
    const { output, outcome } = await project.call("write", { path: "a.ts", content: "let  (\n" })
    expect([outcome, read("a.ts")]).toEqual(["ok", "let  (\n"])
    expect(output).toContain("(a.ts is as it was written: prettier failed (exit code 2: a.ts: SyntaxError: Unexpected token (1:5)))")
  })

  it("gives nothing back is not believed", async () => {
    usesPrettier("cat > /dev/null")
    expect((await project.call("write", { path: "a.ts", content: "let  a\n" })).output).toContain("prettier gave an empty file")
    expect(read("a.ts")).toBe("let  a\n")
  })

  it("works on a file that changes meanwhile changes nothing", async () => {
    usesPrettier(`echo 'theirs' > "${file("a.ts")}"; ${TIDY}`)
    expect((await project.call("write", { path: "a.ts", content: "let  a\n" })).outcome).toBe("ok")
    expect(read("a.ts")).toBe("theirs\n")
  })

  it("takes the copy away, or writes without end, is a failure", async () => {
    program("bin/eats", `rm "$1"`)
    project.settings.formatter = { mine: { command: ["bin/eats", "$FILE"], extensions: [".x"], rewrites: true }, flood: { command: ["bin/flood"], extensions: [".y"] } }
    expect((await project.call("write", { path: "a.x", content: "a" })).output).toContain("mine failed (it took the file away)")
    program("bin/flood", "yes")
    expect((await project.call("write", { path: "a.y", content: "a" })).output).toContain("flood failed (it wrote more than 4 MiB)")
    expect([read("a.x"), read("a.y")]).toEqual(["a", "a"])
  })

  it("hangs is ended at its time, with its children, and does not hold the call", async () => {
    program("bin/hangs", `sleep 600 & echo $! > "${file("child")}"; touch "${file("hung")}"; wait`)
    const leash: Leash = openLeash()
    const late = new AbortController()
    const ran = run({ command: file("bin/hangs"), args: [], env: inherited(), directory: project.directory }, "text", leash, late.signal)
    await expect.poll(() => existsSync(file("hung")), { interval: 10, timeout: 15_000 }).toBe(true)
    late.abort()
    expect(await ran).toEqual({ kind: "late" })
    expect(isAlive(Number(read("child")))).toBe(false)
    leash.close()
  })

  it("gets none of the keys in the environment", () => {
    process.env.SECRET_KEY = "x"
    expect(inherited({ toolchains: true })).not.toHaveProperty("SECRET_KEY")
    expect(inherited()).toHaveProperty("PATH")
    delete process.env.SECRET_KEY
  })
})

it("an edit of this plugin in the middle of a run loses nothing: the run ends on what began it, the next is on the new", async () => {
  usesPrettier(`touch "${file("begun")}"; while [ ! -e "${file("go")}" ]; do sleep 0.01; done; ${TIDY}`)
  const writing = project.call("write", { path: "a.ts", content: "let  a\n" })
  await expect.poll(() => existsSync(file("begun")), { interval: 10, timeout: 15_000 }).toBe(true)
  const source = join(project.sources, "formatter/after.ts")
  writeFileSync(source, readFileSync(source, "utf8").replace("then formatted", "went over"))
  await project.kernel.reconcile([source])
  put("go", "")
  expect((await writing).output).toContain("prettier then formatted a.ts")
  expect((await project.call("write", { path: "b.ts", content: "let  a\n" })).output).toContain("prettier went over b.ts")
  expect([read("a.ts"), read("b.ts")]).toEqual(["let a\n", "let a\n"])
})
