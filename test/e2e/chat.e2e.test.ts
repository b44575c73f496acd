/** A conversation in a terminal: what is typed is answered, asked about and interrupted there, and plugins come and go beside it. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { place, type Place } from "./graft.ts"

const [CTRL_C, CTRL_D] = ["\u0003", "\u0004"]
vi.setConfig({ testTimeout: 60_000 })
let here: Place
beforeAll(() => { here = place() })
afterAll(() => here[Symbol.dispose]())

describe("a conversation", () => {
  it("streams, asks, is interrupted, and is gone on with", async () => {
    const chat = here.terminal([])
    let at = await chat.says("demo/demo")
    at = await chat.says("/help", at)
    chat.type("what is this project?")
    at = await chat.says("A place where adventurers meet", at)
    at = await chat.says(/tokens in, .* turns/, at)
    // A paste of several rows waits for Enter.
    chat.press("\u001b[200~read package.json\nthen list\u001b[201~")
    at = await chat.says("then list", at)
    chat.press("\r")
    at = await chat.says("✓ ls", at)
    at = await chat.says(/tokens in, .* turns/, at)
    // Permission is asked in place; a word that is no answer is none.
    chat.type("write notes.txt: remember the milk")
    at = await chat.says("write needs your permission", at)
    chat.type("perhaps")
    at = await chat.says("please answer", at)
    expect(existsSync(join(here.project, "notes.txt"))).toBe(false)
    chat.type("o")
    at = await chat.says("✓ write notes.txt", at)
    at = await chat.says(/tokens in, .* turns/, at)
    expect(readFileSync(join(here.project, "notes.txt"), "utf8")).toBe("remember the milk\n")
    // Ctrl-C interrupts the turn, and not the conversation.
    chat.type("run: sleep 60")
    at = await chat.says("bash needs your permission", at)
    chat.type("o")
    at = await chat.says("… bash sleep 60", at)
    chat.press(CTRL_C)
    at = await chat.says("say something to go on", at)
    chat.type("/nonsense")
    at = await chat.says("there is no /nonsense", at)
    chat.press(CTRL_D)
    const { code, out } = await chat.ended
    expect(code).toBe(0)
    expect(out).toContain("graft --continue goes on with this session")
    // The terminal is given back: pastes come without brackets again.
    expect(out.lastIndexOf("\u001b[?2004l")).toBeGreaterThan(out.lastIndexOf("\u001b[?2004h"))
    expect(readFileSync(join(here.home, ".local/share/graft/history"), "utf8").split("\n").slice(0, 2)).toEqual(["what is this project?", "read package.json\\nthen list"])

    const later = here.terminal(["--continue"])
    at = await later.says("› run: sleep 60")
    later.type("list")
    at = await later.says(/✓ ls[\s\S]*tokens in/, at)
    later.type("/quit")
    expect((await later.ended).code).toBe(0)
  })

  it("in which Ctrl-C at an empty prompt leaves", async () => {
    const chat = here.terminal(["--no-color"], { env: { TERM: "dumb" } })
    await chat.says("/help")
    chat.press(CTRL_C)
    const { code, out } = await chat.ended
    expect(code).toBe(0)
    expect(out).not.toContain("\u001b[")
  })

  it("through a pipe is one prompt a line, in plain lines", async () => {
    const { code, out } = await here.graft(["chat"], { input: "list\nread package.json\n/quit\n" })
    expect(code).toBe(0)
    expect(out.match(/✓ (ls|read)/g)).toEqual(["✓ ls", "✓ read"])
    expect(out).not.toContain("\u001b")
  })
})

describe("beside an open conversation", () => {
  it("a plugin is made, used, edited, broken, healed and deleted, and a second terminal sees it", async () => {
    const chat = here.terminal([])
    let at = await chat.says("/help")
    const made = await here.graft(["plugin", "new", "dice"])
    expect(made).toMatchObject({ code: 0, out: expect.stringContaining("dice.ts") as string })
    const file = join(here.plugins, "dice.ts")
    const source = readFileSync(file, "utf8")
    at = await chat.says("tool dice is new", at)

    const events = here.start(["events", "--json", "plugin.*", "tool.*"], { input: false })
    await events.says("following instance")
    chat.type('use dice {"sides": 6}')
    at = await chat.says("✓ dice", at)
    at = await chat.says(/rolled \d/, at)
    at = await chat.says(/tokens in/, at)

    writeFileSync(file, source.replace("rolled", "ROLLED"))
    at = await chat.says("dice@2 took over from @1", at)
    chat.type('use dice {"sides": 6}')
    at = await chat.says(/ROLLED \d/, at)
    at = await chat.says(/tokens in/, at)

    writeFileSync(file, source.replace("setup(graft) {", "setup(graft {"))
    at = await chat.says(/dice failed:[\s\S]*dice\.ts:\d+:\d+:[\s\S]*dice@2 goes on/, at)
    chat.type('use dice {"sides": 6}')
    at = await chat.says(/ROLLED \d/, at)
    at = await chat.says(/tokens in/, at)

    writeFileSync(file, source)
    at = await chat.says(/dice@\d took over/, at)
    rmSync(file)
    at = await chat.says("tool dice is gone", at)

    const listed = await here.graft(["plugin", "list", "--json"])
    expect(listed.out).toContain('"id":"runner"')
    expect(listed.out).not.toContain('"id":"dice"')
    chat.press(CTRL_D)
    expect((await chat.ended).code).toBe(0)
    const told = (await events.ended).out.trimEnd().split("\n").map((line) => (JSON.parse(line) as { event: string }).event)
    expect(told).toEqual(expect.arrayContaining(["plugin.reloaded", "plugin.failed", "plugin.removed", "tool.removed"]))
  })

  it("with none open, events says so", async () => {
    expect(await here.graft(["events"])).toMatchObject({ code: 1, err: expect.stringContaining("no instance is running") as string })
  })
})
