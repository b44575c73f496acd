/** edit changes exactly the one place that was meant, or nothing; and keeps everything else byte for byte. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { nearestText } from "../../plugins/lib/nearest.ts"
import { apply, findPlaces, MOST_PLACES } from "../../plugins/tool-edit/match.ts"
import { openProject, type Project } from "../fixtures/project.ts"

describe("the matcher", () => {
  const change = (text: string, wanted: string, replacement: string) => {
    const { tier, places } = findPlaces(text, wanted, replacement)
    return { tier, count: places.length, text: places.length === 1 ? apply(text, places) : undefined }
  }

  test.each<[name: string, text: string, wanted: string, replacement: string, tier: string, result: string | undefined]>([
    ["exact", "a\nb\nc", "b", "B", "exact", "a\nB\nc"],
    ["exact, part of a line", "let x = 1", "x = 1", "y = 2", "exact", "let y = 2"],
    ["spaces at line ends of the file", "if (a) {  \n  b\t\n}", "if (a) {\n  b\n}", "c", "whitespace", "c"],
    ["spaces at line ends of oldText", "a\nb\n", "a  \nb", "x", "whitespace", "x\n"],
    ["carriage returns of a mixed file", "a\r\nb\nc", "a\nb", "x", "whitespace", "x\nc"],
    ["a trimmed end must be a line's end", "foobar", "foo  ", "x", "none", undefined],
    ["indented in the file, not in oldText", "  if a:\n    b\n  c", "if a:\n  b", "if z:\n  y\n\n  x", "indentation", "  if z:\n    y\n\n    x\n  c"],
    ["indented in oldText, not in the file", "if a:\n  b\n", "    if a:\n      b\n", "    c\n", "indentation", "c\n"],
    ["tabs", "\t\tfoo()\n\t\tbar()", "foo()\nbar()", "baz()", "indentation", "\t\tbaz()"],
    ["indentation that differs from line to line", "  a\n      b", "a\n  b", "x", "none", undefined],
    ["a replacement that cannot be shifted back", "a\nb", "  a\n  b", " x", "none", undefined],
    ["only blanks match nothing", "a\n\n  \nb", " \n ", "x", "none", undefined],
  ])("%s", (_, text, wanted, replacement, tier, result) => expect(change(text, wanted, replacement)).toMatchObject({ tier, text: result }))

  const line = fc.tuple(fc.constantFrom("", "  ", "    ", "\t"), fc.string({ unit: fc.constantFrom("a", "b", " ", "{", "}") , maxLength: 6 }), fc.constantFrom("", "", " ")).map((parts) => parts.join(""))
  const text = fc.array(line, { minLength: 1, maxLength: 12 }).map((lines) => lines.join("\n"))

  test("what is outside of the place stays as it was, whatever matched", () => {
    fc.assert(fc.property(text, text, text, (file, wanted, replacement) => {
      const { places } = findPlaces(file, wanted, replacement)
      for (const place of places) {
        expect(place.start).toBeLessThanOrEqual(place.end)
        const changed = apply(file, [place])
        expect(changed.startsWith(file.slice(0, place.start))).toBe(true)
        expect(changed.endsWith(file.slice(place.end))).toBe(true)
        // What was taken out is what was wanted, but for whitespace.
        expect(file.slice(place.start, place.end).replace(/\s/g, "")).toBe(wanted.replace(/\s/g, ""))
      }
    }), { numRuns: 500 })
  })

  test("a piece of the file is always found where it stands, and putting it back gives the file", () => {
    fc.assert(fc.property(text, fc.nat(), fc.nat(), (file, a, b) => {
      const [start, end] = [a % (file.length + 1), b % (file.length + 1)].sort((x, y) => x - y) as [number, number]
      const wanted = file.slice(start, end)
      if (wanted === "") return
      const { tier, places } = findPlaces(file, wanted, "\u0001")
      expect(tier).toBe("exact")
      expect(places.some((place) => place.start === start)).toBe(true)
      if (places.length === 1) expect(change(apply(file, places), "\u0001", wanted).text).toBe(file)
    }), { numRuns: 500 })
  })

  test("every place is what replaceAll would replace", () => {
    const short = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 20 })
    fc.assert(fc.property(short, short.filter((wanted) => wanted !== ""), (file, wanted) => {
      const { tier, places } = findPlaces(file, wanted, "X", true)
      if (tier === "exact") expect(apply(file, places)).toBe(file.replaceAll(wanted, "X"))
    }))
  })

  test("a block shifted by one indentation is found, and the replacement is shifted alike", () => {
    const block = fc.array(fc.constantFrom("a", "  b", "    c", ""), { minLength: 1, maxLength: 6 }).filter((lines) => lines[0] !== "" && lines.at(-1) !== "")
    fc.assert(fc.property(block, block, fc.constantFrom("  ", "\t", "        "), (lines, other, by) => {
      const indent = (all: string[]) => all.map((one) => (one === "" ? "" : by + one)).join("\n")
      const result = change(`start {\n${indent(lines)}\n}`, lines.join("\n"), other.join("\n"))
      if (result.tier === "indentation" && result.count === 1) expect(result.text).toBe(`start {\n${indent(other)}\n}`)
      else expect(result.tier).toBe("exact")
    }))
  })

  test("hostile whitespace costs no more than its length", () => {
    const since = performance.now()
    findPlaces(`${" ".repeat(500_000)}x`, " \t \n y", "z")
    findPlaces("a\n".repeat(20_000), "  a\n".repeat(50), "b")
    nearestText("word ".repeat(100_000), "word other")
    // Text that repeats itself: places overlap at every character, and lines match for long before they do not.
    expect(findPlaces("a".repeat(1_000_000), "a".repeat(100_000), "b").places).toHaveLength(MOST_PLACES)
    expect(findPlaces("    a\n".repeat(100_000), `${"  a\n".repeat(2_000)}b`, "c").tier).toBe("none")
    expect(findPlaces("f(x)\n".repeat(200_000), "f(x)", "g", true).places).toHaveLength(200_000)
    expect(performance.now() - since).toBeLessThan(2_000)
  })
})

describe("the tool", () => {
  let project: Project
  beforeAll(async () => { project = await openProject({ only: ["tool", "permission", "tool-read", "tool-edit"], allow: ["edit"] }) })
  afterAll(async () => project[Symbol.asyncDispose]())
  const at = (name: string) => join(project.directory, name)
  const edit = (path: string, oldText: string, newText: string, more: object = {}) => project.call("edit", { path, oldText, newText, ...more })

  test("one place, or every place when asked", async () => {
    writeFileSync(at("a.ts"), "const a = 1\nconst b = 1\n")
    expect(await edit("a.ts", "a = 1", "a = 2")).toMatchObject({ outcome: "ok", metadata: { diff: expect.stringContaining("+const a = 2") } })
    expect(await edit("a.ts", "const", "let")).toMatchObject({ outcome: "error", output: expect.stringMatching(/2 times \(lines 1, 2\); nothing was changed/) })
    expect(await edit("a.ts", "const", "let", { all: true })).toMatchObject({ outcome: "ok", output: expect.stringContaining("2 places") })
    expect(readFileSync(at("a.ts"), "utf8")).toBe("let a = 2\nlet b = 1\n")
  })

  test("nothing alike: the error shows the nearest text", async () => {
    writeFileSync(at("b.ts"), "function alpha() {}\n\nfunction beta(x) {\n  return x + 1\n}\n")
    const { outcome, output } = await edit("b.ts", "function beta(y) {\n  return y + 1\n}", "x")
    expect(outcome).toBe("error")
    expect(output).toContain("3\tfunction beta(x) {\n4\t  return x + 1")
    expect(await edit("b.ts", "same", "same")).toMatchObject({ outcome: "error", output: expect.stringContaining("the same") })
    expect(await edit("absent.ts", "a", "b")).toMatchObject({ outcome: "error", output: expect.stringContaining("use write") })
  })

  test.each<[string, Buffer, string, string, Buffer]>([
    ["CRLF", Buffer.from("a\r\nb\r\nc\r\n"), "a\nb", "x\ny\nz", Buffer.from("x\r\ny\r\nz\r\nc\r\n")],
    ["CRLF, from a line's end", Buffer.from("a\r\nb\r\n"), "\nb", "\nc", Buffer.from("a\r\nc\r\n")],
    ["a mixed file", Buffer.from("a\r\nb\nc\n"), "c", "d", Buffer.from("a\r\nb\nd\n")],
    ["a byte order mark", Buffer.from("\uFEFFa\n"), "a", "b", Buffer.from("\uFEFFb\n")],
    ["UTF-16", Buffer.from("\uFEFFgrün\n", "utf16le"), "grün", "blau", Buffer.from("\uFEFFblau\n", "utf16le")],
    ["Latin-1", Buffer.from("gr\xfcn a\n", "latin1"), "a", "b", Buffer.from("gr\xfcn b\n", "latin1")],
    ["no newline at the end", Buffer.from("a"), "a", "b", Buffer.from("b")],
  ])("keeps line ends and encoding: %s", async (_, before, oldText, newText, after) => {
    writeFileSync(at("kept"), before)
    expect(await edit("kept", oldText, newText)).toMatchObject({ outcome: "ok" })
    expect(readFileSync(at("kept"))).toEqual(after)
  })

  test("a character that the encoding lacks is refused", async () => {
    writeFileSync(at("latin"), Buffer.from("gr\xfcn", "latin1"))
    expect(await edit("latin", "gr", "→")).toMatchObject({ outcome: "error", output: expect.stringContaining("latin1") })
    expect(readFileSync(at("latin"), "latin1")).toBe("gr\xfcn")
  })

  test("edits of one file at the same time all happen", async () => {
    writeFileSync(at("many.txt"), "a0 a1 a2 a3\n")
    const outcomes = await Promise.all([0, 1, 2, 3].map((index) => edit("many.txt", `a${index}`, `b${index}`)))
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["ok", "ok", "ok", "ok"])
    expect(readFileSync(at("many.txt"), "utf8")).toBe("b0 b1 b2 b3\n")
  })

  test("without permission nothing happens, and the rule is named", async () => {
    project.rules.flag = {}
    writeFileSync(at("c.txt"), "c")
    expect(await edit("c.txt", "c", "d")).toMatchObject({ outcome: "blocked", rule: "edit" })
    expect(readFileSync(at("c.txt"), "utf8")).toBe("c")
  })
})
