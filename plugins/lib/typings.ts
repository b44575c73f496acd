/**
 * What an editor and `tsc` need to know every type of a plugin in a bare directory: declarations of the installed Graft in
 * `.types/`, made anew when another Graft is installed, and a tsconfig that says where they are, by relative paths, so that
 * a project can share it.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"

/** What a plugin may import without having it, and what their declarations import. */
const PACKAGES = ["valibot", "immer", "@ai-sdk/provider", "@standard-schema/spec", "undici-types", "@types/node"]
/** Too large to be copied for whoever never uses it. */
const LINKED = ["effect"]
const TYPES = ".types"
const HEAD = "// Kept current by Graft for your editor; Graft itself does not read it. Take this line out to keep it as it is.\n"

export interface Typings { /** Written just now. */ written: string[]; tsconfig: string }

/** `home`: where Graft is installed. `others`: further directories of plugins, whose contracts count as well. */
export function keepTypings(directory: string, home: string, others: readonly string[] = []): Typings {
  const types = join(directory, TYPES)
  const tsconfig = join(directory, "tsconfig.json")
  const stamp = stampOf(home)
  const written: string[] = []
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (contentOf(join(types, "stamp.json")) !== stamp) {
    replace(types, (into) => {
      declareGraft(into, home)
      declarePackages(into, home)
      // Made for this machine, and made again on another.
      writeFileSync(join(into, ".gitignore"), "*\n")
      writeFileSync(join(into, "stamp.json"), stamp)
    })
    written.push(types)
  }
  write(join(types, "index.d.ts"), contractsFor(directory, types, others), [])
  const config = contentOf(tsconfig)
  if (config === undefined || config.startsWith(HEAD)) write(tsconfig, HEAD + CONFIG, written)
  return { written, tsconfig }
}

/** Does a directory have typings that another Graft made? */
export function areStale(directory: string, home: string): boolean {
  const stamp = contentOf(join(directory, TYPES, "stamp.json"))
  return stamp !== undefined && stamp !== stampOf(home)
}

/** Which Graft, where, and of which build. */
function stampOf(home: string): string {
  const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as { version: string }
  return JSON.stringify({ version, home: resolve(home), built: statSync(join(home, "dist/types/kernel/index.d.ts"), { throwIfNoEntry: false })?.mtimeMs ?? 0 })
}

const CONFIG = `${JSON.stringify({
  compilerOptions: {
    strict: true, noEmit: true, skipLibCheck: true, target: "es2024", module: "esnext", moduleResolution: "bundler", lib: ["es2024", "esnext.disposable", "dom.asynciterable"],
    allowImportingTsExtensions: true, erasableSyntaxOnly: true, resolveJsonModule: true, types: ["node"], typeRoots: [`./${TYPES}/packages/@types`],
    paths: {
      graft: [`./${TYPES}/graft/kernel/index`], "graft/testing": [`./${TYPES}/graft/test/kit/index`], "graft/contracts/*": [`./${TYPES}/graft/plugins/*/contract`],
      ...Object.fromEntries([...PACKAGES.filter((name) => name !== "@types/node"), ...LINKED].flatMap((name) => [[name, [`./${TYPES}/packages/${name}`]], [`${name}/*`, [`./${TYPES}/packages/${name}/*`]]])),
    },
  },
  include: ["**/*.ts", "**/*.tsx", `${TYPES}/index.d.ts`], exclude: ["node_modules"],
}, null, 2)}\n`

/** As the build made them; without a build the sources themselves. */
function declareGraft(into: string, home: string): void {
  const built = join(home, "dist/types")
  if (existsSync(join(built, "kernel"))) return cpSync(built, join(into, "graft"), { recursive: true })
  symlinkSync(home, join(into, "graft"), "junction")
}

function declarePackages(into: string, home: string): void {
  const modules = packagesOf(home)
  for (const name of PACKAGES) {
    const from = join(modules, name)
    if (existsSync(from)) cpSync(from, join(into, "packages", name), { recursive: true, filter: (path) => !/\.[cm]?[jt]sx?$|\.map$/.test(path) || /\.d\.[cm]?ts$/.test(path) })
  }
  for (const name of LINKED) try { symlinkSync(join(modules, name), join(into, "packages", name), "junction") } catch { /* not installed, or no links here: its types are missing */ }
}

/** Two contracts of one name that differ would be an error for everybody, so each is named once: the author's own is found by itself. */
function contractsFor(directory: string, types: string, others: readonly string[]): string {
  const taken = new Set(existsSync(directory) ? readdirSync(directory).filter((id) => existsSync(join(directory, id, "contract.ts"))) : [])
  const lines: string[] = []
  const add = (dir: string, file: (id: string) => string) => {
    for (const id of existsSync(dir) ? readdirSync(dir).sort() : []) {
      const path = [`${file(id)}.d.ts`, `${file(id)}.ts`].find((each) => existsSync(each))
      if (!path || taken.has(id)) continue
      taken.add(id)
      lines.push(`/// <reference path=${JSON.stringify(path.startsWith(types) ? `.${path.slice(types.length)}` : path)} />`)
    }
  }
  for (const other of others) if (other !== directory) add(other, (id) => join(other, id, "contract"))
  const own = join(types, "graft/plugins")
  add(own, (id) => join(own, id, "contract"))
  return `${lines.join("\n")}\n`
}

/** The install's packages: its own, or those that it was installed beside. */
export function packagesOf(home: string): string {
  for (let at = home; ; at = dirname(at)) {
    const modules = join(at, "node_modules")
    if (existsSync(join(modules, "valibot"))) return modules
    if (at === dirname(at)) return join(home, "node_modules")
  }
}

function contentOf(file: string): string | undefined {
  try { return readFileSync(file, "utf8") } catch { return undefined }
}

function write(file: string, text: string, written: string[]): void {
  if (contentOf(file) === text) return
  writeFileSync(`${file}.${process.pid}`, text)
  renameSync(`${file}.${process.pid}`, file)
  written.push(file)
}

/** Beside it, then in its place: an editor never sees half of it. */
function replace(directory: string, make: (into: string) => void): void {
  const beside = join(dirname(directory), `.${basename(directory)}.${process.pid}`)
  const old = `${beside}.old`
  for (const left of [beside, old]) rmSync(left, { recursive: true, force: true })
  mkdirSync(beside, { recursive: true })
  try {
    make(beside)
    // Moved, not emptied: another process may be at the same, and whichever comes last is as good.
    try { renameSync(directory, old) } catch { /* there was none */ }
    try { renameSync(beside, directory) } catch (error) { if (!existsSync(directory)) throw error }
  } finally {
    for (const left of [beside, old]) rmSync(left, { recursive: true, force: true })
  }
}
