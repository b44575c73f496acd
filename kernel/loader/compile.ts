/**
 * Source to a function body: oxc strips types and JSX, then turns the module into the form of Vite's module runner
 * (live bindings, top-level await, import.meta). What oxc cannot do falls to jiti's compiler. Results are kept by
 * content, in memory and in a private directory, so that a warm start loads no compiler at all.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { extname, join } from "node:path"
import { KernelError } from "../errors.ts"
import { sha256 } from "./files.ts"
import type { Shipped } from "./shipped.ts"

export interface Compiled {
  /** Body of an async function over the names of `PARAMETERS`; or a CommonJS body. */
  code: string
  format: "esm" | "cjs"
  /** In the order of the source: a dependency is evaluated before who imports it. */
  deps: string[]
  dynamicDeps: string[]
  /** Source maps from `code` back to the author's text, to be looked up in order. */
  maps: { mappings: string }[]
  /** Made at build time: `code` is the function `run`, in these lines of a file. */
  shipped?: { run(...parameters: unknown[]): Promise<void> | void; file: string; from: number; to: number }
}

export const PARAMETERS = ["__vite_ssr_exports__", "__vite_ssr_import__", "__vite_ssr_dynamic_import__", "__vite_ssr_exportAll__", "__vite_ssr_import_meta__"] as const
/** Loaded at first use: a warm start needs neither. */
export const hostRequire = createRequire(import.meta.url)
const VERSION = "2"
const MOST_IN_MEMORY = 64
const MOST_ON_DISK = 4_000
const LANGUAGES: Record<string, "ts" | "tsx" | "js" | "jsx"> = { ".ts": "ts", ".mts": "ts", ".cts": "ts", ".tsx": "tsx", ".js": "js", ".mjs": "js", ".cjs": "js", ".jsx": "jsx" }

export const isSource = (path: string): boolean => extname(path) in LANGUAGES

/** The source does not compile. `where` is file:line:column, `frame` the lines around it. */
export class SourceError extends KernelError {
  readonly where: string
  readonly frame: string
  constructor(message: string, where: string, frame: string) {
    super("Invalid", `${where}: ${message}`)
    this.where = where
    this.frame = frame
  }
}

export class Compiler {
  readonly #directory: string | undefined
  /** What was made ahead. */
  readonly shipped: Shipped | undefined
  readonly #memory = new Map<string, Compiled>()
  #looked = false

  constructor(directory: string | undefined, shipped?: Shipped) {
    this.#directory = directory
    this.shipped = shipped
  }

  compile(path: string, source: string, hash: string, commonjs: boolean): Compiled {
    const key = keyOf(path, hash, commonjs)
    const known = this.shipped?.find(key) ?? this.#memory.get(key) ?? read(this.#directory, key)
    if (known?.shipped) return known
    const compiled = known ?? transform(path, source, commonjs)
    if (this.#memory.size >= MOST_IN_MEMORY) this.#memory.clear()
    this.#memory.set(key, compiled)
    if (!known) this.#save(key, compiled)
    return compiled
  }

  /** A cache that cannot be written is only slower. */
  #save(key: string, compiled: Compiled): void {
    if (!this.#directory) return
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
      const temporary = join(this.#directory, `.${key}.${process.pid}`)
      writeFileSync(temporary, JSON.stringify(compiled), { mode: 0o600 })
      renameSync(temporary, join(this.#directory, `${key}.json`))
      // Once a process: what is old goes, all of it. What is still needed is soon there again.
      const names = this.#looked ? [] : readdirSync(this.#directory)
      this.#looked = true
      if (names.length > MOST_ON_DISK) for (const name of names) rmSync(join(this.#directory, name), { force: true })
    } catch { /* read-only or full */ }
  }
}

/** What a result is found by: nothing but what it is made from. */
export const keyOf = (path: string, hash: string, commonjs: boolean): string => sha256(`${VERSION} ${extname(path)} ${commonjs} ${hash}`).slice(0, 32)

function read(directory: string | undefined, key: string): Compiled | undefined {
  try { return directory === undefined ? undefined : (JSON.parse(readFileSync(join(directory, `${key}.json`), "utf8")) as Compiled) } catch { return undefined }
}

export function transform(path: string, source: string, commonjs: boolean): Compiled {
  if (source.includes("\0")) throw new SourceError("this is a binary file, not source text", `${path}:1`, "")
  const { transformSync, moduleRunnerTransformSync } = hostRequire("oxc-transform") as typeof import("oxc-transform")
  const language = LANGUAGES[extname(path)]!
  const maps: Compiled["maps"] = []
  let code = source
  if (language !== "js") {
    const plain = transformSync(path, source, { lang: language, sourcemap: true })
    if (plain.errors.length) throw sourceError(path, source, plain.errors[0]!)
    code = plain.code
    if (plain.map) maps.unshift({ mappings: plain.map.mappings })
  }
  if (commonjs) return { code, format: "cjs", deps: [], dynamicDeps: [], maps }
  try {
    const runner = moduleRunnerTransformSync(path, code, { sourcemap: true })
    if (runner.errors.length) throw sourceError(path, source, runner.errors[0]!)
    if (runner.map) maps.unshift({ mappings: runner.map.mappings })
    // Imports are evaluated beforehand, so that a body without top-level await runs in one bounded synchronous leg.
    const place = (specifier: string) => runner.code.indexOf(`__vite_ssr_import__(${JSON.stringify(specifier)}`)
    const deps = runner.deps.sort((a, b) => place(a) - place(b))
    return { code: runner.code.replaceAll(" = await __vite_ssr_import__(", " = __vite_ssr_import__("), format: "esm", deps, dynamicDeps: runner.dynamicDeps, maps }
  } catch (error) {
    if (error instanceof SourceError) throw error
    const { createJiti } = hostRequire("jiti") as typeof import("jiti")
    return { code: createJiti(path, { fsCache: false }).transform({ source, filename: path, ts: language.startsWith("ts"), async: true }), format: "cjs", deps: [], dynamicDeps: [], maps: [] }
  }
}

/** Services that a source says it provides. */
export const servicesIn = (source: string): string[] => [...source.matchAll(/\.provide\(\s*["'`](\w+)["'`]/g)].map((match) => match[1]!)

function sourceError(path: string, source: string, error: { message: string; labels?: { start: number }[] | null; codeframe?: string | null }): SourceError {
  const offset = error.labels?.[0]?.start ?? 0
  const before = Buffer.from(source).subarray(0, offset).toString()
  const line = before.split("\n").length
  const column = before.length - before.lastIndexOf("\n")
  return new SourceError(error.message, `${path}:${line}:${column}`, frameOf(source, line, column))
}

/** Two lines before and after, the line marked, a caret under the column (1-based). */
export function frameOf(source: string, line: number, column: number): string {
  const lines = source.split("\n")
  const out: string[] = []
  for (let n = Math.max(1, line - 2); n <= Math.min(lines.length, line + 2); n++) {
    out.push(`${n === line ? ">" : " "} ${String(n).padStart(4)} | ${lines[n - 1]!.slice(0, 200)}`)
    if (n === line) out.push(`       | ${" ".repeat(Math.max(0, Math.min(column, 200) - 1))}^`)
  }
  return out.join("\n")
}
