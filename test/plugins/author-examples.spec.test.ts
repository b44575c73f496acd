/** Each example does what its first line says, in a real agent whose model plays a script; and none is longer than a page. */
import { execFileSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { checkLaws, createTestKernel, type TestKernel, type TestKernelOptions } from "../kit/index.ts"

const EXAMPLES = join(import.meta.dirname, "../../config/examples")
const names = readdirSync(EXAMPLES).filter((name) => name.endsWith(".ts"))
const open = (examples: readonly string[], options: TestKernelOptions = {}) => createTestKernel({ ...options, plugins: examples.map((name) => join(EXAMPLES, `${name}.ts`)) })
const BASICS = ["config", "store", "eventlog", "auth", "model", "llm", "session", "runner", "compaction", "instruction", "permission", "tool", "tool-write", "tool-bash", "snapshot", "job"]

test("there are more than twelve, none longer than 60 lines, and each keeps the laws of a plugin", async () => {
  expect(names.length).toBeGreaterThanOrEqual(12)
  expect(names.filter((name) => readFileSync(join(EXAMPLES, name), "utf8").split("\n").length > 60)).toEqual([])
  for (const name of names) await checkLaws(join(EXAMPLES, name), { loads: 3, samples: 4 })
}, 60_000)

describe("beside each other in one agent", () => {
  let server: Server, url: string, kernel: TestKernel, catalogue: object
  const asked: string[] = []
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.url!)
      response.setHeader("content-type", "application/json").end(JSON.stringify(request.url!.startsWith("/v1/catalogue") ? catalogue : { results: [{ title: "One", link: "https://one.example/", snippet: "first" }, { title: "Two", link: "https://two.example/" }] }))
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    kernel = await open(["audit-log", "permission-gate", "prompt-rewriter", "wrap-bash", "notifier", "discovery", "search-engine", "budget"], {
      builtIns: [...BASICS, "tool-websearch", "provider-openai-compatible"],
      allow: ["write", "edit", "bash", "*"],
    })
    const { project } = kernel
    await kernel.kernel.graft.config.set("plugins", {
      "audit-log": { file: join(project, "audit.jsonl") }, "wrap-bash": { command: "seq 1 100", lines: 2 }, budget: { dollars: 0.5 },
      notifier: { command: [join(project, "say.sh")] }, discovery: { url: `${url}/v1` }, "search-engine": { url: `${url}/search` },
    })
    writeFileSync(join(project, "say.sh"), `#!/bin/sh\necho "$1" >> ${join(project, "said.txt")}\n`)
    chmodSync(join(project, "say.sh"), 0o755)
    await kernel.kernel.settled()
  })
  afterAll(async () => {
    await kernel?.[Symbol.asyncDispose]()
    server?.closeAllConnections()
    server?.close()
  })

  test("audit-log writes a line for each call and one for its end", async () => {
    const { session } = await kernel.ask("write it", { calls: [{ tool: "write", input: { path: "a.txt", content: "a" }, id: "call_a" }] }, "Written.")
    await kernel.kernel.settled()
    const lines = readFileSync(join(kernel.project, "audit.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line) as object)
    expect(lines).toMatchObject([{ session, call: "call_a", tool: "write" }, { session, call: "call_a", outcome: "ok" }])
  })

  test("permission-gate asks about its places, whatever the rules allow", async () => {
    expect(await kernel.call("write", { path: "migrations/1.sql", content: "drop" })).toMatchObject({ outcome: "blocked", output: expect.stringContaining("migrations/ is changed by people") as string })
    expect(existsSync(join(kernel.project, "migrations"))).toBe(false)
    expect(await kernel.call("write", { path: "b.txt", content: "b" })).toMatchObject({ outcome: "ok" })
  })

  test("prompt-rewriter sends the long words, and the session keeps the short ones", async () => {
    const { messages } = await kernel.ask("now :t please", "Done.")
    expect(JSON.stringify(kernel.model.requests.at(-1)!.prompt.at(-1))).toContain("now Run the tests, and fix what fails. please")
    expect(messages.find(({ role }) => role === "user")).toMatchObject({ parts: [{ kind: "text", text: "now :t please" }] })
  })

  test("wrap-bash runs the project's check, and gives its last lines", async () => {
    expect(await kernel.call("check")).toMatchObject({ outcome: "ok", title: "seq 1 100", output: "99\n100" })
  })

  test("notifier says that the work ended", async () => {
    const { session } = await kernel.ask("say something", "Something.")
    await expect.poll(() => (existsSync(join(kernel.project, "said.txt")) ? readFileSync(join(kernel.project, "said.txt"), "utf8") : "")).toContain(`${(await kernel.graft.session.get(session))!.title}: done\n`)
  })

  test("discovery lists what its endpoint has, and tells exactly what changed", async () => {
    catalogue = { models: [{ id: "small", window: 8_000 }, { id: "large", title: "Large", price: { in: 3, out: 9 } }] }
    expect((await kernel.graft.model.list({ provider: "team", all: true, seek: true })).map(({ ref, name, limits, cost }) => [ref, name, limits?.context, cost?.input])).toEqual([["team/large", "Large", undefined, 3], ["team/small", "small", 8_000, undefined]])
    catalogue = { models: [{ id: "small", window: 16_000 }, { id: "large", title: "Large", price: { in: 3, out: 9 } }] }
    const from = kernel.told.length
    await kernel.graft.model.list({ seek: true })
    await kernel.kernel.settled()
    expect(kernel.told.slice(from).flatMap(({ event, payload }) => (event.startsWith("model.") ? [`${event} ${payload.model.ref}`] : []))).toEqual(["model.updated team/small"])
  })

  test("search-engine is asked by websearch", async () => {
    const found = await kernel.call("websearch", { query: "what & where" })
    expect(found).toMatchObject({ outcome: "ok", output: expect.stringMatching(/One[\s\S]*https:\/\/one\.example\/[\s\S]*first[\s\S]*Two/) as string })
    expect(asked).toContain("/search?q=what%20%26%20where")
  })

  test("budget refuses what is begun after the day has cost too much, and holds at once when it is raised", async () => {
    await kernel.ask("expensive", { text: "Done.", usage: { input: 500_000, output: 100_000 } })
    await kernel.kernel.settled()
    await expect(kernel.ask("more")).rejects.toThrow(/today has cost \$0\.70, and the budget is \$0\.5: plugins\.budget\.dollars in your config/)
    await kernel.kernel.graft.config.set("plugins.budget.dollars", 5)
    await kernel.kernel.settled()
    expect(await kernel.ask("more", "There is more.")).toMatchObject({ text: "There is more." })
  })
})

test("git-checkpoint keeps the state before the first change, and second-look has the changes looked at once", async () => {
  await using kernel = await open(["git-checkpoint", "second-look"], { builtIns: BASICS })
  const { project, model } = kernel
  const git = (...words: string[]) => execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...words], { cwd: project, encoding: "utf8", stdio: "pipe" }).trim()
  git("init", "-q")
  git("config", "user.name", "t")
  git("config", "user.email", "t@t")
  writeFileSync(join(project, "a.txt"), "first")
  git("add", ".")
  git("commit", "-qm", "first")
  writeFileSync(join(project, "a.txt"), "by hand")
  model.play({ calls: [{ tool: "bash", input: { command: "echo changed > a.txt" } }, { tool: "write", input: { path: "b.txt", content: "b" } }] }, "Changed.", "All is right.")
  const { session } = await kernel.ask("change it")
  await kernel.graft.session.wait(session)
  const [ref, ...more] = git("for-each-ref", "--format=%(refname)", "refs/graft/").split("\n")
  expect([ref!.startsWith(`refs/graft/${session}/`), more]).toEqual([true, []])
  expect([git("show", `${ref!}:a.txt`), readFileSync(join(project, "a.txt"), "utf8")]).toEqual(["by hand", "changed\n"])
  await expect.poll(async () => (await kernel.graft.session.messages(session)).flatMap(({ parts }) => parts.flatMap((part) => (part.kind === "text" ? [part.text.slice(0, 9)] : [])))).toEqual(["Today is ", "change it", "Changed.", "Look once", "All is ri"])
  expect([model.left, model.requests.length]).toEqual([0, 3])
})

test("file-trigger does what its file says, once", async () => {
  await using kernel = await open(["file-trigger"], { builtIns: [...BASICS, "watch"] })
  kernel.kernel.emit("cli.started", { command: "test", interactive: true })
  await kernel.kernel.settled()
  kernel.model.play("Done as written.")
  const idle = kernel.next("session.idle")
  writeFileSync(join(kernel.project, "PROMPT.md"), "Do this\n")
  expect(await idle).toMatchObject({ state: "done" })
  expect(JSON.stringify(kernel.model.requests[0]!.prompt.at(-1))).toContain("Do this")
  const again = kernel.next("watch.changed")
  writeFileSync(join(kernel.project, "PROMPT.md"), "Do this\n\n")
  await again
  await kernel.kernel.settled()
  expect(kernel.model.requests).toHaveLength(1)
})
