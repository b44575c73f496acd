/** Links are seen through: an edit behind one, another target, a target that is not there; and the plan says what is looked at, and for whom. */
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { ignores, Plan } from "../../plugins/watch/plan.ts"
import { trace } from "../../plugins/watch/trace.ts"
import { serving, World } from "../fixtures/watched.ts"

describe("a link", () => {
  const openWith = (arrange: (world: World) => void) => World.open((world) => {
    mkdirSync(join(world.base, "elsewhere"))
    mkdirSync(dirname(world.plugins), { recursive: true })
    arrange(world)
  })
  /** As `ln -sfn` does it: the other link takes the place of the first in one step. */
  const relink = (target: string, link: string) => {
    symlinkSync(target, `${link}.next`)
    renameSync(`${link}.next`, link)
  }

  it("to a file: an edit behind it, another target, a target that goes and comes", async () => {
    await using world = await openWith(({ base, plugins }) => {
      mkdirSync(plugins)
      for (const name of ["a", "b"]) writeFileSync(join(base, `elsewhere/${name}.ts`), serving("one", JSON.stringify(name)))
      symlinkSync(join(base, "elsewhere/a.ts"), join(plugins, "one.ts"))
    })
    const [a, b] = ["a", "b"].map((name) => join(world.base, `elsewhere/${name}.ts`)) as [string, string]
    await world.during("one", "plugin.reloaded", () => writeFileSync(a, serving("one", '"edited"')))
    expect(await world.version("one")).toBe("edited")
    await world.during("one", "plugin.reloaded", () => relink(b, world.path("one.ts")))
    expect(await world.version("one")).toBe("b")
    await world.during("one", "plugin.removed", () => unlinkSync(b))
    await world.during("one", "plugin.loaded", () => writeFileSync(b, serving("one", '"again"')))
    expect(await world.version("one")).toBe("again")
  })

  it("to a folder whose index comes, goes and comes back", async () => {
    await using world = await openWith(({ base, plugins }) => {
      mkdirSync(plugins)
      symlinkSync(join(base, "elsewhere"), join(plugins, "one"))
    })
    const index = join(world.base, "elsewhere/index.ts")
    await world.during("one", "plugin.loaded", () => writeFileSync(index, serving("one", 1)))
    await world.during("one", "plugin.removed", () => unlinkSync(index))
    await world.during("one", "plugin.loaded", () => writeFileSync(index, serving("one", 2)))
    expect(await world.version("one")).toBe(2)
  })

  it("as the directory of plugins: what it leads to changes, then where it leads", async () => {
    await using world = await openWith(({ base, plugins }) => {
      for (const name of ["a", "b"]) {
        mkdirSync(join(base, name))
        writeFileSync(join(base, name, "one.ts"), serving("one", JSON.stringify(name)))
      }
      symlinkSync(join(base, "a"), plugins)
    })
    await world.during("one", "plugin.reloaded", () => world.write("one.ts", serving("one", '"edited"')))
    await world.during("one", "plugin.reloaded", () => relink(join(world.base, "b"), world.plugins))
    expect(await world.version("one")).toBe("b")
    await world.during("one", "plugin.reloaded", () => world.write("one.ts", serving("one", '"there"')))
    expect(await world.version("one")).toBe("there")
  })

  it("in a circle, or to nothing yet, harms nobody", async () => {
    await using world = await openWith(({ base, plugins }) => {
      mkdirSync(join(plugins, "later"), { recursive: true })
      symlinkSync(join(plugins, "loop"), join(plugins, "loop"))
      symlinkSync(plugins, join(plugins, "self"))
      symlinkSync(join(base, "elsewhere/index.ts"), join(plugins, "later/index.ts"))
    })
    await world.during("one", "plugin.loaded", () => world.write("one.ts", serving("one", 1)))
    await world.during("later", "plugin.loaded", () => writeFileSync(join(world.base, "elsewhere/index.ts"), serving("later", 1)))
  })
})

const made = (...names: string[]): string => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-plan-")))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  for (const name of names) {
    mkdirSync(dirname(join(base, name)), { recursive: true })
    writeFileSync(join(base, name), "")
  }
  return base
}

describe("the plan", () => {
  /** A depth, names, or both. */
  const sights = (plan: Plan) => Object.fromEntries([...plan.sights].map(([path, { depth, names }]) => [path, [...(depth === undefined ? [] : [depth]), ...[...names].sort()]]))

  it("sees a root whole, files elsewhere by name, and the name by which a root could be renamed away", () => {
    const base = made("home/user/plugins/one/index.ts", "lib/a.ts", "lib/b.ts", "lib/noise.log")
    const plan = new Plan({ roots: [join(base, "home/user/plugins")], kernel: [join(base, "home/user/plugins/one/index.ts"), join(base, "lib/a.ts"), join(base, "lib/b.ts")], rows: [] })
    expect(sights(plan)).toEqual({ [join(base, "home/user/plugins")]: [4], [join(base, "lib")]: ["a.ts", "b.ts"], [join(base, "home")]: ["user"] })
    expect(plan.about(join(base, "lib/a.ts"))).toEqual({ kernel: true, rows: [], hinge: false })
    expect(plan.about(join(base, "lib/noise.log"))).toEqual({ kernel: false, rows: [], hinge: false })
  })

  it("waits for what is missing at the nearest directory that is there", () => {
    const base = made("there/file")
    const plan = new Plan({ roots: [join(base, "there/a/b/plugins")], kernel: [], rows: [] })
    expect(sights(plan)).toEqual({ [join(base, "there")]: ["a"] })
    expect(plan.about(join(base, "there/a"))).toEqual({ kernel: true, rows: [], hinge: true })
  })

  it("looks into node_modules only for what is named there", () => {
    const base = made("plugins/one.ts", "plugins/node_modules/zod/package.json")
    const manifest = join(base, "plugins/node_modules/zod/package.json")
    const plan = new Plan({ roots: [join(base, "plugins")], kernel: [manifest], rows: [] })
    expect(sights(plan)[dirname(manifest)]).toEqual(["package.json"])
    expect(plan.about(manifest).kernel).toBe(true)
    expect(plan.about(join(base, "plugins/node_modules/other.js")).kernel).toBe(false)
    rmSync(join(base, "plugins/node_modules"), { recursive: true })
    const without = new Plan({ roots: [join(base, "plugins")], kernel: [manifest], rows: [] })
    expect(sights(without)[join(base, "plugins")]).toEqual([4, "node_modules"])
    expect(without.about(join(base, "plugins/node_modules"))).toEqual({ kernel: true, rows: [], hinge: true })
  })

  it("makes one sight of several wishes for one directory, as deep as the deepest", () => {
    const base = made("x/y/z/file")
    const plan = new Plan({ roots: [], kernel: [join(base, "x/y/z/file")], rows: [{ id: "x", path: join(base, "x"), depth: 1 }, { id: "y", path: join(base, "x/y") }, { id: "file", path: join(base, "x/y/z/file") }] })
    expect(sights(plan)).toEqual({ [join(base, "x")]: [1], [join(base, "x/y")]: [Infinity] })
    expect(plan.about(join(base, "x/y/z/file"))).toEqual({ kernel: true, rows: [join(base, "x/y/z/file")], hinge: false })
  })

  it("passes over what editors and package managers leave", () => {
    const passed = ["4913", ".one.ts.swp", "one.ts~", ".#one.ts", "#one.ts#", "one.ts.tmp", "one.ts___jb_tmp___", ".goutputstream-AB12", ".git", "node_modules", "node_modules/x.ts"]
    const seen = ["one.ts", ".hidden.ts", "tmp.ts", "git.ts", "one/index.ts", ""]
    const all = { depth: 4, names: new Set<string>() }
    expect([...passed, ...seen].filter((name) => ignores("/root", all, join("/root", name)))).toEqual(passed)
    const named = { names: new Set(["a.ts", "node_modules"]) }
    expect(["a.ts", "b.ts", "node_modules", "node_modules/x", ""].filter((name) => ignores("/root", named, join("/root", name)))).toEqual(["b.ts", "node_modules/x"])
  })
})

describe("a trace", () => {
  it("names every link on the way and what is missing, and ends where links go in a circle", () => {
    const base = made("real/dir/file")
    symlinkSync("real", join(base, "link"))
    symlinkSync(join(base, "link/dir"), join(base, "second"))
    symlinkSync("circle", join(base, "circle"))
    expect(trace(join(base, "second/file"))).toMatchObject({ real: join(base, "real/dir/file"), kind: "file", hinges: [join(base, "second"), join(base, "link")] })
    expect(trace(join(base, "second/gone/x"))).toMatchObject({ real: join(base, "real/dir/gone/x"), kind: "missing", hinges: [join(base, "second"), join(base, "link"), join(base, "real/dir/gone")] })
    expect(trace(join(base, "circle/x")).kind).toBe("missing")
    expect(trace("/")).toMatchObject({ real: "/", kind: "directory", hinges: [] })
  })
})
