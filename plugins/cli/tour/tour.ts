/** `graft tour`: a minute of hot reload, by itself, in a temporary home: real files, a real instance, real events. */
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as wait } from "node:timers/promises"
import type { Graft } from "graft"
import type { Told } from "../../server/contract.ts"
import { parse, usageOf, type Options } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { duration } from "../table.ts"
import { openEndpoint } from "./endpoint.ts"
import { openStage, type Stage } from "./stage.ts"
import { Teller } from "./teller.ts"

const OPTIONS = { fast: { type: "boolean", about: "without the pauses" } } as const satisfies Options

const FILES: ReadonlySet<string> = new Set(["dice.ts", "hearth.ts"])
/** What the viewer is told of: the rest happens as well. */
const SHOWN = /^(plugin\.(?!logged)|tool\.(added|updated|removed)$|model\.(?!resolve)|provider\.(added|updated|removed)$|kernel\.fault$)/

export const tour = (graft: Graft): Work => ({
  usage: usageOf("graft tour [--fast]", OPTIONS, "Nothing of yours is read or changed, and nothing is connected to."),
  async run(argv, terminal) {
    const { values } = parse(argv, OPTIONS)
    const bin = join(graft.kernel.roots().find(({ kind }) => kind === "built-in")!.dir, "cli/bin.cjs")
    await new Tour(terminal, values.fast === true).run(bin)
    return terminal.signal.aborted ? EXIT.interrupted : EXIT.done
  },
})

class Tour {
  readonly #terminal: Terminal
  readonly #teller: Teller
  readonly #fast: boolean
  #stage!: Stage
  #session = ""
  #scene = 0

  constructor(terminal: Terminal, fast: boolean) {
    this.#terminal = terminal
    this.#teller = new Teller(terminal)
    this.#fast = fast
  }

  async run(bin: string): Promise<void> {
    const started = performance.now()
    const teller = this.#teller
    teller.title("Graft: save a file, and the next call runs it. Break a file, and nothing happens, and you are told why.")
    const endpoint = await openEndpoint(this.#fast ? 8 : 110)
    try {
      // Disposed last in, first out: the conversation ends before its server does.
      await using stage = await openStage(bin, this.#fast ? 0 : 18, (told) => this.#hear(told))
      this.#stage = stage
      teller.directory = stage.plugins
      for (const scene of [this.#opens, this.#dropsATool, this.#dropsAProvider, this.#editsIt, this.#breaksIt, this.#healsIt, this.#deletes]) {
        this.#terminal.signal.throwIfAborted()
        await scene.call(this, endpoint.port)
      }
      teller.scene(++this.#scene, `That was one process (${stage.pid}), one session, ${stage.told.length} events, nothing restarted. Its home is deleted now.`)
    } finally {
      teller.rest()
      endpoint.close()
    }
    teller.line(`Your turn: \`graft\` in one terminal, \`graft plugin new dice\` in another. (${duration(performance.now() - started)})`)
  }

  // ── the scenes ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #opens(): Promise<void> {
    this.#says("A conversation is open, in a temporary home, with the built-in demo in place of a model.")
    const { id } = await this.#call<{ id: string }>("session", "create", { directory: this.#stage.project, model: "demo/demo" })
    this.#session = id
    await this.#ask("what is this project?")
  }

  async #dropsATool(): Promise<void> {
    this.#says("A file is dropped into the folder of plugins: dice.ts, the whole of it.")
    this.#teller.code(source("dice.ts").trimEnd())
    await this.#pause(3)
    await this.#save("dice.ts", source("dice.ts"), "tool.added")
    await this.#pause(1)
    await this.#ask('use dice {"sides": 20}')
  }

  async #dropsAProvider(port: number): Promise<void> {
    this.#says("A provider is such a file as well. This one knows OpenAI's chat protocol, and a server on this machine.")
    await this.#save("hearth.ts", this.#hearth(port), "model.added")
    await this.#call("session", "update", this.#session, { model: "hearth/ember" })
    await this.#pause(1)
  }

  async #editsIt(port: number): Promise<void> {
    this.#says("It is edited while it speaks: another edition, another name for its model. One model changed, so there is one event.")
    const since = this.#stage.told.length
    const answer = this.#ask("who are you?")
    await this.#stage.until(({ event, payload }) => event === "message.part.delta" && (payload as { session: string }).session === this.#session, since)
    await this.#pause(1)
    await this.#save("hearth.ts", this.#hearth(port, "second"), "model.updated")
    await answer
    await this.#pause(1)
    this.#says("The next turn asks the registry again.")
    await this.#ask("and now?")
  }

  async #breaksIt(port: number): Promise<void> {
    this.#says("It is broken: a bracket is missing. The code that worked goes on.")
    const { payload } = await this.#save("hearth.ts", this.#hearth(port, "third").replace("setup(graft) {", "setup(graft {"), "plugin.failed")
    const { frame } = payload as { frame?: string }
    if (frame) this.#teller.code(frame)
    await this.#pause(2)
    await this.#ask("still there?")
  }

  async #healsIt(port: number): Promise<void> {
    this.#says("It is healed.")
    await this.#save("hearth.ts", this.#hearth(port, "third"), "plugin.reloaded")
    await this.#pause(1)
  }

  async #deletes(): Promise<void> {
    this.#says("Both files are deleted. What they added goes, and nothing else; the conversation is still open.")
    await this.#call("session", "update", this.#session, { model: "demo/demo" })
    const since = this.#stage.told.length
    this.#teller.saved("dice.ts and hearth.ts are gone")
    for (const file of FILES) rmSync(join(this.#stage.plugins, file))
    for (const event of ["tool.removed", "model.removed", "provider.removed"]) await this.#stage.until((told) => told.event === event, since)
    await this.#pause(1)
    await this.#ask('use dice {"sides": 20}')
  }

  // ── how ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #says(text: string): void { this.#teller.scene(++this.#scene, text) }

  #hear(told: Told): void {
    const { plugin } = told.payload as { plugin?: string }
    if (SHOWN.test(told.event) && this.#scene > 1 && (plugin === undefined || FILES.has(`${plugin}.ts`))) this.#teller.event(told)
    else this.#teller.hear(this.#session, told)
  }

  #call<T>(service: string, method: string, ...args: unknown[]): Promise<T> { return this.#stage.remote.call<T>({ service, method, args }) }

  /** A whole answer. */
  async #ask(text: string): Promise<void> {
    const since = this.#stage.told.length
    this.#teller.prompt(text)
    await this.#call("session", "prompt", { session: this.#session, text })
    await this.#stage.until(({ event, payload }) => event === "session.idle" && (payload as { session: string }).session === this.#session, since)
    await this.#pause(1.5)
  }

  /** Saves a file, and gives the event that says so; the time stands beside it. */
  async #save(file: string, text: string, event: string): Promise<Told> {
    const since = this.#stage.told.length
    this.#teller.saved(file)
    writeFileSync(join(this.#stage.plugins, file), text)
    return this.#stage.until((told) => told.event === event, since)
  }

  #hearth(port: number, edition = "first"): string {
    const text = source("hearth.ts").replace("4711", String(port)).replace('EDITION = "first"', `EDITION = "${edition}"`)
    return edition === "first" ? text : text.replace('name: "Ember"', 'name: "Ember, stirred"')
  }

  async #pause(seconds: number): Promise<void> {
    if (!this.#fast) await wait(seconds * 1_000, undefined, { signal: this.#terminal.signal })
  }
}

const source = (file: string): string => readFileSync(join(import.meta.dirname, "files", file), "utf8")
