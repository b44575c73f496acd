/** `tsc` over a directory of plugins: the author's own compiler, found in the project or on the path, never one of ours. */
import { execFile } from "node:child_process"
import { accessSync, constants, existsSync } from "node:fs"
import { delimiter, dirname, isAbsolute, join, relative, resolve } from "node:path"

/** Milliseconds, and bytes of what it says. */
const PATIENCE = 60_000
const MOST = 4_000_000

export interface TypeProblem { file: string; line: number; column: number; code: string; message: string }
export type TypeCheck = { compiler: string; problems: TypeProblem[] } | { compiler?: undefined; reason: string } | { compiler: string; reason: string }

/** The nearest `node_modules/.bin/tsc` above any of these directories, or the first on the path. What a project brings along is code of it: name only those that are trusted. */
export function findCompiler(from: readonly string[], env: NodeJS.ProcessEnv = process.env): string | undefined {
  const names = process.platform === "win32" ? ["tsc.cmd", "tsc.exe"] : ["tsc"]
  const above = from.flatMap((directory) => {
    const found: string[] = []
    for (let at = resolve(directory); ; at = dirname(at)) {
      found.push(join(at, "node_modules", ".bin"))
      if (at === dirname(at)) return found
    }
  })
  return [...above, ...(env.PATH ?? "").split(delimiter)].flatMap((directory) => names.map((name) => join(directory, name))).find((file) => isAbsolute(file) && isExecutable(file))
}

function isExecutable(file: string): boolean {
  try { return (accessSync(file, constants.X_OK), true) } catch { return false }
}

/** `files`: only problems in these are told; without, all. */
export function typeCheck(tsconfig: string, from: readonly string[], { files, signal }: { files?: readonly string[]; signal?: AbortSignal } = {}): Promise<TypeCheck> {
  if (!existsSync(tsconfig)) return Promise.resolve({ reason: `not checked: there is no ${tsconfig}` })
  const compiler = findCompiler(from)
  if (compiler === undefined) return Promise.resolve({ reason: "no tsc was found, on the path or in this project, if it is trusted: npm install -g typescript, and types are checked too" })
  const directory = dirname(tsconfig)
  return new Promise((done) => {
    execFile(compiler, ["-p", tsconfig, "--pretty", "false"], { cwd: directory, timeout: PATIENCE, maxBuffer: MOST, ...(signal && { signal }), windowsHide: true, shell: process.platform === "win32" }, (error, out, err) => {
      const problems = [...out.matchAll(/^(.+?)\((\d+),(\d+)\): error (TS\d+): (.*(?:\n {2,}.*)*)/gm)].map(([, file, line, column, code, message]): TypeProblem => ({ file: resolve(directory, file!), line: Number(line), column: Number(column), code: code!, message: message! }))
      if (error && problems.length === 0) return done({ compiler, reason: `${compiler} did not check: ${(err || out || error.message).trim().split("\n").slice(0, 3).join(" ")}` })
      done({ compiler, problems: files ? problems.filter(({ file }) => files.some((wanted) => wanted === file || !relative(wanted, file).startsWith(".."))) : problems })
    })
  })
}

export const sayProblem = ({ file, line, column, code, message }: TypeProblem): string => `${file}:${line}:${column} ${code}: ${message}`
