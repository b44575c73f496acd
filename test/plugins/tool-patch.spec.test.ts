/** patch changes several files as one: all of them or none, each hunk where it stands for certain. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { createTwoFilesPatch } from "diff"
import fc from "fast-check"
import { definePlugin } from "graft"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { parsePatch } from "../../plugins/tool-patch/parse.ts"
import { patched } from "../../plugins/tool-patch/place.ts"
import { PatchError, type Hunk } from "../../plugins/tool-patch/section.ts"
import { next, openProject, type Project } from "../fixtures/project.ts"

let project: Project
beforeAll(async () => { project = await openProject({ only: ["tool", "permission", "tool-read", "tool-edit", "tool-patch"], allow: ["write", "edit"] }) })
afterAll(async () => project[Symbol.asyncDispose]())
const at = (name: string) => join(project.directory, name)
const put = (name: string, content: string | Buffer) => {
  mkdirSync(dirname(at(name)), { recursive: true })
  writeFileSync(at(name), content)
}
const read = (name: string) => (existsSync(at(name)) ? readFileSync(at(name), "utf8") : undefined)
const patch = (text: string, more: object = {}) => project.call("patch", { patch: text }, more)
const envelope = (...lines: string[]) => ["*** Begin Patch", ...lines, "*** End Patch"].join("\n")
const beside = (name = ".") => readdirSync(at(name)).filter((each) => each.startsWith(".graft-"))

describe("a call", () => {
  test("adds, changes, moves and deletes, in one", async () => {
    put("all/change.ts", "one\ntwo\nthree\n")
    put("all/old.ts", "moved\nand changed\n")
    put("all/gone.ts", "gone\n")
    put("all/picture.png", Buffer.from([0x89, 0, 1, 2]))
    chmodSync(at("all/old.ts"), 0o751)
    const settled = await patch(envelope(
      "*** Add File: all/new/deep.ts", "+first", "+", "+third",
      "*** Update File: all/change.ts", "@@", " one", "-two", "+TWO", " three",
      "*** Update File: all/old.ts", "*** Move to: all/new/name.ts", "@@", "-and changed", "+and changed here",
      "*** Move File: all/picture.png", "*** Move to: all/new/picture.png",
      "*** Delete File: all/gone.ts",
    ))
    expect(settled).toMatchObject({ outcome: "ok", output: expect.stringMatching(/^added .*deep\.ts\nchanged .*change\.ts\nmoved .*old\.ts to .*name\.ts\nmoved .*\ndeleted .*gone\.ts$/) })
    expect(settled.metadata).toMatchObject({ files: { length: 5 }, diff: expect.stringMatching(/-two\n\+TWO[^]*\+and changed here[^]*-gone/) })
    expect([read("all/new/deep.ts"), read("all/change.ts"), read("all/old.ts"), read("all/new/name.ts"), read("all/gone.ts")]).toEqual(["first\n\nthird\n", "one\nTWO\nthree\n", undefined, "moved\nand changed here\n", undefined])
    expect(statSync(at("all/new/name.ts")).mode & 0o7777).toBe(0o751)
    expect(readFileSync(at("all/new/picture.png"))).toEqual(Buffer.from([0x89, 0, 1, 2]))
    expect([...beside("all"), ...beside("all/new")]).toEqual([])
  })

  test("the same in a unified diff, in a fence, with wrong line numbers and counts", async () => {
    put("uni/change.ts", "one\ntwo\nthree\n")
    put("uni/old name.ts", "moved\n")
    put("uni/gone.ts", "gone\n")
    expect(await patch(["```diff", "diff --git a/uni/change.ts b/uni/change.ts", "index 1..2 100644", "--- a/uni/change.ts", "+++ b/uni/change.ts", "@@ -40,1 +41,9 @@ function", " one", "-two", "+TWO", " three",
      'diff --git a/uni/old name.ts b/uni/n\u00e4me.ts', "similarity index 100%", "rename from uni/old name.ts", 'rename to "uni/n\\303\\244me.ts"',
      "--- a/uni/gone.ts", "+++ /dev/null", "@@ -1 +0,0 @@", "-gone",
      "diff --git a/uni/run.sh b/uni/run.sh", "new file mode 100755", "--- /dev/null", "+++ b/uni/run.sh", "@@ -0,0 +1,2 @@", "+#!/bin/sh", "+true", "\\ No newline at end of file",
      "diff --git a/uni/empty b/uni/empty", "new file mode 100644", "index 0000000..e69de29", "```"].join("\n"))).toMatchObject({ outcome: "ok" })
    expect([read("uni/change.ts"), read("uni/old name.ts"), read("uni/n\u00e4me.ts"), read("uni/gone.ts"), read("uni/run.sh"), read("uni/empty")]).toEqual(["one\nTWO\nthree\n", undefined, "moved\n", undefined, "#!/bin/sh\ntrue", ""])
    expect(statSync(at("uni/run.sh")).mode & 0o111).toBe(0o111 & ~process.umask())
    expect(statSync(at("uni/empty")).mode & 0o111).toBe(0)
  })

  test("with one thing wrong, nothing is changed, no directory is made, and everything that is wrong is told", async () => {
    put("none/good.ts", "one\n")
    put("none/other.ts", "one\n")
    const settled = await patch(envelope(
      "*** Update File: none/good.ts", "-one", "+two", "*** Add File: none/new/made.ts", "+new",
      "*** Update File: none/other.ts", "-two words", "+2", "*** Delete File: none/goood.ts", "*** Add File: none/good2.ts", "+x", "*** Update File: none/missing.ts", "-a",
    ))
    expect(settled).toMatchObject({ outcome: "error", output: expect.stringMatching(/nothing was changed\.\n.*other\.ts: the lines of the hunk at line 8[^]*goood\.ts does not exist\. Did you mean .*good\.ts[^]*missing\.ts does not exist/) })
    expect([read("none/good.ts"), existsSync(at("none/new")), existsSync(at("none/good2.ts"))]).toEqual(["one\n", false, false])
  })

  test("what cannot be put in place takes everything back: contents, modes and directories", async () => {
    put("back/a.ts", "a\n")
    put("back/b.ts", "b\n")
    chmodSync(at("back/a.ts"), 0o640)
    const before = statSync(at("back/a.ts"))
    const { graft } = project
    const version = async (name: string) => {
      await project.call("read", { path: name }, { session: "v" })
      return (await graft.file.lastSeen("v", at(name)))!.version
    }
    const files = [
      { path: at("back/a.ts"), bytes: Buffer.from("A\n"), expect: await version("back/a.ts") },
      { path: at("back/new/deep/c.ts"), bytes: Buffer.from("C\n") },
      { path: at("back/b.ts"), bytes: Buffer.from("B\n"), expect: "0".repeat(64) },
    ]
    await expect(graft.file.change({ session: "v", files })).rejects.toMatchObject({ code: "file.changed" })
    await expect(graft.file.change({ session: "v", files: [files[0]!, files[0]!] })).rejects.toMatchObject({ code: "file.refused" })
    expect([read("back/a.ts"), read("back/b.ts"), existsSync(at("back/new"))]).toEqual(["a\n", "b\n", false])
    expect(statSync(at("back/a.ts"))).toMatchObject({ mode: before.mode, ino: before.ino })
    expect(beside("back")).toEqual([])
  })

  test("encoding, byte order mark, line ends and mode stay", async () => {
    put("kept/wide.txt", Buffer.from("\uFEFFgrün\r\nrot\r\n", "utf16le"))
    put("kept/mixed.txt", "a\r\nb\nc \n")
    put("kept/open.txt", "x\ny")
    chmodSync(at("kept/wide.txt"), 0o600)
    expect((await patch(envelope("*** Update File: kept/wide.txt", " grün", "-rot", "+blau", "*** Update File: kept/mixed.txt", " a", "-b", "+B", " c", "*** Update File: kept/open.txt", "-y", "+z"))).outcome).toBe("ok")
    expect(readFileSync(at("kept/wide.txt"), "utf16le")).toBe("\uFEFFgrün\r\nblau\r\n")
    expect(statSync(at("kept/wide.txt")).mode & 0o777).toBe(0o600)
    expect([read("kept/mixed.txt"), read("kept/open.txt")]).toEqual(["a\r\nB\nc \n", "x\nz"])
    put("kept/latin.txt", Buffer.from([0xe4, 0x0a]))
    expect(await patch(envelope("*** Update File: kept/latin.txt", " ä", "+→"))).toMatchObject({ outcome: "error", output: expect.stringContaining("lacks a character") })
  })

  test("what somebody else changed since it was read is refused with the diff, and goes the next time", async () => {
    put("seen.txt", "one\ntwo\nthree\n")
    await project.call("read", { path: "seen.txt" })
    put("seen.txt", "one\ntwo\nTHREE\n")
    const change = envelope("*** Update File: seen.txt", "-one", "+ONE")
    expect(await patch(change)).toMatchObject({ outcome: "error", output: expect.stringMatching(/nothing was changed[^]*-three\n\+THREE/) })
    expect(read("seen.txt")).toBe("one\ntwo\nTHREE\n")
    expect(await patch(change)).toMatchObject({ outcome: "ok" })
    // What it made itself it has seen.
    expect(await patch(envelope("*** Update File: seen.txt", "*** Move to: seen2.txt", "-ONE", "+1"))).toMatchObject({ outcome: "ok" })
    expect(await project.graft.file.lastSeen("s1", at("seen2.txt"))).toMatchObject({ text: "1\ntwo\nTHREE\n" })
    expect(await project.graft.file.lastSeen("s1", at("seen.txt"))).toBeUndefined()
  })

  test("permission sees each file with what happens to it, by the names that edit and write have; one no is a no to all", async () => {
    put("ask/a.ts", "a\n")
    put("ask/secret/key.ts", "key\n")
    symlinkSync(project.outside, at("ask/away"))
    await project.kernel.put("face", definePlugin({ per: "process", setup: (graft) => { graft.add("face", { id: "test", answers: true }) } }))
    project.rules.flag = { allow: ["write"], deny: ["edit:ask/secret/**"] }
    try {
      const first = next(project.graft, "permission.asked")
      const settlement = patch(envelope("*** Add File: ask/away/b.ts", "+b", "*** Update File: ask/a.ts", "-a", "+changed"))
      const { id, ...asked } = await first
      expect(asked).toMatchObject({ action: "write", resource: join(project.outside, "b.ts"), detail: expect.stringMatching(/leads to[^]*new file, 1 lines:\nb/) })
      const second = next(project.graft, "permission.asked", (ask) => ask.id !== id)
      await project.graft.permission.reply(id, "once")
      expect(await second).toMatchObject({ action: "edit", resource: at("ask/a.ts"), detail: expect.stringMatching(/-a\n\+changed/) })
      await project.graft.permission.reply((await second).id, "deny")
      expect(await settlement).toMatchObject({ outcome: "denied" })
      expect(await patch(envelope("*** Add File: ask/c.ts", "+c", "*** Delete File: ask/secret/key.ts"))).toMatchObject({ outcome: "denied", rule: "edit:ask/secret/**" })
      expect([existsSync(join(project.outside, "b.ts")), read("ask/a.ts"), read("ask/secret/key.ts"), read("ask/c.ts")]).toEqual([false, "a\n", "key\n", undefined])
    } finally {
      project.rules.flag = { allow: ["write", "edit"] }
      await project.kernel.drop("face")
    }
  })

  test("edits and patches of the same files at the same time all happen", async () => {
    const names = ["a", "b"].map((name) => `both/${name}.txt`)
    const lines = Array.from({ length: 4 }, (_, n) => `line ${n}`)
    for (const name of names) put(name, `${lines.join("\n")}\n`)
    const all = await Promise.all([
      ...lines.slice(0, 2).map((line) => patch(envelope(...names.flatMap((name) => [`*** Update File: ${name}`, `-${line}`, `+patched ${line}`])))),
      ...lines.slice(2).flatMap((line) => names.map((path) => project.call("edit", { path, oldText: line, newText: `edited ${line}` }))),
    ])
    expect(all.map(({ outcome, output }) => [outcome, output]).filter(([outcome]) => outcome !== "ok")).toEqual([])
    for (const name of names) expect(read(name)).toBe("patched line 0\npatched line 1\nedited line 2\nedited line 3\n")
  })
})

describe("a hunk", () => {
  const hunk = (lines: string, more: Partial<Hunk> = {}): Hunk => ({ at: 1, above: [], lines: lines.split("\n").map((line) => ({ sign: line[0] as " ", text: line.slice(1) })), ...more })
  const made = (text: string, ...hunks: Hunk[]) => patched("f", text, hunks)

  test.each<[what: string, text: string, hunks: Hunk[], result: string, tier: string]>([
    ["exactly", "a\nb\nc\n", [hunk(" a\n-b\n+B")], "a\nB\nc\n", "exact"],
    ["regardless of spaces at line ends, which stay where they are", "a  \nb\t\nc\n", [hunk(" a\n-b\n+B\n c")], "a  \nB\nc\n", "whitespace"],
    ["deeper, and what comes is as deep", "{\n    a\n    b\n}\n", [hunk(" a\n-b\n+B\n+  C")], "{\n    a\n    B\n      C\n}\n", "indentation"],
    ["less deep", "a\nb\n", [hunk("   a\n-  b\n+  B")], "a\nB\n", "indentation"],
    ["below the line that is named", "f:\n  x\ng:\n  x\n", [hunk("-  x\n+  y", { above: ["g:"] })], "f:\n  x\ng:\n  y\n", "exact"],
    ["below the lines that are named, one below the other", "A\n f\n  x\nB\n f\n  x\n", [hunk("-  x\n+  y", { above: ["B", "f"] })], "A\n f\n  x\nB\n f\n  y\n", "exact"],
    ["at the line that it says", "x\nx\nx\n", [hunk("-x\n+y", { line: 2 })], "x\ny\nx\n", "exact"],
    ["where the hunk before moved it", "new\nu\nx\nx\n", [hunk("-u\n+U", { line: 1 }), hunk("-x\n+y", { line: 2 })], "new\nU\ny\nx\n", "exact"],
    ["behind the hunk before, where only one place is left", "x\na\nx\n", [hunk("-a\n+b"), hunk("-x\n+y")], "x\nb\ny\n", "exact"],
    ["at the end, where it says so", "x\ny\nx\n", [hunk("-x\n+z", { end: true })], "x\ny\nz\n", "exact"],
    ["with lines that the hunk before shows too", "a\nb\nc\n", [hunk("-a\n+A\n b"), hunk(" b\n-c\n+C")], "A\nb\nC\n", "exact"],
    ["in any order", "a\nb\n", [hunk("-b\n+B"), hunk("-a\n+A")], "A\nB\n", "exact"],
    ["new lines alone: at the end", "a", [hunk("+b")], "a\nb", "exact"],
    ["new lines alone: below a line", "a\nb\n", [hunk("+x", { above: ["a"] })], "a\nx\nb\n", "exact"],
    ["new lines alone: into nothing", "", [hunk("+b")], "b\n", "exact"],
    ["a newline at the end that goes", "a\nb\n", [hunk("-b\n+c", { newline: false, end: true })], "a\nc", "exact"],
    ["a newline at the end that comes", "a\nb", [hunk("-b\n+b", { newline: true, end: true })], "a\nb\n", "exact"],
    ["everything goes", "a\nb\n", [hunk("-a\n-b")], "", "exact"],
  ])("is found %s", (_, text, hunks, result, tier) => expect(made(text, ...hunks)).toEqual({ text: result, tier }))

  test.each<[what: string, text: string, hunks: Hunk[], code: string, says: RegExp]>([
    ["in two places", "x\na\nx\n", [hunk("-x\n+y")], "patch.ambiguous", /2 places \(lines 1, 3\)/],
    ["in two places that overlap", "x\nx\nx\n", [hunk("-x\n-x\n+y")], "patch.ambiguous", /lines 1, 2/],
    ["in two places but for spaces", "x \nx\t\n", [hunk("-x\n+y")], "patch.ambiguous", /lines 1, 2/],
    ["in two depths", " x\n  x\n", [hunk("-x\n+y")], "patch.ambiguous", /lines 1, 2/],
    ["below a line that stands there twice", "f\nx\nf\nx\n", [hunk("-x\n+y", { above: ["f"] })], "patch.ambiguous", /lines 2, 4/],
    ["nowhere", "one thing\n", [hunk("-one things\n+y")], "patch.none", /nearest text there is:\n1\tone thing/],
    ["not at the end", "x\ny\n", [hunk("-x\n+z", { end: true })], "patch.none", /at its end/],
    ["without a line of the file", "x\n", [hunk("+z", { line: 1 })], "patch.none", /no line of the file/],
    ["on lines that another one changes", "a\nb\nc\n", [hunk("-a\n-b\n+B"), hunk("-b\n-c\n+C")], "patch.overlap", /line 2/],
  ])("is refused %s", (_, text, hunks, code, says) => {
    const failure = (() => { try { return made(text, ...hunks) } catch (error) { return error } })()
    expect(failure).toMatchObject({ code, message: expect.stringMatching(says) })
  })

  test("hostile repetition costs no more than its length", () => {
    const started = performance.now()
    const text = `${"x\n".repeat(300_000)}`
    expect(() => made(text, hunk(`${" x\n".repeat(50_000)}-y\n+z`))).toThrow(PatchError)
    expect(() => made(text, hunk(`${" x \n".repeat(50_000)}-x\n+z`))).toThrow(/very many/)
    expect(performance.now() - started).toBeLessThan(4_000)
  })
})

describe("laws", () => {
  const lines = fc.array(fc.constantFrom<string[]>("a", "b", "  a", "a ", "", "}", "x y"), { maxLength: 12 })
  const text = fc.tuple(lines, fc.boolean()).map(([all, closed]) => all.join("\n") + (closed && all.length > 0 ? "\n" : ""))
  const sectionOf = (diff: string) => {
    const [section] = parsePatch(diff)
    return section?.kind === "update" ? section.hunks : []
  }

  test("a diff with all lines around it makes the one text of the other, and its reverse takes it back", () => {
    fc.assert(fc.property(text, text, (a, b) => {
      fc.pre(a !== b && a !== "" && b !== "")
      const there = createTwoFilesPatch("f", "f", a, b, undefined, undefined, { context: 100 })
      const back = createTwoFilesPatch("f", "f", b, a, undefined, undefined, { context: 100 })
      expect(patched("f", a, sectionOf(there)).text).toBe(b)
      expect(patched("f", b, sectionOf(back)).text).toBe(a)
    }), { numRuns: 2_000 })
  })

  test("an empty line at the end of a hunk belongs to it", () => {
    expect(patched("f", "\n", sectionOf(createTwoFilesPatch("f", "f", "\n", "a\n\n", undefined, undefined, { context: 100 }))).text).toBe("a\n\n")
  })

  test("without line numbers: the right place or none, never another", () => {
    const found = { made: 0, refused: 0 }
    fc.assert(fc.property(lines, fc.nat(), fc.nat({ max: 3 }), fc.nat({ max: 3 }), (file, seed, before, after) => {
      fc.pre(file.length > 0)
      const at = seed % file.length
      const [from, to] = [Math.max(0, at - before), Math.min(file.length, at + after + 1)]
      const hunk: Hunk = { at: 1, above: [], lines: file.slice(from, to).flatMap((line, n): Hunk["lines"] => (n === at - from ? [{ sign: "-", text: line }, { sign: "+", text: "NEW" }] : [{ sign: " ", text: line }])) }
      const wanted = file.slice(from, to).join("\n")
      const places = file.filter((_, start) => start + to - from <= file.length && file.slice(start, start + to - from).join("\n") === wanted).length
      const run = () => patched("f", `${file.join("\n")}\n`, [hunk]).text
      if (places === 1) {
        expect(run()).toBe(`${file.with(at, "NEW").join("\n")}\n`)
        found.made++
      } else {
        expect(run).toThrow(/fits in/)
        found.refused++
      }
    }), { numRuns: 500 })
    expect(Math.min(found.made, found.refused)).toBeGreaterThan(20)
  })

  test("whatever text comes in: sections, or an error that says which line", () => {
    const pieces = fc.constantFrom("*** Begin Patch", "*** End Patch", "*** Update File: a", "*** Add File: b", "*** Delete File: c", "*** Move to: d", "*** End of File", "@@", "@@ x", "@@ -1,2 +1,2 @@", "--- a/f", "+++ b/f", "diff --git a/f b/f", "rename from a", "\\ No newline at end of file", " x", "-x", "+x", "", "-- ", "```", "words")
    fc.assert(fc.property(fc.oneof(fc.array(pieces, { maxLength: 20 }).map((all) => all.join("\n")), fc.string({ maxLength: 200 })), (given) => {
      try {
        expect(parsePatch(given).length).toBeGreaterThan(0)
      } catch (error) {
        expect(error).toMatchObject({ code: "patch.syntax" })
      }
    }), { numRuns: 2_000 })
  })

  test.each([
    ["cut", "*** Begin Patch\n*** Update File: a\n-x\n+y", /End Patch is missing/],
    ["without a sign", "*** Begin Patch\n*** Update File: a\nx\n*** End Patch", /line 3 of the patch/],
    ["binary", "diff --git a/f b/f\nBinary files a/f and b/f differ\n", /only text/],
    ["a mode", "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n", /chmod/],
    ["a link", "diff --git a/f b/f\nnew file mode 120000\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n", /120000/],
    ["nothing", "words only", /begins with/],
  ])("%s is refused", (_, given, says) => { expect(() => parsePatch(given)).toThrow(says) })

  test("line numbers in the other format are line numbers", () => {
    expect(parsePatch("*** Begin Patch\n*** Update File: a\n@@ -3,1 +3,1 @@ f\n-x\n+y\n*** End Patch")).toMatchObject([{ hunks: [{ line: 3, above: [] }] }])
  })

  test("one file in two sections is refused, by whatever names", async () => {
    put("twice.txt", "a\n")
    symlinkSync(at("twice.txt"), at("twice-link.txt"))
    expect(await patch(envelope("*** Update File: twice.txt", "-a", "+b", "*** Delete File: twice-link.txt"))).toMatchObject({ outcome: "error", output: expect.stringContaining("twice") })
  })
})
