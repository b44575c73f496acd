/** In a session, what a patch did is taken back with its words and brought back; and a picture that was read is in the next request, also of another process. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { call, finish, says, text, type Script } from "../fixtures/conversation.ts"
import { openLife, type Life } from "../fixtures/life.ts"

let life: Life
const next: Script[] = []
beforeAll(async () => {
  life = await openLife({ scripts: () => next.shift() ?? says(...text("done"), finish()), only: ["config", "store", "eventlog", "session", "runner", "instruction", "snapshot", "tool", "permission", "tool-patch", "tool-read"] })
})
afterAll(async () => life[Symbol.asyncDispose]())
const at = (name: string) => join(life.project, name)
const held = () => ["a.txt", "gone.txt", "old.sh", "new/name.sh", "new/b.txt"].map((name) => (existsSync(at(name)) ? `${(statSync(at(name)).mode & 0o777).toString(8)} ${readFileSync(at(name), "utf8")}` : undefined))

test("undo and its undo", async () => {
  life.put("a.txt", "a\n")
  life.put("gone.txt", "gone\n")
  writeFileSync(life.put("old.sh", "x\n"), "x\n", { mode: 0o755 })
  const session = await life.session()
  await life.say(session, "hello")
  const before = held()
  next.push(says(call("c1", "patch", { patch: "*** Begin Patch\n*** Update File: a.txt\n-a\n+A\n*** Delete File: gone.txt\n*** Move File: old.sh\n*** Move to: new/name.sh\n*** Add File: new/b.txt\n+b\n*** End Patch" }), finish("tool-calls")))
  await life.say(session, "patch it")
  // The state after it is kept beside what goes on; who asks for a plan asks after it.
  await life.graft.snapshot.plan(session, { activity: 1_000, turn: 1 })
  const after = held()
  expect(after).toEqual(["644 A\n", undefined, undefined, before[2], "644 b\n"])
  await life.graft.session.revert(session, { files: true })
  expect(held()).toEqual(before)
  expect(existsSync(at("new"))).toBe(false)
  await life.graft.session.restore(session)
  expect(held()).toEqual(after)
})

test("a picture that was read", async () => {
  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64")
  life.put("dot.png", png)
  const session = await life.session()
  next.push(says(call("c2", "read", { path: "dot.png" }), finish("tool-calls")))
  await life.say(session, "look")
  const shown = { type: "tool-result", output: { type: "content", value: [{ type: "text", text: expect.stringContaining("1×1") }, { type: "file", mediaType: "image/png", filename: "dot.png", data: { data: png.toString("base64") } }] } }
  expect(life.requests.at(-1)!.messages.at(-1)).toMatchObject({ role: "tool", content: [shown] })
  // It is in the log: a request that was sent is made again with it, and so is the conversation by another process.
  const { events } = await life.graft.eventlog.read({ aggregate: session, types: ["provider.attempt.prepared"] })
  const { attempt } = events.at(-1)!.data as { attempt: string }
  expect(await life.graft.runner.request(session, attempt)).toMatchObject({ same: true })
  const other = await life.again()
  using there = await other.child(life.project)
  await there.session.prompt({ session, text: "and now?" })
  await there.session.wait(session)
  expect(life.requests.at(-1)!.messages.find(({ role }) => role === "tool")).toMatchObject({ content: [shown] })
})
