/** What the store says is stored is on the disk, whole, and in order; what it cannot store it says, and says what to do. */
import { createHash } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import type Database from "better-sqlite3"
import { expect, test } from "vitest"
import { fileSystemOf, makeHome as makeStoreHome } from "../../plugins/store/home.ts"
import { openDatabase } from "../../plugins/store/database.ts"
import { Statements } from "../../plugins/store/statements.ts"
import { Writer } from "../../plugins/store/writer.ts"
import { makeHome, type Home, type Opened } from "../fixtures/log.ts"

const Sqlite = createRequire(import.meta.url)("better-sqlite3") as typeof Database
const THING = [{ id: 1, name: "things", sql: "CREATE TABLE thing (n INTEGER PRIMARY KEY, text TEXT) STRICT" }] as const

/** A store with a table `thing`. */
async function things(home: Home): Promise<Opened> {
  const opened = await home.kernel()
  await opened.store.migrate("things", THING)
  return opened
}
const numbers = async ({ store }: Pick<Opened, "store">) => (await store.all<{ n: number }>("SELECT n FROM thing ORDER BY n")).map(({ n }) => n)
const put = (store: Opened["store"], n: number) => store.write((tx) => tx.run("INSERT INTO thing (n) VALUES (?)", [n]))
const modes = (directory: string): string[] => readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => `${(statSync(join(directory, name)).mode & 0o777).toString(8)} ${name}`).sort()
const outcomes = async (work: Promise<unknown>[]) => (await Promise.allSettled(work)).map((each) => (each.status === "fulfilled" ? "stored" : (each.reason as { code?: string; message: string }).code ?? (each.reason as Error).message))

test("nothing is opened before it is needed; then everything is private, synced and shared", async () => {
  await using home = makeHome()
  const told: unknown[] = []
  const { kernel, store } = await home.kernel()
  kernel.on("store.opened", (fact) => void told.push(fact))
  kernel.on("store.migrated", (fact) => void told.push(fact))
  await store.prepare("things", THING)
  expect(existsSync(home.data)).toBe(false)

  expect(await store.all("SELECT * FROM thing")).toEqual([])
  await store.putBlob("x")
  await store.hold("somebody")
  await kernel.settled()
  const { version } = await store.info()
  expect(told).toEqual([{ file: home.file, version }, { owner: "things", from: 0, to: 1 }])
  expect(statSync(home.data).mode & 0o777).toBe(0o700)
  expect(modes(home.data).filter((line) => !/^(700 (blobs|locks|blobs\/..)|600 )/.test(line))).toEqual([])
  expect(modes(home.data).length).toBeGreaterThanOrEqual(8)
})

test("files that others could read are made private again", async () => {
  await using home = makeHome()
  mkdirSync(home.data, { mode: 0o755 })
  writeFileSync(home.file, "", { mode: 0o644 })
  chmodSync(home.file, 0o644)
  await things(home)
  expect(statSync(home.data).mode & 0o777).toBe(0o700)
  expect(modes(home.data)).toEqual(["600 graft.db", "600 graft.db-shm", "600 graft.db-wal"])
})

test("each connection is durable, also one that finds the file in WAL mode already", async () => {
  await using home = makeHome()
  const [first, second] = [await home.kernel(), await home.kernel()]
  for (const { store } of [first, second]) {
    expect(await store.info()).toMatchObject({ file: home.file, journal: "wal", synchronous: 2, version: expect.stringMatching(/^3\.\d+\.\d+$/) as string })
    expect(await store.get("PRAGMA foreign_keys")).toEqual({ foreign_keys: 1 })
  }
})

test("all that is asked for in one turn of the loop is one commit, in its order", async () => {
  await using home = makeHome()
  const opened = await things(home)
  const before = await opened.store.info()
  const order: number[] = []
  await Promise.all(Array.from({ length: 50 }, async (_, n) => {
    await opened.store.write((tx) => { order.push(n); tx.run("INSERT INTO thing (n) VALUES (?)", [n]) })
    order.push(n + 100)
  }))
  const after = await opened.store.info()
  expect(after.commits - before.commits).toBe(1)
  expect(after.writes - before.writes).toBe(50)
  expect(order).toEqual([...Array(50).keys(), ...Array.from({ length: 50 }, (_, n) => n + 100)])
  expect(await numbers(opened)).toHaveLength(50)
})

test("a work that throws is undone alone, wherever it stands", async () => {
  await using home = makeHome()
  const opened = await things(home)
  const { store } = opened
  const bad = (n: number) => store.write((tx) => {
    tx.run("INSERT INTO thing (n) VALUES (?)", [n])
    throw new Error("changed my mind")
  })
  expect(await outcomes([bad(1), put(store, 2), bad(3), put(store, 4), bad(5)])).toEqual(["changed my mind", "stored", "changed my mind", "stored", "changed my mind"])
  expect(await outcomes([bad(6)])).toEqual(["changed my mind"])
  expect(await numbers(opened)).toEqual([2, 4])
  const { commits } = await store.info()
  await expect(bad(7)).rejects.toThrow("changed my mind")
  expect((await store.info()).commits).toBe(commits)
})

test("a commit that fails refuses all that were in it, and the next one is as good as any", async () => {
  await using home = makeHome()
  const opened = await things(home)
  const { store } = opened
  await store.migrate("late", [{ id: 1, name: "late", sql: "CREATE TABLE late (thing INTEGER REFERENCES thing(n) DEFERRABLE INITIALLY DEFERRED) STRICT" }])
  expect(await outcomes([put(store, 1), store.write((tx) => tx.run("INSERT INTO late VALUES (99)")), put(store, 2)])).toEqual(["store.conflict", "store.conflict", "store.conflict"])
  expect(await numbers(opened)).toEqual([])
  expect(await outcomes([put(store, 3)])).toEqual(["stored"])
})

test("an expectation that is not met, and a constraint, are conflicts", async () => {
  await using home = makeHome()
  const { store } = await things(home)
  await put(store, 1)
  const rename = (n: number) => store.write((tx) => tx.apply({ sql: "UPDATE thing SET text = 'x' WHERE n = ?", params: [n], expect: 1 }))
  expect(await outcomes([rename(1), rename(2), put(store, 1), put(store, 2)])).toEqual(["stored", "store.conflict", "store.conflict", "stored"])
})

test("a work is synchronous, its transaction ends with it, and what only reads cannot write", async () => {
  await using home = makeHome()
  const opened = await things(home)
  const { store } = opened
  await expect(store.write(async (tx) => void tx.run("INSERT INTO thing (n) VALUES (1)"))).rejects.toThrow(/synchronous/)
  const escaped = await store.write((tx) => ({ tx }))
  expect(() => escaped.tx.run("INSERT INTO thing (n) VALUES (2)")).toThrow(/has ended/)
  await expect(store.get("INSERT INTO thing (n) VALUES (3) RETURNING n")).rejects.toMatchObject({ code: "store.sql" })
  await expect(store.all("SELECT * FROM nowhere")).rejects.toMatchObject({ code: "store.sql", message: expect.stringMatching(/no such table: nowhere.*SELECT \* FROM nowhere/) as string })
  for (const params of [[{}], [1, 2, 3], [true]]) await expect(store.get("SELECT ? AS x", params as never)).rejects.toMatchObject({ code: "store.sql" })
  expect(await numbers(opened)).toEqual([])
})

test("a work may ask for another one, which is written after it", async () => {
  await using home = makeHome()
  const opened = await things(home)
  const later: Promise<unknown>[] = []
  await opened.store.write((tx) => { later.push(put(opened.store, 2)); tx.run("INSERT INTO thing (n) VALUES (1)") })
  await Promise.all(later)
  expect(await numbers(opened)).toEqual([1, 2])
})

test("more than fits into the queue is written in the time of who asks for it", async () => {
  await using home = makeHome()
  const opened = await things(home)
  const before = await opened.store.info()
  await Promise.all(Array.from({ length: 2_500 }, (_, n) => put(opened.store, n)))
  expect(await numbers(opened)).toHaveLength(2_500)
  expect((await opened.store.info()).commits - before.commits).toBe(3)
})

test("while another process holds the lock writes wait, so many; reads do not wait", async () => {
  await using home = makeHome()
  const opened = await things(home)
  const other = new Sqlite(home.file)
  other.exec("BEGIN IMMEDIATE; INSERT INTO thing (n) VALUES (5000)")
  const waiting = Array.from({ length: 1_000 }, (_, n) => put(opened.store, n))
  // The first try has been made, and the loop goes on.
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(await numbers(opened)).toEqual([])
  await expect(put(opened.store, 1_000)).rejects.toMatchObject({ code: "store.busy", message: expect.stringContaining("1000 writes wait") as string })
  other.exec("COMMIT")
  await Promise.all(waiting)
  expect(await numbers(opened)).toHaveLength(1_001)
  other.close()
})

test("a lock that is never released is busy in the end, and nothing of it is stored", async () => {
  await using home = makeHome()
  const { kernel } = await things(home)
  await kernel.close()
  const bare = makeStoreHome(home.data)
  const database = await openDatabase(bare)
  const writer = new Writer(bare, database, new Statements(database, bare.file), 40)
  const other = new Sqlite(home.file)
  other.exec("BEGIN IMMEDIATE")
  await expect(writer.write((tx) => tx.run("INSERT INTO thing (n) VALUES (1)"))).rejects.toMatchObject({ code: "store.busy", message: expect.stringContaining(home.file) as string })
  other.exec("ROLLBACK")
  await writer.write((tx) => tx.run("INSERT INTO thing (n) VALUES (2)"))
  expect(database.prepare("SELECT n FROM thing").all()).toEqual([{ n: 2 }])
  for (const each of [other, database]) each.close()
})

test("a full disk refuses what does not fit and keeps what is there", async () => {
  await using home = makeHome()
  const opened = await things(home)
  const { store } = opened
  await put(store, 1)
  await store.get(`PRAGMA max_page_count = ${(await store.get<{ page_count: number }>("PRAGMA page_count"))!.page_count + 4}`)
  const big = (n: number) => store.write((tx) => tx.run("INSERT INTO thing (n, text) VALUES (?, ?)", [n, "x".repeat(100_000)]))
  const tried = await outcomes([put(store, 2), big(3), put(store, 4)])
  expect(tried[1]).toBe("store.full")
  // Whatever SQLite made of the transaction: who was told "stored" is stored, who was not is not.
  expect(await numbers(opened)).toEqual([1, ...[2, 3, 4].filter((_, i) => tried[i] === "stored")])
  await store.get("PRAGMA max_page_count = 1000000")
  await big(5)
  expect(await numbers(opened)).toContain(5)
})

test.runIf(process.getuid !== undefined)("a home that cannot be written says so, and works once it can", async () => {
  await using home = makeHome()
  const { store } = await home.kernel()
  const asNobody = async <T>(work: () => Promise<T>): Promise<T> => {
    const root = process.geteuid!() === 0
    if (root) process.seteuid!(65_534)
    try { return await work() } finally { if (root) process.seteuid!(0) }
  }
  chmodSync(home.directory, 0o555)
  await expect(asNobody(() => store.get("SELECT 1"))).rejects.toMatchObject({ code: "store.readonly", message: expect.stringMatching(/cannot be written.*GRAFT_HOME/) as string })
  await expect(asNobody(() => store.putBlob("x"))).rejects.toMatchObject({ code: "store.readonly" })
  chmodSync(home.directory, 0o755)
  expect(await store.get("SELECT 1 AS one")).toEqual({ one: 1 })
})

test("a path that is no directory, and a database that is one, are told apart from success", async () => {
  await using home = makeHome()
  const { store } = await home.kernel()
  writeFileSync(home.data, "")
  await expect(store.get("SELECT 1")).rejects.toMatchObject({ code: "store.readonly" })
  rmSync(home.data)
  mkdirSync(home.file, { recursive: true })
  await expect(store.get("SELECT 1")).rejects.toMatchObject({ code: "store.readonly", message: expect.stringContaining(home.file) as string })
})

test("a file that is no database, and one that is damaged, name themselves and the way out", async () => {
  await using home = makeHome()
  mkdirSync(home.data)
  writeFileSync(home.file, "this is not a database, whatever its name says. ".repeat(100))
  const { store, kernel } = await home.kernel()
  await expect(store.get("SELECT 1")).rejects.toMatchObject({ code: "store.corrupt", message: expect.stringMatching(/graft\.db: it is damaged\. Move it away/) as string })
  await kernel.close()

  await using second = makeHome()
  const opened = await things(second)
  for (let n = 0; n < 40; n++) await opened.store.write((tx) => tx.run("INSERT INTO thing (text) VALUES (?)", ["y".repeat(2_000)]))
  await opened.kernel.close()
  const bytes = readFileSync(second.file)
  writeFileSync(second.file, bytes.fill(0xff, 4_096 * 3))
  const again = await second.kernel()
  await expect(again.store.all("SELECT sum(length(text)) FROM thing")).rejects.toMatchObject({ code: "store.corrupt" })
})

test("a database of a newer version is left alone", async () => {
  await using home = makeHome()
  const { kernel } = await things(home)
  await kernel.close()
  const newer = new Sqlite(home.file)
  newer.pragma("user_version = 2")
  newer.close()
  const { store } = await home.kernel()
  await expect(store.get("SELECT 1")).rejects.toMatchObject({ code: "store.newer", message: expect.stringMatching(/newer version.*update this program/) as string })
})

test("a network file system is refused, what containers use is not", () => {
  const mounts = [
    "22 1 0:20 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/a",
    "23 22 0:21 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2",
    "24 23 0:22 / /home/me/local rw,relatime - ext4 /dev/sda1 rw",
    "25 22 0:23 / /mnt/with\\040space rw,relatime - fuse.sshfs me@there: rw",
    "26 22 0:24 / /work rw,relatime - virtiofs shared rw",
    "27 22 0:25 / /work rw,relatime - tmpfs tmpfs rw",
    "28 22 0:26 / /homely rw - fuse.bindfs /x rw",
  ].join("\n")
  expect(["/", "/var/lib", "/home", "/home/me/x", "/home/me/local/y", "/mnt/with space/z", "/work/w", "/homely/h", "/homeless"].map((path) => fileSystemOf(mounts, path)))
    .toEqual(["overlay", "overlay", "nfs4", "nfs4", "ext4", "fuse.sshfs", "tmpfs", "fuse.bindfs", "overlay"])
})

test("a blob is found by its content, written once, and never given out wrong", async () => {
  await using home = makeHome()
  const { store } = await home.kernel()
  const [a, b, c] = await Promise.all([store.putBlob("grüße"), store.putBlob(Buffer.from("grüße")), store.putBlob("")])
  expect(a).toEqual({ sha256: createHash("sha256").update("grüße").digest("hex"), bytes: 7 })
  expect(b).toEqual(a)
  expect(Buffer.from((await store.getBlob(a.sha256))!).toString()).toBe("grüße")
  expect((await store.getBlob(c.sha256))?.length).toBe(0)
  expect(await store.getBlob("0".repeat(64))).toBeUndefined()
  expect(await store.getBlob("../../etc/passwd")).toBeUndefined()
  const path = join(home.data, "blobs", a.sha256.slice(0, 2), a.sha256)
  const { ino } = statSync(path)
  await store.putBlob("grüße")
  expect(statSync(path).ino).toBe(ino)
  expect(readdirSync(join(home.data, "blobs"), { recursive: true, encoding: "utf8" }).filter((name) => /\/\./.test(name))).toEqual([])
  writeFileSync(path, "grusse!")
  await expect(store.getBlob(a.sha256)).rejects.toMatchObject({ code: "store.corrupt", message: expect.stringContaining(path) as string })
  writeFileSync(path, "short")
  await store.putBlob("grüße")
  expect(Buffer.from((await store.getBlob(a.sha256))!).toString()).toBe("grüße")
})

test("an edit of the store's source keeps the connection, and what is under way is finished", async () => {
  await using home = makeHome({ copy: true })
  const opened = await things(home)
  const { store, kernel } = opened
  // Only the connection that made it can see it.
  await store.write((tx) => tx.run("CREATE TEMP TABLE mine (n INTEGER)"))
  const before = await store.info()
  const other = new Sqlite(home.file)
  other.exec("BEGIN IMMEDIATE")
  const waiting = [put(store, 1), put(store, 2)]
  await new Promise((resolve) => setTimeout(resolve, 20))
  await kernel.reconcile([home.edit("store/service.ts", (source) => source.replace("commits: home.commits,", "commits: home.commits, edited: true,"))])
  const newer = put(store, 3)
  other.exec("COMMIT")
  await Promise.all([...waiting, newer])
  other.close()
  expect(await store.info()).toMatchObject({ edited: true, commits: before.commits + 2 })
  expect(await store.all("SELECT * FROM mine")).toEqual([])
  expect(await numbers(opened)).toEqual([1, 2, 3])
})
