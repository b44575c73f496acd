/**
 * Makes ahead what a start would otherwise make: the host in one file, the packages that built-ins import in one shared
 * bundle, and every source of a built-in compiled, by content. Nothing here can be stale: the kernel looks compiled code
 * up by the hash of the source beside it, and bin.js compares the host's sources with the manifest.
 */
import { createHash } from "node:crypto"
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { dirname, join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { rolldown } from "rolldown"
import { Compiler } from "../kernel/loader/compile.ts"
import { sha256 } from "../kernel/loader/files.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const dist = join(root, "dist")
/** Native addons, programs, and what resolves files by itself stay packages. */
const NEVER_BUNDLED = ["better-sqlite3", "oxc-transform", "jiti", "@vscode/ripgrep", "graft"]

const sourcesOf = (...patterns: string[]): string[] => globSync(patterns, { cwd: root }).filter((path) => !path.endsWith(".d.ts")).sort()

export async function build(into = dist): Promise<{ files: number; packages: number; milliseconds: number }> {
  const started = performance.now()
  const work = `${into}.${process.pid}`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  try {
    await bundleHost(work)
    const packages = await bundlePackages(work)
    const files = await compileBuiltIns(work)
    const sources = Object.fromEntries(sourcesOf("kernel/**/*.ts", "plugins/cli/main.ts", "plugins/lib/paths.ts").map((path) => [path, stamp(path)]))
    writeFileSync(join(work, "manifest.json"), JSON.stringify({ sources, packages }, null, 1))
    const old = `${into}.old.${process.pid}`
    if (existsSync(into)) renameSync(into, old)
    renameSync(work, into)
    rmSync(old, { recursive: true, force: true })
    return { files, packages: Object.keys(packages).length, milliseconds: Math.round(performance.now() - started) }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Size and time spare reading; the hash decides where they differ. */
function stamp(path: string): { size: number; mtime: number; hash: string } {
  const { size, mtimeMs } = statSync(join(root, path))
  return { size, mtime: Math.floor(mtimeMs), hash: createHash("sha256").update(readFileSync(join(root, path))).digest("hex") }
}

async function bundleHost(work: string): Promise<void> {
  const bundle = await rolldown({ input: { graft: join(root, "plugins/cli/main.ts") }, cwd: root, platform: "node", external: [...NEVER_BUNDLED, /^node:/], logLevel: "silent" })
  await bundle.write({ dir: work, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "host-[name].mjs", minify: { mangle: { keepNames: true } as never, compress: true }, sourcemap: false })
  await bundle.close()
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

async function compileBuiltIns(work: string): Promise<number> {
  const compiler = new Compiler(join(work, "compiled"))
  const paths = sourcesOf("plugins/**/*.ts").filter((path) => !path.endsWith("contract.ts"))
  for (const path of paths) {
    const text = readFileSync(join(root, path), "utf8")
    await compiler.compile(join(root, path), text, sha256(text), false)
  }
  return paths.length
}

if (process.argv[1] && relative(process.argv[1], fileURLToPath(import.meta.url)) === "") {
  const { files, packages, milliseconds } = await build()
  process.stdout.write(`built ${relative(process.cwd(), dirname(join(dist, "x"))) || "."}: the host, ${files} compiled sources, ${packages} packages, in ${milliseconds} ms\n`)
}
