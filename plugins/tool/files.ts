/** Changing files without losing anybody's work: each change says what it expects to find, and one at a time wins. */
import { randomBytes } from "node:crypto"
import { readdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { messageOf, type Graft } from "graft"
import { paths } from "../lib/paths.ts"
import { versionOf } from "../lib/text.ts"
import type { Files } from "./contract.ts"
import { beside, create, FileError, inspect, stage, type Present } from "./disk.ts"
import type { Entry, Journal } from "./journal.ts"

export interface Sight { version: string; text?: string }
export interface SightState { seen: Record<string, Sight> }
interface Cell { readonly value: SightState; update(recipe: (draft: SightState) => void): void }

const MAX_SEEN = 500
const MAX_TEXT = 256 * 1024
const MAX_TEXTS = 4 * 1024 * 1024

export function makeFiles({ state, kernel, log }: { state: Cell } & Pick<Graft, "kernel" | "log">): Files {
  const turns = new Map<string, Promise<unknown>>()
  const changes = join(paths(kernel.host.dataDir).data, "changes")
  let sweep: Promise<void> | undefined
  let made: Journal | undefined
  // A start needs none of it.
  const together = async () => {
    const [batch, { Journal }] = await Promise.all([import("./batch.ts"), import("./journal.ts")])
    return { ...batch, journal: (made ??= new Journal(changes)) }
  }

  const remember = ({ session, path, version, text }: { session: string; path: string; version: string; text?: string }) => {
    const key = keyOf({ session, path })
    state.update((draft) => {
      delete draft.seen[key]
      draft.seen[key] = text !== undefined && text.length <= MAX_TEXT ? { version, text } : { version }
      forget(draft.seen)
    })
  }

  const sightOf = (key: { session: string; path: string }): Sight | undefined => state.value.seen[keyOf(key)]

  /** One change at a time a path, whoever asks. */
  const inTurn = <T>(path: string, work: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(path) ?? Promise.resolve()).catch(() => {}).then(work)
    turns.set(path, turn)
    const leave = () => { if (turns.get(path) === turn) turns.delete(path) }
    turn.then(leave, leave)
    return turn
  }
  /** In one order, so that no two wait for each other. */
  const inTurns = <T>(all: readonly string[], work: () => Promise<T>): Promise<T> => all.toSorted().reduceRight((next, path) => () => inTurn(path, next), work)()

  async function sweepUp(): Promise<void> {
    if ((await readdir(changes).catch(() => [])).length === 0) return
    const { journal } = await together()
    for (const entry of await journal.inherit()) await takeOver(entry)
  }

  async function takeOver(entry: Entry): Promise<void> {
    const all = entry.steps.map(({ path }) => path)
    try {
      const { journal, recover } = await together()
      const { outcome, left } = await inTurns(all, () => recover(journal, entry))
      if (outcome !== "cleared") log.warn(`a change of ${all.length} files that a process died over was ${outcome}: ${all.join(", ")}${left.length === 0 ? "" : `; these were changed since, and stay as they are: ${left.join(", ")}`}`)
    } catch (error) {
      log.warn(`a change of ${all.length} files that a process died over could not be ${entry.phase === "back" ? "taken back" : "finished"} (it is tried again at the next start): ${messageOf(error)}`)
    }
  }

  return {
    async saw(sight) { remember(sight) },
    async lastSeen(session, path) { return sightOf({ session, path }) },
    replace: (change) => inTurn(change.path, async () => {
      const current = await inspect(change.path)
      if (current?.version !== change.expect) throw new FileError("file.changed", `${change.path} ${current ? (change.expect ? "was changed by somebody else" : "exists already") : "is gone"}`)
      await write(change.path, change.bytes, current)
      const version = versionOf(change.bytes)
      // Who changed a part of a file unseen has not seen the rest.
      if (!current || sightOf(change)?.version === current.version) remember({ ...change, version })
      return { version, created: current === undefined }
    }),
    async change({ session, files }) {
      const all = files.map(({ path }) => path)
      if (new Set(all).size < all.length) throw new FileError("file.refused", "one file is changed twice in one change")
      const { journal, changeAll } = await together()
      await inTurns(all, () => changeAll(journal, files))
      // A file that moves is the one that was seen.
      const known = files.filter(({ path, expect, like }) => (like === undefined ? expect === undefined || sightOf({ session, path })?.version === expect : sightOf({ session, path: like }) !== undefined))
      for (const { path, bytes, text } of known) if (bytes) remember({ session, path, version: versionOf(bytes), ...(text !== undefined && { text }) })
      state.update((draft) => { for (const { path, bytes } of files) if (!bytes) delete draft.seen[keyOf({ session, path })] })
    },
    recovered: () => (sweep ??= sweepUp().finally(() => { sweep = undefined })),
  }
}

const keyOf = ({ session, path }: { session: string; path: string }): string => JSON.stringify([session, path])

/** Written beside, then put in place. */
async function write(path: string, bytes: Uint8Array, previous: Present | undefined): Promise<void> {
  await beside(path, async (name) => {
    const staged = name(`.graft-${randomBytes(8).toString("hex")}`)
    try {
      await stage(staged, bytes, previous)
      await (previous ? rename(staged, name()) : create(staged, name(), path))
    } finally {
      await rm(staged, { force: true })
    }
  }, { create: previous === undefined })
}

/** The oldest texts go first, then the oldest versions. */
function forget(seen: Record<string, Sight>): void {
  const keys = Object.keys(seen)
  for (const key of keys.slice(0, Math.max(0, keys.length - MAX_SEEN))) delete seen[key]
  let texts = Object.values(seen).reduce((sum, { text }) => sum + (text?.length ?? 0), 0)
  for (const sight of Object.values(seen)) {
    if (texts <= MAX_TEXTS) return
    texts -= sight.text?.length ?? 0
    delete sight.text
  }
}
