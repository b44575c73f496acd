/** Changes of files, made one by one: each only where the file still is what it was, beside its place first, and never through a link. */
import { randomBytes } from "node:crypto"
import { lstat, open, readFile, readlink, rename, rm, rmdir, symlink, unlink } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { inDirectory } from "../lib/confine.ts"
import { isSame, type Change, type Entry } from "./course.ts"
import { blobOf, type Repository } from "./repository.ts"

/** Contents that are in memory at once. */
const PAGE = 32
const LINK = "120000"
const PROGRAM = "100755"

export async function make(repository: Repository, location: string, changes: readonly Change[]): Promise<{ files: string[]; kept: string[] }> {
  const [files, kept]: [string[], string[]] = [[], []]
  // What goes makes room for a directory of its name, and the other way round.
  const ordered = [...changes.filter(({ to }) => !to), ...changes.filter(({ to }) => to)]
  for (let from = 0; from < ordered.length; from += PAGE) {
    const page = ordered.slice(from, from + PAGE)
    const contents = await repository.contents([...new Set(page.flatMap(({ to }) => (to ? [to.blob] : [])))])
    for (const change of page) {
      const done = await makeOne(location, change, change.to && contents.get(change.to.blob)).catch(() => "kept" as const)
      if (done === "made") files.push(change.path)
      if (done === "kept") kept.push(change.path)
    }
  }
  return { files: files.sort(), kept: kept.sort() }
}

async function makeOne(location: string, { path, from, to }: Change, content: Buffer | undefined): Promise<"made" | "there" | "kept"> {
  const real = join(location, path)
  const current = await entryOf(real)
  if (isSame(current, to)) return "there"
  if (!isSame(current, from) || (to && !content)) return "kept"
  if (!to) {
    await inDirectory(dirname(real), (parent) => unlink(join(parent, basename(real))))
    await leaveNoEmpty(location, dirname(path))
    return "made"
  }
  await inDirectory(dirname(real), async (parent) => {
    const [target, beside] = [join(parent, basename(real)), join(parent, `.graft-${randomBytes(6).toString("hex")}`)]
    try {
      if (to.mode === LINK) await symlink(content!.toString("utf8"), beside)
      else await write(beside, content!, await modeFor(target, to))
      await rename(beside, target)
    } catch (error) {
      await rm(beside, { force: true })
      throw error
    }
  }, { create: true })
  return "made"
}

async function write(path: string, content: Buffer, mode: number): Promise<void> {
  await using file = await open(path, "wx", mode)
  await file.writeFile(content)
  await file.chmod(mode)
  await file.sync()
}

/** Git knows whether a file can be run; who may read it stays as it is. */
async function modeFor(target: string, { mode }: Entry): Promise<number> {
  const known = await lstat(target).then((status) => (status.isFile() ? status.mode & 0o777 : undefined), () => undefined)
  const base = known ?? 0o644
  return mode === PROGRAM ? base | ((base & 0o444) >> 2) : base & ~0o111
}

async function entryOf(path: string): Promise<Entry | undefined> {
  try {
    const status = await lstat(path)
    if (status.isSymbolicLink()) return { mode: LINK, blob: blobOf(Buffer.from(await readlink(path))) }
    if (!status.isFile()) return { mode: "", blob: "" }
    return { mode: status.mode & 0o100 ? PROGRAM : "100644", blob: blobOf(await readFile(path)) }
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined
    throw error
  }
}

/** Directories that were made for what is gone now. */
async function leaveNoEmpty(location: string, directory: string): Promise<void> {
  for (let at = directory; at !== "." && at !== ""; at = dirname(at)) if (!(await rmdir(join(location, at)).then(() => true, () => false))) return
}
