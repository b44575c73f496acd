/** The words of the command line: what is typed is understood or refused with what to type instead; what is shown hides nothing and says it once. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PassThrough, Readable } from "node:stream"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createKernel, type Graft } from "graft"
import { choose, parse, usageOf } from "../../plugins/cli/arguments.ts"
import { openLines, type Lines } from "../../plugins/cli/chat/lines.ts"
import { commandOf } from "../../plugins/cli/chat/slash.ts"
import { globals } from "../../plugins/cli/dispatch.ts"
import { explain, summary } from "../../plugins/cli/ending.ts"
import { say } from "../../plugins/cli/facts.ts"
import { loadHistory, remember } from "../../plugins/cli/history.ts"
import { keepLog } from "../../plugins/cli/logfile.ts"
import { gather } from "../../plugins/cli/notes.ts"
import { pose, readReply, readTrust, visible, type Question } from "../../plugins/cli/questions.ts"
import { readPrompt } from "../../plugins/cli/stdin.ts"
import { duration, oneLine, table, tokens } from "../../plugins/cli/table.ts"
import { newView, show, showDelta, type Piece, type View } from "../../plugins/cli/view.ts"
import type { Ended } from "../../plugins/session/contract.ts"

let directory: string
beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "graft-cli-")) })
afterEach(() => rmSync(directory, { recursive: true, force: true }))

describe("arguments", () => {
  const options = { model: { type: "string", short: "m", value: "id", about: "the model" }, allow: { type: "string", multiple: true, about: "a rule" }, quiet: { type: "boolean", about: "less" } } as const

  it("are read by one table", () => {
    expect(parse(["-m", "a/b", "--allow", "edit", "hello", "--allow=bash", "--quiet"], options)).toEqual({ values: { model: "a/b", allow: ["edit", "bash"], quiet: true }, positionals: ["hello"] })
  })

  it.each<[string, string[], string]>([
    ["an unknown option, with the nearest one", ["--mode", "x"], "unknown option --mode; did you mean --model?"],
    ["an unknown letter", ["-x"], "unknown option -x"],
    ["a value that is missing", ["--model"], "argument missing"],
  ])("are refused: %s", (_, argv, message) => {
    expect(() => parse(argv, options)).toThrow(expect.objectContaining({ code: "cli.usage", message: expect.stringContaining(message) as string }) as Error)
  })

  it("are words out of a few, or the nearest is named", () => {
    expect(choose("list", ["list", "show"], "verb")).toBe("list")
    expect(() => choose("lst", ["list", "show"], "verb")).toThrow('"lst" is no verb; did you mean "list"? (list, show)')
    expect(() => choose(undefined, ["list", "show"], "verb")).toThrow("say which verb: list, show")
  })

  it("are printed as help from the same table", () => {
    expect(usageOf("graft x", options).split("\n")).toEqual(["usage: graft x", "", "  -m, --model <id>     the model", "      --allow <allow>  a rule", "      --quiet          less"])
  })

  it("of the whole program may stand anywhere before --, and nowhere behind it", () => {
    expect(globals(["run", "--no-color", "hi", "--safe"])).toMatchObject({ argv: ["run", "hi"], color: false })
    expect(globals(["run", "--", "--help", "--no-color"])).toMatchObject({ argv: ["run", "--", "--help", "--no-color"], color: true, help: false })
    expect(globals(["--version"]).version).toBe(true)
    expect(globals(["run", "--version"]).version).toBe(false)
  })
})

describe("a prompt from stdin", () => {
  const signal = new AbortController().signal

  it("is read to its end", async () => {
    expect(await readPrompt(Readable.from([Buffer.from("explain "), Buffer.from("this\n")]), { patient: false, signal })).toBe("explain this")
  })

  it("is not waited for when nobody writes", async () => {
    expect(await readPrompt(new PassThrough(), { patient: false, signal, firstByte: 5 })).toBeUndefined()
  })

  it("is waited for when it was asked for by name, until somebody interrupts", async () => {
    const stop = new AbortController()
    const prompt = readPrompt(new PassThrough(), { patient: true, signal: stop.signal, firstByte: 1 })
    stop.abort()
    expect(await prompt).toBeUndefined()
  })
})

describe("lines", () => {
  const heard = (input: PassThrough, person: boolean, enough: (lines: Lines) => boolean) => {
    const lines = openLines(input, person)
    return new Promise<string[]>((resolve) => { lines.ring = () => { if (enough(lines)) resolve(lines.lines) } })
  }

  it("through a pipe are one prompt each, however they come in pieces", async () => {
    const input = new PassThrough()
    const lines = heard(input, false, ({ ended }) => ended)
    input.write("one\ntw")
    setImmediate(() => input.end("o\nthree"))
    expect(await lines).toEqual(["one", "two", "three"])
  })

  it("that a person pastes at once are one prompt, and never sent by half", async () => {
    const input = new PassThrough()
    const lines = heard(input, true, () => true)
    input.write("first row\nsecond row\n")
    input.write("third row\n")
    expect(await lines).toEqual(["first row\nsecond row\nthird row"])
  })
})

describe("history", () => {
  it("gives back what was typed, newest first, rows included, in a private file", () => {
    fc.assert(fc.property(fc.array(fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => !text.includes("\r")), { maxLength: 8 }), (entries) => {
      const file = join(mkdtempSync(join(directory, "h-")), "history")
      for (const entry of entries) remember(file, entry)
      expect(loadHistory(file)).toEqual([...entries].reverse())
      if (entries.length > 0) expect(statSync(file).mode & 0o777).toBe(0o600)
    }), { numRuns: 30 })
  })

  it("is cut when it has grown", () => {
    const file = join(directory, "history")
    writeFileSync(file, Array.from({ length: 2_500 }, (_, index) => `entry ${index}\n`).join(""))
    expect(loadHistory(file)[0]).toBe("entry 2499")
    expect(readFileSync(file, "utf8").split("\n")).toHaveLength(1_001)
  })
})

describe("the log", () => {
  const talker = { per: "process" as const, setup(graft: Graft) { graft.log.warn("one row\nanother") } }

  it("has what plugins say and what fails, in a private file, and nothing before there is something", async () => {
    const logs = join(directory, "logs")
    const kernel = createKernel()
    const close = keepLog(kernel, logs)
    await kernel.start()
    close()
    expect(existsSync(logs)).toBe(false)
    const again = keepLog(kernel, logs)
    await kernel.put("talker", talker)
    await kernel.put("broken", { setup() { throw new Error("no luck") } }).catch(() => {})
    await kernel.settled()
    again()
    await kernel.close()
    const text = readFileSync(join(logs, "graft.log"), "utf8")
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z \d+ warn  talker@1 one row\n  another\n/)
    expect(text).toMatch(/error broken@1 stage: .*no luck/)
    expect([statSync(logs).mode & 0o777, statSync(join(logs, "graft.log")).mode & 0o777]).toEqual([0o700, 0o600])
  })

  it("is begun anew when it is long, and only the last few are kept", async () => {
    const kernel = createKernel()
    await kernel.start()
    for (let round = 0; round < 6; round++) {
      writeFileSync(join(directory, "graft.log"), `round ${round}\n${"x".repeat(1_100_000)}`)
      const close = keepLog(kernel, directory)
      await kernel.put(`talker${round}`, talker)
      await kernel.settled()
      close()
    }
    await kernel.close()
    expect(readdirSync(directory).sort()).toEqual(["graft.log", "graft.log.1", "graft.log.2", "graft.log.3"])
    expect(statSync(join(directory, "graft.log")).size).toBeLessThan(1_000)
    expect(readFileSync(join(directory, "graft.log.1"), "utf8")).toMatch(/^round 5/)
  })
})

describe("questions", () => {
  const ask = (more: object = {}): Extract<Question, { kind: "permission" }> => ({ kind: "permission", id: "1", ask: { id: "1", location: "/p", since: 0, action: "bash", resource: "ls", verdict: { effect: "ask", rule: "*", source: "default" }, ...more } })

  it("show what would be done, with nothing hidden in it", () => {
    const { text } = pose(ask({ resource: "echo ok\u001b[2K\u202e; rm -rf ~\u0008", detail: "a\tb" }))
    expect(text).toContain("echo ok\\u{1b}[2K\\u{202e}; rm -rf ~\\u{8}")
    expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u)
    fc.assert(fc.property(fc.array(fc.nat(0x2100)).map((points) => String.fromCodePoint(...points)), (any) => { expect(visible(any)).not.toMatch(/[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u) }))
  })

  it("are answered by a word, and by nothing that only looks like one", () => {
    expect(["o", " Once ", "y", "d", "no"].map((line) => readReply(ask(), line)?.reply)).toEqual(["once", "once", "once", "deny", "deny"])
    expect(["", "maybe", "yes please", "ok", "a"].map((line) => readReply(ask(), line))).toEqual([undefined, undefined, undefined, undefined, undefined])
    expect(["a", "e", "constructor"].map((line) => readReply(ask({ rule: "bash:ls" }), line)?.reply)).toEqual(["always", "everywhere", undefined])
    expect(["no, use pnpm", "d: not here", "deny"].map((line) => readReply(ask(), line))).toEqual([{ reply: "deny", said: "use pnpm" }, { reply: "deny", said: "not here" }, { reply: "deny" }])
    expect(["y", "a", "n", "x"].map(readTrust)).toEqual(["content", "directory", "no", undefined])
  })

  it("name the files of a project's plugin", () => {
    const { text } = pose({ kind: "trust", id: "t", ask: { id: "t", location: "/p", plugin: "evil", realpath: "/p/.graft/plugins/evil", digest: "d", files: Array.from({ length: 20 }, (_, index) => `/p/file${index}.ts`) } })
    expect(text).toContain("/p/file11.ts")
    expect(text).toContain("and 8 more")
  })
})

describe("notes", () => {
  it("of one kind are gathered when there are many", () => {
    const notes = Array.from({ length: 9 }, (_, index) => ({ event: "model.updated", text: `model ${index}`, bad: false }))
    expect(gather([...notes, { event: "plugin.failed", text: "x failed", bad: true }]).map(({ text }) => text)).toEqual(["model 0", "model 1", "and 7 more: model.updated", "x failed"])
  })

  it("say what happened and where, on one line", () => {
    expect(say("plugin.failed", { plugin: "dice", message: "dice.ts:3:1: Unexpected\n token", kept: 2 })).toBe("dice failed: dice.ts:3:1: Unexpected token (dice@2 goes on)")
    expect(say("model.updated", { model: { ref: "a/b" }, patches: [{ path: ["limits", "context"] }], by: ["a@2"] })).toBe("model a/b changed: limits.context by a@2")
    expect(say("anything.else", { some: "payload", n: [1] })).toBe("some=payload n=[1]")
    expect(say("tool.started", { session: "s1", seq: 7, created: 1, data: { call: "c1" } })).toBe("s1 #7 call=c1")
  })
})

describe("a view", () => {
  const text = (pieces: readonly Piece[], to: Piece["to"] = "out") => pieces.filter((piece) => piece.to === to).map((piece) => piece.text).join("")
  const begin = (view: View) => show(view, "message.part.started", { message: "m", part: "p", kind: "text" })

  it("shows each character once, however far the deltas run ahead of the log, and also when some are lost", () => {
    const words = fc.array(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 10 })
    fc.assert(fc.property(words, fc.array(fc.nat(2), { minLength: 10, maxLength: 10 }), fc.boolean(), fc.nat(10), (chunks, logged, live, lost) => {
      const view = newView("s", { live })
      const whole = chunks.join("")
      let [out, told, written] = ["", 0, ""]
      const delta = (chunk: string) => (out += text(showDelta(view, { message: "m", part: "p", kind: "text", text: chunk })))
      const log = (upTo: number) => {
        const piece = chunks.slice(told, upTo).join("")
        if (piece) out += text(show(view, "message.part.appended", { message: "m", part: "p", text: piece }))
        told = Math.max(told, upTo)
        written += piece
      }
      out += text(begin(view))
      // Deltas are dropped from the end of a queue, never from within what is shown.
      chunks.forEach((chunk, index) => {
        if (index < lost) delta(chunk)
        if (logged[index] === 0) log(index + 1)
      })
      log(chunks.length)
      out += text(show(view, "message.part.settled", { message: "m", part: "p", length: whole.length, sha256: "" }))
      expect(written).toBe(whole)
      expect(out).toBe(whole.endsWith("\n") ? whole : `${whole}\n`)
      expect(view.text).toBe(whole)
    }))
  })

  it("gives tools a line with how it ended", () => {
    const view = newView("s")
    show(view, "tool.called", { message: "m", call: "1", name: "read", input: '{"path":"a.ts"}', recovery: "rerun" })
    show(view, "tool.called", { message: "m", call: "2", name: "bash", input: '{"command":"false"}', recovery: "unknown" })
    const settled = (call: string, more: object) => text(show(view, "tool.settled", { message: "m", call, output: "", ...more }), "err")
    expect(settled("1", { outcome: "ok", milliseconds: 3 })).toBe("✓ read a.ts (3 ms)\n")
    expect(settled("2", { outcome: "error", output: "exit\n1", milliseconds: 1_200 })).toBe("✗ bash false: error (1.2 s): exit 1\n")
  })

  it("says less when it is quiet, and what the model thinks only when asked", () => {
    const think = (view: View) => [...show(view, "message.part.started", { message: "m", part: "r", kind: "reasoning" }), ...show(view, "message.part.appended", { message: "m", part: "r", text: "hmm" })]
    expect(text(think(newView("s")))).toBe("")
    expect(text(think(newView("s", { thinking: true })))).toBe("hmm")
    expect(show(newView("s", { quiet: true }), "provider.attempt.retry.scheduled", { attempt: "a", n: 2, at: 0, delay: 1_000, error: { code: "x", message: "busy" } })).toEqual([])
  })

  it("keeps reasoning and answer on rows of their own, also while both stream", () => {
    const view = newView("s", { live: true, thinking: true })
    const pieces = [
      ...show(view, "message.part.started", { message: "m", part: "r", kind: "reasoning" }), ...showDelta(view, { message: "m", part: "r", kind: "reasoning", text: "hmm" }),
      ...begin(view), ...showDelta(view, { message: "m", part: "p", kind: "text", text: "yes" }),
    ]
    expect(text(pieces)).toBe("hmm\nyes")
  })
})

describe("endings", () => {
  const ended = (more: Partial<Ended>): Ended => ({ session: "s", state: "done", usage: { input: 1_234, output: 5, reasoning: 0, cacheRead: 0, cacheWrite: 0 }, turns: 1, ...more })

  it("say what it cost, and never guess a price", () => {
    expect(summary(ended({}), 61_000)).toBe("1,234 tokens in, 5 out · cost unknown · 1 turn · 1 min 1 s")
    expect(summary(ended({ usage: { input: 10, output: 5, reasoning: 0, cacheRead: 4, cacheWrite: 0, cost: 0.0012 }, turns: 2 }), 50)).toBe("10 tokens in (4 cached), 5 out · $0.0012 · 2 turns · 50 ms")
  })

  it("say why it is not done, and how to go on", () => {
    expect(explain(ended({ state: "interrupted", reason: "interrupted" }), "go on with x")).toBe("interrupted; go on with x")
    expect(explain(ended({ state: "parked", reason: "turn-limit" }), "go on with x")).toBe("it stopped at the turn limit; go on with x")
    expect(explain(ended({ state: "failed", reason: "no key", code: "llm.auth" }), "")).toBe("failed: no key (llm.auth)")
  })
})

describe("tables and numbers", () => {
  it("are as wide as they must be, and cut to the screen", () => {
    expect(table([["a", "bb"], ["ccc", "d"]])).toBe("a    bb\nccc  d\n")
    expect(table([["a", "b".repeat(50)]], 10).trimEnd()).toHaveLength(10)
    expect(oneLine("a\u001b[31m red\u001b[0m\n\tb\u0007")).toBe("a red b")
    expect([tokens(undefined), tokens(512), tokens(131_072), tokens(1_048_576)]).toEqual(["?", "512", "131k", "1M"])
    expect([duration(3.4), duration(1_234), duration(62_000)]).toEqual(["3 ms", "1.2 s", "1 min 2 s"])
  })
})

describe("commands of the conversation", () => {
  it("begin with a slash; a path is none", () => {
    expect(commandOf("/help")).toBeTypeOf("function")
    expect(commandOf("  /model a/b ")).toBeTypeOf("function")
    expect(commandOf("/etc/passwd says what?")).toBeUndefined()
    expect(commandOf("what is /help?")).toBeUndefined()
  })
})
