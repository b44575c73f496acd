/** The test kit: a plugin's author gets the real agent, a model that plays a script, a clock of their own, and what was told. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, test } from "vitest"
import { createTestKernel, readRecording, replay, scriptedModel, TestClock } from "../kit/index.ts"

const EXAMPLES = join(import.meta.dirname, "../../config/examples")
const dice = join(EXAMPLES, "dice.ts")

describe("createTestKernel", () => {
  test("calls a tool as a turn does: its input is checked, and what it says is bounded", async () => {
    await using kernel = await createTestKernel({ plugins: [dice] })
    expect(await kernel.call("dice", { sides: 6 })).toMatchObject({ outcome: "ok", output: expect.stringMatching(/^[1-6] = [1-6]$/) as string })
    expect(await kernel.call("dice", { sides: 1 })).toMatchObject({ outcome: "invalid" })
  })

  test("answers a prompt with what the script says, and the tool that it calls runs", async () => {
    await using kernel = await createTestKernel({ plugins: [dice] })
    const answer = await kernel.ask("roll", { text: "Rolling.", calls: [{ tool: "dice", input: { sides: 2 } }] }, "Done.")
    expect(answer).toMatchObject({ text: "Done.", ended: { state: "done", turns: 2 } })
    expect(kernel.model.requests).toHaveLength(2)
    expect(JSON.stringify(kernel.model.requests[1]!.prompt)).toMatch(/[12] = [12]/)
    expect(kernel.told.map(({ event }) => event)).toContain("tool.settled")
  })

  test("takes services of the test in the place of the real ones, and plugins that the test writes", async () => {
    await using kernel = await createTestKernel({ builtIns: [], fakes: { question: { pending: async () => [] } } })
    await kernel.write("plugin:asker.ts", 'export default { setup(graft) { graft.on("tool.removed", async () => graft.log.info(`${(await graft.question.pending()).length} open`)) } }')
    kernel.graft.emit("tool.removed", { tool: {} as never })
    await kernel.kernel.settled()
    expect(kernel.kernel.logs("asker").map(({ text }) => text)).toEqual(["0 open"])
    await kernel.write("plugin:asker.ts", "export default 7")
    expect(kernel.told.at(-1)).toMatchObject({ event: "plugin.failed", payload: { plugin: "asker", kept: 1 } })
  })

  test("moves time only when it is told to", async () => {
    const clock = new TestClock()
    await using kernel = await createTestKernel({ clock, builtIns: [] })
    await kernel.write("plugin:ticker.ts", 'export default { setup(graft) { graft.every(60_000, () => graft.log.info("tick")); graft.timeout(3_600_000, () => graft.log.info("hour")) } }')
    await clock.advance(180_000)
    expect(kernel.kernel.logs("ticker").map(({ text }) => text)).toEqual(["tick", "tick", "tick"])
    await clock.advance(3_600_000)
    expect(kernel.kernel.logs("ticker").map(({ text }) => text)).toContain("hour")
  })

  test("says why a plugin does not come up, with its line", async () => {
    await expect(createTestKernel({ plugins: [join(EXAMPLES, "nothing.ts")] })).rejects.toThrow(`${join(EXAMPLES, "nothing.ts")}: there is no such plugin`)
    const file = join(mkdtempSync(join(tmpdir(), "graft-author-")), "bad.ts")
    writeFileSync(file, "export default {\n  setup() { throw new Error('no') },\n}\n")
    await expect(createTestKernel({ plugins: [file], builtIns: [] })).rejects.toThrow(/^bad is failed: no\n {2}at .*bad\.ts:2:19\n[\s\S]*> {4}2 \|/)
    rmSync(dirname(file), { recursive: true })
  })

  test("knows what was told, and waits for what will be", async () => {
    await using kernel = await createTestKernel({ plugins: [dice] })
    const idle = kernel.next("session.idle", ({ state }) => state === "done")
    await kernel.ask("hello", "Hello.")
    expect(await idle).toMatchObject({ turns: 1 })
  })
})

describe("the scripted model", () => {
  test("fails as a provider does, and is asked again where that makes sense", async () => {
    await using kernel = await createTestKernel({ plugins: [dice] })
    expect(await kernel.ask("hello", { fails: { status: 429, retryAfter: 0 } }, "Now.")).toMatchObject({ text: "Now.", ended: { state: "done" } })
    expect(await kernel.ask("hello", { fails: { status: 401, message: "wrong key" } })).toMatchObject({ ended: { state: "failed", code: "llm.auth", reason: expect.stringContaining("wrong key") as string } })
  })

  test("decides when it sees the request, and says when its script is too short", async () => {
    await using kernel = await createTestKernel({ plugins: [dice] })
    const { text } = await kernel.ask("hello", ({ tools = [] }) => `I have dice: ${tools.some(({ name }) => name === "dice")}`)
    expect(text).toBe("I have dice: true")
    expect(await kernel.ask("more")).toMatchObject({ ended: { state: "failed", reason: expect.stringContaining("the script has 1 turns, and the model was asked for another: give it turn 2") as string } })
  })

  test("stands alone, too", () => {
    const model = scriptedModel("one", "two")
    model.play("three")
    expect([model.left, model.requests]).toEqual([3, []])
  })
})

describe("a recorded session", () => {
  test("is played again: the model says what it said, and the tools are those of now, or answer as they did", async () => {
    await using first = await createTestKernel({ plugins: [dice] })
    const { session } = await first.ask("roll twice", { reasoning: "hm", text: "Rolling.", calls: [{ tool: "dice", input: { sides: 1_000_000 }, id: "a" }, { tool: "dice", input: { sides: 1 }, id: "b" }] }, "Done.")
    let lines = ""
    for await (const line of first.graft.session.export(session)) lines += `${line}\n`
    const recording = readRecording(lines)
    expect(recording).toMatchObject({ session, prompts: ["roll twice"], turns: [{ reasoning: "hm", text: "Rolling.", calls: [{ tool: "dice", id: "a" }, { tool: "dice", id: "b" }] }, { text: "Done." }], calls: [{ id: "a", then: { outcome: "ok" } }, { id: "b", then: { outcome: "invalid" } }] })

    await using second = await createTestKernel({ plugins: [dice] })
    const live = await replay(second, recording)
    expect(live.calls.map(({ now, then }) => [now.outcome, now.output === then!.output])).toEqual([["ok", false], ["invalid", true]])
    expect(live.text).toBe("Done.")
    await using third = await createTestKernel({ plugins: [dice] })
    expect((await replay(third, recording, { tools: "recorded" })).calls.map(({ now, then }) => now.output === then!.output)).toEqual([true, true])
  })

  test("that is none says so", () => {
    expect(() => readRecording("hello")).toThrow("line 1 of the recording is no JSON: it is what graft session export writes")
    expect(() => readRecording("{}")).toThrow("the recording does not begin as one: it is what graft session export writes")
  })
})
