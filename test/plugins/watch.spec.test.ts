/** Whatever way a file is saved, what runs is what the disk holds; and nobody looks before the first request. */
import { appendFileSync, closeSync, mkdirSync, openSync, renameSync, truncateSync, unlinkSync, utimesSync, writeFileSync, writeSync } from "node:fs"
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
