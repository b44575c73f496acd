/** `graft tour` shows hot reload by itself, without a terminal, offline, and leaves nothing behind. */
import { mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { place } from "./graft.ts"

it("drops, edits, breaks, heals and deletes, and each step is told as it happens", async () => {
  using here = place()
  const scratch = join(here.home, "tmp")
  mkdirSync(scratch)
  const { code, out, err } = await here.graft(["tour", "--fast"], { env: { TMPDIR: scratch } })
  expect({ code, err }).toEqual({ code: 0, err: "" })
  const said = out.replaceAll(/\s+/g, " ")
  const steps = [
    "A place where adventurers meet", "plugin.loaded dice@1 is live", "tool.added tool dice is new", "✓ dice", "rolled",
    "model.added model hearth/ember is new", "plugin.reloaded hearth@2 took over from @1", "model.updated model hearth/ember changed: name by hearth@2", "through the second edition",
    "plugin.failed hearth failed: hearth.ts:9:15:", "(hearth@2 goes on)", "> 9 | setup(graft {", "plugin.reloaded hearth@3", "tool.removed", "model.removed", "I would need the tool `dice`", "nothing restarted",
  ]
  const missing = steps.filter((step) => !said.includes(step))
  expect(missing, out).toEqual([])
  // One model was changed once.
  expect(out.match(/model\.updated/g)).toHaveLength(1)
  expect(out).toMatch(/· +\+\d+ ms +plugin\.reloaded/)
  expect(out).not.toContain("\u001b")
  expect(readdirSync(scratch).filter((name) => name.startsWith("graft-tour"))).toEqual([])
}, 60_000)

it("that is interrupted ends at once, and leaves nothing behind either", async () => {
  using here = place()
  const scratch = join(here.home, "tmp")
  mkdirSync(scratch)
  const tour = here.start(["tour"], { env: { TMPDIR: scratch } })
  await tour.says("dice.ts, the whole of it")
  tour.kill("SIGINT")
  expect((await tour.ended).code).toBe(130)
  expect(readdirSync(scratch).filter((name) => name.startsWith("graft-tour"))).toEqual([])
}, 60_000)
