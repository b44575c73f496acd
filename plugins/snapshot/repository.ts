/**
 * States of a project's files: trees in a private git directory under the data directory, named by session, activity and
 * turn. Each state is taken with an index of its own, copied from the last one and put in its place afterwards, so that no
 * lock that somebody left can stop another, and an unchanged file costs one look.
 */
import { createHash, randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { access, chmod, constants, copyFile, lstat, mkdir, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Change, Entry, State } from "./course.ts"
import { SnapshotError } from "./errors.ts"
import { Git } from "./git.ts"

/** Files that changed since the last state; bytes of one, and of all new ones together. */
const MOST_FILES = 50_000
const MOST_BYTES = 5 * 1024 * 1024
const MOST_NEW = 1024 * 1024 * 1024
/** Milliseconds: an index that nobody puts in place any more, how often there is tidying, how long states are kept, and how long that may take. */
const LEFT_OVER = 3_600_000
const DAY = 86_400_000
const KEPT_DAYS = 14
const TIDYING = 120_000
/** States that are kept, the latest. */
const MOST_STATES = 2_000

/** Stands in a state for a file that was too large or could not be read: what it held is not known. */
const MARKER = "graft: not kept\n"
export const MARK = blobOf(Buffer.from(MARKER))
const NOTHING = "0".repeat(40)

/** Git's name for a content. */
export function blobOf(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex")
}

export class Repository {
  readonly git: Git
  readonly #location: string
  readonly #directory: string
  #ready: Promise<void> | undefined

  constructor(data: string, location: string) {
    this.#location = location
    this.#directory = join(data, "snapshots", createHash("sha256").update(location).digest("hex").slice(0, 16))
    this.git = new Git(this.#directory, location, join(location, ".git/info/exclude"))
  }

  get exists(): boolean { return existsSync(join(this.#directory, "HEAD")) }

  /** There it is, or why it cannot be. */
  async open(): Promise<void> {
    // A directory that nobody keeps in git may be anything, a home with all that is in it included.
    if (!existsSync(join(this.#location, ".git"))) throw new SnapshotError("snapshot.unable", `${this.#location} is no git repository, and only of one is it kept what files held`)
    await (this.#ready ??= this.#make().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    }))
  }

  /** The tree of what the project's files hold now. */
  async take(): Promise<{ tree: string; at: number }> {
    await this.open()
    const at = Date.now()
    const index = join(this.#directory, `index.${process.pid}.${randomBytes(4).toString("hex")}`)
    try {
      await copyIndex(join(this.#directory, "index"), index)
      await this.#update(index)
      const tree = await this.git.text(["write-tree"], { index })
      await rename(index, join(this.#directory, "index"))
      return { tree, at }
    } finally {
      await rm(index, { force: true })
      await rm(`${index}.lock`, { force: true })
    }
  }

  /** Names a state, unless `only` is set and something has that name. */
  async name(session: string, name: string, { tree, at }: { tree: string; at: number }, only: boolean): Promise<void> {
    const date = `${Math.floor(at / 1_000)} +0000`
    const commit = await this.git.text(["commit-tree", tree, "-m", String(at)], { env: { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date } })
    await this.git.run(["update-ref", refOf(session, name), commit, ...(only ? [NOTHING] : [])]).catch((error: unknown) => {
      if (!only || !/already exists|cannot lock ref/.test(String(error))) throw error
    })
  }

  /** Of a session, as they followed each other. */
  async states(session: string): Promise<State[]> {
    const lines = (await this.git.text(["for-each-ref", "--format=%(refname) %(tree) %(subject)", `refs/graft/${session}/turn/`])).split("\n").filter(Boolean)
    return lines.flatMap((line) => {
      const [ref = "", tree = "", at] = line.split(" ")
      const [, ordinal, turn] = /\/(\d+)\.(\d+|end)$/.exec(ref) ?? []
      return ordinal === undefined ? [] : [{ activity: Number(ordinal), turn: turn === "end" ? Infinity : Number(turn), tree, at: Number(at) }]
    }).sort((a, b) => a.activity - b.activity || a.turn - b.turn)
  }

  async files(tree: string): Promise<Map<string, Entry>> {
    const rows = (await this.git.run(["ls-tree", "-r", "-z", "--full-tree", tree])).toString("utf8").split("\0").filter(Boolean)
    return new Map(rows.flatMap((row) => {
      const [, mode, blob, path] = /^(\d+) blob ([0-9a-f]{40})\t(.*)$/s.exec(row) ?? []
      return path === undefined ? [] : [[path, { mode: mode!, blob: blob! }] as const]
    }))
  }

  async changes(from: string, to: string): Promise<Change[]> {
    const fields = (await this.git.run(["diff-tree", "-r", "-z", "--no-renames", "--raw", from, to])).toString("utf8").split("\0")
    const changes: Change[] = []
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const [oldMode = "", newMode = "", oldBlob = "", newBlob = ""] = fields[i]!.slice(1).split(" ")
      changes.push({ path: fields[i + 1]!, ...(oldBlob !== NOTHING && { from: { mode: oldMode, blob: oldBlob } }), ...(newBlob !== NOTHING && { to: { mode: newMode, blob: newBlob } }) })
    }
    return changes
  }

  /** A tree like another, but for these files; both are kept as long as the session's states are. */
  async derive(session: string, tree: string, changes: ReadonlyMap<string, Entry | undefined>): Promise<string> {
    const index = join(this.#directory, `index.${process.pid}.${randomBytes(4).toString("hex")}`)
    try {
      await this.git.run(["read-tree", tree], { index })
      const rows = [...changes].map(([path, entry]) => `${entry?.mode ?? "0"} ${entry?.blob ?? NOTHING}\t${path}\0`)
      await this.git.run(["update-index", "-z", "--replace", "--index-info"], { index, input: rows.join("") })
      const derived = await this.git.text(["write-tree"], { index })
      for (const each of [tree, derived]) await this.git.run(["update-ref", refOf(session, each.slice(0, 12), "undo"), each])
      return derived
    } finally {
      await rm(index, { force: true })
    }
  }

  /** Bytes of a few blobs. */
  async contents(blobs: readonly string[]): Promise<Map<string, Buffer>> {
    const output = await this.git.run(["cat-file", "--batch"], { input: blobs.map((blob) => `${blob}\n`).join("") })
    const contents = new Map<string, Buffer>()
    for (let at = 0; at < output.length; ) {
      const end = output.indexOf(10, at)
      const [blob = "", kind, size] = output.toString("latin1", at, end).split(" ")
      at = end + 1
      if (kind !== "blob") continue
      contents.set(blob, output.subarray(at, at + Number(size)))
      at += Number(size) + 1
    }
    return contents
  }

  /** Is there such a tree? */
  async has(tree: string): Promise<boolean> {
    return this.git.run(["cat-file", "-e", `${tree}^{tree}`]).then(() => true, () => false)
  }

  async forget(session: string): Promise<void> {
    if (this.exists) await this.#drop((await this.git.text(["for-each-ref", "--format=%(refname)", `refs/graft/${session}/`])).split("\n"))
  }

  /** Once a day, whoever comes first: what is old goes, and the rest is packed. */
  async tidy(): Promise<void> {
    const mark = join(this.#directory, "tidied")
    const last = await stat(mark).then(({ mtimeMs }) => mtimeMs, missing)
    if (last !== undefined && Date.now() - last < DAY) return
    await writeFile(mark, "")
    if (last === undefined) return
    await utimes(mark, new Date(), new Date())
    // Names of undos have no date of their own: they go with the last state of their session.
    const lines = (await this.git.text(["for-each-ref", "--sort=-creatordate", "--format=%(refname) %(creatordate:unix)", "refs/graft/"])).split("\n").filter(Boolean).map((line) => line.split(" "))
    const turns = lines.filter(([ref]) => ref!.includes("/turn/"))
    const kept = turns.filter(([, at], i) => i < MOST_STATES && Date.now() - Number(at) * 1_000 < KEPT_DAYS * DAY).map(([ref]) => ref!)
    const sessions = new Set(kept.map((ref) => ref.split("/")[2]))
    await this.#drop(lines.map(([ref]) => ref!).filter((ref) => (ref.includes("/turn/") ? !kept.includes(ref) : !sessions.has(ref.split("/")[2]))))
    for (const name of await readdir(this.#directory)) {
      if (name.startsWith("index.") && Date.now() - (await stat(join(this.#directory, name))).mtimeMs > LEFT_OVER) await rm(join(this.#directory, name), { force: true })
    }
    await this.git.run(["gc", "--quiet", "--prune=1.day.ago"], { deadline: TIDYING, patient: true })
  }

  async #drop(refs: readonly string[]): Promise<void> {
    const rows = refs.filter(Boolean).map((ref) => `delete ${ref}\n`)
    if (rows.length > 0) await this.git.run(["update-ref", "--stdin"], { input: rows.join("") })
  }

  async #make(): Promise<void> {
    if (!this.exists) {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 })
      await chmod(join(this.#directory, ".."), 0o700)
      await this.git.run(["init", "--quiet", "--template=", "--object-format=sha1"])
    }
    await mkdir(join(this.#directory, "info"), { recursive: true })
    // Bytes as they are, whatever the project's attributes say of line ends, filters and encodings.
    await writeFile(join(this.#directory, "info/attributes"), "* -text -eol -ident -filter -working-tree-encoding\n")
    await writeFile(join(this.#directory, "info/exclude"), "node_modules/\n")
    await this.git.run(["hash-object", "-w", "--stdin"], { input: MARKER })
  }

  async #update(index: string): Promise<void> {
    const listed = (await this.git.run(["ls-files", "-z", "--others", "--modified", "--exclude-standard"], { index })).toString("utf8").split("\0")
    // A directory is a repository of its own; a name that is no UTF-8 cannot be said.
    const paths = [...new Set(listed)].filter((path) => path !== "" && !path.endsWith("/") && !path.includes("\uFFFD"))
    if (paths.length > MOST_FILES) throw new SnapshotError("snapshot.unable", `${this.#location} has ${paths.length} files that git does not ignore, and up to ${MOST_FILES} are kept: name what is made by machines in .gitignore`)
    const marked: string[] = []
    const plain: string[] = []
    let left = MOST_NEW
    for (const path of paths) {
      const size = await sizeOf(join(this.#location, path))
      if (size === undefined || (size <= MOST_BYTES && (left -= size) >= 0)) plain.push(path)
      else marked.push(path)
    }
    if (plain.length > 0) await this.git.run(["update-index", "-z", "--add", "--remove", "--replace", "--stdin"], { index, input: plain.map((path) => `${path}\0`).join("") })
    if (marked.length > 0) await this.git.run(["update-index", "-z", "--replace", "--index-info"], { index, input: marked.map((path) => `100644 ${MARK}\t${path}\0`).join("") })
  }
}

/** With its time: by it git knows which files may have changed in the same moment as they were looked at. */
async function copyIndex(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to)
    const { mtimeMs } = await stat(from)
    await utimes(to, new Date(), new Date(Math.floor(mtimeMs)))
  } catch (error) {
    missing(error as NodeJS.ErrnoException)
  }
}

const refOf = (session: string, name: string, kind: "turn" | "undo" = "turn"): string => `refs/graft/${session}/${kind}/${name}`

/** Infinite for what cannot be read, undefined for what is gone. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const status = await lstat(path)
    if (status.isSymbolicLink()) return 0
    if (!status.isFile()) return undefined
    await access(path, constants.R_OK)
    return status.size
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : Infinity
  }
}

const missing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== "ENOENT") throw error
}
