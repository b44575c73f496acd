/**
 * The watchdog's thread. It is handed over as text, so it uses nothing from outside of its function. It asks the main
 * thread for a sign of life now and then, seldom when all is idle; where none comes it looks at the stack, through the
 * inspector, which only diagnoses: ending a thread from there would end Node.
 */
import type { InspectorNotification, Debugger } from "node:inspector"
import type { Culprit, Marker } from "../lib/quarantine.ts"
import type { Member } from "./roster.ts"

/** `beats`: signs of life, and whether the main thread was busy since the one before. `stall` in milliseconds. */
export interface Orders { beats: Int32Array; stall: number; path: string; marker: Marker }
export type ToThread = { members: readonly Member[] } | "awake"
export type FromThread = "ping" | { said: string }

export function thread(): void {
  const { workerData, parentPort } = process.getBuiltinModule("node:worker_threads")
  const { Session } = process.getBuiltinModule("node:inspector")
  const { readFileSync, renameSync, writeFileSync, writeSync } = process.getBuiltinModule("node:fs")
  const { createHash } = process.getBuiltinModule("node:crypto")
  const { beats, stall, path, marker } = workerData as Orders
  const port = parentPort!
  /** Milliseconds: between two questions while there is work, and while there is none; for an answer of the inspector. */
  const [SOON, LATE, PATIENCE] = [Math.min(stall, 2_000), 30_000, 1_000]
  const LOOKS = 5
  interface Found { member?: Member; place: string; line: string }
  let members: readonly Member[] = []
  let pause = SOON
  let wake = () => {}

  const wait = (milliseconds: number) => new Promise<void>((resolve) => { setTimeout(resolve, milliseconds) })
  const beat = () => Atomics.load(beats, 0)

  port.on("message", (message: ToThread) => {
    if (message !== "awake") return void (members = message.members)
    pause = SOON
    wake()
  })

  async function watch(): Promise<never> {
    for (;;) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pause)
        wake = () => (clearTimeout(timer), resolve())
      })
      const last = beat()
      port.postMessage("ping")
      if (await isSilent(last)) await report(last)
      pause = Atomics.load(beats, 1) ? SOON : Math.min(pause * 2, LATE)
    }
  }

  /** Many short waits: one long one would pass as well while the whole process is stopped. */
  async function isSilent(last: number): Promise<boolean> {
    for (let n = 0; n < 10; n++) {
      await wait(stall / 10)
      if (beat() !== last) return false
    }
    return true
  }

  /** Looks again as long as it is nobody's, a few times: the first look may have come to the kernel, or too late. */
  async function report(last: number): Promise<void> {
    const since = performance.now() - stall
    const held = (have: string, milliseconds: number) => `${who} ${have}held everything up for ${Math.round(milliseconds / 100) / 10} s${where}`
    let [who, where] = ["", ""]
    for (let n = 0; beat() === last; n++) {
      if (n % 10 === 0 && n < LOOKS * 10) {
        const found = await look()
        if (beat() !== last) break
        const name = found?.member ? `${found.member.id}@${found.member.gen}` : found ? "no plugin's code" : "something outside of JavaScript, such as a program that is waited for,"
        if (name !== who) {
          [who, where] = [name, found ? `: ${found.place}${found.line && `: ${found.line}`}` : ""]
          say(held("has ", performance.now() - since))
        }
        if (found?.member?.stranger) note({ ...marker, culprit: culprit(found.member, found.place) })
        if (found?.member) n = LOOKS * 10
      }
      await wait(100)
    }
    if (who === "") return
    note(marker)
    port.postMessage({ said: held("", performance.now() - since) } satisfies FromThread)
  }

  /** The innermost frame of a plugin's own file; undefined where no JavaScript runs that could be stopped. */
  async function look(): Promise<Found | undefined> {
    const session = new Session()
    const urls = new Map<string, string>()
    try { session.connectToMainThread() } catch { return undefined }
    try {
      session.on("Debugger.scriptParsed", ({ params }) => void urls.set(params.scriptId, params.url))
      const paused = new Promise<Debugger.CallFrame[]>((resolve) => session.once("Debugger.paused", ({ params }: InspectorNotification<Debugger.PausedEventDataType>) => resolve(params.callFrames)))
      session.post("Debugger.enable")
      session.post("Debugger.pause")
      const frames = await Promise.race([paused, wait(PATIENCE)])
      if (!frames) return undefined
      for (const { functionName, location } of frames) {
        const url = urls.get(location.scriptId) ?? ""
        const owners = members.filter(({ files }) => files.includes(url))
        if (owners.length === 0 || owners.some(({ file }) => file !== owners[0]!.file)) continue
        const source = await Promise.race([wait(PATIENCE), new Promise<string>((resolve) => session.post("Debugger.getScriptSource", { scriptId: location.scriptId }, (error, result) => resolve(error ? "" : result.scriptSource)))])
        const line = uncompiled(source?.split("\n")[location.lineNumber] ?? "")
        return { member: owners[0]!, place: `${functionName || "a function"} at ${url}${lineOf(url, line)}`, line: line.slice(0, 120) }
      }
      return { place: frames[0]?.functionName || "a function", line: "" }
    } finally {
      session.post("Debugger.disable")
      session.disconnect()
    }
  }

  /** What runs was compiled: a line of it is that of the author only if exactly one reads the same. */
  function lineOf(file: string, line: string): string {
    const plain = (text: string) => text.replace(/\s\/\/.*$/, "").replaceAll(/[\s;,(){}]/g, "").replaceAll(/['`]/g, '"')
    try {
      const lines = readFileSync(file, "utf8").split("\n").flatMap((text, n) => (plain(text) === plain(line) ? n + 1 : []))
      return lines.length === 1 ? `:${lines[0]}` : ""
    } catch {
      return ""
    }
  }

  function uncompiled(line: string): string {
    return line.replaceAll(/\(0, __vite_ssr_import_\d+__\.([\w$]+)\)/g, "$1").replaceAll(/__vite_ssr_import_\d+__\./g, "").trim()
  }

  function culprit({ id, file, files }: Member, place: string): Culprit {
    return { plugin: id, file, files: Object.fromEntries(files.map((path) => [path, hash(path)])), deed: `held everything up (${place})`, at: Date.now() }
  }

  function hash(file: string): string {
    try { return createHash("sha256").update(readFileSync(file)).digest("hex") } catch { return "" }
  }

  function note(what: Marker): void {
    try {
      writeFileSync(`${path}.new`, JSON.stringify(what), { mode: 0o600 })
      renameSync(`${path}.new`, path)
    } catch { /* a full or read-only disk keeps no marker */ }
  }

  /** Past the main thread, which could not pass it on. */
  function say(text: string): void {
    try { writeSync(2, `graft: ${text}\n`) } catch { /* nobody reads */ }
  }

  void watch()
}
