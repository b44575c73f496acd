/** In a session, with all the house and offline: a conversation is folded by hand and by itself, goes on, and it is shown. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel } from "graft"
import { expect, onTestFinished, test } from "vitest"
import { newView, show } from "../../plugins/cli/view.ts"
import type { Folded } from "../../plugins/compaction/contract.ts"
import type { Limits } from "../../plugins/model/contract.ts"

async function session(limits?: Limits) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-compaction-")))
  const project = join(base, "project")
  mkdirSync(join(project, ".git"), { recursive: true })
  mkdirSync(join(base, "home/config"), { recursive: true })
  writeFileSync(join(base, "home/config/config.jsonc"), JSON.stringify({ model: "demo/demo", permissions: { allow: ["bash"] } }))
  if (limits) writeFileSync(join(base, "home/config/models.jsonc"), JSON.stringify({ "demo/demo": { limits } }))
  for (const name of ["one", "two", "three"]) writeFileSync(join(project, `${name}.txt`), name.repeat(4_000))
  const kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], dataDir: join(base, "home") })
  await kernel.start()
  const graft = await kernel.child(project)
  await kernel.settled()
  onTestFinished(async () => {
    graft[Symbol.dispose]()
    await kernel.close()
    rmSync(base, { recursive: true, force: true })
  })
  const { id } = await graft.session.create({ directory: project })
  const answered = async () => {
    const ended = await graft.session.wait(id)
    const messages = await graft.session.messages(id)
    return { ended, answer: messages.at(-1)!.parts.flatMap((part) => (part.kind === "text" ? part.text : [])).join("") }
  }
  return {
    graft, id, answered,
    say: async (words: string) => (await graft.session.prompt({ session: id, text: words }), answered()),
    events: async (...types: string[]) => (await graft.eventlog.read({ aggregate: id, types: types.map((type) => `session.compaction.${type}`), limit: 1_000 })).events,
  }
}

test("by hand, with the demo, offline: folded, told, and gone on with", async () => {
  const { graft, id, say, answered, events } = await session()
  for (const name of ["one", "two", "three"]) await say(`run: cat ${name}.txt`)
  await graft.session.compact(id)
  expect((await answered()).ended.state).toBe("done")
  const [ended] = await events("ended")
  expect(ended!.data).toMatchObject({ method: "model", reason: "manual", summary: expect.stringContaining("run: cat one.txt") })
  const { before, after } = ended!.data as unknown as Folded
  expect(after).toBeLessThan(before)
  const { answer } = await say("read one.txt")
  expect(answer).toContain("`one.txt` (1 line)")
  // All that was said is still there to be read.
  const all = (await graft.session.messages(id, { limit: 1_000 })).flatMap(({ parts }) => parts)
  expect(all.filter((part) => part.kind === "text" && part.text === "run: cat one.txt").length).toBe(1)
})

test("by itself, before it no longer fits, and not again at once", async () => {
  const { say, events } = await session({ context: 30_000, output: 1_000 })
  for (const name of ["one", "two", "three", "one", "two", "three", "one"]) expect((await say(`run: cat ${name}.txt`)).ended.state).toBe("done")
  const [started, ended] = [await events("started"), await events("ended")]
  expect(started.length).toBeGreaterThan(0)
  expect(started.length).toBeLessThan(4)
  expect(started[0]!.data).toMatchObject({ reason: "threshold", why: expect.stringMatching(/^\d+ % of 30,000 tokens, 1,000 of them reserved for the answer$/) })
  expect(ended.length).toBe(started.length)
})

test("is shown: why, how, from how much to how much", () => {
  const view = () => newView("s", { together: true })
  const line = (type: string, data: object) => show(view(), `session.compaction.${type}`, data).map(({ text: shown }) => shown).join("")
  expect(line("started", { compaction: "c1", reason: "threshold", why: "91 % of 200,000 tokens" })).toBe("… folding the conversation: 91 % of 200,000 tokens\n")
  expect(line("ended", { before: 182_000, after: 31_000, method: "model" })).toBe("✓ folded: about 182,000 → 31,000 tokens, summarised\n")
  expect(line("ended", { before: 182_000, after: 31_000, method: "fold", note: "made without a model: busy" })).toBe("✓ folded: about 182,000 → 31,000 tokens, without a model (made without a model: busy)\n")
  expect(line("failed", { compaction: "c1", error: { code: "compaction.nothing", message: "there is too little to fold" } })).toBe("not folded: there is too little to fold\n")
})
