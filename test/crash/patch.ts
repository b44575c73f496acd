/** Files that change together, in a process that is killed, perhaps in one after it that is killed while it takes over, and what is left then. */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { FileChange } from "../../plugins/tool/contract.ts"

const DEADLINE = 20_000
/** In the order of names. */
const BEFORE: Record<string, string> = { "a.txt": "a\n", "src/gone.txt": "gone\n", "src/old.txt": "moved\n", "src/run.sh": "run\n" }
const AFTER: Record<string, string> = { "a.txt": "A\n", "src/run.sh": "RUN\n", "new/deep/b.txt": "B\n", "new/name.txt": "MOVED\n" }
/** Reached last. */
const MEDDLED = "src/old.txt"
type Wanted = Omit<FileChange, "bytes"> & { bytes?: string }

export interface Tree extends Disposable { home: string; project: string; changes: Wanted[]; /** Which it is; or everything that is there. */ state(): "before" | "after" | Record<string, string>; /** What should not be there. */ debris(): string[] }

export function makeTree(): Tree {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-patch-")))
  const [home, project] = [join(base, "home"), join(base, "project")]
  for (const [name, content] of Object.entries(BEFORE)) {
    mkdirSync(join(project, name, ".."), { recursive: true })
    writeFileSync(join(project, name), content)
  }
  chmodSync(join(project, "src/run.sh"), 0o751)
  const at = (name: string) => join(project, name)
  const version = (name: string) => createHash("sha256").update(BEFORE[name]!).digest("hex")
  const changes: Wanted[] = [
    { path: at("a.txt"), bytes: "A\n", expect: version("a.txt") },
    { path: at("new/deep/b.txt"), bytes: "B\n" },
    { path: at("src/gone.txt"), expect: version("src/gone.txt") },
    { path: at("new/name.txt"), bytes: "MOVED\n", like: at("src/old.txt") },
    { path: at("src/old.txt"), expect: version("src/old.txt") },
    { path: at("src/run.sh"), bytes: "RUN\n", expect: version("src/run.sh") },
  ]
  const held = () => Object.fromEntries((readdirSync(project, { recursive: true }) as string[]).filter((name) => !name.includes(".graft-") && statSync(at(name)).isFile()).sort().map((name) => [name, readFileSync(at(name), "utf8")]))
  const same = (one: Record<string, string>, other: Record<string, string>) => JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort())
  return {
    home, project, changes,
    state() {
      const now = held()
      const mode = existsSync(at("src/run.sh")) ? statSync(at("src/run.sh")).mode & 0o777 : 0
      if (mode !== 0o751) return { ...now, mode: mode.toString(8) }
      if (same(now, BEFORE)) return existsSync(at("new")) ? { ...now, new: "a directory that nobody needs" } : "before"
      return same(now, AFTER) ? "after" : now
    },
    debris: () => [
      ...(readdirSync(project, { recursive: true }) as string[]).filter((name) => name.includes(".graft-")),
      ...(existsSync(join(home, "data/changes")) ? readdirSync(join(home, "data/changes")) : []),
    ],
    [Symbol.dispose]: () => rmSync(base, { recursive: true, force: true }),
  }
}

/** Runs one process to its end; gives the points that it came to, and whether it was killed. */
export function patchProcess({ home, changes }: { home: string; changes?: Wanted[] }, kill?: string): Promise<{ killed: boolean; points: string[] }> {
  const trace = join(home, `trace-${Math.random()}`)
  mkdirSync(home, { recursive: true })
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "../fixtures/patch-process.ts"), JSON.stringify({ home, changes })], { stdio: ["ignore", "ignore", "pipe"], timeout: DEADLINE, killSignal: "SIGTERM", env: { ...process.env, NODE_OPTIONS: "", GRAFT_CRASH_TRACE: trace, ...(kill && { GRAFT_CRASH: kill }) } })
    let errors = ""
    child.stderr.on("data", (text: Buffer) => { errors += String(text) })
    child.on("close", (code, signal) => {
      const points = existsSync(trace) ? readFileSync(trace, "utf8").trim().split("\n").filter(Boolean) : []
      if (signal === "SIGKILL" || code === 0) resolve({ killed: signal === "SIGKILL", points })
      else reject(new Error(`ended with ${signal ?? code}: ${errors}`))
    })
  })
}

/** One life after another, each killed at its point, and one to the end; gives what is wrong then. `meddled`: in between somebody changes a file that was not yet reached. */
export async function patchCrash(points: readonly string[], { meddled = false } = {}): Promise<string[]> {
  using tree = makeTree()
  let orders: { home: string; changes?: Wanted[] } = tree
  for (const [n, point] of points.entries()) {
    await patchProcess(orders, point)
    if (n === 0 && meddled) writeFileSync(join(tree.project, MEDDLED), "mine\n")
    orders = { home: tree.home }
  }
  await patchProcess({ home: tree.home })
  const state = tree.state()
  const right = meddled ? JSON.stringify(state) === JSON.stringify({ ...BEFORE, [MEDDLED]: "mine\n" }) : typeof state === "string"
  const debris = tree.debris()
  const what = `${points.join(", then ")}${meddled ? ", meddled" : ""}`
  return [...(right ? [] : [`${what}: a half: ${JSON.stringify(state)}`]), ...(debris.length === 0 ? [] : [`${what}: left behind: ${debris.join(", ")}`])]
}

/** Every point of the change, and with each every point of taking over. */
export async function allPatchCrashes(say: (line: string) => void = () => {}): Promise<string[]> {
  using tree = makeTree()
  const { points } = await patchProcess(tree)
  const wrong: string[] = []
  for (const first of points) {
    for (const meddled of /ready|put#[1-5]/.test(first) ? [false, true] : [false]) {
      using broken = makeTree()
      await patchProcess(broken, first)
      if (meddled) writeFileSync(join(broken.project, MEDDLED), "mine\n")
      const later = (await patchProcess({ home: broken.home })).points
      for (const plan of [[first], ...later.map((second) => [first, second])]) wrong.push(...await patchCrash(plan, { meddled }))
      say(`${first}${meddled ? ", meddled" : ""}: ${later.length + 1} runs`)
    }
  }
  return wrong
}
