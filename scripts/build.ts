/**
 * Makes ahead what a start would otherwise make: the host in one file, the packages that built-ins import in one shared
 * bundle, every source of a built-in compiled, by content, and the types of the kernel's face. Nothing here can be stale:
 * the kernel looks compiled code up by the hash of the source beside it, and start.cjs compares the host's sources and
 * the installed packages with the manifest.
 */
import { execFile } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createRequire, isBuiltin } from "node:module"
import { basename, dirname, join, posix, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { rolldown } from "rolldown"
import { keyOf, PARAMETERS, servicesIn, transform } from "../kernel/loader/compile.ts"
import { sha256 } from "../kernel/loader/files.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const dist = join(root, "dist")
const { load } = createRequire(import.meta.url)("../plugins/cli/code.cjs") as { load(file: string): object }
/** Native addons, programs, and what resolves files by itself stay packages. */
const NEVER_BUNDLED = ["better-sqlite3", "@napi-rs/keyring", "oxc-transform", "jiti", "@vscode/ripgrep", "graft"]
/** What npm installed, in one file: when it changes, so may the bundled packages. */
const INSTALLED = "node_modules/.package-lock.json"

const BUILDER = "scripts/build.ts"
/** The source of `graft/testing`. */
const KIT = "test/kit/index.ts"

interface Stamp { size: number; mtime: number; hash: string }
interface Manifest { host: string; builtIns: string; texts: string; sources: Record<string, Stamp>; packages: Record<string, string> }
export interface Built { files: number; packages: number; milliseconds: number }

const sourcesOf = (...patterns: string[]): string[] => globSync(patterns, { cwd: root }).filter((path) => !path.endsWith(".d.ts")).sort()

export async function build(into = dist): Promise<Built> {
  const started = performance.now()
  const work = `${into}.${process.pid}`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  try {
    const host = await bundleHost(work)
    const [packages, { files, ...made }] = await Promise.all([bundlePackages(work), compileBuiltIns(work), declareTypes(work), bundleClient(work)])
    writeManifest(work, { ...host, ...made, packages })
    replace(into, work)
    return { files, packages: Object.keys(packages).length, milliseconds: Math.round(performance.now() - started) }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Two builds may end at once: the later one takes the place of the other. */
function replace(directory: string, by: string): void {
  const old = `${directory}.old.${process.pid}`
  for (let tries = 3; ; tries--) {
    try {
      if (existsSync(directory)) renameSync(directory, old)
      renameSync(by, directory)
      return rmSync(old, { recursive: true, force: true })
    } catch (error) {
      if (tries === 0) throw error
      rmSync(old, { recursive: true, force: true })
    }
  }
}

/** Only the host, beside the one that others may still be running. */
export async function buildHost(): Promise<void> {
  const known = JSON.parse(readFileSync(join(dist, "manifest.json"), "utf8")) as Manifest
  writeManifest(dist, { ...known, ...(await bundleHost(dist)) })
}

function writeManifest(directory: string, manifest: Manifest): void {
  // First, because a change of these is more than a change of the host.
  const all = Object.fromEntries([INSTALLED, BUILDER].filter((path) => existsSync(join(root, path))).map((path) => [path, stamp(path)]))
  const file = join(directory, `manifest.json.${process.pid}`)
  writeFileSync(file, JSON.stringify({ ...manifest, sources: { ...all, ...manifest.sources } }, null, 1))
  renameSync(file, join(directory, "manifest.json"))
}

/** Size and time spare reading; the hash decides where they differ. */
function stamp(path: string): Stamp {
  const { size, mtimeMs } = statSync(join(root, path))
  return { size, mtime: Math.floor(mtimeMs), hash: sha256(readFileSync(join(root, path))) }
}

/** Named by content, so that a new one never takes the place of one that runs. CommonJS starts sooner; who embeds the kernel imports it. */
async function bundleHost(work: string): Promise<Pick<Manifest, "host" | "sources">> {
  const bundle = async (input: Record<string, string>, format: "cjs" | "esm", extension: string, alias: Record<string, string> = {}) => {
    const made = await rolldown({ input, cwd: root, platform: "node", resolve: { alias }, external: [...NEVER_BUNDLED.filter((name) => !(name in alias)), /^node:/], logLevel: "silent" })
    const { output } = await made.generate({ format, entryFileNames: `[name]-[hash].${extension}`, chunkFileNames: `host/[name]-[hash].${extension}`, minify: { mangle: { keepNames: true } as never, compress: true }, sourcemap: false })
    await made.close()
    const chunks = output.filter((each) => each.type === "chunk")
    for (const { fileName, code } of chunks) write(join(work, fileName), format === "cjs" ? loadable(code) : code)
    return chunks
  }
  const kernelFile = join(root, "kernel/index.ts")
  // An installed package has what was built from the kit, and not the kit.
  const kit = existsSync(join(root, KIT))
  const [host, faces] = await Promise.all([bundle({ graft: join(root, "plugins/cli/main.ts") }, "cjs", "cjs"), bundle({ kernel: kernelFile, ...(kit && { testing: join(root, KIT) }) }, "esm", "mjs", { graft: kernelFile })])
  const entryOf = (chunks: typeof host, entry: string) => chunks.find(({ isEntry, name }) => isEntry && name === entry)!.fileName
  for (const face of ["kernel", ...(kit ? ["testing"] : [])]) writeFileSync(join(work, `${face}.mjs`), `export * from "./${entryOf(faces, face)}"\n`)
  const own = [...new Set(host.flatMap((chunk) => chunk.moduleIds))].map((id) => relative(root, id)).filter((path) => path.endsWith(".ts") && !path.startsWith("node_modules"))
  // Types vanish from a bundle, and still decide what a change means.
  const sources = [...new Set([...own, ...sourcesOf("kernel/**/*.ts", "test/kit/*.ts")])].sort()
  return { host: entryOf(host, "graft"), sources: Object.fromEntries(sources.map((path) => [path, stamp(path)])) }
}

/** `graft/client`, which needs nothing but fetch, and what finds the server of this machine, which stands on it. */
async function bundleClient(work: string): Promise<void> {
  const input = { client: join(root, "plugins/server/client/index.ts"), "client-local": join(root, "plugins/server/client/local.ts") }
  const made = await rolldown({ input, cwd: root, platform: "neutral", external: [/^node:/], treeshake: { moduleSideEffects: false }, logLevel: "silent" })
  await made.write({ dir: work, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "client-[hash].mjs", minify: true, sourcemap: false })
  await made.close()
}

/** Every package that a built-in imports by value; a bundle that lost a name of its package is not used. */
async function bundlePackages(work: string): Promise<Record<string, string>> {
  const specifiers = new Set<string>()
  for (const path of sourcesOf("plugins/**/*.ts")) {
    const text = readFileSync(join(root, path), "utf8")
    for (const [, names, specifier] of text.matchAll(/^\s*(?:import|export)\s+(?!type\b)([^"';]*?)from\s+["']([^"']+)["']/gm)) if (names !== undefined) specifiers.add(specifier!)
    for (const [, specifier] of text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g)) specifiers.add(specifier!)
  }
  const wanted = [...specifiers].filter((specifier) => !specifier.startsWith(".") && !isBuiltin(specifier) && !NEVER_BUNDLED.some((name) => specifier === name || specifier.startsWith(`${name}/`))).sort()
  if (wanted.length === 0) return {}
  const nameOf = (specifier: string) => specifier.replaceAll(/[^a-zA-Z0-9]+/g, "-").replace(/^-/, "")
  const bundle = await rolldown({ input: Object.fromEntries(wanted.map((specifier) => [nameOf(specifier), specifier])), cwd: root, platform: "node", resolve: { mainFields: ["module", "main"] }, transform: { inject: { Headers: [join(root, "plugins/lib/header-list.ts"), "HeaderList"] } }, external: [...NEVER_BUNDLED, /^node:/], logLevel: "silent" })
  const { output } = await bundle.generate({ format: "cjs", dynamicImportInCjs: false, entryFileNames: "[name]-[hash].cjs", chunkFileNames: "shared/[name]-[hash].cjs", minify: true, sourcemap: false })
  await bundle.close()
  // Node gives CommonJS a default, and a bundle of it has none.
  const whole = "\nmodule.exports.__esModule || (module.exports.default ??= module.exports)"
  for (const each of output) if (each.type === "chunk") write(join(work, "packages", each.fileName), loadable(each.isEntry ? each.code + whole : each.code))
  const packages: Record<string, string> = {}
  for (const specifier of wanted) {
    const { fileName } = output.find((chunk) => chunk.type === "chunk" && chunk.isEntry && chunk.name === nameOf(specifier))!
    const file = `packages/${fileName}`
    if (await isWhole(join(work, file), specifier)) packages[specifier] = file
  }
  return packages
}

async function isWhole(bundle: string, specifier: string): Promise<boolean> {
  try {
    const original = Object.keys((await import(specifier)) as object)
    // What else Node adds to CommonJS is in no bundle.
    const added = original.includes("module.exports") ? ["module.exports", "__esModule"] : []
    const bundled = new Set([...Object.keys(load(bundle)), ...added])
    return original.every((name) => bundled.has(name))
  } catch {
    return false
  }
}

/** Every source as a function of one module, because Node keeps the code of what it loads and of nothing else; and the sources themselves, for whoever goes back to one. */
function compileBuiltIns(work: string): { builtIns: string; texts: string; files: number } {
  const paths = sourcesOf("plugins/**/*.ts").filter((path) => basename(path) !== "contract.ts")
  const texts: Record<string, string> = {}
  const lines = ['"use strict"', "const file = __filename", "module.exports = ["]
  let line = lines.length
  for (const path of paths) {
    const text = readFileSync(join(root, path), "utf8")
    const hash = sha256(text)
    const { code, deps, dynamicDeps } = transform(join(root, path), text, false)
    const links = Object.fromEntries([...deps, ...dynamicDeps].filter((specifier) => specifier.startsWith(".")).map((specifier) => [specifier, paths.indexOf(posix.join(posix.dirname(path), specifier))]))
    // What cannot be linked or has to be waited for goes the ordinary way.
    const waits = Object.values(links).includes(-1) || !isSynchronous(code)
    const source = JSON.stringify({ path: posix.relative("plugins", path), hash, key: keyOf(path, hash, false), links, provides: servicesIn(text), waits })
    const [from, to] = [line + 1, line + 1 + code.split("\n").length]
    lines.push(`{ ...${source}, compiled: { code: "", format: "esm", deps: ${JSON.stringify(deps)}, dynamicDeps: ${JSON.stringify(dynamicDeps)}, maps: [], shipped: { file, from: ${from}, to: ${to}, run: ${waits ? "async " : ""}function (${PARAMETERS.join(", ")}) {`, code, "} } } },")
    line = to + 1
    texts[hash] = text
  }
  const code = [...lines, "]", ""].join("\n")
  const name = `built-ins-${sha256(code).slice(0, 8)}`
  writeFileSync(join(work, `${name}.cjs`), loadable(code))
  writeFileSync(join(work, `${name}.json`), JSON.stringify(texts))
  return { builtIns: `${name}.cjs`, texts: `${name}.json`, files: paths.length }
}

/** As plugins/cli/code.cjs takes it. In plain ASCII a string has half the size in memory, and needs no decoding. */
function loadable(code: string): string {
  const plain = /String\.raw`[^`]*[^\x00-\x7f]/.test(code) ? code : code.replaceAll(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
  return `(function (exports, require, module, __filename, __dirname) {${plain}\n})`
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

function isSynchronous(code: string): boolean {
  try { return new Function(...PARAMETERS, `"use strict";${code}`).length > 0 } catch { return false }
}

/** For who embeds the kernel; a plugin's author has the sources. */
async function declareTypes(work: string): Promise<void> {
  const compiler = join(root, "node_modules/typescript/bin/tsc")
  if (!existsSync(compiler)) return
  const config = join(work, "tsconfig.json")
  writeFileSync(config, JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions: { noEmit: false, declaration: true, emitDeclarationOnly: true, noCheck: true, rootDir: root, outDir: join(work, "types"), paths: { graft: [join(root, "kernel/index.ts")] }, typeRoots: [join(root, "node_modules/@types")] }, include: [join(root, "kernel/index.ts"), join(root, KIT), join(root, "plugins/*/contract.ts"), join(root, "plugins/server/client/*.ts")] }))
  try {
    await promisify(execFile)(process.execPath, [compiler, "-p", config])
  } finally {
    rmSync(config, { force: true })
  }
}

if (process.argv[1] && relative(process.argv[1], fileURLToPath(import.meta.url)) === "") {
  const { files, packages, milliseconds } = await build()
  process.stdout.write(`built dist: the host, ${files} compiled sources, ${packages} packages, in ${milliseconds} ms\n`)
}
