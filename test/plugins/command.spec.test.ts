/** A command becomes its prompt: arguments, files and shell lines are filled in once, and nothing runs that may not. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"
import { wordsOf } from "../../plugins/command/expand.ts"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
const home = process.env.HOME
const file = (name: string, under = ".graft/commands") => join(project.directory, under, `${name}.md`)
const write = (name: string, text: string, under?: string) => {
  mkdirSync(dirname(file(name, under)), { recursive: true })
  writeFileSync(file(name, under), text)
}
const expand = (text: string) => project.graft.command.expand(text, { directory: project.directory, session: "s1" })

beforeAll(async () => {
  process.env.HOME = "/nonexistent"
  project = await openProject({ only: ["tool", "permission", "command"], allow: ["bash:echo *"] })
})
afterAll(async () => {
  process.env.HOME = home
  await project[Symbol.asyncDispose]()
})
beforeEach(() => { delete project.settings.compat; for (const place of [".graft", ".claude", ".opencode", ".codex", ".pi"]) rmSync(join(project.directory, place), { recursive: true, force: true }) })

test("a file is a command, a directory below is part of its name, and both places count", async () => {
  write("review", "---\ndescription: Looks at a change\nargument-hint: [branch]\n---\nReview it.")
  write("git/commit", "# Commit\nWrite a message.")
  write("old", "From before.", ".claude/commands")
  expect((await project.graft.command.list()).map(({ name, description, hint }) => [name, description, hint])).toEqual([["git/commit", "Commit", undefined], ["old", "From before.", undefined], ["review", "Looks at a change", "[branch]"]])
  expect(await expand("/git/commit")).toBe("# Commit\nWrite a message.")
  expect(await expand("/review")).toBe("Review it.")
  expect([await expand("/usr/bin"), await expand("review"), await expand("/nothing here")]).toEqual([undefined, undefined, undefined])
})

test("what other agents' files say is a command, too, unless that is switched off", async () => {
  const places = [".claude/commands", ".opencode/command", ".opencode/commands", ".codex/prompts", ".pi/prompts"]
  for (const [n, place] of places.entries()) write(`c${n}`, place, place)
  const said = async () => (await project.graft.command.list()).map(({ description }) => description)
  expect(await said()).toEqual(places)
  project.settings.compat = { opencode: false, pi: false }
  expect(await said()).toEqual([places[0], places[3]])
})

test("arguments are filled in, whole or one by one, quoted ones as one; what has no place for them gets them at its end", async () => {
  write("fix", "Fix issue $1 as $2 says. All: $ARGUMENTS. Costs $10, not $1.")
  expect(await expand(`/fix 12 "Ann Lee"`)).toBe('Fix issue 12 as Ann Lee says. All: 12 "Ann Lee". Costs $10, not 12.')
  expect(await expand("/fix")).toBe("Fix issue  as  says. All: . Costs $10, not .")
  write("plain", "Explain this.")
  expect(await expand("/plain the kernel")).toBe("Explain this.\n\nthe kernel")
})

test("a shell line that may run is its output; one that may not is refused with the rule, and nothing is sent", async () => {
  write("say", "It says: !`echo hello`.")
  expect(await expand("/say")).toBe("It says: hello.")
  write("fails", "!`echo out; exit 3`")
  project.rules.flag!.allow!.push("bash:exit *")
  expect(await expand("/fails")).toBe("out\n(exit code 3)")
  write("touch", "!`touch made`")
  await expect(expand("/touch")).rejects.toMatchObject({ code: "command.denied", rule: expect.stringContaining("bash:touch"), message: expect.stringMatching(/needs permission: --allow/) })
})

test("an argument is one word to the shell, whatever it holds", async () => {
  write("echo", "!`echo $1`")
  for (const word of ["$(touch owned)", "`touch owned`", "; touch owned", "a'b", "&& ls"]) expect(await expand(`/echo "${word.replaceAll(/[\\"]/g, "\\$&")}"`)).toBe(word)
})

test("a file of the project comes along, once; one outside, or none, stays a word", async () => {
  writeFileSync(join(project.directory, "a.txt"), "alpha\n")
  writeFileSync(join(project.outside, "b.txt"), "beta\n")
  write("look", `See @a.txt, @none.txt, @../outside/b.txt and me@a.txt.`)
  expect(await expand("/look")).toBe("See @a.txt, @none.txt, @../outside/b.txt and me@a.txt.\n\na.txt:\n\nalpha\n")
})

test("what comes in is no template (property)", async () => {
  write("echo", "<$ARGUMENTS>")
  const argument = fc.string({ minLength: 1, maxLength: 30 }).map((text) => text.trim()).filter((text) => text !== "")
  await fc.assert(fc.asyncProperty(fc.oneof(argument, fc.constantFrom("!`touch x`", "@a.txt", "$1", "$ARGUMENTS")), async (text) => (await expand(`/echo ${text}`)) === `<${text}>`), { numRuns: 50 })
})

test("words are split as a shell does", () => {
  expect(wordsOf(`a "b c" 'd "e' f\\ g "h \\"i"`)).toEqual(["a", "b c", 'd "e', "f\\", "g", 'h "i'])
})

test("the config has commands as well, and plugins bring some; of one name the file counts, then the config, and each change is told once", async () => {
  await project.graft.command.list()
  await project.kernel.settled()
  const told: string[] = []
  const stop = project.kernel.on("*", (payload, { event }) => { if (event.startsWith("command.")) told.push(`${event} ${(payload as { command?: { name: string } }).command?.name ?? (payload as { name: string }).name}`) })
  const config = async (commands: unknown) => {
    project.settings.commands = commands
    project.kernel.emit("config.changed", { paths: ["commands"] })
    await project.graft.command.list()
    await project.kernel.settled()
  }
  write("both", "From the file.")
  await config({ greet: { template: "Greet $1.", hint: "<who>" }, both: { template: "From the config." }, bad: {}, "b a d": { template: "x" } })
  await project.kernel.put("brings", (graft) => { for (const name of ["both", "greet", "mine"]) graft.command.register({ name, description: `my ${name}`, expand: async (given) => (given === "" ? Promise.reject(new Error("it needs a word")) : `mine: ${given}`) }) }, project.directory)
  expect((await project.graft.command.list()).map(({ name, description, hint }) => [name, description, hint])).toEqual([["both", "From the file.", undefined], ["greet", "Greet $1.", "<who>"], ["mine", "my mine", undefined]])
  expect([await expand("/both"), await expand("/greet Ada"), await expand("/mine  a b ")]).toEqual(["From the file.", "Greet Ada.", "mine: a b"])
  await expect(expand("/mine")).rejects.toMatchObject({ code: "command.failed", message: "/mine: it needs a word" })
  await project.kernel.settled()
  expect(told.sort()).toEqual(["command.added both", "command.added greet", "command.added mine"])
  told.length = 0
  await config(undefined)
  expect(told).toEqual(["command.updated greet"])
  expect(await expand("/greet Ada")).toBe("mine: Ada")
  told.length = 0
  await project.kernel.drop("brings", project.directory)
  await project.graft.command.list()
  await project.kernel.settled()
  expect(told.sort()).toEqual(["command.removed greet", "command.removed mine"])
  stop()
})
