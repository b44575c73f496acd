/**
 * `graft plugin dev`: one plugin, watched. Each save is shown as the transaction that it is; types are checked behind it
 * and never in its way; what the plugin logs, prints and breaks stands below.
 */
import { mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { locationOf, type Meta, type PluginView } from "graft"
import { keepTypings } from "../../../lib/typings.ts"
import { sayProblem, typeCheck } from "../../../lib/typecheck.ts"
import type { Terminal } from "../../contract.ts"
import { EXIT } from "../../dispatch.ts"
import { QUIET, say } from "../../facts.ts"
import { orMoved } from "../../moved.ts"
import { comeUp } from "../../notices.ts"
import { harmless } from "../../table.ts"
import { hearConsole } from "./console.ts"
import { compilersOf, findPlugin, homeOf, isPluginsDirectory, otherRoots, type Found } from "./places.ts"
import type { Asked } from "./plugin.ts"
import { changeOf, contributions, sayChange, sayOutcome, sayTimes } from "./transactions.ts"

/** Facts that say of a transaction what is said of it already. */
const TOLD = /^(plugin|kernel|location|config|cli|server|watch|store|eventlog)\./

export async function dev({ graft, terminal, id: word }: Asked): Promise<number> {
  const location = locationOf(terminal.directory)
  using _project = await graft.at(location)
  await comeUp(graft)
  const found = findPlugin(graft, word, terminal.directory, location)
  const { id, file, directory } = found
  const tsconfig = isPluginsDirectory(graft, directory, location) ? keepTypings(directory, homeOf(graft), otherRoots(graft)).tsconfig : join(directory, "tsconfig.json")
  const view = (): PluginView | undefined => graft.kernel.inspect().realms.flatMap(({ plugins }) => plugins).filter((plugin) => plugin.id === id).sort((a, b) => Number(b.status === "live") - Number(a.status === "live"))[0]
  const screen = new Screen(terminal)
  const seen = { journal: 0, contributions: [] as string[] }
  const types = new TypeWatch(tsconfig, await compilersOf(graft, location), found, screen)

  const look = () => {
    const entries = graft.kernel.journal(id).filter(({ at }) => at > seen.journal)
    for (const entry of entries) {
      seen.journal = entry.at
      // A fault is told as one.
      if (entry.phase === "live" || entry.outcome === "unchanged") continue
      const live = view()
      const after = contributions(live)
      screen.line(entry.outcome === "failed" || entry.outcome === "reverted" ? "red" : "green", sayOutcome(entry, live?.status === "live" ? live.gen : undefined), entry.outcome === "committed" ? sayTimes(entry) : "")
      if (entry.frame) screen.below(entry.frame)
      if (entry.outcome !== "failed") screen.below(sayChange(changeOf(seen.contributions, after)))
      seen.contributions = after
      types.check()
    }
  }
  const hear = (payload: unknown, { event, by }: Meta) => {
    const { plugin } = (payload ?? {}) as { plugin?: string }
    if (/^plugin\.(loaded|reloaded|failed|waiting|reverted|removed)$/.test(event)) return plugin === id ? look() : undefined
    if (event === "plugin.logged") return plugin === id ? screen.line("cyan", `log ${say(event, payload)}`) : undefined
    if (event === "kernel.fault") {
      if (plugin !== id) return
      screen.line("red", say(event, payload))
      const { frame } = payload as { frame?: string }
      if (frame) screen.below(frame)
    } else if (!TOLD.test(event) && !QUIET.has(event)) screen.line("dim", `${event} ${say(event, payload)}`, by)
  }

  const stops = [graft.on("*", hear), hearConsole(directory, (level, text) => screen.line("cyan", `console.${level} ${text}`))]
  const elsewhere = view()?.file === file ? undefined : outside(found)
  // What watches the disk keeps no process alive.
  const alive = setInterval(() => {}, 2 ** 31 - 1)
  try {
    terminal.err(`${file}\nsave it, and what comes of it is shown here; Ctrl-C ends\n`)
    if (elsewhere) await graft.kernel.addRoot({ dir: elsewhere, kind: "user" })
    // The eye on the disk opens for whoever stays.
    graft.emit("cli.started", { command: "plugin dev", interactive: true })
    look()
    if (view()?.status === "refused") screen.below(`it is this project's, which is not trusted: graft trust allow`)
    await orMoved(graft, new Promise<void>((resolve) => terminal.signal.addEventListener("abort", () => resolve(), { once: true })))
    return EXIT.done
  } finally {
    clearInterval(alive)
    for (const stop of stops) stop()
    types.stop()
    if (elsewhere) rmSync(elsewhere, { recursive: true, force: true })
  }
}

/** A plugin that lies in no directory of plugins is reached by a link in one of its own. */
function outside({ id, file }: Found): string {
  const directory = mkdtempSync(join(tmpdir(), "graft-dev-"))
  const folder = basename(file).startsWith("index.")
  symlinkSync(folder ? dirname(file) : file, join(directory, folder ? id : basename(file)), folder ? "junction" : "file")
  return directory
}

class Screen {
  readonly #terminal: Terminal
  constructor(terminal: Terminal) { this.#terminal = terminal }

  line(style: "red" | "green" | "cyan" | "dim" | "yellow", text: string, aside = ""): void {
    const time = new Date().toISOString().slice(11, 23)
    this.#terminal.out(`${this.#terminal.paint("dim", time)} ${this.#terminal.paint(style, harmless(text).replaceAll("\n", `\n${" ".repeat(time.length + 1)}`))}${aside ? `  ${this.#terminal.paint("dim", aside)}` : ""}\n`)
  }

  below(text: string): void { if (text) this.#terminal.out(`${harmless(text).split("\n").map((line) => `             ${line}`).join("\n")}\n`) }
}

/** One check at a time, of what is on disk when it begins; who saves again meanwhile has the next. */
class TypeWatch {
  readonly #stop = new AbortController()
  readonly #tsconfig: string
  readonly #from: readonly string[]
  readonly #found: Found
  readonly #screen: Screen
  #running = false
  #again = false
  #said = ""

  constructor(tsconfig: string, from: readonly string[], found: Found, screen: Screen) {
    this.#tsconfig = tsconfig
    this.#from = from
    this.#found = found
    this.#screen = screen
  }

  stop(): void { this.#stop.abort() }

  check(): void {
    this.#again = this.#running
    if (this.#running || this.#stop.signal.aborted) return
    this.#running = true
    void this.#check().finally(() => {
      this.#running = false
      if (this.#again) this.check()
    })
  }

  async #check(): Promise<void> {
    const own = basename(this.#found.file).startsWith("index.") ? dirname(this.#found.file) : this.#found.file
    const result = await typeCheck(this.#tsconfig, this.#from, { files: [own], signal: this.#stop.signal })
    if (this.#stop.signal.aborted) return
    const text = "reason" in result ? result.reason : result.problems.map(sayProblem).join("\n") || "right"
    if (text === this.#said) return
    this.#said = text
    this.#screen.line("reason" in result ? "dim" : text === "right" ? "green" : "yellow", `types: ${text === "right" ? "they are right" : text}`)
  }
}
