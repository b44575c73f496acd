/**
 * `npm run test:mutants [word]`: small wrong edits, each made in a copy of the sources, must each be killed by the law that
 * it breaks. A law that lets its mutant live is too weak. The lists lie beside the laws: test/<part>/mutants.ts.
 */
import { spawn } from "node:child_process"
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

/** One wrong edit: in `file`, `from` (which occurs once) becomes `to`. It is killed by a failing test of `tests` whose name has `law` in it. */
export interface Mutant { law: string; wrong: string; file: string; from: string; to: string; tests: string }
/** `sources`: the folders that the tests need, besides their own. */
export interface Mutants { sources: string[]; mutants: Mutant[] }

interface Verdict { killed: boolean; by: string; seconds: number }

const root = fileURLToPath(new URL("..", import.meta.url))
/** Milliseconds until a mutant that hangs counts as killed. */
const PATIENCE = 90_000

const lists = await Promise.all(globSync("test/*/mutants.ts", { cwd: root }).sort().map(async (path) => ({ path, ...((await import(pathToFileURL(join(root, path)).href)) as Mutants) })))

/** A copy of what the tests of one list need; packages are those of the repository. */
function makeCopy({ path, sources }: Mutants & { path: string }): string {
  const copy = mkdtempSync(join(tmpdir(), "graft-mutants-"))
  for (const folder of [...sources, dirname(path)]) cpSync(join(root, folder), join(copy, folder), { recursive: true })
  for (const file of ["package.json", "tsconfig.json", "test/vitest.config.ts"]) {
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    cpSync(join(root, file), join(copy, file))
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
  return copy
}

/** Runs tests in a copy, to the first failure; gives its name, and nothing when all passed. */
function firstFailure(copy: string, tests: readonly string[], law?: string): Promise<string | undefined> {
  const report = join(copy, "report.json")
  rmSync(report, { force: true })
  const args = ["run", "--config", "test/vitest.config.ts", "--bail", "1", "--reporter", "json", "--outputFile", report, ...(law ? ["-t", `\\b${law}\\b`] : []), ...tests]
  const child = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), ...args], { cwd: copy, stdio: "ignore", detached: true, env: { ...process.env, GRAFT_RUNS: "100" } })
  return new Promise((resolve) => {
    // A worker that loops for ever hears nothing: its whole group is ended.
    const hung = setTimeout(() => { process.kill(-child.pid!, "SIGKILL"); resolve("it hung") }, PATIENCE)
    child.on("exit", (code) => {
      clearTimeout(hung)
      if (code === 0) return resolve(undefined)
      try {
        const { testResults } = JSON.parse(readFileSync(report, "utf8")) as { testResults: { name: string; assertionResults: { status: string; title: string }[] }[] }
        const failed = testResults.flatMap(({ name, assertionResults }) => assertionResults.filter(({ status }) => status === "failed").map(({ title }) => `${basename(name).split(".")[0]}: ${title}`))
        resolve(failed[0] ?? "its files do not load")
      } catch {
        resolve("the tests broke down")
      }
    })
  })
}

async function judge(copy: string, { law, file, from, to, tests }: Mutant): Promise<Verdict> {
  const path = join(copy, file)
  const source = readFileSync(path, "utf8")
  if (source.split(from).length !== 2) return { killed: false, by: `stale: what it edits occurs ${source.split(from).length - 1} times`, seconds: 0 }
  const started = performance.now()
  writeFileSync(path, source.replace(from, () => to))
  try {
    const by = await firstFailure(copy, tests.split(" "), law)
    return { killed: by !== undefined, by: by ?? "nothing", seconds: (performance.now() - started) / 1_000 }
  } finally {
    writeFileSync(path, source)
  }
}

const word = process.argv[2]?.toLowerCase()
const counts = { passed: 0, failed: 0 }
for (const list of lists) {
  const mutants = list.mutants.filter(({ law, wrong, file }) => !word || `${law} ${wrong} ${file}`.toLowerCase().includes(word))
  if (mutants.length === 0) continue
  const copies = Array.from({ length: Math.min(2, availableParallelism()) }, () => makeCopy(list))
  try {
    process.stdout.write(`\n${dirname(list.path)}: ${mutants.length} mutants\n`)
    const healthy = await firstFailure(copies[0]!, [...new Set(mutants.flatMap(({ tests }) => tests.split(" ")))])
    if (healthy !== undefined) throw new Error(`the tests fail without any mutant: ${healthy}`)
    const queue = [...mutants]
    await Promise.all(copies.map(async (copy) => {
      for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
        const { killed, by, seconds } = await judge(copy, mutant)
        counts[killed ? "passed" : "failed"]++
        process.stdout.write(`${killed ? "✓" : "✗"} ${mutant.law.padEnd(10)} ${mutant.wrong.padEnd(64)} ${killed ? "killed by" : "ALIVE:"} ${by.slice(0, 100)} (${seconds.toFixed(1)} s)\n`)
      }
    }))
  } finally {
    for (const copy of copies) rmSync(copy, { recursive: true, force: true })
  }
}
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed\n`)
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0
