/** Who asked about a path hears of it under the name it gave; and an edit of the watcher itself, or a system that can watch no more, loses nothing. */
import { mkdirSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { FSWatcher } from "chokidar"
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest"
import { pause, serving, World } from "../fixtures/watched.ts"

const changed = (world: World) => world.next("watch.changed").then(({ paths }) => paths.sort())

describe("a row", () => {
  let world: World
  beforeAll(async () => { world = await World.open() })
  afterAll(() => world[Symbol.asyncDispose]())
  const row = async (path: string, depth?: number) => {
    onTestFinished(world.kernel.add("watched", { id: path, path, ...(depth !== undefined && { depth }) }))
    await world.seen()
  }

  it("of a file hears of every change, and of nothing beside it", async () => {
    const file = join(world.base, "settings.jsonc")
    const changes = [() => writeFileSync(file, "{}"), () => (writeFileSync(`${file}.tmp`, "{ }"), renameSync(`${file}.tmp`, file)), () => unlinkSync(file), () => writeFileSync(file, "{}")]
    await row(file)
    for (const change of changes) {
      const heard = changed(world)
      writeFileSync(join(world.base, "beside.jsonc"), "{}")
      change()
      expect(await heard).toEqual([file])
      await world.seen()
    }
  })

  it("of a file that is not there, nor its directory, hears when it comes", async () => {
    const file = join(world.base, "not/yet/there.md")
    await row(file)
    const heard = changed(world)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, "now")
    expect(await heard).toEqual([file])
    await world.seen()
    const again = changed(world)
    writeFileSync(file, "again")
    expect(await again).toEqual([file])
  })

  it("of a directory hears what lies in it, so deep as was asked", async () => {
    const skills = join(world.base, "skills")
    mkdirSync(join(skills, "a/b"), { recursive: true })
    await row(skills, 1)
    const heard = changed(world)
    for (const name of ["a/b/too-deep.md", "a/seen.md", "top.md", "node_modules", "x.md~"]) writeFileSync(join(skills, name), "x")
    expect(await heard).toEqual([join(skills, "a/seen.md"), join(skills, "top.md")])
  })

  it("of a directory that is renamed away and back hears of it both times", async () => {
    const prompts = join(world.base, "prompts")
    mkdirSync(prompts)
    writeFileSync(join(prompts, "one.md"), "x")
    await row(prompts)
    for (const [from, to] of [[prompts, `${prompts}.away`], [`${prompts}.away`, prompts]] as const) {
      const heard = world.next("watch.changed", ({ paths }) => paths.includes(prompts))
      renameSync(from, to)
      await heard
      await world.seen()
    }
  })

  it("through a link hears under the name it gave, and when the link leads elsewhere", async () => {
    const [linked, next] = [join(world.base, "linked"), join(world.base, "next")]
    for (const name of ["a", "b"]) mkdirSync(join(world.base, name))
    symlinkSync(join(world.base, "a"), linked)
    await row(linked)
    const first = changed(world)
    writeFileSync(join(world.base, "a/file"), "x")
    expect(await first).toEqual([join(linked, "file")])
    const second = changed(world)
    symlinkSync(join(world.base, "b"), next)
    renameSync(next, linked)
    expect(await second).toEqual([linked])
    await world.seen()
    const third = changed(world)
    writeFileSync(join(world.base, "b/file"), "x")
    expect(await third).toEqual([join(linked, "file")])
  })

  it("of a project is heard as well, and one that was taken back is silent", async () => {
    const project = join(world.base, "project")
    const [agents, gone] = [join(project, "AGENTS.md"), join(world.base, "gone.md")]
    mkdirSync(join(project, ".git"), { recursive: true })
    using opened = await world.kernel.child(project)
    opened.add("watched", { id: "agents", path: agents })
    const take = world.kernel.add("watched", { id: "gone", path: gone })
    await world.seen()
    take()
    await world.seen()
    const heard = changed(world)
    writeFileSync(gone, "x")
    writeFileSync(agents, "x")
    expect(await heard).toEqual([agents])
  })

  it("that is wrong is left out alone", async () => {
    const right = join(world.base, "right.md")
    onTestFinished(world.kernel.add("watched", { id: "wrong", path: "relative.md" }))
    await row(right)
    const heard = changed(world)
    writeFileSync(right, "x")
    expect(await heard).toEqual([right])
  })

  it("hears of what was saved between the start and the first look, and of nothing older", async () => {
    await using early = new World()
    const [old, fresh] = [join(early.base, "rows/old.md"), join(early.base, "rows/fresh.md")]
    mkdirSync(dirname(old))
    writeFileSync(old, "x")
    // It is the process that started since.
    while (Date.now() < performance.timeOrigin) await pause(1)
    early.kernel.add("watched", { id: "rows", path: dirname(old) })
    await early.kernel.start()
    const heard = changed(early)
    writeFileSync(fresh, "x")
    await early.look()
    expect(await heard).toContain(fresh)
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

  it("tells the news of a row that the old one had gathered", async () => {
    await using world = await World.open()
    const file = join(world.base, "row.md")
    world.kernel.add("watched", { id: "row", path: file })
    await world.seen()
    const heard = changed(world)
    await world.during("watch", "plugin.removed", async () => {
      writeFileSync(file, "x")
      await pause(10)
      await world.kernel.graft.kernel.disable("watch")
    })
    expect(await heard).toEqual([file])
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
