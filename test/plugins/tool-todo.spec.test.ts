/** todo keeps one list a session, tells each real change once, and says what is wrong with a list. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
beforeAll(async () => { project = await openProject({ only: ["tool", "permission", "tool-todo"], copy: true }) })
afterAll(async () => project[Symbol.asyncDispose]())

test("a list is shown as it stands, with where the work is", async () => {
  const todos = [{ text: "read", state: "done" }, { text: "write\n it", state: "active" }, { text: "test" }, { text: "talk", state: "dropped" }]
  expect(await project.call("todo", { todos })).toMatchObject({ outcome: "ok", title: "2 of 4 done; now: write\n it", output: "[x] read\n[>] write it\n[ ] test\n[-] talk", metadata: { todos: [{}, {}, { state: "pending" }, {}] } })
  expect((await project.call("todo", { todos: [] })).output).toBe("(the list is empty)")
})

test("a change is told once, the same list again is none, also across a reload", async () => {
  const told: unknown[] = []
  const remove = project.graft.on("todo.updated", (update) => void told.push(update))
  const call = (text: string, session = "s2") => project.call("todo", { todos: [{ text }] }, { session })
  await call("one")
  await call("one")
  const source = join(project.sources, "tool-todo/todo.ts")
  writeFileSync(source, `${readFileSync(source, "utf8")}\nexport const edited = true\n`)
  await project.kernel.reconcile([source])
  await call("one")
  await call("two")
  await call("two", "s3")
  await expect.poll(() => told.length).toBe(3)
  remove()
  expect(told).toEqual([["s2", "one"], ["s2", "two"], ["s3", "two"]].map(([session, text]) => ({ session, todos: [{ text, state: "pending" }] })))
})

test.each([
  [{ todos: [{ text: "a", state: "active" }, { text: "b", state: "active" }] }, "at most one entry is active"],
  [{ todos: [{ text: " " }] }, "todos.0.text"],
  [{ todos: [{ text: "a", state: "later" }] }, "todos.0.state"],
  [{ todos: "all" }, "todos"],
])("%j is refused, with the place", async (input, place) => {
  expect(await project.call("todo", input)).toMatchObject({ outcome: "invalid", output: expect.stringContaining(place) })
})
