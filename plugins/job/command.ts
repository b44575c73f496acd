/** A shell job: a shim that outlives this process runs it, and its directory holds what it wrote and how it ended. */
import { spawn, type ChildProcess } from "node:child_process"
import { watch } from "node:fs"
import { mkdir, open, readFile } from "node:fs/promises"
import { basename, join } from "node:path"
import type { Graft } from "graft"
import { readable } from "../lib/collector.ts"
import { newId } from "../lib/ids.ts"
import { bootId, endFamily, marked, pause, send, startOf } from "../lib/processes.ts"
import { FLOOD } from "../lib/shell.ts"
import type { JobHandle } from "./contract.ts"
import type { Exit } from "./decide.ts"
import { confinedOf, environmentOf } from "./environment.ts"
import { endOf } from "./summary.ts"
import type { Work } from "./work.ts"

const SHIM = join(import.meta.dirname, "shim.cjs")
/** Milliseconds between TERM and KILL, and for the shim to write down what came of it. */
const GRACE = 500
const LAST_WORDS = 2_000
/** Milliseconds between looks that find what no event told: the shim was killed. */
const LOOK = 2_000
/** Bytes of output that a model is told unasked. */
const TOLD = 4_096

const isHere = ({ pid, ticks, boot }: JobHandle): boolean => boot === bootId() && startOf(pid) === ticks
const familyOf = ({ directory, ticks }: JobHandle) => ({ mark: basename(directory), since: ticks })

/** `root`: each job has a directory in it, and each attempt to start it one in that. */
export function makeCommandWork(graft: Graft, root: string): Work {
  const shims = new Map<string, ChildProcess>()

  return {
    async prepare({ id, session, spec }) {
      if (spec.kind !== "shell") throw new Error(`the job ${id} is no shell job`)
      const { command, directory: cwd, env: own } = spec
      const env = await environmentOf(graft, session, command, cwd, own)
      const { program, args } = await confinedOf(graft, session, command, cwd)
      const directory = join(root, id, newId("run"))
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const shim = spawn(process.execPath, [SHIM, directory], { cwd: "/", env: { ...process.env, NODE_OPTIONS: undefined }, detached: true, stdio: ["pipe", "ignore", "ignore"], windowsHide: true })
      await new Promise((resolve, reject) => void shim.once("spawn", resolve).once("error", reject))
      // It may be gone when the word comes; then that is seen by whoever looks.
      shim.stdin.on("error", () => {})
      shim.unref()
      shims.set(id, shim)
      shim.once("exit", () => { if (shims.get(id) === shim) shims.delete(id) })
      const ticks = startOf(shim.pid!)
      if (ticks === undefined) throw new Error("its process ended at once")
      return {
        handle: { pid: shim.pid!, ticks, boot: bootId(), directory },
        go: () => new Promise((resolve) => void shim.stdin.end(`${JSON.stringify({ program, args, cwd, env: marked(env, basename(directory)), most: FLOOD })}\n`, () => resolve())),
        drop: () => void shim.stdin.end(),
      }
    },

    async look({ handle }) {
      if (!handle) return { kind: "gone", why: "it left no handle" }
      const exit = await exitOf(handle)
      if (exit) return { kind: "ended", exit }
      if (isHere(handle)) return { kind: "alive" }
      // It may have written down its end right before it went.
      const late = await exitOf(handle)
      if (late) return { kind: "ended", exit: late }
      return { kind: "gone", why: handle.boot === bootId() ? "its process was killed, and nobody saw how far it got" : "the machine was restarted while it ran" }
    },

    async changed({ id, handle }, signal) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const look = () => { if (!handle || !isHere(handle)) resolve() }
      const stops = [graft.every(LOOK, look)]
      shims.get(id)?.once("exit", () => resolve())
      signal.addEventListener("abort", () => resolve(), { once: true })
      try {
        const watcher = watch(handle!.directory, (_, name) => { if (name === "exit") resolve() })
        watcher.on("error", () => {})
        stops.push(() => watcher.close())
      } catch { /* the slow look is enough */ }
      // It may have ended before anybody listened.
      if (signal.aborted || !handle || (await exitOf(handle))) resolve()
      look()
      await promise
      for (const stop of stops) stop()
    },

    async stop({ handle }) {
      if (!handle || handle.boot !== bootId()) return
      if (isHere(handle)) send(handle.pid, "SIGTERM")
      await endFamily(familyOf(handle), GRACE)
      for (const until = performance.now() + LAST_WORDS; isHere(handle) && performance.now() < until; ) await pause(20)
      if (isHere(handle)) send(handle.pid, "SIGKILL")
    },

    async result({ handle }) {
      if (!handle) return { text: "", bytes: 0 }
      // Who left its group, and lived on.
      if (handle.boot === bootId()) await endFamily(familyOf(handle), GRACE)
      const output = await readFile(outputOf(handle)).catch(() => Buffer.alloc(0))
      if (output.length === 0) return { text: "", bytes: 0 }
      const { sha256 } = await graft.store.putBlob(output, "text/plain")
      const end = output.subarray(-4 * TOLD)
      const { text, cut } = endOf(readable(end.toString("utf8")), TOLD)
      return { text, bytes: output.length, blob: sha256, cut: cut || end.length < output.length }
    },

    async tail({ state, handle, output }, { after, limit }) {
      const settled = state === "settled"
      const source = settled ? await blobOf(graft, output?.blob) : await fileOf(handle)
      try {
        const start = after ?? Math.max(0, source.size - limit)
        const bytes = await source.read(start, limit)
        const last = start + bytes.length >= source.size
        const [from, to] = wholeOf(bytes, { behind: after === undefined && start > 0, before: !last, open: !last || !settled })
        return { text: readable(bytes.subarray(from, to).toString("utf8")), next: start + to, done: settled && start + to >= source.size }
      } finally {
        await source.close()
      }
    },
  }
}

const outputOf = ({ directory }: JobHandle): string => join(directory, "output")

async function exitOf({ directory }: JobHandle): Promise<Exit | undefined> {
  try {
    return JSON.parse(await readFile(join(directory, "exit"), "utf8")) as Exit
  } catch {
    return undefined
  }
}

interface Source { size: number; read(start: number, limit: number): Promise<Buffer>; close(): Promise<void> }
const sourceOf = (bytes: Uint8Array): Source => ({ size: bytes.length, read: async (start, limit) => Buffer.from(bytes.subarray(start, start + limit)), close: async () => {} })

async function blobOf(graft: Graft, blob: string | undefined): Promise<Source> {
  return sourceOf((blob && (await graft.store.getBlob(blob))) || new Uint8Array())
}

async function fileOf(handle: JobHandle | undefined): Promise<Source> {
  const file = handle && (await open(outputOf(handle)).catch(() => undefined))
  if (!file) return sourceOf(new Uint8Array())
  return {
    size: (await file.stat()).size,
    read: async (start, limit) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(limit), 0, limit, start)
      return buffer.subarray(0, bytesRead)
    },
    close: () => file.close(),
  }
}

/** The part of a page that holds no half line, or at least no half character: other text stands `behind` its beginning or `before` its end, or may still come there (`open`). */
function wholeOf(bytes: Buffer, cut: { behind: boolean; before: boolean; open: boolean }): [number, number] {
  const from = cut.behind ? bytes.indexOf("\n") + 1 : 0
  const line = cut.before ? bytes.lastIndexOf("\n") + 1 : 0
  if (line > from) return [from, line]
  let to = bytes.length
  // At most three bytes of a character can wait for the rest of it.
  if (cut.open) for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if ((byte & 0xc0) === 0x80) continue
    if (byte >= 0xc0 && back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2)) to = bytes.length - back
    break
  }
  return [from, to]
}
