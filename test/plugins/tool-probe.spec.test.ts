/** After a crash a tool that changes files tells whether its change is there, by what it wrote down when it began; it never guesses. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { ToolSet } from "../../plugins/tool/contract.ts"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
let set: ToolSet
beforeAll(async () => {
  project = await openProject({ only: ["tool", "permission", "tool-read", "tool-write", "tool-edit", "tool-patch"], allow: ["write", "edit"] })
  set = await project.graft.tool.advertise()
})
afterAll(async () => {
  set.dispose()
  await project[Symbol.asyncDispose]()
})
const at = (name: string) => join(project.directory, name)
const probe = (name: string, input: object, plan: unknown) => set.probe({ id: "c", name, input: JSON.stringify(input), session: "s1", directory: project.directory }, plan)

/** The plan of a call, and what a probe says right before its effect and after it. */
async function planOf(name: string, input: object): Promise<{ plan: unknown; before: string; after: string }> {
  let [plan, before]: [unknown, string] = [undefined, ""]
  const settling = { signal: new AbortController().signal, started: async (planned?: unknown) => { [plan, before] = [planned, await probe(name, input, planned)] } }
  expect(await set.settle({ id: "c", name, input: JSON.stringify(input), session: "s1", directory: project.directory }, settling)).toMatchObject({ outcome: "ok" })
  return { plan, before, after: await probe(name, input, plan) }
}

test.each<[what: string, name: string, input: object, file: string, content: string | undefined]>([
  ["a new file", "write", { path: "new.txt", content: "new\n" }, "new.txt", undefined],
  ["an empty file that is filled", "write", { path: "old.txt", content: "new\n" }, "old.txt", ""],
  ["several files that change together", "patch", { patch: "*** Begin Patch\n*** Update File: both.txt\n-one\n+two\n*** Add File: more.txt\n+more\n*** End Patch" }, "both.txt", "one\n"],
  ["a piece that is replaced", "edit", { path: "piece.txt", oldText: "one", newText: "two one" }, "piece.txt", "one\n"],
])("%s", async (_, name, input, file, content) => {
  if (content !== undefined) writeFileSync(at(file), content)
  const { plan, before, after } = await planOf(name, input)
  expect([before, after]).toEqual(["not-done", "done"])
  writeFileSync(at(file), "somebody else's\n")
  expect(await probe(name, input, plan)).toBe("unknown")
})

test("without a plan, with another one, or without the tool, nobody knows", async () => {
  for (const plan of [undefined, null, "x", { before: 1 }]) for (const [name, input] of [["write", { path: "x", content: "x" }], ["edit", { path: "x", oldText: "a", newText: "b" }], ["patch", { patch: "x" }]] as const) expect(await probe(name, input, plan)).toBe("unknown")
  expect(await probe("read", { path: "x" }, { before: "x", after: "y" })).toBe("unknown")
  expect(await probe("gone", {}, {})).toBe("unknown")
})
