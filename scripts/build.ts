/**
 * Makes ahead what a start would otherwise make: the host in one file, the packages that built-ins import in one shared
 * bundle, every source of a built-in compiled, by content, and the types of the kernel's face. Nothing here can be stale:
 * the kernel looks compiled code up by the hash of the source beside it, and start.cjs compares the host's sources and
 * the installed packages with the manifest.
 */
import { execFile } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { basename, join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { rolldown } from "rolldown"
import { keyOf, PARAMETERS, transform } from "../kernel/loader/compile.ts"
import { sha256 } from "../kernel/loader/files.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const dist = join(root, "dist")
/** Native addons, programs, and what resolves files by itself stay packages. */
const NEVER_BUNDLED = ["better-sqlite3", "oxc-transform", "jiti", "@vscode/ripgrep", "graft"]
/** What npm installed, in one file: when it changes, so may the bundled packages. */
const INSTALLED = "node_modules/.package-lock.json"

interface Stamp { size: number; mtime: number; hash: string }
interface Manifest { host: string; sources: Record<string, Stamp>; packages: Record<string, string> }
export interface Built { files: number; packages: number; milliseconds: number }

const sourcesOf = (...patterns: string[]): string[] => globSync(patterns, { cwd: root }).filter((path) => !path.endsWith(".d.ts")).sort()

export async function build(into = dist): Promise<Built> {
  const started = performance.now()
  const work = `${into}.${process.pid}`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  try {
    const host = await bundleHost(work)
    const [packages, files] = await Promise.all([bundlePackages(work), compileBuiltIns(work), declareTypes(work)])
    writeManifest(work, { ...host, packages })
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
  const { packages } = JSON.parse(readFileSync(join(dist, "manifest.json"), "utf8")) as Manifest
  writeManifest(dist, { ...(await bundleHost(dist)), packages })
}

function writeManifest(directory: string, manifest: Manifest): void {
  // First, because a change of it is more than a change of the host.
  const stamped = existsSync(join(root, INSTALLED)) ? { [INSTALLED]: stamp(INSTALLED), ...manifest.sources } : manifest.sources
  const file = join(directory, `manifest.json.${process.pid}`)
  writeFileSync(file, JSON.stringify({ ...manifest, sources: stamped }, null, 1))
  renameSync(file, join(directory, "manifest.json"))
}

/** Size and time spare reading; the hash decides where they differ. */
function stamp(path: string): Stamp {
  const { size, mtimeMs } = statSync(join(root, path))
  return { size, mtime: Math.floor(mtimeMs), hash: sha256(readFileSync(join(root, path))) }
}

/** Named by content, so that a new one never takes the place of one that runs. */
async function bundleHost(work: string): Promise<Pick<Manifest, "host" | "sources">> {
  const bundle = await rolldown({ input: { graft: join(root, "plugins/cli/main.ts"), kernel: join(root, "kernel/index.ts") }, cwd: root, platform: "node", external: [...NEVER_BUNDLED, /^node:/], logLevel: "silent" })
  const { output } = await bundle.write({ dir: work, format: "esm", entryFileNames: "[name]-[hash].mjs", chunkFileNames: "host/[name]-[hash].mjs", minify: { mangle: { keepNames: true } as never, compress: true }, sourcemap: false })
  await bundle.close()
  const chunks = output.filter((each) => each.type === "chunk")
  const fileOf = (name: string) => chunks.find((chunk) => chunk.isEntry && chunk.name === name)!.fileName
  writeFileSync(join(work, "kernel.mjs"), `export * from "./${fileOf("kernel")}"\n`)
  const own = [...new Set(chunks.flatMap((chunk) => chunk.moduleIds))].map((id) => relative(root, id)).filter((path) => path.endsWith(".ts") && !path.startsWith("node_modules"))
  // Types vanish from a bundle, and still decide what a change means.
  const sources = [...new Set([...own, ...sourcesOf("kernel/**/*.ts")])].sort()
  return { host: fileOf("graft"), sources: Object.fromEntries(sources.map((path) => [path, stamp(path)])) }
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
  const bundle = await rolldown({ input: Object.fromEntries(wanted.map((specifier) => [nameOf(specifier), specifier])), cwd: root, platform: "node", external: [...NEVER_BUNDLED, /^node:/], logLevel: "silent" })
  await bundle.write({ dir: join(work, "packages"), format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "shared/[name]-[hash].mjs", minify: true, sourcemap: false })
  await bundle.close()
  const packages: Record<string, string> = {}
  for (const specifier of wanted) {
    const file = `packages/${nameOf(specifier)}.mjs`
    const [bundled, original] = await Promise.all([import(pathToFileURL(join(work, file)).href), import(specifier)].map((load) => load.then((module: object) => Object.keys(module).sort().join(), () => undefined)))
    if (bundled !== undefined && bundled === original) packages[specifier] = file
  }
  return packages
}

/** Every source as a function of one module: Node keeps the code of a module that it loads, and of nothing else. The parentheses have V8 compile them at once, and so into what is kept. */
function compileBuiltIns(work: string): number {
  const paths = sourcesOf("plugins/**/*.ts").filter((path) => basename(path) !== "contract.ts")
  const file = "built-ins.mjs"
  const lines = ["const file = import.meta.filename", "export default new Map(["]
  let line = lines.length
  for (const path of paths) {
    const text = readFileSync(join(root, path), "utf8")
    const { code, deps, dynamicDeps } = transform(join(root, path), text, false)
    const [from, to] = [line + 1, line + 1 + code.split("\n").length]
    lines.push(`[${JSON.stringify(keyOf(path, sha256(text), false))}, { code: "", format: "esm", deps: ${JSON.stringify(deps)}, dynamicDeps: ${JSON.stringify(dynamicDeps)}, maps: [], shipped: { file, from: ${from}, to: ${to}, run: (async function (${PARAMETERS.join(", ")}) {`, code, "}) } }],")
    line = to + 1
  }
  writeFileSync(join(work, file), [...lines, "])", ""].join("\n"))
  return paths.length
}

/** For who embeds the kernel; a plugin's author has the sources. */
async function declareTypes(work: string): Promise<void> {
  const compiler = join(root, "node_modules/typescript/bin/tsc")
  if (!existsSync(compiler)) return
  const config = join(work, "tsconfig.json")
  writeFileSync(config, JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions: { noEmit: false, declaration: true, emitDeclarationOnly: true, noCheck: true, rootDir: root, outDir: join(work, "types"), paths: { graft: [join(root, "kernel/index.ts")] }, typeRoots: [join(root, "node_modules/@types")] }, include: [join(root, "kernel/index.ts"), join(root, "plugins/*/contract.ts")] }))
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
