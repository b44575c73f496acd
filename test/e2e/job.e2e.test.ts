/** Work in the background, from a terminal: a command that a person types, a job that a model begins, and what `graft job` shows of it. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { place, type Place } from "./graft.ts"

const [CTRL_C, CTRL_D] = ["\u0003", "\u0004"]
vi.setConfig({ testTimeout: 60_000 })
let here: Place
beforeAll(() => { here = place() })
afterAll(() => here[Symbol.dispose]())

describe("in a conversation", () => {
  it("a line with ! before it is run at once, shown, and told to the model with the next prompt", async () => {
    const chat = here.terminal([])
    let at = await chat.says("/help")
    chat.type("!echo from $PAGER; exit 3")
    at = await chat.says("from cat", at)
    at = await chat.says("exit code 3", at)
    chat.type("!sleep 60")
    at = await chat.says("… sleep 60", at)
    chat.press(CTRL_C)
    at = await chat.says("interrupted", at)
    chat.type("list")
    at = await chat.says(/✓ ls[\s\S]*tokens in/, at)
    const [, session] = /goes on with this session, (ses_\w+)/.exec((chat.press(CTRL_D), (await chat.ended).out))!
    const { out } = await here.graft(["session", "export", session!])
    expect(out).toContain('"shell.settled"')
  })

  it("through a pipe it is a prompt like any other: who wrote it is not known", async () => {
    const { out } = await here.graft(["chat"], { input: "!touch made\n/quit\n" })
    expect(out).toContain("I understand only")
    expect((await here.graft(["run", "find made"])).out).not.toContain("- made")
  })

  it("a command of the model goes to the background, its end is shown, and the model hears of it", async () => {
    const gate = join(here.home, "gate")
    const chat = here.terminal(["--allow", "bash"])
    let at = await chat.says("/help")
    chat.type(`use bash {"command":"echo working; while [ ! -e ${gate} ]; do sleep 0.05; done; exit 4","description":"the build","background":true}`)
    at = await chat.says("… in the background, as job_", at)
    at = await chat.says(/tokens in/, at)
    const list = await here.graft(["job", "list"])
    expect(list.out).toMatch(/^job_\w+ +.* running +shell +ses_\w+ +the build\n$/)
    const id = list.out.split(" ", 1)[0]!
    expect((await here.graft(["job", "tail", id.slice(-8)])).out).toBe("working\n")
    expect((await here.graft(["job", "show", id])).out).toMatch(/command +echo working; while/)
    const follower = here.start(["job", "tail", "-f", id], { input: false })
    await follower.says("working")
    writeFileSync(gate, "")
    at = await chat.says(/✗ The background job job_\w+ \(the build\) failed: exit\s+code\s+4\./, at)
    // It was woken, and says something about it.
    at = await chat.says(/tokens in/, at)
    expect((await follower.ended).code).toBe(0)
    expect(await here.graft(["job", "cancel", id])).toMatchObject({ code: 1, err: expect.stringContaining("had ended before: failed") })
    expect((await here.graft(["job", "list", "--live"])).err).toContain("no job in this project")
    chat.press(CTRL_D)
    await chat.ended
  })

  it("what runs in the background goes on when it is left, and is ended from elsewhere", async () => {
    const chat = here.terminal(["--allow", "bash"])
    let at = await chat.says("/help")
    chat.type('use bash {"command":"sleep 95","background":true}')
    at = await chat.says("… in the background, as job_", at)
    at = await chat.says(/tokens in/, at)
    chat.press(CTRL_D)
    await chat.ended
    const { out } = await here.graft(["job", "list", "--live", "--json"])
    const { id } = JSON.parse(out) as { id: string }
    expect(await here.graft(["job", "cancel", id])).toMatchObject({ code: 0, err: `${id} is cancelled\n` })
    expect((await here.graft(["job", "show", id, "--json"])).out).toContain('"outcome":"cancelled"')
  })
})

it("what is not there is said, with what there is", async () => {
  expect(await here.graft(["job", "show", "job_none"])).toMatchObject({ code: 2, err: expect.stringContaining('there is no job "job_none"') })
  expect(await here.graft(["job", "shwo"])).toMatchObject({ code: 2, err: expect.stringContaining('did you mean "show"?') })
  expect(await here.graft(["job", "tail"])).toMatchObject({ code: 2, err: expect.stringContaining("say which job") })
})
