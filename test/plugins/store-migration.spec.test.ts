/** A schema goes forward step by step, once, whoever comes first; and never back, sideways or halfway (S26). */
import { createRequire } from "node:module"
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import type Database from "better-sqlite3"
import { expect, test } from "vitest"
import type { Migration } from "../../plugins/store/contract.ts"
import { makeHome, type Opened } from "../fixtures/log.ts"

const Sqlite = createRequire(import.meta.url)("better-sqlite3") as typeof Database
const STEPS: readonly Migration[] = [
  { id: 1, name: "begin", sql: "CREATE TABLE dog (name TEXT PRIMARY KEY) STRICT" },
  { id: 2, name: "age", sql: "ALTER TABLE dog ADD COLUMN age INTEGER" },
  { id: 3, name: "cats", sql: "CREATE TABLE cat (name TEXT PRIMARY KEY) STRICT; INSERT INTO cat VALUES ('Tom')" },
]
const steps = (count: number) => STEPS.slice(0, count)
const ledger = ({ store }: Opened) => store.all("SELECT owner, id, name, min_reader FROM migration ORDER BY owner, id")
const schema = ({ store }: Opened) => store.all("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY name")
const backups = (data: string): string[] => { try { return readdirSync(join(data, "backups")).sort() } catch { return [] } }

test("only what is missing is applied, and it is told", async () => {
  await using home = makeHome()
  const opened = await home.kernel()
  const told: unknown[] = []
  opened.kernel.on("store.migrated", (fact) => void told.push(fact))
  await opened.store.migrate("pets", steps(1))
  await opened.store.migrate("pets", steps(1))
  await opened.store.migrate("pets", steps(3))
  await opened.store.migrate("others", [])
  await opened.kernel.settled()
  expect(told).toEqual([{ owner: "pets", from: 0, to: 1 }, { owner: "pets", from: 1, to: 3 }])
  expect(await ledger(opened)).toEqual([1, 2, 3].map((id) => ({ owner: "pets", id, name: STEPS[id - 1]!.name, min_reader: id })))
  expect(await opened.store.all("SELECT * FROM cat")).toEqual([{ name: "Tom" }])
})

test("a statement that was used before the schema changed gives the new columns", async () => {
  await using home = makeHome()
  const { store } = await home.kernel()
  await store.migrate("pets", steps(1))
  await store.write((tx) => tx.run("INSERT INTO dog (name) VALUES ('Rex')"))
  expect(await store.all("SELECT * FROM dog")).toEqual([{ name: "Rex" }])
  await store.migrate("pets", steps(2))
  expect(await store.all("SELECT * FROM dog")).toEqual([{ name: "Rex", age: null }])
})

test("a step that fails leaves everything as it was, those before it in the same go included", async () => {
  await using home = makeHome()
  const opened = await home.kernel()
  await opened.store.migrate("pets", steps(1))
  const before = [await schema(opened), await ledger(opened)]
  for (const sql of ["CREATE TABLE bird (n INTEGER); INSERT INTO fish VALUES (1)", "CREATE TABLE bird (n INTEGER); COMMIT", "INSERT INTO dog VALUES ('a', 1); INSERT INTO dog VALUES ('a', 1)"]) {
    await expect(opened.store.migrate("pets", [...steps(2), { id: 3, name: "bad", sql }])).rejects.toMatchObject({ code: "store.migration", message: expect.stringMatching(/step 3 "bad" of pets failed, and .*graft\.db is as it was/) as string })
    expect([await schema(opened), await ledger(opened)]).toEqual(before)
  }
})

test("a step that was applied cannot be edited; its layout can", async () => {
  await using home = makeHome()
  const { store } = await home.kernel()
  await store.migrate("pets", steps(2))
  await store.migrate("pets", [{ ...STEPS[0]!, sql: "\n  CREATE TABLE dog\n    (name TEXT PRIMARY KEY) STRICT\n" }, STEPS[1]!])
  await expect(store.migrate("pets", [{ ...STEPS[0]!, sql: "CREATE TABLE dog (name TEXT) STRICT" }, ...STEPS.slice(1)])).rejects.toMatchObject({ code: "store.migration", message: expect.stringMatching(/step 1 "begin" was applied when it read differently.*step 4/) as string })
  await expect(store.migrate("cars", [{ id: 2, name: "x", sql: "" }])).rejects.toMatchObject({ code: "store.migration", message: expect.stringContaining("they must count 1, 2, 3") as string })
})

test("what a newer version has changed is refused, unless that version says it can still be read", async () => {
  await using home = makeHome()
  const { store } = await home.kernel()
  await store.migrate("pets", steps(2))
  await expect(store.migrate("pets", steps(1))).rejects.toMatchObject({ code: "store.newer", message: expect.stringMatching(/pets: step 2 "age", this program knows 1/) as string })
  await store.migrate("pets", [...steps(2), { ...STEPS[2]!, minReader: 2 }])
  await store.migrate("pets", steps(2))
  await expect(store.migrate("pets", steps(1))).rejects.toMatchObject({ code: "store.newer" })
})

test("what was prepared is there before the first read; a mistake in it harms nobody else", async () => {
  await using home = makeHome()
  const { store, kernel } = await home.kernel()
  await store.prepare("broken", [{ id: 1, name: "x", sql: "CREATE TABEL x" }])
  await store.prepare("pets", steps(2))
  expect(await store.all("SELECT * FROM dog")).toEqual([])
  await store.prepare("pets", steps(3))
  expect(await store.all("SELECT * FROM cat")).toEqual([{ name: "Tom" }])
  expect(kernel.logs("store").map(({ level, text }) => [level, text])).toEqual([["error", expect.stringMatching(/step 1 "x" of broken failed/)]])
})

test("rows are backed up before a later step, privately, and the three latest backups are kept", async () => {
  await using home = makeHome()
  const { store } = await home.kernel()
  await store.migrate("pets", steps(1))
  await store.migrate("pets", steps(2))
  expect(backups(home.data)).toEqual([])
  await store.write((tx) => tx.run("INSERT INTO dog (name) VALUES ('Rex')"))
  await store.migrate("others", [{ id: 1, name: "first", sql: "CREATE TABLE other (n INTEGER) STRICT" }])
  expect(backups(home.data)).toEqual([])
  await store.migrate("pets", steps(3))
  const [backup, ...more] = backups(home.data)
  expect([backup, more]).toEqual([expect.stringMatching(/^\d{4}-.*-pets-2\.db$/), []])
  const path = join(home.data, "backups", backup!)
  expect([statSync(path).mode & 0o777, statSync(join(home.data, "backups")).mode & 0o777]).toEqual([0o600, 0o700])
  const old = new Sqlite(path, { readonly: true })
  expect(old.prepare("SELECT * FROM dog").all()).toEqual([{ name: "Rex", age: null }])
  expect(() => old.prepare("SELECT * FROM cat").all()).toThrow(/no such table/)
  expect(old.prepare("SELECT max(id) AS id FROM migration WHERE owner = 'pets'").get()).toEqual({ id: 2 })
  old.close()

  for (let n = 4; n <= 7; n++) await store.migrate("pets", [...STEPS, ...Array.from({ length: n - 3 }, (_, i) => ({ id: i + 4, name: `n${i + 4}`, sql: `CREATE TABLE t${i + 4} (n INTEGER) STRICT` }))])
  expect(backups(home.data).map((name) => name.slice(-9))).toEqual(["pets-4.db", "pets-5.db", "pets-6.db"])
})

test("four processes at once: one applies each step, with one backup, and all end on the same schema", async () => {
  await using home = makeHome()
  const processes = await Promise.all(Array.from({ length: 4 }, () => home.process()))
  await Promise.all(processes.map(({ store }) => store.migrate("pets", steps(1))))
  await processes[0]!.ask("insert", "INSERT INTO dog (name) VALUES ('Rex')")
  await Promise.all(processes.map(({ store }) => store.migrate("pets", STEPS)))
  const views = await Promise.all(processes.map(({ store }) => store.all("SELECT name, sql FROM sqlite_schema WHERE tbl_name IN ('dog', 'cat') ORDER BY name")))
  expect(new Set(views.map((view) => JSON.stringify(view))).size).toBe(1)
  expect(await processes[1]!.store.all("SELECT * FROM cat")).toEqual([{ name: "Tom" }])
  expect(await processes[2]!.store.all("SELECT owner, id FROM migration WHERE owner = 'pets' ORDER BY id")).toEqual([1, 2, 3].map((id) => ({ owner: "pets", id })))
  expect(backups(home.data)).toHaveLength(1)

  // A name is held as long as its process lives, also while it is only stopped.
  const [holder, other] = processes as [(typeof processes)[0], (typeof processes)[0]]
  expect(await holder.store.hold("rt_a")).toBe(true)
  expect([await other.store.hold("rt_a"), await other.store.isHeld("rt_a"), await other.store.isHeld("rt_b")]).toEqual([false, true, false])
  holder.child.kill("SIGSTOP")
  expect(await other.store.isHeld("rt_a")).toBe(true)
  await holder.kill()
  expect([await other.store.isHeld("rt_a"), readdirSync(join(home.data, "locks"))]).toEqual([false, []])
})
