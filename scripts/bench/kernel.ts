/** The kernel's figures: what a save, a call, an event and a cold start cost. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { createKernel, type EmbeddedKernel } from "../../kernel/index.ts"
import { figure, median, quantile, type Figure } from "./table.ts"

const source = (lines: number, version: number, imports = ""): string =>
  `import { definePlugin } from "graft"\n${imports}${Array.from({ length: lines - 6 }, (_, i) => `export const f${i} = (x: number): number => x + ${i}`).join("\n")}\nexport default definePlugin({ per: "process", setup(graft) { graft.provide("bench" as never, { async version() { return ${version} } } as never) } })\n`

interface Bench { version(): Promise<number> }
const bench = (kernel: EmbeddedKernel): Bench => (kernel.graft as unknown as { bench: Bench }).bench

export async function kernelFigures(): Promise<Figure[]> {
  const home = mkdtempSync(join(tmpdir(), "graft-bench-"))
  try {
    return [...(await saves(home)), ...(await reloads(home)), await calls(), await emits(), ...(await colds(home))]
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** From the write to the first call on new code, with the watcher's place taken by a hint (it adds 1 to 2 ms). */
async function saves(home: string): Promise<Figure[]> {
  const dir = join(home, "saves", "bench")
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, "one.ts"), "export const one = 1\n")
  writeFileSync(join(dir, "two.ts"), "export const two = 2\n")
  const entry = join(dir, "index.ts")
  const imports = `import { one } from "./one.ts"\nimport { two } from "./two.ts"\nvoid [one, two]\n`
  writeFileSync(entry, source(100, 0, imports))
  const kernel = createKernel({ roots: [{ dir: join(home, "saves") }], dataDir: join(home, "data") })
  await kernel.start()
  const measure = async (lines: number): Promise<number[]> => {
    const times: number[] = []
    for (let version = 1; version <= 60; version++) {
      const started = performance.now()
      writeFileSync(entry, source(lines, lines * 1_000 + version, imports))
      await kernel.reconcile([entry])
      if ((await bench(kernel).version()) !== lines * 1_000 + version) throw new Error("the call ran old code")
      times.push(performance.now() - started)
    }
    return times.slice(10)
  }
  const [short, long] = [await measure(100), await measure(1_000)]
  await kernel.close()
  return [
    figure("save → live, 100 lines and two helpers, median", median(short), "ms", 40, "at most", "dsh 112, opencode ≥ 100"),
    figure("save → live, the same, p95", quantile(short, 0.95), "ms", 60, "at most"),
    figure("save → live, 1,000 lines, median", median(long), "ms", 50, "at most"),
  ]
}

/** The garbage collector on request. */
function collector(): () => void {
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc") as () => void
}

async function reloads(home: string): Promise<Figure[]> {
  const dir = join(home, "reloads")
  mkdirSync(dir, { recursive: true })
  const kernel = createKernel({ roots: [{ dir }], dataDir: join(home, "data") })
  const collect = collector()
  const heap = () => (collect(), collect(), process.memoryUsage().heapUsed)
  const handles = () => process.getActiveResourcesInfo().filter((kind) => kind !== "Immediate").length
  const before = handles()
  const heaps: number[] = []
  for (let version = 0; version <= 1_000; version++) {
    writeFileSync(join(dir, "bench.ts"), source(40, version))
    await kernel.reconcile([])
    if (version >= 500 && version % 100 === 0) heaps.push(heap())
  }
  const left = handles() - before
  await kernel.close()
  const slope = (Math.min(...heaps.slice(-2)) - Math.min(...heaps.slice(0, 2))) / 400 / 1_024
  return [figure("1,000 reloads: heap a reload", Math.max(0, slope), "KB", 1, "at most"), figure("1,000 reloads: handles left", Math.max(0, left), "", 0, "at most")]
}

async function calls(): Promise<Figure> {
  const kernel = createKernel()
  const direct: Bench = { version: async () => 1 }
  await kernel.put("bench", { setup(graft) { graft.provide("bench" as never, { ...direct } as never) } })
  const late = bench(kernel)
  const time = async (target: Bench): Promise<number> => {
    const started = performance.now()
    for (let i = 0; i < 100_000; i++) await target.version()
    return ((performance.now() - started) * 1e6) / 100_000
  }
  const extra: number[] = []
  for (let round = 0; round < 9; round++) extra.push(-(await time(direct)) + (await time(late)))
  await kernel.close()
  return figure("a call through a handle, over a direct one", median(extra), "ns", 500, "at most")
}

async function emits(): Promise<Figure> {
  const kernel = createKernel()
  for (let i = 0; i < 10; i++) await kernel.put(`listener${i}`, { setup(graft) { graft.on("bench.told" as never, (() => {}) as never) } })
  await kernel.settled()
  const times: number[] = []
  for (let round = 0; round < 200; round++) {
    const started = performance.now()
    for (let i = 0; i < 50; i++) kernel.emit("bench.told" as never, i as never)
    times.push(((performance.now() - started) * 1_000) / 50)
    await kernel.settled()
  }
  await kernel.close()
  return figure("emit to 10 listeners (enqueue)", median(times), "µs", 3, "at most")
}

/** Compiled before, as after any first start. */
async function colds(home: string): Promise<Figure[]> {
  const measure = async (count: number): Promise<number> => {
    const dir = join(home, `cold${count}`)
    mkdirSync(dir, { recursive: true })
    for (let i = 0; i < count; i++) writeFileSync(join(dir, `plugin${i}.ts`), source(50, i).replace('"bench"', `"bench${i}"`))
    const times: number[] = []
    for (let round = 0; round < 4; round++) {
      const kernel = createKernel({ roots: [{ dir }], dataDir: join(home, "data") })
      const started = performance.now()
      await kernel.start()
      times.push(performance.now() - started)
      await kernel.close()
    }
    return median(times.slice(1))
  }
  return [figure("32 plugins load cold", await measure(32), "ms", 60, "at most"), figure("1,000 plugins load cold", await measure(1_000), "ms", 1_500, "at most")]
}
