/** A published plugin comes by npm's rules, whole or not at all, runs only as it was installed, and goes in one word. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import fc from "fast-check"
import { createKernel, definePlugin, type EmbeddedKernel } from "graft"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test, vi } from "vitest"
import { PackageError } from "../../plugins/package/errors.ts"
import { manifestOf } from "../../plugins/package/manifest.ts"
import { folderOf, specOf } from "../../plugins/package/shelf.ts"

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const PLUGINS = fileURLToPath(new URL("../../plugins", import.meta.url))
const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-package-")))
afterAll(() => rmSync(base, { recursive: true, force: true }))

const source = (word: string) => `import { definePlugin } from "graft"\nimport { word } from "./word.js"\nexport default definePlugin({ per: "process", setup(graft) { graft.provide("weather", { now: async () => word }) } })\n// ${word}\n`

/** A package's folder. */
function make(name: string, version: string, { manifest = {}, word = version, files = {} }: { manifest?: object; word?: string; files?: Record<string, string> } = {}): string {
  const directory = mkdtempSync(join(base, "made-"))
  writeFileSync(join(directory, "package.json"), JSON.stringify({ name, version, type: "module", graft: { weather: "./weather.js" }, ...manifest }))
  for (const [file, text] of Object.entries({ "weather.js": source(word), "word.js": `export const word = "${word}"\n`, ...files })) writeFileSync(join(directory, file), text)
  return directory
}
const pack = (directory: string): string => join(directory, execFileSync("npm", ["pack", "--silent"], { cwd: directory, encoding: "utf8" }).trim())

let kernel: EmbeddedKernel
let home: string
let config: Record<string, unknown>
const told: string[] = []
const weather = () => (kernel.graft as unknown as { weather: { now(): Promise<string> } }).weather.now()
const packages = () => kernel.graft.package

async function open(): Promise<void> {
  kernel = createKernel({ roots: [{ dir: PLUGINS, kind: "built-in" }], only: ["package", "config", "weather"], dataDir: home })
  await kernel.put("config", definePlugin({ per: "process", setup: (graft) => graft.provide("config", { get: async (path: string) => config[path], set: async (path: string, value: unknown) => void (config[path] = value) } as never) }))
  kernel.on("*" as never, ((payload: { package?: { version: string }; code?: string }, { event }: { event: string }) => { if (event.startsWith("package.")) told.push(`${event} ${payload.package?.version ?? payload.code}`) }) as never)
  await kernel.start()
  await kernel.settled()
}

beforeEach(async () => {
  home = mkdtempSync(join(base, "home-"))
  config = {}
  told.length = 0
  await open()
})
afterEach(() => kernel.close())

describe("a package", () => {
  let [one, two]: string[] = []
  beforeAll(() => {
    one = pack(make("graft-weather", "1.0.0"))
    two = pack(make("graft-weather", "2.0.0"))
  })

  it("is live as soon as it is added, and a newer one takes its place; it is there at the next start, and gone when it is removed", async () => {
    await packages().add(one!)
    await kernel.settled()
    expect(await weather()).toBe("1.0.0")
    expect(config.packages).toEqual([one])
    await packages().add(two!)
    await kernel.settled()
    expect(await weather()).toBe("2.0.0")
    expect(await packages().list()).toMatchObject([{ name: "graft-weather", version: "2.0.0", plugins: { weather: expect.stringMatching(/graft-weather-[0-9a-f]+\/node_modules\/graft-weather\/weather\.js$/) as string } }])
    await kernel.close()
    await open()
    expect(await weather()).toBe("2.0.0")
    await packages().remove("weather")
    await kernel.settled()
    expect(kernel.inspect().realms[0]!.services.weather).toBeUndefined()
    expect(config.packages).toBeUndefined()
    expect(told).toEqual(["package.added 1.0.0", "package.updated 2.0.0", "package.removed 2.0.0"])
  })

  it("runs only as it was installed: swapped bytes do not, and the good ones go on", async () => {
    const { package: { plugins } } = await packages().add(one!)
    await kernel.settled()
    const file = plugins.weather!
    writeFileSync(file, source("evil").replace("async () => word", 'async () => "evil"'))
    await kernel.reconcile([file])
    await kernel.settled()
    expect(await weather()).toBe("1.0.0")
    expect(kernel.journal("weather").at(-1)).toMatchObject({ outcome: "refused", message: expect.stringMatching(/files of graft-weather@1\.0\.0 are not those that were installed: graft plugin update graft-weather/) as string })
    await packages().update("graft-weather")
    await kernel.settled()
    expect(await weather()).toBe("1.0.0")
    expect(kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "weather")!.status).toBe("live")
  })

  it("runs no script at its installation, unless it is let", async () => {
    const scripted = pack(make("graft-scripted", "1.0.0", { manifest: { scripts: { postinstall: "node -e \"require('fs').writeFileSync('ran', '')\"" } } }))
    const { package: quiet } = await packages().add(scripted)
    const ran = (file: string) => existsSync(join(file, "../ran"))
    expect(quiet.scripts).toEqual(["graft-scripted"])
    expect(ran(quiet.plugins.weather!)).toBe(false)
    const { package: loud } = await packages().add(scripted, { scripts: true })
    expect(loud.scripts).toBeUndefined()
    expect(ran(loud.plugins.weather!)).toBe(true)
  })

  it("that cannot be had changes nothing, and npm's own words say why", async () => {
    vi.stubEnv("npm_config_registry", "http://127.0.0.1:1/")
    await expect(packages().add("graft-that-is-nowhere@^1")).rejects.toMatchObject({ code: "package.install", message: expect.stringMatching(/ECONNREFUSED.*not in npm's cache either/) as string })
    config.packages = ["graft-that-is-nowhere@^1"]
    const failed = new Promise((resolve) => kernel.on("package.failed", resolve))
    kernel.graft.emit("config.changed", { location: undefined, paths: ["packages"], changes: [] } as never)
    expect(await failed).toMatchObject({ spec: "graft-that-is-nowhere@^1", code: "package.install" })
    vi.unstubAllEnvs()
    expect(readdirSync(join(home, "data/packages")).filter((name) => name.startsWith("."))).toEqual([])
  })
})

describe("a folder of one's own", () => {
  it("is used where it lies, and live at each save; this plugin may be edited meanwhile", async () => {
    const folder = make("graft-weather", "0.1.0", { word: "cloudy" })
    await packages().add(folder)
    await kernel.settled()
    expect(await weather()).toBe("cloudy")
    writeFileSync(join(folder, "word.js"), 'export const word = "bright"\n')
    await kernel.reconcile([join(folder, "word.js")])
    await kernel.settled()
    expect(await weather()).toBe("bright")
    await kernel.graft.kernel.disable("package")
    // Nobody answers for it now.
    await kernel.settled()
    await kernel.graft.kernel.enable("package")
    await kernel.settled()
    expect(await weather()).toBe("bright")
    await packages().remove("graft-weather")
    expect(existsSync(join(folder, "weather.js"))).toBe(true)
  })

  it.each<[string, object, Record<string, string>, string, RegExp]>([
    ["for another Graft", { engines: { graft: "^99" } }, {}, "package.engines", /was made for Graft \^99, and this is/],
    ["with a built-in's name", { graft: { store: "./weather.js" } }, {}, "package.taken", /"store", which is a built-in's name.*--replace/],
    ["without what it names", { graft: { weather: "./dist/weather.js" } }, {}, "package.manifest", /dist\/weather\.js, which is not there: was the package built/],
    ["without a plugin", { graft: undefined }, {}, "package.manifest", /is no plugin of Graft: its package\.json has no "graft"/],
    ["that reaches out", { graft: { weather: "../../etc/passwd.js" } }, {}, "package.manifest", /lies outside the package/],
  ])("%s is refused, and nothing is changed", async (_, manifest, files, code, message) => {
    await expect(packages().add(make("graft-odd", "1.0.0", { manifest, files }))).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string })
    expect(await packages().list()).toEqual([])
    expect(config.packages).toBeUndefined()
  })

  it("has no id that another one has, and is not found where it is not", async () => {
    await packages().add(make("graft-first", "1.0.0"))
    await expect(packages().add(make("graft-second", "1.0.0"))).rejects.toMatchObject({ code: "package.taken", message: expect.stringContaining("so has graft-first") as string })
    await expect(packages().add(join(base, "nowhere"))).rejects.toMatchObject({ code: "package.spec" })
    await expect(packages().remove("nobody")).rejects.toMatchObject({ code: "package.unknown" })
    expect(await packages().check("99.0.0")).toEqual([])
  })

  it("that several add at once is there once each", async () => {
    const folders = ["a", "b", "c"].map((name) => make(`graft-${name}`, "1.0.0", { manifest: { graft: { [name]: "./weather.js" } } }))
    await Promise.all(folders.map((folder) => packages().add(folder)))
    expect((await packages().list()).map(({ name }) => name).sort()).toEqual(["graft-a", "graft-b", "graft-c"])
    expect(config.packages).toEqual(folders)
    writeFileSync(join(home, "data/packages/lock.json"), "{ broken")
    expect(await packages().list()).toEqual([])
    expect(readFileSync(join(folders[0]!, "weather.js"), "utf8")).toContain("definePlugin")
  })
})

test("whatever a package.json says, it is a manifest or a clear refusal", () => {
  const directory = mkdtempSync(join(base, "fuzz-"))
  mkdirSync(join(directory, "lib"))
  writeFileSync(join(directory, "index.js"), "")
  const path = fc.constantFrom("./index.js", "index.js", "./lib", "../x.js", "./none.ts", "", "/etc/passwd")
  const field = fc.oneof(path, fc.dictionary(fc.constantFrom("a", "B", "__proto__", "ok-1"), fc.oneof(path, fc.integer())), fc.integer(), fc.constant(null))
  fc.assert(fc.property(fc.oneof(fc.record({ name: fc.oneof(fc.constant("x"), fc.integer()), version: fc.oneof(fc.constant("1.0.0"), fc.constant("")), graft: field, main: fc.oneof(path, fc.boolean()), engines: fc.oneof(fc.constant({ graft: "*" }), fc.constant([])) }, { requiredKeys: [] }), fc.json().map((text) => JSON.parse(text) as unknown)), (value) => {
    writeFileSync(join(directory, "package.json"), JSON.stringify(value) ?? "")
    try {
      expect(Object.values(manifestOf(directory).entries)).not.toContain("../x.js")
    } catch (error) {
      expect(error).toBeInstanceOf(PackageError)
    }
  }))
})

test("a spec is npm's, or a path; never a command", () => {
  expect([specOf("graft-x@^1", "/p"), specOf("./x", "/p"), specOf("../x", "/p/q"), specOf("git+https://host/x.git", "/p")]).toEqual(["graft-x@^1", "/p/x", "/p/x", "git+https://host/x.git"])
  for (const bad of ["", " ", "--global", "x; rm -rf ~", "x && y", "$(x)", "a b"]) expect(() => specOf(bad, "/p"), bad).toThrow(PackageError)
  expect([folderOf("/x/y"), folderOf("file:/x/y"), folderOf("/x/y.tgz"), folderOf("file:/x/y.tar.gz"), folderOf("name"), folderOf("@scope/name")]).toEqual(["/x/y", "/x/y", undefined, undefined, undefined, undefined])
})
