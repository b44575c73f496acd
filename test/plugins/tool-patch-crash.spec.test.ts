/** Killed anywhere in the middle of a change of several files, and again in taking it over, all of them are changed or none. */
import { spawn } from "node:child_process"
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { makeTree, patchCrash, patchProcess } from "../crash/patch.ts"
import { filesOf } from "../fixtures/files.ts"

test("a process that is killed at any point leaves all or nothing to the one that comes next, and nothing beside", async () => {
  using whole = makeTree()
  const { points } = await patchProcess(whole)
  expect([whole.state(), whole.debris()]).toEqual(["after", []])
  expect(points.length).toBeGreaterThan(15)
  const ready = points.indexOf("change.ready#1")
  // Of what is the same for each file, one.
  const queue = [...points.entries()].filter(([, point]) => !/(laid|cleared)#[^2]/.test(point))
  const ends = new Map<number, unknown>()
  await Promise.all([1, 2, 3].map(async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [n, point] = next
      using tree = makeTree()
      const { killed } = await patchProcess(tree, point)
      await filesOf(tree.home).recovered()
      ends.set(n, [killed, tree.state(), tree.debris()])
    }
  }))
  // From the moment that it is written down, it is finished.
  expect(ends.size).toBeGreaterThan(10)
  for (const [n, end] of ends) expect(end, points[n]).toEqual([true, n < ready ? "before" : "after", []])
})

test("who is killed in taking over leaves it to the next; a share by chance, all with test:crash", async () => {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)]!
  const plans = Array.from({ length: 3 }, () => [`change.put#${pick([1, 2, 3, 4, 5])}`, pick(["change.put#1", "change.done#1", "change.cleared#2", "change.cleared#6"])])
  const meddled = patchCrash([`change.put#${pick([1, 2, 3])}`, `change.back#${pick([1, 2])}`], { meddled: true })
  expect((await Promise.all([meddled, ...plans.map((plan) => patchCrash(plan))])).flat()).toEqual([])
})

test("what somebody else changed since stays, and then the rest is taken back; it is told", async () => {
  using tree = makeTree()
  await patchProcess(tree, "change.put#2")
  writeFileSync(join(tree.project, "src/old.txt"), "mine\n")
  const told: string[] = []
  await filesOf(tree.home, (text) => told.push(text)).recovered()
  expect(tree.state()).toMatchObject({ "a.txt": "a\n", "src/old.txt": "mine\n", "src/gone.txt": "gone\n" })
  expect(Object.keys(tree.state())).toHaveLength(4)
  expect(tree.debris()).toEqual([])
  expect(told).toEqual([expect.stringMatching(/taken back.*stay as they are: .*old\.txt$/)])
})

test("many that come at once take it over once; what a living process does is its own", async () => {
  using tree = makeTree()
  await patchProcess(tree, "change.put#3")
  const told: string[] = []
  await Promise.all([1, 2, 3].map(() => filesOf(tree.home, (text) => told.push(text)).recovered()))
  expect([tree.state(), told.length]).toEqual(["after", 1])

  using other = makeTree()
  await patchProcess(other, "change.put#3")
  const [name] = readdirSync(join(other.home, "data/changes")) as [string]
  const sleeper = spawn("sleep", ["60"])
  const start = readFileSync(`/proc/${sleeper.pid}/stat`, "latin1").split(") ")[1]!.split(" ")[19]
  const [id, owner, phase] = name.split(".") as [string, string, string]
  renameSync(join(other.home, "data/changes", name), join(other.home, "data/changes", `${id}.${sleeper.pid}-${start}-${owner.split("-")[2]}.${phase}`))
  await filesOf(other.home).recovered()
  expect(other.state()).toBeTypeOf("object")
  sleeper.kill("SIGKILL")
  await new Promise((resolve) => { sleeper.once("exit", resolve) })
  await filesOf(other.home).recovered()
  expect([other.state(), other.debris()]).toEqual(["after", []])
})

test.each([["torn", '{"steps":[{'], ["something else", "[]"], ["empty", ""]])("an entry that is %s is nothing that was begun", async (_, content) => {
  using tree = makeTree()
  await patchProcess(tree, "change.opened#1")
  const [name] = readdirSync(join(tree.home, "data/changes")) as [string]
  writeFileSync(join(tree.home, "data/changes", name), content)
  await filesOf(tree.home).recovered()
  expect([tree.state(), tree.debris()]).toEqual(["before", []])
})
