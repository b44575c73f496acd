/** The tools' figures, on a tree of 50,000 files: each search against the program that does only that, a read against `cat`, and what a call costs beside its work. */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { createKernel, definePlugin, type EmbeddedKernel } from "../../kernel/index.ts"
import { figure, median, ratio, type Figure } from "./table.ts"

const DIRECTORIES = 500
const EACH = 100
const RUNS = 5
const ONLY = ["tool", "permission", "tool-read", "tool-grep", "tool-glob"]
const run = promisify(execFile)
const OUTPUT = { maxBuffer: 64 * 1024 * 1024 }

export async function toolFigures(): Promise<Figure[]> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-bench-tools-")))
  const project = join(base, "project")
  plant(project)
  const kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], only: [...ONLY, "outside"], dataDir: join(base, "home") })
  try {
    await kernel.put("outside", definePlugin({ per: "process", setup(graft) {
      graft.provide("config", { get: async () => undefined, explain: async (path: string) => ({ path, losers: [], live: "now" }) } as never)
      graft.provide("store", {} as never)
    } }))
    await kernel.start()
    return await measured(kernel, project)
  } finally {
    await kernel.close()
    rmSync(base, { recursive: true, force: true })
  }
}

async function measured(kernel: EmbeddedKernel, project: string): Promise<Figure[]> {
  const { rgPath } = await import("@vscode/ripgrep")
  using graft = await kernel.child(project)
  await kernel.settled()
  const set = await graft.tool.advertise()
  const call = async (name: string, input: object) => {
    const { outcome, output } = await set.settle({ id: "c", name, input: JSON.stringify(input), session: "s", directory: project }, { signal: graft.signal, started: async () => {} })
    if (outcome !== "ok") throw new Error(`${name}: ${output}`)
  }
  const shell = (program: string, args: string[]) => run(program, args, { cwd: project, ...OUTPUT })
  try {
    const small = join(project, "d7/f7.ts")
    const read = await times(() => call("read", { path: "long.txt" }))
    const cat = await times(() => shell("cat", ["long.txt"]))
    const grep = await times(() => call("grep", { pattern: "needle [0-9]+" }))
    const rg = await times(() => shell(rgPath, ["-n", "--hidden", "needle [0-9]+", "./"]))
    const glob = await times(() => call("glob", { pattern: "**/f7.ts" }))
    const find = await times(() => shell("find", [".", "-name", "f7.ts"]))
    const twenty = await times(() => Promise.all(Array.from({ length: 20 }, (_, n) => call("read", { path: `d${n}/f${n}.ts` }))))
    const catTwenty = await times(() => shell("cat", Array.from({ length: 20 }, (_, n) => `d${n}/f${n}.ts`)))
    const hundred = 100
    const one = (await times(async () => { for (let n = 0; n < hundred; n++) await call("read", { path: "d7/f7.ts" }) })) / hundred
    const plain = (await times(async () => { for (let n = 0; n < hundred; n++) await readFile(small, "utf8") })) / hundred
    return [
      ratio("read of 2,000 lines, to `cat`, median", read / cat, 2),
      ratio(`grep over ${(DIRECTORIES * EACH).toLocaleString("en")} files, to \`rg\`, median`, grep / rg, 1.5),
      ratio(`glob over ${(DIRECTORIES * EACH).toLocaleString("en")} files, to \`find\`, median`, glob / find, 1.5),
      ratio("20 reads at once in one turn, to one `cat` of all, median", twenty / catTwenty, 3),
      figure("what a read costs beside its bytes: arguments, hooks, permission, confinement, bounds, median", one - plain, "ms", 1, "at most"),
    ]
  } finally {
    set.dispose()
  }
}

function plant(project: string): void {
  mkdirSync(join(project, ".git"), { recursive: true })
  writeFileSync(join(project, "long.txt"), Array.from({ length: 2_000 }, (_, n) => `line ${n}`).join("\n"))
  for (let d = 0; d < DIRECTORIES; d++) {
    mkdirSync(join(project, `d${d}`))
    for (let f = 0; f < EACH; f++) writeFileSync(join(project, `d${d}/f${f}.ts`), `export const value${f} = ${d}\n${d % 50 === 0 && f === 3 ? `// needle ${d}\n` : ""}`)
  }
}

async function times(work: () => Promise<unknown>): Promise<number> {
  const taken: number[] = []
  for (let n = 0; n <= RUNS; n++) {
    const started = performance.now()
    await work()
    // The first warms up what both need.
    if (n > 0) taken.push(performance.now() - started)
  }
  return median(taken)
}
