/** A question waits for the person across reloads, is answered once, and never waits where nobody is. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { PendingQuestion } from "../../plugins/question/contract.ts"
import { pose, readAnswer } from "../../plugins/cli/questions.ts"
import { next, openProject, type Project } from "../fixtures/project.ts"

let project: Project
let leave: () => void
const come = () => { leave = project.kernel.add("face", { id: "person", answers: true }) }
const asked = () => next<PendingQuestion>(project.graft, "question.asked")
const call = (input: unknown, options: Parameters<Project["call"]>[2] = {}) => project.call("question", input, options)

beforeAll(async () => {
  project = await openProject({ only: ["tool", "permission", "question"], copy: true })
  come()
})
afterAll(async () => project[Symbol.asyncDispose]())

test("the answer is what the model reads; the question is gone with it", async () => {
  const question = asked()
  const settled = call({ question: "Which colour?", choices: [{ label: "red" }, { label: "blue", about: "as the sky" }] })
  const { id, text, choices } = await question
  expect({ text, choices: choices?.length, pending: (await project.graft.question.pending()).map((each) => each.id) }).toEqual({ text: "Which colour?", choices: 2, pending: [id] })
  await project.graft.question.reply(id, ["blue"])
  expect(await settled).toMatchObject({ outcome: "ok", output: "blue", title: "Which colour? blue", metadata: { answer: ["blue"] } })
  expect(await project.graft.question.pending()).toEqual([])
  await expect(project.graft.question.reply(id, ["red"])).rejects.toMatchObject({ code: "question.unknown" })
})

test("who would rather not say, an interrupt, and the last person's leaving end it without an answer", async () => {
  const first = asked()
  const unsaid = call({ question: "Really?" })
  await project.graft.question.reply((await first).id, [])
  expect((await unsaid).output).toContain("Decide by yourself")

  const second = asked()
  const stop = new AbortController()
  const stopped = call({ question: "Now?" }, { signal: stop.signal })
  await second
  stop.abort()
  expect((await stopped).outcome).toBe("interrupted")
  await expect.poll(() => project.graft.question.pending()).toEqual([])

  const third = asked()
  const left = call({ question: "Still there?" })
  await third
  leave()
  expect((await left).output).toContain("nobody is here")
  expect((await call({ question: "Hello?" })).output).toContain("nobody is here")
  come()
})

test("the plugin may be edited meanwhile: the question stays, is not asked again, and its answer arrives", async () => {
  const question = asked()
  const settled = project.graft.question.ask({ text: "Before or after?" })
  const { id } = await question
  let again = 0
  const remove = project.graft.on("question.asked", () => void again++)
  const source = join(project.sources, "question/desk.ts")
  writeFileSync(source, `${readFileSync(source, "utf8")}\nexport const edited = true\n`)
  await project.kernel.reconcile([source])
  await project.graft.question.reply(id, ["after"])
  expect(await settled).toEqual(["after"])
  remove()
  expect(again).toBe(0)
})

test("what is no answer is refused, and the question stays open", async () => {
  const question = asked()
  const settled = project.graft.question.ask({ text: "One?", choices: [{ label: "a" }, { label: "b" }] })
  const { id } = await question
  for (const answer of [["a", "b"], [" "], ["x".repeat(10_001)]]) await expect(project.graft.question.reply(id, answer)).rejects.toMatchObject({ code: "question.answer" })
  await expect(project.graft.question.reply("toString", ["a"])).rejects.toMatchObject({ code: "question.unknown" })
  await project.graft.question.reply(id, ["a"])
  expect(await settled).toEqual(["a"])
})

test.each([[{ question: " " }, "question"], [{ question: "x", choices: [{ label: "one" }] }, "choices"], [{}, "question"]])("%j is no question", async (input, place) => {
  expect(await call(input)).toMatchObject({ outcome: "invalid", output: expect.stringContaining(place) })
})

describe("in a terminal", () => {
  const ask = (more: Partial<PendingQuestion> = {}): PendingQuestion => ({ id: "q", location: "/p", since: 0, text: "Which?", choices: [{ label: "one" }, { label: "two", about: "the second" }], ...more })
  test("choices are numbered, and nothing in them moves the cursor", () => {
    const { text, prompt } = pose({ kind: "question", id: "q", ask: ask({ text: "Which\u001b[2J?" }) })
    expect(text).toBe("? Which\\u{1b}[2J?\n  1  one\n  2  two: the second\n")
    expect(prompt).toContain("a number, or your own words")
  })
  test.each<[string, Partial<PendingQuestion>, string[] | undefined]>([
    ["2", {}, ["two"]], [" 1 ", {}, ["one"]], ["3", {}, undefined], ["1 2", {}, undefined], ["1, 2 1", { several: true }, ["one", "two"]],
    ["neither", {}, ["neither"]], ["-", {}, []], ["", {}, undefined], ["42", { choices: undefined }, ["42"]],
  ])("%j of %j is %j", (line, more, answer) => expect(readAnswer(ask(more), line)).toEqual(answer))
})
