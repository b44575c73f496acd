/** What judging costs: a shell line against the process that it is about, a file against one read of it; with the rules of every layer, on disk. */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel } from "../../kernel/index.ts"
import { figure, median, ratio, type Figure } from "./table.ts"

const RUNS = 200
const LINE = "cd src && git log --oneline -5 | head -3 && npm test -- --run 2>&1 > out/log"

export async function permissionFigures(): Promise<Figure[]> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "graft-bench-permission-")))
  const location = join(home, "project")
  mkdirSync(join(location, ".git"), { recursive: true })
  mkdirSync(join(home, "config"))
  writeFileSync(join(location, "file"), "x")
  writeFileSync(join(home, "config/config.jsonc"), JSON.stringify({ permissions: { allow: ["bash:git *", "bash:npm *", "bash:head *", "write:out/*"], deny: ["bash:rm *", "read:secrets/*", "write:.git/*"] } }))
  const kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], dataDir: home, only: ["config", "permission"] })
  try {
    await kernel.start()
    using graft = await kernel.child(location)
    await kernel.settled()
    const ask = { action: "bash", resource: LINE, directory: location }
    const first = await timed(() => graft.permission.evaluate(ask))
    const again = await medianOf(() => graft.permission.evaluate(ask))
    const read = await medianOf(() => graft.permission.evaluate({ action: "read", resource: join(location, "file") }))
    const spawned = await medianOf(() => execFileSync("/bin/sh", ["-c", ":"]), 30)
    const opened = await medianOf(() => readFileSync(join(location, "file")))
    return [
      figure("the first shell line of a process judged, its grammar loaded", first, "ms", 100, "at most"),
      figure("a line of four commands and a redirect judged, median", again, "ms", 3, "at most"),
      ratio("that against starting a shell", again / spawned, 1),
      figure("a read judged, median (reading the file itself: " + opened.toFixed(3) + " ms)", read, "ms", 1, "at most"),
    ]
  } finally {
    await kernel.close()
    rmSync(home, { recursive: true, force: true })
  }
}

async function timed(work: () => unknown): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

async function medianOf(work: () => unknown, runs = RUNS): Promise<number> {
  const found: number[] = []
  for (let run = 0; run < runs; run++) found.push(await timed(work))
  return median(found)
}
