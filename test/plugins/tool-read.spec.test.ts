/** read shows exactly the file that was judged: numbered lines in bounded memory, and never what a link planted in between points to. */
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { inside, locate, openReal } from "../../plugins/lib/confine.ts"
import { decode, encode } from "../../plugins/lib/text.ts"
import { LineSplitter, Window } from "../../plugins/tool-read/window.ts"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
beforeAll(async () => { project = await openProject({ only: ["tool", "permission", "tool-read"] }) })
afterAll(async () => project[Symbol.asyncDispose]())
const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(project.directory, name), content)
  return name
}
const read = (path: string, more: object = {}) => project.call("read", { path, ...more })

describe("what it shows", () => {
  test("lines with their numbers, from an offset, as many as wanted", async () => {
    file("a.txt", "one\ntwo\r\nthree\n")
    expect((await read("a.txt")).output).toBe("1\tone\n2\ttwo\n3\tthree")
    expect((await read("a.txt", { offset: 2, limit: 1 })).output).toBe("2\ttwo\n(lines 2 to 2 of 3; go on with offset 3)")
    expect((await read("a.txt", { offset: 9 })).output).toBe("(the file has 3 lines; there is no line 9)")
    expect((await read(file("empty", ""))).output).toBe("(empty file)")
  })

  test("at most 2,000 lines and 48 KiB at once, long lines cut; going on reaches the end", async () => {
    file("long.txt", Array.from({ length: 5_000 }, (_, index) => `line ${index + 1}`).join("\n"))
    expect((await read("long.txt")).output).toMatch(/\(lines 1 to 2000 of 5000; go on with offset 2001\)$/)
    expect((await read("long.txt", { offset: 4_001 })).output).toMatch(/5000\tline 5000\n\(lines 4001 to 5000, the end\)$/)
    file("wide.txt", `${"x".repeat(100_000)}\nend`)
    expect((await read("wide.txt")).output).toMatch(/^1\tx{2000}… \(98000 more characters\)\n2\tend$/)
  })

  test("a huge file is streamed, not loaded", async () => {
    truncateSync(join(project.directory, file("sparse.log", "x\n".repeat(10_000))), 8 * 1024 ** 3)
    expect((await read("sparse.log", { limit: 2 })).output).toMatch(/binary/)
    file("big.log", "some line of text\n".repeat(400_000))
    const before = process.memoryUsage().rss
    expect((await read("big.log", { limit: 1 })).output).toMatch(/^1\tsome line of text\n\(lines 1 to 1; go on with offset 2\)\n\(a large file/)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
  })

  test("a directory, and the rest of a kept output", async () => {
    mkdirSync(join(project.directory, "dir/sub"), { recursive: true })
    file("dir/x.ts", "1234")
    expect((await read("dir")).output).toMatch(/is a directory:\nsub\/\nx.ts {2}4$/)
    const { sha256 } = await project.graft.store.putBlob("a\nb\nc")
    expect((await read(`blob:${sha256}`, { offset: 2 })).output).toBe("2\tb\n3\tc\n(lines 2 to 3, the end)")
    expect(await read(`blob:${"0".repeat(64)}`)).toMatchObject({ outcome: "error" })
  })

  test("what is no text is refused with what it is", async () => {
    expect(await read(file("logo.png", Buffer.from("\x89PNG\r\n\x1a\n0000", "latin1")))).toMatchObject({ outcome: "error", output: expect.stringContaining("is an image") })
    expect(await read(file("blob.bin", Buffer.from([1, 0, 2])))).toMatchObject({ outcome: "error", output: expect.stringContaining("binary") })
    execFileSync("mkfifo", [join(project.directory, "pipe")])
    expect(await read("pipe")).toMatchObject({ outcome: "error", output: expect.stringContaining("pipe, socket or device") })
  })

  test.runIf(process.platform === "linux")("a file that has no size, or no end, is read as far as is shown; what the system refuses is named", async () => {
    project.rules.flag = { allow: ["read:/proc/*", "read:/dev/*"] }
    expect((await read("/proc/self/status")).output).toContain("1\tName:")
    expect((await read("/proc/self/pagemap"))).toMatchObject({ outcome: "error", output: expect.stringMatching(/binary|refuses/) })
    expect((await read("/proc/self/mem"))).toMatchObject({ outcome: "error", output: expect.stringMatching(/\/mem: the system refuses access/) })
    expect((await read("/dev/zero"))).toMatchObject({ outcome: "error", output: expect.stringContaining("device") })
    project.rules.flag = { allow: [] }
  })

  test("other encodings are read, and named", async () => {
    expect((await read(file("wide16.txt", Buffer.from("\uFEFFgrün\n", "utf16le")))).output).toBe("1\tgrün\n(the file is encoded as utf-16le)")
    expect((await read(file("latin.txt", Buffer.from("grün\n", "latin1")))).output).toBe("1\tgrün\n(the file is encoded as latin1)")
  })

  test("a near miss says what is there", async () => {
    file("settings.json", "{}")
    expect(await read("setings.json")).toMatchObject({ outcome: "error", output: expect.stringContaining("Did you mean") })
    expect((await read("setings.json")).output).toContain("settings.json")
    expect((await read("nowhere/at/all.txt")).output).toContain("no such file")
  })

  test("it remembers what it showed, for write", async () => {
    file("seen.txt", "content")
    await read("seen.txt")
    expect(await project.graft.file.lastSeen("s1", join(project.directory, "seen.txt"))).toMatchObject({ text: "content" })
  })
})

describe("where it may read", () => {
  test("outside of the project needs permission, by whatever way it is reached", async () => {
    writeFileSync(join(project.outside, "secret"), "secret")
    symlinkSync(join(project.outside, "secret"), join(project.directory, "innocent.txt"))
    symlinkSync(project.outside, join(project.directory, "linked"))
    for (const path of [join(project.outside, "secret"), "../outside/secret", "innocent.txt", "linked/secret", "./a/../linked/secret"]) {
      const settlement = await read(path)
      expect(settlement, path).toMatchObject({ outcome: "blocked", rule: `read:${project.outside}/*` })
      expect(settlement.output).not.toContain("secret\n")
    }
    project.rules.flag = { allow: [`read:${project.outside}/*`] }
    expect(await read("innocent.txt")).toMatchObject({ outcome: "ok", output: "1\tsecret" })
    project.rules.flag = {}
  })

  test("a link inside the project is no way out, and works", async () => {
    file("target.txt", "inside")
    symlinkSync("target.txt", join(project.directory, "alias.txt"))
    expect(await read("alias.txt")).toMatchObject({ outcome: "ok", output: "1\tinside" })
  })

  test("a link planted after the judgement is refused: as the file, and as a directory above it", async () => {
    mkdirSync(join(project.directory, "deep/er"), { recursive: true })
    file("deep/er/file", "mine")
    writeFileSync(join(project.outside, "file"), "theirs")
    const judged = await locate("deep/er/file", project.directory)
    renameSync(join(project.directory, "deep/er"), join(project.directory, "deep/moved"))
    symlinkSync(project.outside, join(project.directory, "deep/er"))
    await expect(openReal(judged.real)).rejects.toMatchObject({ code: "confine.moved" })
    rmSync(join(project.directory, "deep/er"))
    mkdirSync(join(project.directory, "deep/er"))
    symlinkSync(join(project.outside, "file"), join(project.directory, "deep/er/file"))
    await expect(openReal(judged.real)).rejects.toMatchObject({ code: "confine.loop" })
  })

  test("while links race with opens, no byte from outside is read", async () => {
    const [spot, away] = [join(project.directory, "race"), join(project.directory, "race-away")]
    mkdirSync(spot)
    writeFileSync(join(spot, "f"), "mine")
    writeFileSync(join(project.outside, "f"), "theirs")
    const flip = `const fs=require("fs");const [a,b,o]=process.argv.slice(1);for(;;){fs.renameSync(a,b);fs.symlinkSync(o,a);fs.unlinkSync(a);fs.renameSync(b,a)}`
    const racer = (await import("node:child_process")).spawn(process.execPath, ["-e", flip, spot, away, project.outside], { stdio: "ignore" })
    try {
      let opened = 0
      for (let tries = 0; tries < 3_000; tries++) {
        try {
          await using handle = await openReal(join(spot, "f"))
          expect((await handle.readFile("utf8"))).toBe("mine")
          opened++
        } catch (error) {
          expect(String((error as { code?: string }).code)).toMatch(/^confine\./)
        }
      }
      expect(opened).toBeGreaterThan(0)
    } finally {
      racer.kill("SIGKILL")
      await new Promise((resolve) => racer.once("exit", resolve))
    }
  })

  test("descriptors are given back", async () => {
    const open = () => readdirSync("/proc/self/fd").length
    file("once.txt", "x")
    await read("once.txt")
    const before = open()
    for (let times = 0; times < 50; times++) await read(times % 2 ? "once.txt" : "missing.txt")
    expect(open()).toBeLessThanOrEqual(before + 1)
  })

  test.each(["a\0b", "~nobody/x", "x".repeat(5_000)])("a strange path is an error, not a surprise: %j", async (path) => {
    expect((await read(path)).outcome).toMatch(/error|blocked/)
  })
})

describe("the parts", () => {
  test("a text cut at any place gives the same lines, however it arrives", () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", "\n", "\r", "ß") }), { maxLength: 12 }), (pieces) => {
      const lines: string[] = []
      const splitter = new LineSplitter((line) => lines.push(line))
      for (const piece of pieces) splitter.push(piece)
      splitter.end()
      const whole = pieces.join("")
      expect(lines).toEqual((whole.endsWith("\n") ? whole.slice(0, -1) : whole).split("\n").map((line) => line.replace(/\r$/, "")).slice(0, whole === "" ? 0 : undefined))
    }))
  })

  test("reading on from each offered offset shows every line once", () => {
    fc.assert(fc.property(fc.array(fc.string({ maxLength: 30 }).map((line) => line.replace(/\n/g, "")), { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 7 }), fc.integer({ min: 40, max: 200 }), (lines, limit, bytes) => {
      const seen: number[] = []
      for (let offset = 1; offset;) {
        const window = new Window({ offset, limit, bytes })
        for (const line of lines) window.add(line)
        const text = window.render(true)
        seen.push(...[...text.matchAll(/^(\d+)\t/gm)].map(([, number]) => Number(number)))
        offset = Number(/go on with offset (\d+)\)$/.exec(text)?.[1] ?? 0)
      }
      expect(seen).toEqual(lines.map((_, index) => index + 1))
    }))
  })

  test("decode then encode gives every byte back", () => {
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.string({ unit: "binary" }).map((text) => new Uint8Array(Buffer.from(text))), fc.string().map((text) => new Uint8Array(Buffer.from(`\uFEFF${text}`, "utf16le")))), (bytes) => {
      const decoded = decode(bytes)
      if (decoded) expect(Buffer.from(bytes).equals(encode(decoded.text, decoded.encoding)!)).toBe(true)
    }))
  })

  test("inside means below, by path and not by spelling", () => {
    expect(inside("/a/b", "/a/b")).toBe(true)
    expect(inside("/a/b", "/a/b/c")).toBe(true)
    expect(inside("/a/b", "/a/bc")).toBe(false)
    expect(inside("/a/b", "/a")).toBe(false)
    expect(inside("/a/b", "/a/b/..c")).toBe(true)
    expect(inside("/", "/etc")).toBe(true)
  })
})
