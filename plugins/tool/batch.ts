/**
 * Several files changed as one: all of them or none, whatever fails and whenever this process dies. New contents and the
 * old files (as links) lie beside their places before the first file is touched; from then on it can only be finished, or
 * put back as it was.
 */
import { lstat, rename, rm, rmdir, unlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { point } from "../lib/crash.ts"
import { versionOf } from "../lib/text.ts"
import type { FileChange } from "./contract.ts"
import { beside, create, FileError, inspect, keepOld, stage, syncDirectory } from "./disk.ts"
import type { Entry, Journal, Step } from "./journal.ts"

const newName = ({ id }: Entry, n: number): string => `.graft-${id}-${n}.new`
const oldName = ({ id }: Entry, n: number): string => `.graft-${id}-${n}.old`

/** Errors are those of one file; nothing was changed then. */
export async function changeAll(journal: Journal, changes: readonly FileChange[]): Promise<void> {
  const steps = changes.map(({ path, bytes, expect }): Step => ({ path, ...(expect !== undefined && { before: expect }), ...(bytes && { after: versionOf(bytes) }) }))
  const entry = await journal.open({ steps, made: await missing(changes) })
  point("change.opened")
  try {
    for (const [n, change] of changes.entries()) await lay(entry, n, change)
    await journal.move(entry, "ready")
  } catch (error) {
    await clear(journal, entry)
    throw error
  }
  point("change.ready")
  const { error, left } = await conclude(journal, entry)
  if (left.length > 0) throw new FileError("file.refused", `${error instanceof Error ? error.message : String(error)}; and these are not as they were: ${left.join(", ")}`)
  if (error !== undefined) throw error
}

/** What a dead process left: told is what is in neither state. */
export async function recover(journal: Journal, entry: Entry): Promise<{ outcome: "finished" | "taken back" | "cleared"; left: string[] }> {
  switch (entry.phase) {
    case "ready": {
      const { error, left } = await conclude(journal, entry)
      return { outcome: error === undefined ? "finished" : "taken back", left }
    }
    case "back":
      return { outcome: "taken back", left: await putBack(journal, entry) }
    case "open": case "done":
      await clear(journal, entry)
      return { outcome: "cleared", left: [] }
    default:
      return entry.phase satisfies never
  }
}

/** Finished, or put back as it was, and why; `left` are those that are neither. */
async function conclude(journal: Journal, entry: Entry): Promise<{ error?: unknown; left: string[] }> {
  try {
    await finish(journal, entry)
  } catch (error) {
    await journal.move(entry, "back")
    return { error, left: await putBack(journal, entry) }
  }
  await clear(journal, entry)
  return { left: [] }
}

/** Everything that one file's change needs, and everything that taking it back needs, beside it. */
async function lay(entry: Entry, n: number, { path, bytes, expect, like, mode }: FileChange): Promise<void> {
  const current = await inspect(path)
  if (current?.version !== expect) throw new FileError("file.changed", `${path} ${current ? (expect === undefined ? "exists already" : "was changed by somebody else") : "is gone"}`)
  const nature = current ?? (like === undefined ? undefined : await inspect(like))
  await beside(path, async (name) => {
    if (bytes) await stage(name(newName(entry, n)), bytes, nature, mode)
    if (current) await keepOld(name(), name(oldName(entry, n)), current)
  }, { create: bytes !== undefined })
  point("change.laid")
}

async function finish(journal: Journal, entry: Entry): Promise<void> {
  await checkAll(entry)
  // What is new first: a death in between rather leaves both names of a moved file than none.
  const order = [...entry.steps.keys()].sort((a, b) => Number(entry.steps[a]!.after === undefined) - Number(entry.steps[b]!.after === undefined))
  for (const n of order) {
    await put(entry, n)
    point("change.put")
  }
  for (const directory of new Set(entry.steps.map(({ path }) => dirname(path)))) await syncDirectory(directory)
  await journal.move(entry, "done")
  point("change.done")
}

async function put(entry: Entry, n: number): Promise<void> {
  const { path, before, after } = entry.steps[n]!
  const version = (await inspect(path))?.version
  if (version === after) return
  if (version !== before) throw new FileError("file.changed", `${path} was changed by somebody else`)
  await beside(path, async (name) => {
    if (after === undefined) await unlink(name())
    else if (before === undefined) await create(name(newName(entry, n)), name(), path)
    else await rename(name(newName(entry, n)), name())
  })
}

/** Nothing is begun that could not be finished: each file is as it was, with its new content beside it, or changed already. */
async function checkAll(entry: Entry): Promise<void> {
  for (const [n, { path, before, after }] of entry.steps.entries()) {
    const version = await versionAt(path)
    if (version === after) continue
    if (version !== before || (after !== undefined && (await versionAt(join(dirname(path), newName(entry, n)))) !== after)) throw new FileError("file.changed", `${path} was changed by somebody else`)
  }
}

/**
 * Each file that bears the change becomes what it was before; what somebody else made of it since is theirs. Gives those
 * that are not as they were. Where the system refuses, what is needed stays for the next who comes.
 */
async function putBack(journal: Journal, entry: Entry): Promise<string[]> {
  const left: string[] = []
  let refused = false
  for (const [n, { path, before, after }] of entry.steps.entries()) {
    const version = await versionAt(path)
    if (version === before) continue
    const back = version === after && (await beside(path, async (name) => {
      if (before === undefined) await unlink(name())
      else if (after === undefined) await create(name(oldName(entry, n)), name(), path)
      else await rename(name(oldName(entry, n)), name())
    }).then(() => true, () => { refused = true }))
    if (!back) left.push(path)
    point("change.back")
  }
  if (!refused) await clear(journal, entry)
  return left
}

/** Nothing stays beside, and no directory that was made for nothing; then it is forgotten. */
async function clear(journal: Journal, entry: Entry): Promise<void> {
  for (const [n, { path }] of entry.steps.entries()) {
    await beside(path, async (name) => {
      for (const old of [newName(entry, n), oldName(entry, n)]) await rm(name(old), { force: true })
    }).catch(() => {})
    point("change.cleared")
  }
  if (entry.phase !== "done") for (const directory of entry.made.toReversed()) await beside(directory, async (name) => rmdir(name())).catch(() => {})
  await journal.drop(entry)
}

/** `""` for what is no file that can be read: it is in neither state. */
const versionAt = (path: string): Promise<string | undefined> => inspect(path).then((found) => found?.version, () => "")

/** The directories that are to be made, from the top down. */
async function missing(changes: readonly FileChange[]): Promise<string[]> {
  const made = new Set<string>()
  for (const { path, bytes } of changes) {
    const above: string[] = []
    for (let at = dirname(path); bytes && !made.has(at) && !(await lstat(at).catch(() => undefined)) && dirname(at) !== at; at = dirname(at)) above.unshift(at)
    for (const directory of above) made.add(directory)
  }
  return [...made]
}
