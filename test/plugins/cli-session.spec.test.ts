/** `graft session` and `graft resume`: a session is named by little, every verb says in a line what is now true, and nothing is destroyed without a word. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PassThrough, Readable } from "node:stream"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Terminal } from "../../plugins/cli/contract.ts"
import { linesOf } from "../../plugins/cli/commands/session/carry.ts"
import { session as command } from "../../plugins/cli/commands/session/session.ts"
import { sessions as listing } from "../../plugins/cli/commands/sessions.ts"
import { resume } from "../../plugins/cli/commands/resume.ts"
import { advice } from "../../plugins/cli/commands/session/show.ts"
import { attachable, mentioned } from "../../plugins/cli/mentions.ts"
import { choose, pick, type Choice } from "../../plugins/cli/picker.ts"
import { newScreen } from "../../plugins/cli/screen.ts"
import { byId } from "../../plugins/cli/session.ts"
import { readPrompt } from "../../plugins/cli/stdin.ts"
import { call, finish, says, text, type Script } from "../fixtures/conversation.ts"
import { openLife, type Life } from "../fixtures/life.ts"

let life: Life
const next: Script[] = []
beforeAll(async () => { life = await openLife({ scripts: () => next.shift() ?? says(...text("answered"), finish()) }) })
afterAll(async () => { await life?.[Symbol.asyncDispose]() })

interface Seen { code: number; out: string; err: string }
function terminal(seen: Seen, more: Partial<Terminal> = {}): Terminal {
  return {
    out: (words) => void (seen.out += words), err: (words) => void (seen.err += words), paint: (_, words) => words, ask: async () => undefined, trap: () => () => {},
    input: Readable.from([]), color: false, cursor: false, interactive: false, together: false, columns: 120, rows: 30, directory: life.project, signal: new AbortController().signal, ...more,
  }
}
async function graft(argv: string[], more: Partial<Terminal> = {}): Promise<Seen> {
  const seen: Seen = { code: -1, out: "", err: "" }
  seen.code = await command(life.graft, newScreen()).run(argv, terminal(seen, more))
  return seen
}
async function talk(...words: string[]): Promise<string> {
  const id = await life.session()
  for (const each of words) await life.say(id, each)
  return id
}

describe("a session is meant by", () => {
  it("its id, or how that begins or ends; otherwise the nearest are named", async () => {
    const { session } = life.graft
    for (const id of ["ses_alpha1", "ses_alpha2", "ses_beta"]) await session.create({ directory: life.project, id })
    await session.update("ses_beta", { archived: true })
    for (const given of ["ses_beta", "ses_be", "be", "eta"]) expect((await byId(life.graft, given)).id).toBe("ses_beta")
    await expect(byId(life.graft, "alpha")).rejects.toThrow(/"alpha" could be ses_alpha2, ses_alpha1|"alpha" could be ses_alpha1, ses_alpha2/)
    await expect(byId(life.graft, "ses_bexa")).rejects.toThrow('there is no session "ses_bexa"; did you mean ses_beta')
    await expect(byId(life.graft, "")).rejects.toMatchObject({ code: "cli.usage" })
    await expect(graft(["show"])).rejects.toThrow("say which session: graft session show <id>")
    await expect(graft(["forget", "ses_beta"])).rejects.toThrow('"forget" is no verb')
  })
})

describe("graft session", () => {
  it("names, puts away and lists", async () => {
    const id = await talk("hello")
    expect(await graft(["rename", id, "A", "better", "name"])).toMatchObject({ code: 0, err: expect.stringContaining('"A better name"') as string })
    const list = async (...argv: string[]) => {
      const seen: Seen = { code: -1, out: "", err: "" }
      await listing(life.graft).run(argv, terminal(seen))
      return seen.out
    }
    expect(await list()).toContain("A better name")
    expect((await graft(["list"])).out).toBe(await list())
    await life.graft.session.create({ directory: life.project, parent: id, title: "A child" })
    expect(await list()).not.toContain("A child")
    await graft(["archive", id])
    expect(await list()).not.toContain("A better name")
    expect((await graft(["list", "--archived"])).out).toContain("A better name")
    await graft(["unarchive", id])
    expect(await list()).toContain("A better name")
    await expect(graft(["rename", id])).rejects.toMatchObject({ code: "cli.usage" })
  })

  it("shows where one stands: what waits, what its tools did, why it is parked and what to do", async () => {
    const id = await life.session()
    next.push(says(call("c1", "read", { path: "." }), call("c2", "read", { path: "none" }), finish("tool-calls")))
    await life.say(id, "look\nhere")
    await life.graft.session.prompt({ session: id, text: "later", resume: false, id: "inp_later", files: ["data:,x"] })
    const { out } = await graft(["show", id])
    expect(out).toMatch(new RegExp(`^look  ${id}\n`))
    for (const words of [/status +idle/, /tools +read 1 error, 1 ok/, /attempts +2 completed/, /used +20 tokens in, 10 out/, /inp_later +steer +goes along +later \(\+ data\)/, /a1 +completed +by input +2 turns/]) expect(out).toMatch(words)
    expect(JSON.parse((await graft(["show", id, "--json"])).out)).toMatchObject({ session: { id }, inbox: [{ id: "inp_later" }], attempts: { completed: 2 } })
  })

  it.each<[string, Parameters<typeof advice>[0]["activities"], RegExp]>([
    ["the turn limit", [{ id: "a1", state: "parked", by: "input", turns: 25, recoveries: 0, reason: "turn-limit" }], /another 25 turns/],
    ["a permission", [{ id: "a1", state: "parked", by: "input", turns: 1, recoveries: 0, reason: "blocked", rule: "bash:make" }], /--allow 'bash:make'/],
    ["a decision", [{ id: "a1", state: "parked", by: "input", turns: 1, recoveries: 0, reason: "needs-decision" }], /sends it again, a new prompt leaves it/],
    ["what nobody knows yet", [{ id: "a1", state: "parked", by: "input", turns: 1, recoveries: 0, reason: "moon" }], /parked: moon; graft session resume ses_x/],
    ["a failure", [{ id: "a1", state: "settled", by: "input", turns: 1, recoveries: 0, outcome: "failed", error: { code: "llm.auth", message: "no key" } }], /it failed: no key/],
  ])("says what to do about %s", (_, activities, words) => {
    expect(advice({ session: { id: "ses_x" }, activities, inbox: [] } as never, undefined).join("\n")).toMatch(words)
  })

  it("says what can be saved of one that is damaged", async () => {
    const id = await talk("hello")
    await life.graft.store.write((tx) => tx.run("UPDATE event SET data = '{' WHERE seq = 5 AND aggregate = (SELECT key FROM aggregate WHERE id = ?)", [id]))
    const { out } = await graft(["show", id])
    expect(out).toMatch(/status +damaged/)
    expect(out).toContain(`event 5 cannot be read`)
    expect(out).toContain(`graft session export ${id} --until 4`)
    const saved = (await graft(["export", id, "--until", "4"])).out.trimEnd().split("\n")
    expect(saved).toHaveLength(6)
    await life.graft.session.remove(id)
  })

  it("forks, takes back, restores and moves", async () => {
    const id = await talk("one", "two")
    const forked = await graft(["fork", id, "--at", "a1.1"])
    expect((await life.graft.session.messages(forked.out.trim())).at(-1)).toMatchObject({ id: "a1.1" })
    next.push(says(call("w", "bash", { command: "echo new > made.txt" }), finish("tool-calls")))
    await life.say(id, "make it")
    expect(await graft(["revert", id, "--files"], { interactive: true, ask: async () => "n" })).toMatchObject({ code: 1, err: expect.stringMatching(/made\.txt\n[\s\S]*nothing was taken back/) as string })
    expect(existsSync(join(life.project, "made.txt"))).toBe(true)
    expect(await graft(["revert", id, "--files"], { interactive: true, ask: async () => "y" })).toMatchObject({ code: 0, err: expect.stringContaining("put back: 1 file") as string })
    expect(existsSync(join(life.project, "made.txt"))).toBe(false)
    expect((await graft(["show", id])).out).toMatch(/taken back from inp_\w+ with files on/)
    expect(await graft(["restore", id])).toMatchObject({ code: 0, err: expect.stringContaining("brought back: 1 file") as string })
    expect(existsSync(join(life.project, "made.txt"))).toBe(true)
    mkdirSync(join(life.project, "sub"), { recursive: true })
    expect((await graft(["move", id, "sub"])).err).toContain(`works in ${join(life.project, "sub")}`)
  })

  it("changes and takes back what waits", async () => {
    const id = await life.session()
    await life.graft.session.prompt({ session: id, text: "later", resume: false, id: "inp_abc" })
    expect((await graft(["inbox", id])).out).toMatch(/inp_abc +steer/)
    expect((await graft(["deliver", id, "abc", "queue"])).code).toBe(0)
    expect((await graft(["inbox", id])).out).toMatch(/inp_abc +queue/)
    await expect(graft(["deliver", id, "inp_abd", "queue"])).rejects.toThrow("did you mean inp_abc?")
    expect((await graft(["cancel", id, "inp_abc"])).code).toBe(0)
    expect((await graft(["inbox", id])).err).toContain("nothing waits")
  })

  it("exports into a private file, and imports it; a line that is wrong is named", async () => {
    const id = await talk("to be carried")
    const file = join(life.project, "out.jsonl")
    expect((await graft(["export", id, "--output", "out.jsonl"])).err).toContain(file)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const before = await life.graft.session.messages(id)
    await graft(["delete", id, "--yes"])
    expect(await graft(["import", "out.jsonl"])).toMatchObject({ code: 0, out: `${id}\n` })
    expect(await life.graft.session.messages(id)).toEqual(before)
    const lines = readFileSync(file, "utf8").split("\n")
    writeFileSync(file, lines.with(3, lines[3]!.slice(0, -5)).join("\n"))
    await expect(graft(["import", file])).rejects.toThrow("line 4: it is not JSON")
    await expect(graft(["import", "-"], { input: Readable.from([Buffer.from([0x7b, 0xff, 0x0a])]) })).rejects.toThrow("line 1: it is not UTF-8")
    await expect(graft(["import", "nowhere"])).rejects.toThrow("nowhere")
    await expect(graft(["import"])).rejects.toMatchObject({ code: "cli.usage" })
  })

  it("finds what was said", async () => {
    const id = await talk("where are the zebras?")
    expect((await graft(["search", "ZEBRAS"])).out).toMatch(new RegExp(`${id} .* where are the zebras\\?`))
    expect(await graft(["search", "unicorns"])).toMatchObject({ code: 1, err: expect.stringContaining("--all") as string })
    await expect(graft(["search"])).rejects.toMatchObject({ code: "cli.usage" })
  })

  it("deletes only after a yes", async () => {
    const id = await talk("bye")
    await life.graft.session.create({ directory: life.project, parent: id })
    await expect(graft(["delete", id])).rejects.toThrow(/--yes to delete .* and the 1 session that it began/)
    expect((await graft(["delete", id], { interactive: true, ask: async () => "no" })).err).toContain("nothing was deleted")
    expect(await life.graft.session.get(id)).toBeDefined()
    expect((await graft(["delete", id], { interactive: true, ask: async () => " Yes " })).code).toBe(0)
    expect(await life.graft.session.get(id)).toBeUndefined()
  })
})

describe("graft resume", () => {
  it("without a terminal lists the recent ones, numbered", async () => {
    const id = await talk("the latest of all")
    const seen: Seen = { code: -1, out: "", err: "" }
    seen.code = await resume(life.graft as never, newScreen()).run([], terminal(seen))
    expect(seen.out.split("\n")[0]).toMatch(new RegExp(`^ *1  ${id} .*the latest of all`))
    expect(seen.code).toBe(0)
  })

  it("is told by a number where no cursor moves", async () => {
    const seen: Seen = { code: -1, out: "", err: "" }
    const answers = (answer: string | undefined) => choose(life.graft, terminal(seen, { interactive: true, ask: async () => answer }), "which", ["a", "b"])
    expect([await answers("2"), await answers("3"), await answers(""), await answers(undefined)]).toEqual([1, undefined, undefined, undefined])
    expect(seen.err).toContain("1  a\n2  b\n")
    expect(await choose(life.graft, terminal(seen), "which", ["a"])).toBeUndefined()
  })

  it("is chosen by keys, on a screen that is as it was afterwards", async () => {
    const seen: Seen = { code: -1, out: "", err: "" }
    const keys = Object.assign(new PassThrough(), { setRawMode: () => {}, isTTY: true })
    const chosen = choose(life.graft, terminal(seen, { interactive: true, cursor: true, input: keys as never, rows: 6, columns: 20 }), "which one", Array.from({ length: 9 }, (_, i) => `row ${i} with many words`))
    keys.write("\u001b[B\u001b[B\u001b[A\r")
    expect(await chosen).toBe(1)
    expect(seen.out).toContain("› 2  row 1 with ma…")
    expect(seen.out.endsWith("\u001b[J\u001b[?2004l")).toBe(true)
  })

  it("stays within its rows, whatever is pressed (law)", () => {
    const key = fc.record({ name: fc.constantFrom("up", "down", "j", "k", "home", "end", "pageup", "x", "n", "p", "c"), ctrl: fc.boolean(), sequence: fc.constantFrom("", "0", "1", "7", "x") })
    fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.array(key), (count, keys) => {
      let choice: Choice = { at: 0 }
      for (const each of keys) {
        choice = pick(choice, each, count)
        expect(choice.at).toBeGreaterThanOrEqual(0)
        expect(choice.at).toBeLessThan(count)
      }
    }))
    expect(pick({ at: 1 }, { name: "escape" }, 3)).toEqual({ at: 1, done: "left" })
    expect(pick({ at: 1 }, { sequence: "3" }, 3)).toEqual({ at: 2, done: "chosen" })
    expect(pick({ at: 1 }, { name: "c", ctrl: true }, 3).done).toBe("left")
  })
})

describe("what a prompt brings along", () => {
  it("is the files that it mentions, and nothing that only looks so", () => {
    const a = life.put("notes/a.md", "a")
    const b = life.put("notes/b c.md", "b")
    const of = (words: string) => mentioned(words, life.project)
    expect(of("look at @notes/a.md, and (@notes/a.md)")).toEqual([a])
    expect(of('read @"notes/b c.md" and @notes/a.md.')).toEqual([b, a])
    expect(of(`@${a}`)).toEqual([a])
    expect(of("mail me@notes/a.md or @nobody, a @Decorator() in @notes, \n@")).toEqual([])
  })

  it("is meant from where the person is", () => {
    expect(attachable("x.png", "/here")).toBe("/here/x.png")
    expect(attachable("~/x.png", "/here")).toMatch(/^\/.*\/x\.png$/)
    for (const url of ["https://example.com/x.png", "data:,x", "file:///x"]) expect(attachable(url, "/here")).toBe(url)
  })

  it("through stdin is text in UTF-8, up to a bound", async () => {
    const { signal } = new AbortController()
    await expect(readPrompt(Readable.from([Buffer.from([0x68, 0xff])]), { patient: true, signal })).rejects.toThrow("not text in UTF-8")
    await expect(readPrompt(Readable.from([Buffer.alloc(1_048_577, "x")]), { patient: true, signal })).rejects.toThrow("--file")
  })
})

it("lines are whole however the bytes come in pieces (law)", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.string({ unit: "grapheme" }).filter((line) => !line.includes("\n")), { minLength: 1 }), fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), async (lines, sizes) => {
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""))
    async function* pieces() {
      for (let at = 0, i = 0; at < bytes.length; i++) yield bytes.subarray(at, (at += sizes[i % sizes.length]!))
    }
    const read: string[] = []
    for await (const line of linesOf(pieces())) read.push(line)
    expect(read).toEqual(lines.map((line) => line.toWellFormed()))
  }), { numRuns: 30 })
})
