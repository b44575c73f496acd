/** Sessions are gone on with: the latest of a project from anywhere in it, one of the recent ones by a key; and what was done is taken back where it was said. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { place, type Place } from "./graft.ts"

let here: Place
beforeAll(() => { here = place() })
afterAll(() => here[Symbol.dispose]())

describe("graft run", () => {
  it("--continue finds the latest session of the project from below it, and says which", async () => {
    await here.graft(["run", "-q", "list"])
    mkdirSync(join(here.project, "deep"))
    const { code, err } = await here.graft(["run", "--continue", "list"], { cwd: join(here.project, "deep") })
    expect(code).toBe(0)
    expect(err).toContain(`: list, in ${here.project}\n`)
    const listed = (await here.graft(["sessions", "--json"])).out.trim().split("\n")
    expect(listed).toHaveLength(1)
  })

  it("--file attaches, and says what it cannot; so does a mention", async () => {
    writeFileSync(join(here.project, "note.md"), "the zebra\n")
    const { out } = await here.graft(["run", "--format", "jsonl", "--file", "note.md", "say @package.json"])
    const admitted = out.split("\n").map((line) => JSON.parse(line || "{}") as { type?: string; data?: { files?: { name: string; media: string }[] } }).find(({ type }) => type === "session.input.admitted")
    expect(admitted!.data!.files).toMatchObject([{ name: "note.md", media: "text/plain" }, { name: "package.json", media: "text/plain" }])
    // A command's file is a stranger's: it names no file of this machine, where who typed it named none.
    mkdirSync(join(here.project, ".graft/commands"), { recursive: true })
    writeFileSync(join(here.project, ".graft/commands/tell.md"), "Tell me of @/etc/passwd and $ARGUMENTS\n")
    const told = (await here.graft(["run", "--format", "jsonl", "/tell @note.md"])).out.split("\n").find((line) => line.includes("session.input.admitted"))!
    expect((JSON.parse(told) as { data: { files: { name: string }[] } }).data.files.map(({ name }) => name)).toEqual(["note.md"])
    expect(await here.graft(["run", "-q", "--file", "none.png", "look"])).toMatchObject({ code: 1, err: expect.stringContaining("none.png is not there") as string })
    expect(await here.graft(["run", "-q"], { input: "x".repeat(10 * 1024 * 1024) })).toMatchObject({ code: 2, err: expect.stringContaining("--file") as string })
    expect(await here.graft(["run", "--session", "ses_none", "x"])).toMatchObject({ code: 2, err: expect.stringContaining("there is no session") as string })
  })
})

describe("on a terminal", () => {
  it("graft resume chooses one of the recent sessions; /undo and /redo take back what it did, and bring it back", async () => {
    const file = join(here.project, "milk.txt")
    const talk = here.terminal(["resume", "--allow", "write"])
    await talk.says("go on with")
    talk.press("\u001b[B\u001b[A\r")
    const chosen = await talk.says(/going on with ses_\w+/)
    talk.type("write milk.txt: remember the milk")
    await talk.says(/✓ write|turns?\b/, chosen)
    await talk.says(/tokens in/, chosen)
    expect(readFileSync(file, "utf8")).toContain("remember")
    talk.type("/undo")
    const undone = await talk.says("/redo brings it back")
    expect(existsSync(file)).toBe(false)
    talk.type("/redo")
    await talk.says("is there again", undone)
    expect(existsSync(file)).toBe(true)
    talk.press("\u0004")
    expect((await talk.ended).code).toBe(0)
  })
})
