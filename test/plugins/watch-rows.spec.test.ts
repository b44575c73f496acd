/** Who asked about a path hears of it under the name it gave; and an edit of the watcher itself, or a system that can watch no more, loses nothing. */
import { mkdirSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { FSWatcher } from "chokidar"
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest"
import { pause, serving, World } from "../fixtures/watched.ts"

describe("a row", () => {
  let world: World
  beforeAll(async () => { world = await World.open() })
  afterAll(() => world[Symbol.asyncDispose]())
  const row = async (path: string, depth?: number) => {
    onTestFinished(world.kernel.add("watched", { id: path, path, ...(depth !== undefined && { depth }) }))
    await world.seen()
  }

  it("of a file hears of every change, and of nothing beside it", async () => {
    const [file, beside] = [join(world.base, "settings.jsonc"), join(world.base, "beside.jsonc")]
    const changes = [() => writeFileSync(file, "{}"), () => (writeFileSync(`${file}.tmp`, "{ }"), renameSync(`${file}.tmp`, file)), () => unlinkSync(file), () => writeFileSync(file, "{}")]
    await row(file)
    for (const change of changes) {
      await world.hears([file], () => {
        writeFileSync(beside, "{}")
        change()
      })
      await world.seen()
    }
    expect(world.heard).not.toContain(beside)
  })

  it("of a file that is not there, nor its directory, hears when it comes", async () => {
    const file = join(world.base, "not/yet/there.md")
    await row(file)
    await world.hears([file], () => {
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, "now")
    })
    await world.seen()
    await world.hears([file], () => writeFileSync(file, "again"))
  })

  it("of a directory hears what lies in it, so deep as was asked", async () => {
    const skills = join(world.base, "skills")
    mkdirSync(join(skills, "a/b"), { recursive: true })
    await row(skills, 1)
    await world.hears(["a/seen.md", "top.md"].map((name) => join(skills, name)), () => {
      for (const name of ["a/b/too-deep.md", "node_modules", "x.md~", "a/seen.md", "top.md"]) writeFileSync(join(skills, name), "x")
    })
    await world.seen()
    expect(["a/b/too-deep.md", "node_modules", "x.md~"].filter((name) => world.heard.includes(join(skills, name)))).toEqual([])
  })

  it("of a directory that is renamed away and back hears of it both times", async () => {
    const prompts = join(world.base, "prompts")
    mkdirSync(prompts)
    writeFileSync(join(prompts, "one.md"), "x")
    await row(prompts)
    for (const [from, to] of [[prompts, `${prompts}.away`], [`${prompts}.away`, prompts]] as const) {
      await world.hears([prompts], () => renameSync(from, to))
      await world.seen()
    }
  })

  it("through a link hears under the name it gave, and when the link leads elsewhere", async () => {
    const [linked, next] = [join(world.base, "linked"), join(world.base, "next")]
    for (const name of ["a", "b"]) mkdirSync(join(world.base, name))
    symlinkSync(join(world.base, "a"), linked)
    await row(linked)
    await world.hears([join(linked, "one")], () => writeFileSync(join(world.base, "a/one"), "x"))
    await world.hears([linked], () => {
      symlinkSync(join(world.base, "b"), next)
      renameSync(next, linked)
    })
    await world.hears([join(linked, "two")], () => writeFileSync(join(world.base, "b/two"), "x"))
    expect(world.heard.filter((path) => path.startsWith(join(world.base, "a")) || path.startsWith(join(world.base, "b/")))).toEqual([])
  })

  it("of a project is heard as well, and one that was taken back is silent", async () => {
    const project = join(world.base, "project")
    const [agents, gone] = [join(project, "AGENTS.md"), join(world.base, "gone.md")]
    mkdirSync(join(project, ".git"), { recursive: true })
    using opened = await world.kernel.child(project)
    opened.add("watched", { id: "agents", path: agents })
    const take = world.kernel.add("watched", { id: "gone", path: gone })
    await world.hears([gone], () => writeFileSync(gone, "x"))
    take()
    await world.seen()
    const from = world.heard.length
    await world.hears([agents], () => {
      writeFileSync(gone, "y")
      writeFileSync(agents, "x")
    })
    expect(world.heard.slice(from)).not.toContain(gone)
  })

  it("that is wrong is left out alone", async () => {
    const right = join(world.base, "right.md")
    onTestFinished(world.kernel.add("watched", { id: "wrong", path: "relative.md" }))
    await row(right)
    await world.hears([right], () => writeFileSync(right, "x"))
  })

  it("hears of what was saved or deleted between when it asked and the first look, and of nothing older", async () => {
    await using early = new World()
    const at = (name: string) => join(early.base, name)
    for (const directory of ["rows/deep", "still"]) mkdirSync(at(directory), { recursive: true })
    for (const name of ["rows/deep/gone.md", "rows/old.md", "gone.md", "old.md"]) writeFileSync(at(name), "x")
    await pause(40)
    early.kernel.add("watched", ["rows", "still", "gone.md", "old.md", "missing.md"].map((name) => ({ id: name, path: at(name) })))
    await early.kernel.start()
    writeFileSync(at("rows/deep/fresh.md"), "x")
    for (const name of ["rows/deep/gone.md", "gone.md"]) unlinkSync(at(name))
    await early.hears(["rows/deep/fresh.md", "rows/deep", "gone.md"].map(at), () => early.look())
    expect(early.heard.filter((path) => ["still", "rows/old.md", "old.md", "missing.md"].map(at).includes(path))).toEqual([])
  })
})

describe("an edit of the watcher itself", () => {
  it("in mid-stream loses no save, and keeps its eyes", async () => {
    const opened = vi.spyOn(FSWatcher.prototype, "add")
    onTestFinished(() => opened.mockRestore())
    await using world = await World.open((made) => made.write("one.ts", serving("one", 0)))
    await world.seen()
    const lookout = join(world.builtIn, "watch/lookout.ts")
    const text = readFileSync(lookout, "utf8")
    const eyes = opened.mock.calls.length
    for (let version = 1; version <= 8; version++) {
      await world.during("watch", "plugin.reloaded", async () => {
        writeFileSync(lookout, `${text}// edit ${version}\n`)
        for (let n = 0; n < 4; n++) {
          await pause(11)
          world.write("one.ts", serving("one", version * 10 + n))
        }
      })
    }
    await world.seen()
    expect(await world.version("one")).toBe(83)
    expect(world.view("watch")).toMatchObject({ gen: 9, status: "live", kept: ["eyes 1"] })
    expect(opened.mock.calls.length).toBe(eyes)
  })

  it("between being asked to look and looking is no matter", async () => {
    await using world = new World()
    world.write("one.ts", serving("one", 0))
    await world.kernel.start()
    world.kernel.emit("llm.requested", { model: "m", provider: "p", messages: 1, tools: 0 })
    await world.kernel.settled()
    const index = join(world.builtIn, "watch/index.ts")
    writeFileSync(index, `${readFileSync(index, "utf8")}// edited\n`)
    await world.kernel.reconcile([index])
    await world.during("one", "plugin.reloaded", () => world.write("one.ts", serving("one", 1)))
    expect(world.view("watch")).toMatchObject({ gen: 2, kept: ["eyes 1"] })
  })

  it("tells the news of a row that the old one had gathered", async () => {
    await using world = await World.open()
    const file = join(world.base, "row.md")
    world.kernel.add("watched", { id: "row", path: file })
    await world.seen()
    await world.hears([file], () => world.during("watch", "plugin.removed", async () => {
      writeFileSync(file, "x")
      await pause(10)
      await world.kernel.graft.kernel.disable("watch")
    }))
  })

  it("that takes it away closes its eyes, and one that brings it back opens them", async () => {
    const opened = vi.spyOn(FSWatcher.prototype, "add")
    onTestFinished(() => opened.mockRestore())
    const open = () => (opened.mock.contexts as FSWatcher[]).filter(({ closed }) => !closed).length
    await using world = await World.open((made) => made.write("one.ts", serving("one", 0)))
    expect(open()).toBeGreaterThan(0)
    await world.kernel.graft.kernel.disable("watch")
    await vi.waitFor(() => expect(open()).toBe(0))
    world.write("one.ts", serving("one", 1))
    await world.kernel.graft.kernel.enable("watch")
    await world.look()
    expect(await world.version("one")).toBe(1)
  })
})

describe("when the system can watch no more", () => {
  it.each([["ENOSPC", "max_user_watches"], ["EMFILE", "ulimit -n"]])("(%s) one warning says what to do, and saves are still seen", async (code, advice) => {
    const opened = vi.spyOn(FSWatcher.prototype, "add")
    // What is looked at every 2 s is looked at sooner here.
    vi.stubEnv("CHOKIDAR_INTERVAL", "40")
    onTestFinished(() => { opened.mockRestore(); vi.unstubAllEnvs() })
    await using world = await World.open((made) => made.write("one.ts", serving("one", 0)))
    for (const watcher of new Set(opened.mock.contexts as FSWatcher[])) watcher.emit("error", Object.assign(new Error(`${code}: no more`), { code }))
    await world.during("one", "plugin.reloaded", () => world.write("one.ts", serving("one", 1)))
    await world.during("two", "plugin.loaded", () => world.write("two/index.ts", serving("two", 1)))
    const warnings = world.kernel.logs("watch").map(({ level, text }) => `${level} ${text}`)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(new RegExp(`^warn .*${advice}.*every 2 s`))
    expect((opened.mock.contexts as FSWatcher[]).filter(({ closed, options }) => !closed && !options.usePolling)).toEqual([])
  })
})
