/** Whatever Node and whatever state of the build: what runs is what the sources say, or one clear line says why not. */
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { BIN, place, ROOT, Running, type Options, type Outcome, type Place } from "./graft.ts"

vi.setConfig({ testTimeout: 60_000 })

let here: Place
beforeAll(() => { here = place() })
afterAll(() => here[Symbol.dispose]())

/** `preload` is run first, to change what this Node looks like. */
function node(args: readonly string[], { preload, ...options }: Options & { preload?: string } = {}): Promise<Outcome> {
  const file = join(here.home, "preload.cjs")
  if (preload) writeFileSync(file, preload)
  return new Running(process.execPath, [...(preload ? ["-r", file] : []), ...args], { cwd: options.cwd ?? here.project, env: { ...here.env, ...options.env } }, options.input).ended
}

const old = (version: string) => `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`
const WITHOUT_BUNDLER = 'require("module").registerHooks({ resolve(name, context, next) { if (name === "rolldown") throw Object.assign(new Error("no rolldown"), { code: "ERR_MODULE_NOT_FOUND" }); return next(name, context) } })'

describe("an old Node", () => {
  it("moves to the one that the checkout brings", async () => {
    expect(await node([BIN, "--version"], { preload: old("20.20.2") })).toMatchObject({ code: 0, out: "graft 0.1.0\n" })
  })

  it.each(["22.21.1", "20.20.2", "4.9.1"])("%s, with no other at hand, says which is needed and how to get it", async (version) => {
    const lonely = join(here.home, "lonely/plugins/cli")
    mkdirSync(lonely, { recursive: true })
    cpSync(BIN, join(lonely, "bin.cjs"))
    const { code, out, err } = await node([join(lonely, "bin.cjs"), "run", "hi"], { preload: old(version) })
    expect({ code, out }).toEqual({ code: 1, out: "" })
    expect(err).toContain(`graft needs Node 22.22 or newer, and this is ${version}`)
    expect(err.trim().split("\n")).toHaveLength(1)
  })

  it("can parse the file that says so: it has nothing newer in it than Node 4 knows", () => {
    const text = readFileSync(BIN, "utf8").replaceAll(/"[^"\n]*"/g, "").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")
    expect(text).not.toMatch(/=>|`|\b(?:const|let|class|async|await|import)\b|\?\.|\?\?|\.\.\./)
  })

  it("is told by the install what it means for the build, and the install goes on", async () => {
    const { code, out } = await node([join(ROOT, "scripts/prepare.js")], { preload: old("20.20.2") })
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining("not built (this is Node 20.20.2") as string })
  })
})

describe("a package that was installed without its build", () => {
  it("says so in one line", async () => {
    const packaged = join(here.home, "lib/node_modules/graft/plugins/cli")
    mkdirSync(packaged, { recursive: true })
    for (const file of ["bin.cjs", "start.cjs"]) cpSync(join(BIN, "..", file), join(packaged, file))
    const { code, err } = await node([join(packaged, "bin.cjs"), "run", "hi"])
    expect(code).toBe(1)
    expect(err).toMatch(/^graft: this install is not complete, dist\/ is missing from .*\n$/)
  })
})

describe("a checkout", () => {
  let copy: string
  let bin: string
  const graft = (...args: string[]) => node([bin, ...args])
  // Inside of this one, where its packages are found.
  beforeAll(() => {
    copy = mkdtempSync(join(import.meta.dirname, ".copy-"))
    for (const part of ["kernel", "plugins", "config", "package.json", "scripts/build.ts", "scripts/prepare.js"]) cpSync(join(ROOT, part), join(copy, part), { recursive: true })
    bin = join(copy, "plugins/cli/bin.cjs")
  })
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  it("without a bundler runs from its sources, and the install says so and goes on", async () => {
    expect(await node([join(copy, "scripts/prepare.js")], { preload: WITHOUT_BUNDLER })).toMatchObject({ code: 0, out: expect.stringContaining("not built (the bundler is a development dependency") as string })
    expect(await node([bin, "run", "-q", "list"], { preload: WITHOUT_BUNDLER })).toMatchObject({ code: 0, err: "" })
    expect(existsSync(join(copy, "dist"))).toBe(false)
  })

  it("builds itself when it was not built, and then no more", async () => {
    expect(await graft("run", "-q", "list")).toMatchObject({ code: 0, err: "" })
    const manifest = () => readFileSync(join(copy, "dist/manifest.json"), "utf8")
    const before = manifest()
    expect(await graft("paths")).toMatchObject({ code: 0, err: "" })
    expect(manifest()).toBe(before)
  })

  it("takes a file that was only touched for what it is", async () => {
    utimesSync(join(copy, "kernel/kernel.ts"), new Date(), new Date())
    expect(await graft("paths")).toMatchObject({ code: 0, err: "" })
  })

  it("builds first when the kernel was changed, and runs what it says now", async () => {
    appendFileSync(join(copy, "kernel/clock.ts"), '\nprocess.stderr.write("the kernel as it is now\\n")\n')
    const { code, err } = await graft("paths")
    expect(code).toBe(0)
    expect(err).toBe("graft: kernel/clock.ts changed; building …\nthe kernel as it is now\n")
    expect((await graft("paths")).err).toBe("the kernel as it is now\n")
  })

  it("runs a built-in as its source is, without a build", async () => {
    const file = join(copy, "plugins/cli/commands/paths.ts")
    writeFileSync(file, readFileSync(file, "utf8").replace('"plugins", `${dir}', '"places of plugins", `${dir}'))
    const { out, err } = await graft("paths")
    expect(out).toContain("places of plugins")
    expect(err).not.toContain("building")
  })

  it("gives a built-in that was changed the packages that it was built with", async () => {
    appendFileSync(join(copy, "plugins/config/sections.ts"), "// changed\n")
    expect(await graft("run", "-q", "list")).toMatchObject({ code: 0, out: expect.stringContaining("package.json") as string })
  })

  it("runs nothing older in place of a kernel that does not build", async () => {
    const file = join(copy, "kernel/clock.ts")
    const good = readFileSync(file, "utf8")
    writeFileSync(file, `${good}\nexport const = 1\n`)
    const { code, out, err } = await graft("paths")
    expect({ code, out }).toEqual({ code: 1, out: "" })
    expect(err).toMatch(/does not build, and nothing older is run in its place/)
    expect(err).toContain("clock.ts")
    writeFileSync(file, good)
    expect((await graft("paths")).code).toBe(0)
  })

  it("keeps a conversation open while its own command line is edited in mid-turn, deleted and restored", async () => {
    const chat = here.terminal([], { bin })
    const [ending, index] = [join(copy, "plugins/cli/ending.ts"), join(copy, "plugins/cli/index.ts")]
    let at = await chat.says("/help")
    chat.type("run: sleep 2; echo slept")
    at = await chat.says("bash needs your permission", at)
    chat.type("o")
    at = await chat.says("… bash sleep 2", at)
    chat.press("half of a th")
    writeFileSync(ending, readFileSync(ending, "utf8").replace("tokens in", "tokens went in"))
    at = await chat.says("slept", at)
    at = await chat.says("tokens went in", at)
    chat.press("ought")
    at = await chat.says("half of a thought", at)
    const source = readFileSync(index, "utf8")
    rmSync(index)
    at = await chat.says("the plugin cli is not live", at)
    writeFileSync(index, source)
    // The same session is there again.
    at = await chat.says("› run: sleep 2; echo slept", at)
    chat.type("list")
    at = await chat.says("✓ ls", at)
    at = await chat.says("tokens went in", at)
    chat.press("\u0004")
    expect((await chat.ended).code).toBe(0)
  })

  it("runs from its sources when it is asked to", async () => {
    rmSync(join(copy, "dist"), { recursive: true, force: true })
    expect(await graft("--from-source", "paths")).toMatchObject({ code: 0, out: expect.stringContaining("config") as string })
    expect(existsSync(join(copy, "dist"))).toBe(false)
  })
})
