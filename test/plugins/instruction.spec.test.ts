/** Instructions are the user's, then the project's from its top down to the session's directory, and their changes are told once. */
import { execFileSync } from "node:child_process"
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { createKernel, definePlugin } from "graft"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { paths } from "../../plugins/lib/paths.ts"

async function project() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "graft-instruction-")))
  const [home, directory] = [join(root, "home"), join(root, "project")]
  const config = paths(home).config
  for (const path of [config, join(directory, ".git"), join(directory, "a", "b")]) mkdirSync(path, { recursive: true })
  // A copy stays in the repository, where its packages are found.
  const plugins = mkdtempSync(join(import.meta.dirname, "../fixtures/.plugins-"))
  for (const id of ["instruction", "lib"]) cpSync(fileURLToPath(new URL(`../../plugins/${id}`, import.meta.url)), join(plugins, id), { recursive: true })
  const kernel = createKernel({ roots: [{ dir: plugins, kind: "built-in" }], only: ["instruction", "stand-ins"], dataDir: home })
  const settings: Record<string, unknown> = {}
  await kernel.put("stand-ins", definePlugin({ per: "process", setup: (graft) => graft.provide("config", { get: async (path: string) => settings[path] } as never) }))
  await kernel.start()
  const logged: string[] = []
  kernel.on("plugin.logged", ({ text }) => void logged.push(text))
  const told: string[] = []
  for (const event of ["instruction.added", "instruction.updated", "instruction.removed"] as const) kernel.on(event, ({ file }) => void told.push(`${event} ${file.startsWith(root) ? file.slice(root.length + 1) : file}`))
  const instance = await kernel.child(directory)
  return {
    root, config, directory, plugins, kernel, settings, logged,
    async name(instructions: unknown) {
      settings.instructions = instructions
      kernel.graft.emit("config.changed", { paths: ["instructions"] })
      await kernel.settled()
    },
    system: (at = directory) => instance.instruction.system(at),
    list: (at = directory) => instance.instruction.list(at),
    session: {
      system: (session: string) => instance.instruction.system(directory, session),
      news: (session: string) => instance.instruction.news(directory, session),
    },
    told: async () => (await kernel.settled(), told.splice(0)),
    async [Symbol.asyncDispose]() {
      instance[Symbol.dispose]()
      await kernel.close()
      for (const made of [root, plugins]) rmSync(made, { recursive: true, force: true })
    },
  }
}

test("farthest first, from the user down to the directory; CLAUDE.md only where there is no AGENTS.md", async () => {
  await using p = await project()
  writeFileSync(join(p.config, "AGENTS.md"), "the user's\n")
  writeFileSync(join(p.directory, "CLAUDE.md"), "the project's")
  writeFileSync(join(p.directory, "a", "AGENTS.md"), "the directory's")
  writeFileSync(join(p.directory, "a", "CLAUDE.md"), "not read")
  const bodies = (texts: string[]) => texts.map((text) => text.split("\n\n")[1])
  expect(bodies(await p.system())).toEqual(["the user's", "the project's"])
  expect(bodies(await p.system(join(p.directory, "a", "b")))).toEqual(["the user's", "the project's", "the directory's"])
  expect((await p.system())[1]).toBe(`Instructions from ${join(p.directory, "CLAUDE.md")}:\n\nthe project's`)
  expect(await p.list(join(p.directory, "a"))).toMatchObject([{ scope: "user" }, { scope: "project", bytes: 13 }, { scope: "directory" }])
})

test("each real change is told once, and a reload tells nothing", async () => {
  await using p = await project()
  const file = join(p.directory, "AGENTS.md")
  writeFileSync(file, "one")
  await p.system()
  await p.system()
  expect(await p.told()).toEqual(["instruction.added project/AGENTS.md"])
  writeFileSync(file, "another")
  expect((await p.system())[0]).toContain("another")
  expect(await p.told()).toEqual(["instruction.updated project/AGENTS.md"])
  appendFileSync(join(p.plugins, "instruction", "files.ts"), "// edited")
  await p.kernel.reconcile([join(p.plugins, "instruction", "files.ts")])
  expect(p.kernel.journal().filter((entry) => entry.plugin === "instruction" && entry.outcome === "committed")).toHaveLength(2)
  await p.system()
  expect(await p.told()).toEqual([])
  rmSync(file)
  expect(await p.system()).toEqual([])
  expect(await p.told()).toEqual(["instruction.removed project/AGENTS.md"])
})

test("a link out of the project is not read, and a long file is cut", async () => {
  await using p = await project()
  writeFileSync(join(p.root, "secret"), "a secret of the user")
  symlinkSync(join(p.root, "secret"), join(p.directory, "AGENTS.md"))
  expect(await p.system()).toEqual([])
  writeFileSync(join(p.directory, "a", "AGENTS.md"), "é".repeat(64 * 1024))
  const [text] = await p.system(join(p.directory, "a"))
  expect(text).toHaveLength(`Instructions from ${join(p.directory, "a", "AGENTS.md")}:\n\n`.length + 32 * 1024)
  symlinkSync(join(p.directory, "a", "AGENTS.md"), join(p.directory, "a", "b", "AGENTS.md"))
  expect(await p.system(join(p.directory, "a", "b"))).toHaveLength(2)
})

test("nothing that lies there stops a turn: links in a circle, a pipe, binary and endless files are left out, and said once", async () => {
  await using p = await project()
  const deep = join(p.directory, "a", "b")
  symlinkSync("AGENTS.md", join(p.directory, "AGENTS.md"))
  execFileSync("mkfifo", [join(p.directory, "a", "AGENTS.md")])
  writeFileSync(join(deep, "AGENTS.md"), Buffer.from([1, 0, 2]))
  for (let n = 0; n < 2; n++) expect(await p.system(deep)).toEqual([])
  expect(p.kernel.logs("instruction").map(({ text }) => text)).toEqual([expect.stringMatching(/AGENTS.md cannot be read: ELOOP/), expect.stringMatching(/b\/AGENTS.md is a binary file/)])
  rmSync(join(deep, "AGENTS.md"))
  writeFileSync(join(deep, "AGENTS.md"), "short")
  truncateSync(join(deep, "AGENTS.md"), 4 * 1024 ** 3)
  expect(await p.system(deep)).toEqual([])
  rmSync(join(deep, "AGENTS.md"))
  writeFileSync(join(deep, "AGENTS.md"), "readable again")
  expect(await p.system(deep)).toHaveLength(1)
})

test("a directory whose name begins with dots is inside; where all are too much, the nearest stay", async () => {
  await using p = await project()
  const names = ["..odd", "1", "2", "3", "4", "5"]
  let at = p.directory
  for (const name of names) {
    at = join(at, name)
    mkdirSync(at)
    writeFileSync(join(at, "AGENTS.md"), name.repeat(60_000 / name.length))
  }
  expect((await p.system(join(p.directory, "..odd"))).map((text) => text.length > 60_000)).toEqual([true])
  expect((await p.system(at)).map((text) => text.at(-1))).toEqual(["2", "3", "4", "5"])
})

test("the config names more: paths, patterns, and files of the home; what it names no more goes, and each is told once", async () => {
  await using p = await project()
  for (const path of ["docs/deep", "node_modules/x"]) mkdirSync(join(p.directory, path), { recursive: true })
  for (const [path, text] of [["AGENTS.md", "top"], ["docs/b.md", "b"], ["docs/a.md", "a"], ["docs/deep/c.md", "c"], ["docs/d.txt", "d"], ["node_modules/x/e.md", "e"]]) writeFileSync(join(p.directory, path!), text!)
  writeFileSync(join(p.config, "AGENTS.md"), "user")
  writeFileSync(join(p.root, "elsewhere.md"), "elsewhere")
  const bodies = async () => (await p.system()).map((text) => text.split("\n\n")[1])
  expect(await bodies()).toEqual(["user", "top"])
  await p.told()
  await p.name(["docs/**/*.md", "AGENTS.md", join(p.root, "elsewhere.md"), "missing.md", "**/e.md"])
  expect(await bodies()).toEqual(["user", "a", "b", "c", "elsewhere", "top"])
  expect((await p.told()).sort()).toEqual(["instruction.added elsewhere.md", ...["a.md", "b.md", "deep/c.md"].map((path) => `instruction.added project/docs/${path}`)])
  writeFileSync(join(p.directory, "docs/a.md"), "another")
  expect(await bodies()).toEqual(["user", "another", "b", "c", "elsewhere", "top"])
  expect(await p.told()).toEqual(["instruction.updated project/docs/a.md"])
  await p.name(["docs/a.md"])
  expect(await bodies()).toEqual(["user", "another", "top"])
  expect((await p.told()).sort()).toEqual(["instruction.removed elsewhere.md", "instruction.removed project/docs/b.md", "instruction.removed project/docs/deep/c.md"])
})

test("what the user wrote for other agents counts behind the user's own, each text once, unless that is switched off; each is told once", async () => {
  await using p = await project()
  vi.stubEnv("HOME", join(p.root, "user"))
  onTestFinished(() => void vi.unstubAllEnvs())
  appendFileSync(join(p.plugins, "instruction", "index.ts"), "// the home is another one now")
  await p.kernel.reconcile([join(p.plugins, "instruction", "index.ts")])
  const files = { ".codex/AGENTS.md": "codex", ".pi/agent/AGENTS.md": "mine", ".claude/CLAUDE.md": "claude", ".config/opencode/AGENTS.md": "codex" }
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(p.root, "user", file, ".."), { recursive: true })
    writeFileSync(join(p.root, "user", file), text)
  }
  writeFileSync(join(p.config, "AGENTS.md"), "mine")
  const bodies = async () => (await p.system()).map((text) => text.split("\n\n")[1])
  expect(await bodies()).toEqual(["mine", "codex", "claude"])
  expect(await p.told()).toEqual(["instruction.added home/config/AGENTS.md", "instruction.added user/.codex/AGENTS.md", "instruction.added user/.claude/CLAUDE.md"])
  p.settings.compat = { claude: false }
  p.kernel.graft.emit("config.changed", { paths: ["compat.claude"] })
  await p.kernel.settled()
  expect([await bodies(), await p.told()]).toEqual([["mine", "codex"], ["instruction.removed user/.claude/CLAUDE.md"]])
  p.settings.compat = false
  expect(await bodies()).toEqual(["mine"])
})

test("a link in a named place does not lead out of the project", async () => {
  await using p = await project()
  writeFileSync(join(p.root, "secret.md"), "secret")
  mkdirSync(join(p.directory, "docs"))
  symlinkSync(join(p.root, "secret.md"), join(p.directory, "docs/a.md"))
  await p.name(["docs/*.md"])
  expect(await p.system()).toEqual([])
})

describe("a URL", () => {
  /** Answers when it is told to. */
  async function page() {
    const requests: string[] = []
    let gate = Promise.withResolvers<void>()
    let answer = { status: 200, type: "text/markdown", body: "Be kind." as string | Buffer, location: "" }
    const server = createServer((request, response) => void gate.promise.then(() => {
      requests.push(request.url!)
      response.writeHead(answer.status, { "content-type": answer.type, ...(answer.location && { location: answer.location }) }).end(answer.body)
    })).listen(0, "127.0.0.1")
    await once(server, "listening")
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/rules.md`, requests, open: () => gate.resolve(),
      says: (next: Partial<typeof answer>) => { answer = { ...answer, ...next } },
      [Symbol.dispose]() { gate.resolve(); server.closeAllConnections(); server.close() },
    }
  }

  test("is fetched behind the turn's back, told of when it is there, and kept for who has no network", async () => {
    using at = await page()
    await using p = await project()
    await p.name([at.url])
    expect(await p.system()).toEqual([])
    at.open()
    await expect.poll(() => p.system(), { interval: 10, timeout: 15_000 }).toEqual([`Instructions from ${at.url}:\n\nBe kind.`])
    expect(await p.told()).toEqual([`instruction.added ${at.url}`])
    await p.system()
    expect(at.requests).toHaveLength(1)
    at.says({ body: "Be kinder." })
    p.settings.offline = true
    appendFileSync(join(p.plugins, "instruction", "files.ts"), "// edited")
    await p.kernel.reconcile([join(p.plugins, "instruction", "files.ts")])
    expect(await p.system()).toEqual([`Instructions from ${at.url}:\n\nBe kind.`])
    expect([await p.told(), at.requests.length]).toEqual([[], 1])
  })

  test.each<[string, { status?: number; type?: string; body?: string | Buffer; location?: string }, RegExp]>([
    ["fails", { status: 500 }, /it answered 500/],
    ["is a page", { type: "text/html", body: "<p>" }, /it is text\/html, not a text/],
    ["is no text", { body: Buffer.from([0, 1, 2]) }, /it is no text/],
    ["leads elsewhere", { status: 302, location: "http://localhost:1/" }, /it leads to localhost:1/],
  ])("that %s adds nothing, and that is said", async (_, answer, says) => {
    using at = await page()
    await using p = await project()
    at.says(answer)
    at.open()
    await p.name([at.url])
    await p.system()
    await expect.poll(() => p.logged.join("\n"), { interval: 10, timeout: 15_000 }).toMatch(says)
    expect(await p.system()).toEqual([])
  })

  test("that never ends is cut where the others are", async () => {
    using at = await page()
    await using p = await project()
    at.says({ body: "x".repeat(1_000_000) })
    at.open()
    await p.name([at.url])
    await expect.poll(async () => (await p.system()).join("").length, { interval: 10, timeout: 15_000 }).toBe(64 * 1024 + `Instructions from ${at.url}:\n\n`.length)
  })

  test("is not asked for offline", async () => {
    using at = await page()
    at.open()
    await using p = await project()
    p.settings.offline = true
    await p.name([at.url])
    expect(await p.system()).toEqual([])
    await p.kernel.settled()
    expect(at.requests).toEqual([])
  })
})

describe("a session", () => {
  test("keeps the texts that it was first told; what is otherwise later is news, once, and a reload forgets nothing", async () => {
    await using p = await project()
    const file = join(p.directory, "AGENTS.md")
    writeFileSync(file, "one")
    expect(await p.session.news("s")).toBeUndefined()
    const [first] = await p.session.system("s")
    writeFileSync(file, "another")
    writeFileSync(join(p.config, "AGENTS.md"), "the user's")
    expect(await p.session.system("s")).toEqual([first])
    expect(await p.session.system("other")).toEqual([`Instructions from ${join(p.config, "AGENTS.md")}:\n\nthe user's`, `Instructions from ${file}:\n\nanother`])
    expect(await p.session.news("s")).toBe(`The instructions in ${join(p.config, "AGENTS.md")} are new. They say now:\n\nthe user's\n\nThe instructions in ${file} were changed. They say now:\n\nanother`)
    appendFileSync(join(p.plugins, "instruction", "session.ts"), "// edited")
    await p.kernel.reconcile([join(p.plugins, "instruction", "session.ts")])
    expect([await p.session.news("s"), await p.session.news("other"), await p.session.system("s")]).toEqual([undefined, undefined, [first]])
    rmSync(file)
    expect(await p.session.news("s")).toBe(`The instructions in ${file} are gone, and hold no more.`)
  })

  test("is told a small change of a long text as one", async () => {
    await using p = await project()
    const file = join(p.directory, "AGENTS.md")
    const lines = Array.from({ length: 500 }, (_, n) => `Rule ${n}: be kind.`)
    writeFileSync(file, lines.join("\n"))
    await p.session.system("s")
    writeFileSync(file, lines.with(250, "Rule 250: be kinder.").join("\n"))
    const news = await p.session.news("s")
    expect(news).toContain("-Rule 250: be kind.\n+Rule 250: be kinder.")
    expect(news!.length).toBeLessThan(500)
  })

  test("whose conversation was folded is told anew, in front", async () => {
    await using p = await project()
    writeFileSync(join(p.directory, "AGENTS.md"), "one")
    await p.session.system("s")
    writeFileSync(join(p.directory, "AGENTS.md"), "another")
    p.kernel.graft.emit("session.compaction.ended", { session: "s" } as never)
    await p.kernel.settled()
    expect(await p.session.news("s")).toBeUndefined()
    expect((await p.session.system("s"))[0]).toContain("another")
  })
})
