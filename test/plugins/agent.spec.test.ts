/** An agent is a file: its words are told to the model, its tools are all that it may use, and those of whoever gave it work, too. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { definePlugin } from "graft"
import { agentOf, mayUse } from "../../plugins/agent/agent.ts"
import { paths } from "../../plugins/lib/paths.ts"
import { promptNamed } from "../../plugins/lib/prompt.ts"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
const home = process.env.HOME
const sessions: Record<string, { agent?: string; parent?: string }> = {}
const write = (name: string, text: string, under = ".graft/agents") => {
  const file = join(project.directory, under, `${name}.md`)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
const shaped = async (session?: string) => {
  const { value } = await project.graft.mutate("turn.request", { ...(session && { session }), model: "m", system: ["house", "place"], messages: [], tools: ["read", "write", "bash", "task"].map((name) => ({ name, description: "", inputSchema: {} })), options: {}, headers: {} })
  return [value.system, value.tools.map(({ name }) => name)]
}

beforeAll(async () => {
  process.env.HOME = "/nonexistent"
  project = await openProject({ only: ["tool", "permission", "agent"], allow: ["*"], with: (graft) => graft.provide("session", { get: async (id: string) => sessions[id] && { id, ...sessions[id] } } as never) })
  await project.kernel.put("tools", definePlugin({ per: "location", setup(graft) {
    for (const name of ["read", "write", "bash", "task"]) graft.tool.register({ name, description: name, input: { type: "object" }, effects: ["read"], execute: () => `${name} ran` })
  } }), project.directory)
})
afterAll(async () => {
  process.env.HOME = home
  await project[Symbol.asyncDispose]()
})
beforeEach(() => {
  delete project.settings.compat
  for (const place of [".graft", ".claude", ".opencode"]) rmSync(join(project.directory, place), { recursive: true, force: true })
  for (const id of Object.keys(sessions)) delete sessions[id]
})

test("the house has who builds, plans, explores and does whole pieces of work; two only look; a project's file of the same name takes its place", async () => {
  const agents = await project.graft.agent.list()
  expect(agents.map(({ name, mode, scope }) => [name, mode, scope])).toEqual([["build", "primary", "built-in"], ["explore", "subagent", "built-in"], ["general", "subagent", "built-in"], ["plan", "primary", "built-in"]])
  for (const agent of agents.filter(({ name }) => name === "plan" || name === "explore")) for (const tool of ["write", "edit", "bash", "patch"]) expect(mayUse(agent, tool)).toBe(false)
  write("plan", "---\ndescription: ours\n---\nPlan as we do.")
  expect(await project.graft.agent.get("plan")).toMatchObject({ description: "ours", scope: "project", prompt: "Plan as we do." })
  await expect(project.graft.agent.get("plam")).rejects.toMatchObject({ code: "agent.unknown", message: 'there is no agent "plam"; did you mean "plan"?' })
})

test("the house's own work has agents that nobody chooses and that use nothing; a user's file says it in other words", async () => {
  const config = paths(project.data).config
  for (const name of ["title", "compaction"]) {
    const agent = await project.graft.agent.get(name)
    expect([agent.tools, agent.prompt]).toEqual([["!*"], promptNamed(name, config)])
    expect(agent.prompt.length).toBeGreaterThan(200)
  }
  mkdirSync(join(config, "agents"), { recursive: true })
  writeFileSync(join(config, "agents/title.md"), "---\ndescription: ours\n---\nName it after a bird.")
  expect([promptNamed("title", config), (await project.graft.agent.get("title")).prompt]).toEqual(["Name it after a bird.", "Name it after a bird."])
  rmSync(join(config, "agents"), { recursive: true })
})

test("the config makes agents, says of one in a file what is otherwise, and takes one away; each is told once", async () => {
  await project.graft.agent.list()
  await project.kernel.settled()
  const told: string[] = []
  const stop = project.kernel.on("*", (payload, { event }) => { if (event.startsWith("agent.")) told.push(`${event} ${(payload as { agent?: { name: string }; name?: string }).agent?.name ?? (payload as { name: string }).name}`) })
  const config = async (agents: unknown) => {
    project.settings.agents = agents
    project.kernel.emit("config.changed", { paths: ["agents"] })
    await project.graft.agent.list()
    await project.kernel.settled()
  }
  await config({ critic: { description: "Finds fault", prompt: "Be hard.", tools: ["read"], mode: "subagent" }, plan: { model: "acme/large" }, general: { enabled: false }, bad: { mode: "boss" }, worse: { model: "x", tools: ["read"] } })
  expect(await project.graft.agent.get("critic")).toMatchObject({ prompt: "Be hard.", tools: ["read"], mode: "subagent", scope: "user" })
  expect(await project.graft.agent.get("plan")).toMatchObject({ model: "acme/large", mode: "primary", scope: "built-in", prompt: expect.stringContaining("You only plan") })
  await expect(project.graft.agent.get("general")).rejects.toMatchObject({ code: "agent.unknown" })
  await expect(project.graft.agent.get("bad")).rejects.toMatchObject({ code: "agent.unknown" })
  expect(told.sort()).toEqual(["agent.added critic", "agent.added worse", "agent.removed general", "agent.updated plan"])
  told.length = 0
  await config(undefined)
  expect(told.sort()).toEqual(["agent.added general", "agent.removed critic", "agent.removed worse", "agent.updated plan"])
  stop()
})

test("opencode's and Claude's files count where they lie, below one's own; modes are chosen by a person, what is denied is not there, and the switches hold at once", async () => {
  write("a", "---\ndescription: claude\n---\nA.", ".claude/agents")
  write("a", "---\ndescription: opencode\npermission:\n  edit: deny\n  bash: { '*': deny, 'git *': allow }\n---\nA.", ".opencode/agent")
  write("b", "B.", ".opencode/agents")
  write("c", "---\nmodel: acme/large#high\nsteps: 7\n---\nC.", ".opencode/mode")
  write("d", "D.", ".opencode/modes")
  write("gone", "---\ndisable: true\n---\nE.", ".opencode/agent")
  const theirs = async () => (await project.graft.agent.list()).filter(({ scope }) => scope === "project")
  expect((await theirs()).map(({ name, mode }) => [name, mode])).toEqual([["a", "all"], ["b", "all"], ["c", "primary"], ["d", "primary"]])
  expect(await project.graft.agent.get("a")).toMatchObject({ description: "opencode", tools: ["!edit", "!write", "!patch", "!bash"] })
  expect(await project.graft.agent.get("c")).toMatchObject({ model: "acme/large:high", turns: 7 })
  write("b", "---\ndescription: ours\n---\nB.")
  expect(await project.graft.agent.get("b")).toMatchObject({ description: "ours" })
  project.settings.compat = { opencode: false }
  expect((await theirs()).map(({ name, description }) => [name, description])).toEqual([["a", "claude"], ["b", "ours"]])
  project.settings.compat = false
  project.kernel.emit("config.changed", { paths: ["compat"] })
  expect((await theirs()).map(({ name }) => name)).toEqual(["b"])
})

test("its words follow the house's, and only its tools are offered; a session without one has all", async () => {
  write("reader", "---\ntools: [read]\n---\nOnly read.")
  sessions.s1 = { agent: "reader" }
  sessions.s2 = {}
  expect(await shaped("s1")).toEqual([["house", "Only read.", "place"], ["read"]])
  expect(await shaped("s2")).toEqual([["house", "place"], ["read", "write", "bash", "task"]])
  expect(await shaped()).toEqual([["house", "place"], ["read", "write", "bash", "task"]])
})

test("a tool that was not offered does not run, whoever calls it", async () => {
  write("reader", "---\ntools: [read]\n---\nOnly read.")
  sessions.s1 = { agent: "reader" }
  expect(await project.call("read", {}, { session: "s1" })).toMatchObject({ outcome: "ok", output: "read ran" })
  expect(await project.call("write", {}, { session: "s1" })).toMatchObject({ outcome: "denied", output: expect.stringContaining('the agent "reader" may not use write') })
})

test("work that is given away gives no rights: all above must be allowed it, too", async () => {
  write("boss", "---\ntools: [read, task]\n---\n.")
  write("free", "Do anything.")
  Object.assign(sessions, { top: { agent: "boss" }, below: { agent: "free", parent: "top" }, deeper: { parent: "below" } })
  expect((await shaped("below"))[1]).toEqual(["read", "task"])
  expect(await project.call("bash", {}, { session: "deeper" })).toMatchObject({ outcome: "denied" })
})

test("an agent whose file is gone may use nothing", async () => {
  sessions.s1 = { agent: "vanished" }
  expect(await project.call("read", {}, { session: "s1" })).toMatchObject({ outcome: "denied" })
})

describe("a file says", () => {
  const made = (front: Record<string, unknown>) => agentOf({ name: "a", file: "/a.md", scope: "user", front, body: "b" })
  test.each<[unknown, string[]]>([
    [undefined, []], [["read", "!bash"], ["read", "!bash"]], ["Read, Grep, TodoWrite, Bash(git *)", ["read", "grep", "todo", "bash"]], [{ write: false, read: true }, ["!write", "read"]],
  ])("tools as %j", (tools, expected) => expect(made({ tools }).tools).toEqual(expected))

  test.each([[{ tools: 3 }, /"tools" is a list/], [{ mode: "boss" }, /"mode" is/], [{ turns: 0 }, /"turns" is a whole number/], [{ name: "a b" }, /"name" is letters/], [{ model: 4 }, /"model" is/]])("nothing sensible with %j", (front, message) => {
    expect(() => made(front)).toThrow(message)
  })

  test("a model of ours; a name of another agent's is left to the session", () => {
    expect(made({ model: "acme/large" }).model).toBe("acme/large")
    for (const model of ["sonnet", "inherit"]) expect(made({ model })).not.toHaveProperty("model")
  })

  test.each([[["*"], "x", true], [["!*"], "x", false], [["read", "!read"], "read", false], [["!bash"], "read", true], [["mcp_*"], "mcp_git", true], [["mcp_*"], "git", false]])("%j: may it use %s? %s", (tools, tool, may) => expect(mayUse({ tools }, tool)).toBe(may))
})
