/**
 * `graft plugin bisect --probe '<command>'`: which plugin makes a command fail. Plugins are disabled by halves in the
 * running instance, and for every graft that the command starts; nothing is written, nothing is started anew.
 */
import { spawn } from "node:child_process"
import type { PluginView } from "graft"
import { UsageError } from "../../arguments.ts"
import type { Terminal } from "../../contract.ts"
import { EXIT } from "../../dispatch.ts"
import { inspection, type Inspection } from "../../remote.ts"
import { duration } from "../../table.ts"
import type { Asked } from "./plugin.ts"
import { pluginsOf, whereOf } from "./views.ts"

/** Milliseconds that one try of the command may take; what takes longer counts as failed. */
const PATIENCE = 120_000
const WHY = "bisect: it is found out whether this one is at fault"

export async function bisect({ graft, terminal, values }: Asked): Promise<number> {
  const { probe } = values
  if (!probe) throw new UsageError("say what fails: graft plugin bisect --probe '<command>'; its exit code 0 means that all is well")
  using kernel = await inspection(graft, terminal.directory)
  const suspects = suspectsOf(await pluginsOf(kernel))
  terminal.err(terminal.paint("dim", `${whereOf(kernel)}\n`))
  if (suspects.length === 0) return terminal.err("no plugin of yours or of this project is live: there is nothing to halve\n"), EXIT.failed
  const trial = new Trial(kernel, terminal, probe, suspects)
  try {
    if (await trial.passes([])) return terminal.out("the command does not fail with all plugins: there is nothing to find\n"), EXIT.failed
    if (!(await trial.passes(suspects))) return terminal.out(`the command fails without ${suspects.length === 1 ? suspects[0] : `all ${suspects.length} of your plugins`} too: it is none of them\n`), EXIT.failed
    const { left, tries } = await halve(suspects, (without) => trial.passes(without), trial.tries)
    terminal.out(`${terminal.paint("bold", left.join(" and "))} ${left.length === 1 ? "makes" : "together make"} it fail (${tries} tries): graft plugin inspect ${left[0]}, graft plugin disable ${left[0]}\n`)
    return EXIT.done
  } finally {
    await trial.restore()
  }
}

/** What a person put there. The built-ins are held together by what they need of one another. */
const suspectsOf = (plugins: readonly PluginView[]): string[] => [...new Set(plugins.filter(({ root, status }) => status === "live" && root !== undefined && root !== "built-in").map(({ id }) => id))].sort()

/**
 * Delta debugging down to one: the command fails with all, passes without all. `passes(without)` tries with the rest.
 * Where neither half alone is at fault, what is left is at fault together.
 */
export async function halve(suspects: readonly string[], passes: (without: readonly string[]) => Promise<boolean>, tries: () => number): Promise<{ left: readonly string[]; tries: number }> {
  let left = suspects
  while (left.length > 1) {
    const half = left.slice(0, Math.ceil(left.length / 2))
    const rest = left.slice(half.length)
    // Without the other half: it fails still, so this one holds the fault.
    const without = (some: readonly string[]) => suspects.filter((id) => !some.includes(id))
    if (!(await passes(without(half)))) left = half
    else if (!(await passes(without(rest)))) left = rest
    else break
  }
  return { left, tries: tries() }
}

class Trial {
  readonly #kernel: Inspection
  readonly #terminal: Terminal
  readonly #probe: string
  readonly #all: readonly string[]
  #off = new Set<string>()
  #tries = 0
  readonly tries = (): number => this.#tries

  constructor(kernel: Inspection, terminal: Terminal, probe: string, all: readonly string[]) {
    this.#kernel = kernel
    this.#terminal = terminal
    this.#probe = probe
    this.#all = all
  }

  async passes(without: readonly string[]): Promise<boolean> {
    await this.#disable(new Set(without))
    const started = performance.now()
    const exit = await this.#run(without)
    this.#tries++
    const kept = this.#all.length - without.length
    this.#terminal.err(`${this.#terminal.paint(exit === 0 ? "green" : "red", exit === 0 ? "passes" : "fails ")}  with ${kept} of ${this.#all.length}${kept > 0 && kept < 6 ? `: ${this.#all.filter((id) => !without.includes(id)).join(", ")}` : ""}  (${duration(performance.now() - started)})\n`)
    return exit === 0
  }

  async restore(): Promise<void> { await this.#disable(new Set()) }

  async #disable(wanted: Set<string>): Promise<void> {
    for (const id of this.#all) {
      if (wanted.has(id) === this.#off.has(id)) continue
      await (wanted.has(id) ? this.#kernel.disable(id, WHY) : this.#kernel.enable(id))
      if (wanted.has(id)) this.#off.add(id)
      else this.#off.delete(id)
    }
  }

  #run(without: readonly string[]): Promise<number> {
    const off = Object.fromEntries(without.map((id) => [`GRAFT_CONFIG_PLUGINS__${id}`, "false"]))
    const signal = AbortSignal.any([this.#terminal.signal, AbortSignal.timeout(PATIENCE)])
    return new Promise((resolve, reject) => {
      const child = spawn(this.#probe, { shell: true, cwd: this.#terminal.directory, stdio: ["ignore", "ignore", "ignore"], env: { ...process.env, ...off }, signal, killSignal: "SIGKILL" })
      child.on("error", (error) => (this.#terminal.signal.aborted || error.name !== "AbortError" ? reject(error) : resolve(1)))
      child.on("close", (code) => resolve(code ?? 1))
    })
  }
}
