/**
 * Who held or ended the process when it died: one small private file a process, left behind by a death and cleared by a
 * clean end. Two such deaths in a row by the same bytes, and the third start leaves that plugin out. Read before there
 * is a kernel, so it is quick, and it never throws.
 */
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** `files`: the bytes it ran, by path; others are another plugin. */
export interface Culprit { plugin: string; file: string; files: Readonly<Record<string, string>>; /** What it did, with file:line where that is known. */ deed: string; at: number }
export interface Marker { pid: number; started: number; culprit?: Culprit }
export interface Quarantined { id: string; file: string; files: string[]; reason: string }

/** Deaths in a row. */
const STRIKES = 2
/** Markers that are read, the newest first. */
const MOST = 100
const STARTED = Math.round(performance.timeOrigin)

export const directoryOf = (data: string): string => join(data, "guard")
export const ownMarker = (data: string): string => join(directoryOf(data), `${STARTED}-${process.pid}.json`)
export const aliveMarker = (): Marker => ({ pid: process.pid, started: STARTED })
export const hashOf = (path: string): string => {
  try { return createHash("sha256").update(readFileSync(path)).digest("hex") } catch { return "" }
}

/** A full or read-only disk keeps no marker. */
export function writeMarker(file: string, marker: Marker): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(`${file}.new`, JSON.stringify(marker), { mode: 0o600 })
    renameSync(`${file}.new`, file)
  } catch { /* see above */ }
}

/** What this start leaves out, as the bytes on disk are now. `data` is the directory of `paths().data`. */
export function quarantined(data: string): Quarantined[] {
  const strikes = Map.groupBy(deaths(data).flatMap(({ culprit }) => (culprit && unchanged(culprit) ? culprit : [])), ({ file }) => file)
  return [...strikes.values()].filter(({ length }) => length >= STRIKES).map(([last]) => {
    const { plugin, file, files, deed } = last!
    return { id: plugin, file, files: Object.keys(files), reason: `quarantined: it ${deed} at each of the last ${STRIKES} unclean ends of Graft. Edit it, or run: graft plugin enable ${plugin}` }
  })
}

/** Forgets what was held against a plugin; says whether there was anything. */
export const lift = (data: string, id: string): boolean => forget(data, ({ culprit }) => culprit?.plugin === id)

/** A process that ran these files has ended as it should. */
export const acquit = (data: string, files: ReadonlySet<string>): boolean => forget(data, ({ culprit }) => culprit !== undefined && files.has(culprit.file))

/** Clears away what counts against nobody any more, and what was never finished. */
export function tidy(data: string): void {
  forget(data, ({ culprit }) => !culprit || !unchanged(culprit))
  for (const name of namesIn(data)) {
    const [, started, pid] = /^(\d+)-(\d+)\.json\.new$/.exec(name) ?? []
    if (pid !== undefined && !lives({ started: Number(started), pid: Number(pid) })) remove(join(directoryOf(data), name))
  }
}

function forget(data: string, which: (death: Marker) => boolean): boolean {
  const gone = deaths(data).filter(which)
  for (const { path } of gone) remove(path)
  return gone.length > 0
}

/** On a read-only disk it stays, as does what it says. */
export function remove(path: string): void {
  try { rmSync(path, { force: true }) } catch { /* see above */ }
}

function namesIn(data: string): string[] {
  try { return readdirSync(directoryOf(data)) } catch { return [] }
}

/** Markers of processes that are no more, the newest first. */
function deaths(data: string): (Marker & { path: string })[] {
  return namesIn(data).filter((name) => name.endsWith(".json")).sort().reverse().slice(0, MOST).flatMap((name) => {
    const path = join(directoryOf(data), name)
    const marker = read(path)
    return marker && !lives(marker) ? [{ ...marker, path }] : []
  })
}

function read(path: string): Marker | undefined {
  try {
    const { pid, started, culprit } = JSON.parse(readFileSync(path, "utf8")) as Marker
    return Number.isInteger(pid) && Number.isInteger(started) ? { pid, started, ...(isCulprit(culprit) && { culprit }) } : undefined
  } catch {
    return undefined
  }
}

const isCulprit = (value: Culprit | undefined): boolean => typeof value?.plugin === "string" && typeof value.file === "string" && typeof value.deed === "string" && typeof value.files === "object" && value.files !== null
const unchanged = ({ files }: Culprit): boolean => Object.entries(files).every(([path, hash]) => hashOf(path) === hash)

/** A process id is given out again, in a container even to the next start. */
function lives({ pid, started }: Marker): boolean {
  if (pid === process.pid) return started === STARTED
  try { return process.kill(pid, 0) } catch (error) { return (error as NodeJS.ErrnoException).code === "EPERM" }
}
