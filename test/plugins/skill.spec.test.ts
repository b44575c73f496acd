/** Skills come from files, the nearest counts, each real change is told once, and a bad file is left out alone. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
const home = process.env.HOME
const told: string[] = []
const logged: string[] = []

const write = (path: string, text: string) => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
const skill = (description: string, body = "Do it well.", more = "") => `---\ndescription: ${description}\n${more}---\n\n${body}\n`
const places = {
  user: (name: string) => join(project.data, "config/skills", name, "SKILL.md"),
  claude: (name: string) => join(project.data, ".claude/skills", name, "SKILL.md"),
  project: (name: string) => join(project.directory, ".graft/skills", name, "SKILL.md"),
}
const list = () => project.graft.skill.list()
const tool = async () => (await project.graft.tool.list()).find(({ name }) => name === "skill")

beforeAll(async () => {
  project = await openProject({ only: ["tool", "permission", "skill"], copy: true })
  process.env.HOME = project.data
  const source = join(project.sources, "skill/index.ts")
  writeFileSync(source, `${readFileSync(source, "utf8")}// the home is another one now\n`)
  await project.kernel.reconcile([source])
  for (const event of ["skill.added", "skill.updated", "skill.removed"] as const) project.graft.on(event, (payload) => void told.push(`${event} ${"skill" in payload ? payload.skill.name : payload.name}`))
  project.kernel.on("plugin.logged", ({ text }) => void logged.push(text))
})
afterAll(async () => {
  process.env.HOME = home
  await project[Symbol.asyncDispose]()
})
beforeEach(async () => {
  for (const path of [join(project.data, "config/skills"), join(project.data, ".claude"), ...[".graft", ".agents", ".codex", ".pi", ".opencode"].map((place) => join(project.directory, place)), join(project.data, ".pi")]) rmSync(path, { recursive: true, force: true })
  delete project.settings.compat
  await list()
  await project.kernel.settled()
  told.length = logged.length = 0
})

test("without a skill there is no tool; with one, the tool's description names it, and its answer is the skill", async () => {
  expect(await tool()).toBeUndefined()
  write(places.user("release"), skill("How a release is made", "1. Tag it.\n2. See notes.md"))
  await list()
  expect((await tool())!.description).toContain("- release: How a release is made")
  expect(await project.call("skill", { name: "release" })).toMatchObject({ outcome: "ok", output: `1. Tag it.\n2. See notes.md\n\n(the files that it speaks of are relative to ${dirname(places.user("release"))})` })
  expect(await project.call("skill", { name: "relase" })).toMatchObject({ outcome: "error", output: expect.stringContaining('did you mean "release"?') })
})

test("the nearest of a name counts: other agents' places, the user's, the project's", async () => {
  write(places.claude("x"), skill("from claude"))
  expect((await list()).map(({ description }) => description)).toEqual(["from claude"])
  write(places.user("x"), skill("from the user"))
  write(places.project("y"), skill("from the project", "z", "name: x\n"))
  expect((await list()).map(({ description, scope }) => [description, scope])).toEqual([["from the project", "project"]])
})

test("what other agents' files say is a skill, too, unless that is switched off; .agents is nobody's", async () => {
  const places = [".agents/skills", ".codex/skills", ".opencode/skill", ".opencode/skills", ".pi/skills"]
  for (const [n, place] of places.entries()) write(join(project.directory, place, `s${n}`, "SKILL.md"), skill(place))
  write(join(project.data, ".pi/agent/skills/s9/SKILL.md"), skill("the user's pi"))
  const said = async () => (await list()).map(({ description }) => description)
  expect(await said()).toEqual([...places, "the user's pi"])
  project.settings.compat = { opencode: false, pi: false }
  expect(await said()).toEqual(places.slice(0, 2))
  project.settings.compat = false
  expect(await said()).toEqual([])
})

test("exactly what changed is told, and a reload of the plugin tells nothing", async () => {
  write(places.user("a"), skill("first"))
  write(places.user("b"), skill("second"))
  await list()
  await list()
  write(places.user("a"), skill("first, but better"))
  await list()
  const source = join(project.sources, "skill/index.ts")
  writeFileSync(source, `${readFileSync(source, "utf8")}// edited\n`)
  await project.kernel.reconcile([source])
  expect((await tool())!.description).toContain("- b: second")
  rmSync(dirname(places.user("b")), { recursive: true })
  await list()
  expect(told).toEqual(["skill.added a", "skill.added b", "skill.updated a", "skill.removed b"])
})

test("it is enough to save the file: who watches it rings", async () => {
  write(places.project("seen"), skill("live"))
  project.kernel.graft.emit("watch.changed", { paths: [places.project("seen")] })
  await expect.poll(async () => (await tool())?.description).toContain("- seen: live")
})

test.each([
  ["no description", "---\nname: bad\n---\nwords", /SKILL\.md: "description" is missing/],
  ["broken YAML", "---\ndescription: [x\n---\nwords", /SKILL\.md:\d: /],
  ["no end", "---\ndescription: x\nwords", /SKILL\.md:1: what begins with "---" has no end/],
  ["a bad name", "---\ndescription: x\nname: ../up\n---\nwords", /SKILL\.md: "name" is letters/],
  ["no text", "---\ndescription: x\n---\n", /says nothing/],
  ["too much", `---\ndescription: x\n---\n${"y".repeat(300_000)}`, /more than 262144 bytes/],
  ["bytes", "---\ndescription: x\n---\n\0", /binary/],
])("a file with %s is left out alone, and said once with its place", async (_, text, message) => {
  write(places.user("good"), skill("fine"))
  write(places.user("bad"), text)
  await list()
  expect((await list()).map(({ name }) => name)).toEqual(["good"])
  await project.kernel.settled()
  expect(logged.filter((line) => message.test(line))).toHaveLength(1)
})

test("a description with a colon is no error, as other agents have it; a link out of the project is not read", async () => {
  write(places.user("colon"), "---\nname: colon\ndescription: Use this: when \"it\" fits\n---\nwords")
  mkdirSync(dirname(places.project("link")), { recursive: true })
  writeFileSync(join(project.outside, "secret.md"), skill("secret"))
  symlinkSync(join(project.outside, "secret.md"), places.project("link"))
  expect((await list()).map(({ description }) => description)).toEqual(['Use this: when "it" fits'])
  await project.kernel.settled()
  expect(logged.join()).toContain("link out of the project")
})
