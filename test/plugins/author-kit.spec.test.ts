/** The test kit: a plugin's author gets the real agent, a model that plays a script, a clock of their own, and what was told. */
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { createTestKernel } from "../kit/index.ts"

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
})
