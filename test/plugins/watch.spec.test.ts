/** Whatever way a file is saved, what runs is what the disk holds; and nobody looks before the first request. */
import { appendFileSync, closeSync, cpSync, mkdirSync, openSync, renameSync, rmSync, truncateSync, unlinkSync, utimesSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { pause, serving, World } from "../fixtures/watched.ts"

describe("nobody looks", () => {
  it("before the first request, a conversation or a second terminal", async () => {
    await using world = new World()
    await world.kernel.start()
    world.kernel.emit("cli.started", { command: "models", interactive: false })
    await world.kernel.settled()
    expect(world.view("watch")).toMatchObject({ status: "live", kept: [] })
    expect(world.view("watch")!.generations[0]!.timers).toBe(0)
  })

  it.each([
    ["llm.requested", { model: "m", provider: "p", messages: 1, tools: 0 }],
    ["cli.started", { command: "chat", interactive: true }],
    ["server.listening", { socket: "/s" }],
  ] as const)("and after %s everything is seen, what was saved before included", async (event, payload) => {
    await using world = new World()
    world.write("early.ts", serving("early", 1))
    await world.kernel.start()
    world.write("early.ts", serving("early", 2))
    await world.during("early", "plugin.reloaded", () => world.kernel.emit(event, payload as never))
    expect(await world.version("early")).toBe(2)
  })
})

describe("a save", () => {
  let world: World
  beforeAll(async () => { world = await World.open() })
  afterAll(() => world[Symbol.asyncDispose]())

  const ways: Record<string, (path: string, text: string) => unknown> = {
    "written in place": (path, text) => writeFileSync(path, text),
    "truncated, then written": async (path, text) => {
      truncateSync(path)
      await pause(15)
      appendFileSync(path, text)
    },
    "written in pieces": async (path, text) => {
      const file = openSync(path, "w")
      for (let at = 0; at < text.length; at += 40) {
        writeSync(file, text.slice(at, at + 40))
        await pause(3)
      }
      closeSync(file)
    },
    "written beside and renamed over it": (path, text) => {
      writeFileSync(`${path}.tmp`, text)
      renameSync(`${path}.tmp`, path)
    },
    "moved to a backup, written, the backup deleted": (path, text) => {
      renameSync(path, `${path}~`)
      writeFileSync(path, text)
      unlinkSync(`${path}~`)
    },
    "deleted and written again": async (path, text) => {
      unlinkSync(path)
      await pause(20)
      writeFileSync(path, text)
    },
    "unlinked and written at once": (path, text) => {
      unlinkSync(path)
      writeFileSync(path, text)
    },
  }

  it.each(Object.keys(ways))("%s is one reload", async (way) => {
    const id = `way${Object.keys(ways).indexOf(way)}`
    await world.during(id, "plugin.loaded", () => world.write(`${id}.ts`, serving(id, 0)))
    for (const version of [1, 2, 3]) {
      expect(await world.during(id, "plugin.reloaded", () => ways[way]!(world.path(`${id}.ts`), serving(id, version)))).toEqual(["plugin.reloaded"])
      expect(await world.version(id)).toBe(version)
    }
  })

  it("of the same bytes is none", async () => {
    await world.during("same", "plugin.loaded", () => world.write("same.ts", serving("same", 0)))
    world.write("same.ts", serving("same", 0))
    utimesSync(world.path("same.ts"), new Date(), new Date())
    await world.seen()
    expect(world.view("same")?.gen).toBe(1)
  })

  it("that breaks a file says where, and the next one heals it", async () => {
    await world.during("broken", "plugin.loaded", () => world.write("broken.ts", serving("broken", 0)))
    const failed = world.next("plugin.failed")
    world.write("broken.ts", "export default {\n  setup( {{\n")
    expect((await failed).message).toContain(`${world.path("broken.ts")}:2`)
    expect(await world.version("broken")).toBe(0)
    expect(await world.during("broken", "plugin.reloaded", () => world.write("broken.ts", serving("broken", 1)))).toEqual(["plugin.reloaded"])
  })

  it("of a helper counts, however deep or far away it lies", async () => {
    const far = join(world.base, "elsewhere/far.ts")
    mkdirSync(join(world.base, "elsewhere"))
    writeFileSync(far, "export const far = 1\n")
    world.write("helped/a/b/c/d/e/f/deep.ts", "export const deep = 10\n")
    await world.during("helped", "plugin.loaded", () => world.write("helped/index.ts", serving("helped", "deep + far", 'import { deep } from "./a/b/c/d/e/f/deep.ts"\nimport { far } from "../../../elsewhere/far.ts"')))
    await world.seen()
    await world.during("helped", "plugin.reloaded", () => world.write("helped/a/b/c/d/e/f/deep.ts", "export const deep = 20\n"))
    expect(await world.version("helped")).toBe(21)
    await world.during("helped", "plugin.reloaded", () => writeFileSync(far, "export const far = 2\n"))
    expect(await world.version("helped")).toBe(22)
  })
})

describe("what comes and goes", () => {
  let world: World
  beforeAll(async () => { world = await World.open() })
  afterAll(() => world[Symbol.asyncDispose]())

  it("a new file is live, a deleted one is gone, a restored one is back", async () => {
    expect(await world.during("one", "plugin.loaded", () => world.write("one.ts", serving("one", 1)))).toEqual(["plugin.loaded"])
    expect(await world.during("one", "plugin.removed", () => unlinkSync(world.path("one.ts")))).toEqual(["plugin.removed"])
    expect(await world.during("one", "plugin.loaded", () => world.write("one.ts", serving("one", 2)))).toEqual(["plugin.loaded"])
    expect(await world.version("one")).toBe(2)
  })

  it("a renamed file, or folder, is another plugin", async () => {
    for (const [from, to] of [["old.ts", "new.ts"], ["before/index.ts", "after/index.ts"]] as const) {
      const [left, came] = [from, to].map((name) => name.split(/[./]/)[0]!) as [string, string]
      await world.during(left, "plugin.loaded", () => world.write(from, serving(left, 1)))
      const gone = world.next("plugin.removed", ({ plugin }) => plugin === left)
      await world.during(came, "plugin.loaded", () => renameSync(world.path(from.replace("/index.ts", "")), world.path(to.replace("/index.ts", ""))))
      await gone
    }
    await world.during("after", "plugin.reloaded", () => world.write("after/index.ts", serving("before", 2)))
  })

  it("a helper in a directory that comes later", async () => {
    await world.during("parts", "plugin.failed", () => world.write("parts/index.ts", serving("parts", "part", 'import { part } from "./inner/most/part.ts"')))
    await world.during("parts", "plugin.loaded", async () => {
      for (const directory of ["parts/inner", "parts/inner/most"]) {
        mkdirSync(world.path(directory))
        await pause(40)
      }
      world.write("parts/inner/most/part.ts", "export const part = 7\n")
    })
    expect(await world.version("parts")).toBe(7)
  })

  it("a project's plugins, from the moment it opens", async () => {
    const project = join(world.base, "project")
    mkdirSync(join(project, ".git"), { recursive: true })
    using opened = await world.kernel.child(project)
    expect(opened.location).toBe(project)
    await world.during("local", "plugin.loaded", () => {
      mkdirSync(join(project, ".graft/plugins"), { recursive: true })
      writeFileSync(join(project, ".graft/plugins/local.ts"), serving("local", 1))
    })
  })

  it("the directory of plugins itself, step by step or at once, again and again", async () => {
    await using bare = await World.open(() => {})
    const user = join(bare.base, "user")
    mkdirSync(user)
    await pause(40)
    await bare.during("one", "plugin.loaded", () => bare.write("one.ts", serving("one", 1)))
    for (const version of [2, 3, 4]) {
      await bare.during("one", "plugin.removed", () => rmSync(user, { recursive: true }))
      await bare.during("one", "plugin.loaded", () => bare.write("one.ts", serving("one", version)))
      expect(await bare.version("one")).toBe(version)
    }
  })

  it("a directory above it that is renamed away and back, or changes places with another", async () => {
    await using moved = await World.open((made) => made.write("one.ts", serving("one", 1)))
    const [user, other, aside] = ["user", "other", "aside"].map((name) => join(moved.base, name)) as [string, string, string]
    cpSync(user, other, { recursive: true })
    writeFileSync(join(other, "plugins/one.ts"), serving("one", 2))
    await moved.during("one", "plugin.removed", () => renameSync(user, aside))
    await moved.during("one", "plugin.loaded", () => renameSync(aside, user))
    await moved.during("one", "plugin.reloaded", () => {
      renameSync(user, aside)
      renameSync(other, user)
    })
    expect(await moved.version("one")).toBe(2)
    await moved.during("one", "plugin.reloaded", () => moved.write("one.ts", serving("one", 3)))
  })
})

describe("a storm (L25)", () => {
  const many = Array.from({ length: 50 }, (_, n) => `p${n}`)
  const saves: Record<string, (path: string, text: string) => void> = {
    "a script that writes them": (path, text) => writeFileSync(path, text),
    "a checkout that replaces them": (path, text) => (unlinkSync(path), writeFileSync(path, text)),
  }

  it("of 50 files at once is one reload each", async () => {
    await using world = await World.open((made) => { for (const id of many) made.write(`${id}.ts`, serving(id, "start")) })
    for (const [who, save] of Object.entries(saves)) {
      const from = world.told.length
      const all = Promise.all(many.map((id) => world.next("plugin.reloaded", ({ plugin }) => plugin === id)))
      for (const id of many) save(world.path(`${id}.ts`), serving(id, JSON.stringify(who)))
      await all
      await world.seen()
      const told = world.told.slice(from).filter(({ plugin }) => many.includes(plugin)).map(({ event }) => event)
      expect([...Map.groupBy(told, (event) => event)].map(([event, facts]) => `${event} ${facts.length}`)).toEqual(["plugin.reloaded 50"])
      expect(await Promise.all(many.map((id) => world.version(id)))).toEqual(many.map(() => who))
    }
  })

  it("on one file is no more reloads than windows of quiet, and ends with the last save", async () => {
    await using world = await World.open((made) => made.write("one.ts", serving("one", 0)))
    const started = performance.now()
    for (let version = 1; version <= 60; version++) {
      world.write("one.ts", serving("one", version))
      await pause(5)
    }
    await world.seen()
    expect(await world.version("one")).toBe(60)
    expect(world.view("one")!.gen - 1).toBeLessThanOrEqual(Math.ceil((performance.now() - started) / 30))
  })
})
