/** The walls of the house stand: who may import what, who may open what, and where things are. Each check counts what it looked at. */
import { execFileSync } from "node:child_process"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (path: string) => readFileSync(join(root, path), "utf8")
const sources = (pattern: string) => globSync(pattern, { cwd: root }).filter((path) => /\.(ts|tsx|js|mjs)$/.test(path)).sort()

interface Import { file: string; specifier: string; typeOnly: boolean }
const importsOf = (file: string): Import[] => {
  const text = read(file).replaceAll(/\/\*[\s\S]*?\*\//g, "")
  const found = [...text.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?["']([^"']+)["']/gm)].map(([, type, specifier]) => ({ file, specifier: specifier!, typeOnly: type !== undefined }))
  const dynamic = [...text.matchAll(/(?:\bimport|\brequire)\(\s*["']([^"']+)["']\s*\)(?!\.\w+\b(?=\s*[;>)]))/g)].map(([, specifier]) => ({ file, specifier: specifier!, typeOnly: false }))
  return [...found, ...dynamic]
}
const target = ({ file, specifier }: Import) => (specifier.startsWith(".") ? relative(root, resolve(root, dirname(file), specifier)) : specifier)

const kernel = sources("kernel/**/*.ts")
const plugins = sources("plugins/**/*.{ts,tsx,js}")
const ids = [...new Set(plugins.map((path) => path.split("/")[1]!))].filter((id) => id !== "lib")

describe("the house", () => {
  it("has five folders, and nothing else at the top but the papers", () => {
    const tracked = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).trim().split("\n")
    const top = [...new Set(tracked.map((path) => path.split("/")[0]!))].filter((name) => !name.startsWith(".")).sort()
    expect(top.filter((name) => tracked.some((path) => path.startsWith(`${name}/`)))).toEqual(["config", "kernel", "plugins", "scripts", "test"])
    expect(top.filter((name) => !tracked.some((path) => path.startsWith(`${name}/`))).sort()).toEqual(["ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "NOTICE", "README.md", "SECURITY.md", "package-lock.json", "package.json", "tsconfig.json"].sort())
  })

  it("gives each plugin the same anatomy", () => {
    expect(ids.length).toBeGreaterThanOrEqual(27)
    const missing = ids.flatMap((id) => ["index.ts", "README.md"].filter((file) => !existsSync(join(root, "plugins", id, file))).map((file) => `${id}/${file}`))
    expect(missing).toEqual([])
  })

  it("keeps files short: at 400 lines a second noun has moved in", () => {
    const long = [...kernel, ...plugins].filter((path) => read(path).split("\n").length > 401)
    expect([...kernel, ...plugins].length).toBeGreaterThan(100)
    expect(long).toEqual([])
  })

  it("has no file whose name says nothing", () => {
    expect([...kernel, ...plugins].filter((path) => /(^|\/)(utils?|helpers?|misc|common|types|manager)\.tsx?$/.test(path))).toEqual([])
  })
})

describe("the kernel", () => {
  it("imports nothing of the plugins", () => {
    const imports = kernel.flatMap(importsOf)
    expect(imports.length).toBeGreaterThan(80)
    expect(imports.filter((each) => target(each).startsWith("plugins/"))).toEqual([])
  })

  it("speaks no word of the domain", () => {
    const words = /\b(models?|sessions?|prompts?|agents?|llms?|chats?|tokens?|sqlite|conversations?)\b/i
    const spoken = kernel.flatMap((path) => read(path).split("\n").flatMap((line, i) => (words.test(line) ? [`${path}:${i + 1} ${line.trim()}`] : [])))
    expect(kernel.length).toBeGreaterThan(20)
    expect(spoken).toEqual([])
  })

  it("stands on the packages that were chosen, and runs them", () => {
    const used = new Set([...kernel, ...plugins].flatMap(importsOf).filter(({ typeOnly }) => !typeOnly).map(({ specifier }) => specifier.split("/")[0]!))
    for (const name of ["effect", "jiti", "chokidar", "immer", "better-sqlite3", "valibot"]) expect(used, name).toContain(name)
    expect(sources("test/**/*.test.ts").flatMap(importsOf).some(({ specifier }) => specifier === "vitest")).toBe(true)
  })
})

describe("the plugins", () => {
  const imports = plugins.flatMap(importsOf)

  it("import no value from one another", () => {
    expect(imports.length).toBeGreaterThan(300)
    const crossing = imports.filter((each) => {
      const [folder, id] = target(each).split("/")
      return folder === "plugins" && id !== each.file.split("/")[1] && id !== "lib" && !each.typeOnly
    })
    expect(crossing).toEqual([])
  })

  it("see the kernel only through its face", () => {
    expect(imports.filter((each) => target(each).startsWith("kernel/") && !each.typeOnly && each.file !== "plugins/cli/host.ts")).toEqual([])
  })

  it("leave lib without state and without plugins", () => {
    const lib = imports.filter(({ file }) => file.startsWith("plugins/lib/"))
    expect(lib.filter((each) => !each.typeOnly && target(each).startsWith("plugins/") && !target(each).startsWith("plugins/lib/"))).toEqual([])
    expect(plugins.filter((path) => path.startsWith("plugins/lib/") && /^(let|var)\s/m.test(read(path)))).toEqual([])
  })

  it("open the database in one of them, listen in one, and read secrets in one", () => {
    const owners = (specifier: RegExp) => [...new Set(imports.filter((each) => specifier.test(each.specifier) && !each.typeOnly).map(({ file }) => file.split("/")[1]!))].sort()
    expect(owners(/^better-sqlite3$/)).toEqual(["eventlog", "store"].filter((id) => owners(/^better-sqlite3$/).includes(id)))
    const listening = [...new Set(plugins.filter((path) => /\.listen\([^)]|createServer\(/.test(read(path))).map((path) => path.split("/")[1]!))]
    expect(listening.filter((id) => id !== "server" && id !== "cli")).toEqual([])
    const secret = [...new Set(plugins.filter((path) => /auth\.json/.test(read(path).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ""))).map((path) => path.split("/")[1]!))]
    expect(secret.filter((id) => id !== "auth" && id !== "lib")).toEqual([])
  })
})

describe("the package", () => {
  it("installs without a compiler: the lockfile keeps gypfile false for better-sqlite3", () => {
    const lock = JSON.parse(read("package-lock.json")) as { packages: Record<string, { gypfile?: boolean }> }
    expect(lock.packages["node_modules/better-sqlite3"]?.gypfile).toBe(false)
  })

  it("installs on every system: the lockfile has each platform's package of what it names", () => {
    const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, { optionalDependencies?: Record<string, string> }> }
    const named = Object.values(packages).flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}))
    expect(named.length).toBeGreaterThan(50)
    expect(named.filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)))).toEqual([])
  })

  it("has the grammar of bash as its package has it", () => {
    expect(readFileSync(join(root, "plugins/permission/bash.wasm")).equals(readFileSync(join(root, "node_modules/tree-sitter-bash/tree-sitter-bash.wasm")))).toBe(true)
  })

  it("pins every dependency exactly", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<string, Record<string, string>>
    const versions = Object.entries({ ...dependencies, ...devDependencies })
    expect(versions.length).toBeGreaterThan(20)
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
  })
})
