/** What comes, goes and moves on the disk comes, goes and moves among what is live; a storm is one reload each. */
import { cpSync, mkdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { pause, serving, World } from "../fixtures/watched.ts"

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

  it.each([["in the plugin's folder", "./inner/most/part.ts", "user/plugins/parts0/inner/most"], ["far away", "../../../inner/most/part.ts", "inner/most"]])("a helper in a directory that comes later, %s", async (where, specifier, directory) => {
    const id = `parts${Number(where === "far away")}`
    await world.during(id, "plugin.failed", () => world.write(`${id}/index.ts`, serving(id, "part", `import { part } from "${specifier}"`)))
    await world.during(id, "plugin.loaded", async () => {
      for (const each of [dirname(directory), directory]) {
        mkdirSync(join(world.base, each))
        await pause(50)
      }
      writeFileSync(join(world.base, directory, "part.ts"), "export const part = 7\n")
    })
    expect(await world.version(id)).toBe(7)
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
