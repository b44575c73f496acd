/**
 * An open conversation: what is typed becomes prompts, steers, answers and commands; what happens becomes lines. All that
 * must outlive a reload of this plugin is in the talk; the rest is found again from the log and from who asks.
 */
import { relative } from "node:path"
import { messageOf, type Graft } from "graft"
import { explain, summary } from "../ending.ts"
import { NOTED } from "../facts.ts"
import { mentioned } from "../mentions.ts"
import { orMoved } from "../moved.ts"
import { Notes } from "../notes.ts"
import type { Ended } from "../../session/contract.ts"
import { pose, readAnswer, readReply, readTrust, type Question } from "../questions.ts"
import type { Screen, Talk } from "../screen.ts"
import { oneLine } from "../table.ts"
import { Tail } from "../tail.ts"
import { newView, show, showDelta, subject, type View } from "../view.ts"
import { commandOf, completions, noCommand } from "./slash.ts"
import type { Hearer, Posture, Surface } from "./surface.ts"

/** Milliseconds that an interrupted session gets to write down where it stands before one leaves. */
const GRACE = 3_000
/** Milliseconds that a question waits for what was said before it. */
const CATCH_UP = 1_000

/** What is remembered while this plugin is away. */
export interface Away { session?: string }

export interface Place { graft: Graft<Away>; /** The instance of the project. */ project: Graft; location: string; directory: string; interactive: boolean }

export class Conversation implements Hearer {
  readonly place: Place
  readonly talk: Talk
  readonly #screen: Screen
  readonly #graft: Graft<Away>
  readonly #left = Promise.withResolvers<boolean>()
  readonly #notes: Notes
  readonly #surface: Surface
  readonly #asked = new Set<string>()
  /** Who waits for a call to be shown. */
  readonly #calls = new Map<string, () => void>()
  /** Those that are on the screen, or next. */
  readonly #questions = new Map<string, Question>()
  readonly #removers: (() => void)[] = []
  #tail: Tail | undefined
  /** When the person was asked who has not answered yet. */
  #posed: number | undefined
  #waiting = false
  /** Something was admitted since the wait began. */
  #more = false
  #stopping = false
  #streaming = false
  /** A command of the person's own that runs. */
  #shell: { command: string; stop: AbortController } | undefined
  readonly #begun = Promise.withResolvers<void>()
  #work: Promise<void> = this.#begun.promise
  /** Until it has begun, nothing that is typed is taken. */
  #taking = 1

  constructor(place: Place, screen: Screen, surfaceFor: (hearer: Hearer) => Surface) {
    this.place = place
    this.#graft = place.graft
    this.#screen = screen
    this.talk = screen.talk!
    this.#notes = new Notes((notes) => { for (const { text, bad } of notes) this.#surface.line(`${bad ? "!" : "·"} ${text}`, bad ? "red" : "dim") })
    this.#surface = surfaceFor(this)
  }

  /** Until somebody leaves: true when work was left behind. Ends with `Moved` when this plugin is edited. */
  async run(): Promise<boolean> {
    this.#listen()
    if (this.talk.session !== undefined) await this.open(this.talk.session, this.talk.cursor)
    await this.#askAgain()
    if (this.#asked.size === 0) this.#surface.aside(false)
    this.#taking--
    this.#begun.resolve()
    this.#surface.refresh()
    try {
      return await orMoved(this.#graft, this.#left.promise)
    } finally {
      this.#tail?.stop()
      for (const remove of this.#removers) remove()
      this.#notes.flush()
    }
  }

  /** `last`: the terminal is given back. */
  close(last: boolean): void { this.#surface.close(last) }

  get busy(): boolean { return this.#waiting }
  line(text: string, style?: Parameters<Surface["line"]>[1]): void { this.#surface.line(text, style) }

  // ── what is heard ───────────────────────────────────────────────────────────────────────────────────────────────

  #listen(): void {
    const { location } = this.place
    const on = ((event: "*", handler: never) => this.#removers.push(this.#graft.on(event, handler))) as unknown as Graft["on"]
    on("message.part.delta", (delta) => {
      if (delta.session !== this.talk.session) return
      this.#streaming = true
      this.#surface.say(showDelta(this.#view, delta))
    })
    on("permission.asked", (ask) => { if (ask.location === location) this.#ask({ kind: "permission", id: ask.id, ask }) })
    on("permission.replied", ({ id }) => this.#answered(id))
    on("question.asked", (ask) => { if (ask.location === location) this.#ask({ kind: "question", id: ask.id, ask }) })
    on("question.replied", ({ id }) => this.#answered(id))
    on("trust.asked", (ask) => { if (ask.location === location) this.#ask({ kind: "trust", id: ask.id, ask }) })
    on("trust.answered", ({ id }) => this.#answered(id))
    on("config.changed", ({ paths }) => { if (paths.includes("model")) void this.#modelChosen() })
    for (const event of NOTED) on(event as "plugin.loaded", (payload, meta) => { if (meta.location === undefined || meta.location === location) this.#notes.add(event, payload) })
  }

  /** The config chooses the model of who has not chosen one. */
  async #modelChosen(): Promise<void> {
    const chosen = this.talk.model ?? (this.talk.session && (await this.#graft.session.get(this.talk.session))?.model)
    if (chosen !== undefined) return
    const model = await this.place.project.model.resolve().catch(messageOf)
    this.line(typeof model === "string" ? model : `the config's model from the next turn on: ${model.ref}`, typeof model === "string" ? "yellow" : "dim")
  }

  get #view(): View { return (this.#screen.view ??= newView(this.talk.session ?? "", { live: this.place.interactive, thinking: this.place.interactive, starts: !this.#surface.shows, together: true })) }

  /** Follows a session from an event on. */
  async open(session: string, after?: number): Promise<void> {
    const known = await this.#graft.session.get(session)
    if (!known) return this.line(`the session ${session} is gone`, "red")
    this.#tail?.stop()
    this.#graft.state.update((away) => { away.session = session })
    if (this.#screen.view?.session !== session) this.#screen.view = undefined
    Object.assign(this.talk, { session, cursor: after ?? (await this.#graft.eventlog.head(session))?.seq ?? 0 })
    this.#tail = new Tail(this.#graft, session, this.talk.cursor, ({ seq, type, data }) => {
      this.talk.cursor = seq
      this.#surface.say(show(this.#view, type, data))
      this.#follow(type, data)
    })
    if (known.status === "running" || known.status === "waiting") this.#await()
  }

  /** A new session is made with the first prompt. */
  forget(): void {
    this.#tail?.stop()
    this.#tail = undefined
    this.#screen.view = undefined
    Object.assign(this.talk, { session: undefined, cursor: 0 })
    this.#graft.state.update((away) => { delete away.session })
  }

  #follow(type: string, data: unknown): void {
    if (type === "shell.settled") this.#shell = undefined
    // A job that ended may have begun it.
    if (type === "activity.opened" && !this.#waiting) {
      this.talk.since = Date.now()
      this.#await()
    }
    if (type === "tool.called") this.#calls.get((data as { call: string }).call)?.()
    if (type === "message.settled" || type === "tool.called") this.#streaming = false
    this.#surface.refresh()
  }

  // ── what is typed ───────────────────────────────────────────────────────────────────────────────────────────────

  posture(): Posture {
    const [question] = this.#questions.values()
    if (question) return { prompt: pose(question).prompt, style: "yellow", hint: "", open: this.#taking === 0 }
    if (this.#shell) return { status: `… ${oneLine(this.#shell.command, 80)}`, prompt: "› ", style: "cyan", hint: "Ctrl-C ends the command", open: false }
    if (!this.#waiting) return { prompt: "› ", style: "cyan", hint: this.talk.session === undefined ? "ask for something, or /help" : "", open: this.#taking === 0 }
    const running = [...this.#view.calls.values()].map(({ name, input }) => `${name} ${subject(input)}`.trim())
    const status = this.#stopping ? "… stopping; Ctrl-C again leaves" : running.length > 0 ? `… ${running.join(", ")}` : this.#streaming ? undefined : "… waiting for the model"
    return { ...(status && { status }), prompt: "» ", style: "yellow", hint: "type to steer, Ctrl-C interrupts", open: false }
  }

  complete(text: string): Promise<string[]> { return completions(this, text) }

  submit(text: string): void {
    this.#taking++
    // What was typed under a question is an answer to that one, and to no other.
    const [question] = this.#questions.values()
    this.#work = this.#work.then(() => (question ? this.#answer(question, text) : this.#take(text))).catch((error: unknown) => this.line(messageOf(error), "red")).finally(() => {
      this.#taking--
      this.#surface.refresh()
    })
  }

  async #take(text: string): Promise<void> {
    if (text.trim() === "") return
    if (this.#surface.shows) this.line(`${this.#waiting ? "" : "\n"}${this.#waiting ? "»" : "›"} ${text.replaceAll("\n", "\n  ")}`, "bold")
    const command = commandOf(text)
    if (command) return command(this)
    // What comes through a pipe was perhaps not written by who runs this.
    if (text.startsWith("!") && this.place.interactive) return void this.#run(text.slice(1).trim()).catch((error: unknown) => this.line(messageOf(error), "red"))
    if (!text.startsWith("/")) return this.#prompt(text)
    // It may ask for permission, and the answer comes the same way as this did.
    void this.#expand(text).catch((error: unknown) => this.line(messageOf(error), "red"))
  }

  /** A command that is kept in a file becomes its prompt. */
  async #expand(text: string): Promise<void> {
    const { project, directory } = this.place
    const prompt = await project.command.expand(text, { directory, ...(this.talk.session && { session: this.talk.session }) })
    const none = prompt === undefined ? await noCommand(text, project) : undefined
    if (none) return this.line(none, "yellow")
    await this.#prompt(prompt ?? text, text)
  }

  /** A new session is made with the first thing that is done in it. */
  async #begin(): Promise<void> {
    const { talk } = this
    if (talk.session !== undefined) return
    const session = await this.#graft.session.create({ directory: this.place.directory, ...(talk.model && { model: talk.model }), ...(talk.agent && { agent: talk.agent }) })
    await this.open(session.id, 0)
  }

  /** `!ls`: run here and now; its output is shown when it stands in the log, and the model is told with the next prompt. */
  async #run(command: string): Promise<void> {
    if (command === "") return this.line("say which command: !git status", "yellow")
    if (this.#waiting || this.#shell) return this.line("interrupt what runs first (Ctrl-C)", "yellow")
    const stop = new AbortController()
    const shell = (this.#shell = { command, stop })
    try {
      await this.#begin()
      this.#surface.refresh()
      await this.#graft.job.shell(this.talk.session!, command, { signal: stop.signal })
    } finally {
      if (this.#shell === shell) this.#shell = undefined
      this.#surface.refresh()
    }
  }

  /** Files come along that the person named: a command's file, and what its shell lines print, are a stranger's words. */
  async #prompt(text: string, typed = text): Promise<void> {
    const { talk } = this
    const { directory } = this.place
    await this.#begin()
    if (!this.#waiting) talk.since = Date.now()
    const files = mentioned(typed, directory)
    await this.#graft.session.prompt({ session: talk.session!, text, ...(files.length > 0 && { files }) })
    if (files.length > 0) this.line(`attached: ${files.map((file) => relative(directory, file)).join(", ")}`, "dim")
    this.#await()
  }

  /** Now, or at the next safe boundary of what runs. */
  async compact(instructions?: string): Promise<void> {
    if (!this.#waiting) this.talk.since = Date.now()
    await this.#graft.session.compact(this.talk.session!, instructions)
    this.#await()
  }

  /** One more attempt at what is open: also at a request of which nobody knows whether it was sent. */
  async again(): Promise<void> {
    if (!this.#waiting) this.talk.since = Date.now()
    await this.#graft.session.run(this.talk.session!)
    this.#await()
  }

  /** Says how it ended once nothing of the session runs any more. */
  #await(): void {
    this.#more = true
    if (this.#waiting) return
    const { session } = this.talk
    this.#waiting = true
    const done = async () => {
      let ended: Ended | undefined
      while (this.#more) {
        this.#more = false
        ended = await this.#graft.session.wait(session!)
        const head = await this.#graft.eventlog.head(session!)
        if (head && session === this.talk.session) await this.#tail?.reached(head.seq)
      }
      if (ended && session === this.talk.session) this.#ended(ended)
    }
    orMoved(this.#graft, done()).catch((error: unknown) => { if (!this.#graft.retiring.aborted) this.line(messageOf(error), "red") }).finally(() => {
      this.#waiting = this.#stopping = this.#streaming = false
      this.#surface.refresh()
    })
  }

  #ended(ended: Ended): void {
    if (ended.state === "blocked") this.line(`needs permission: ${ended.rule ?? ended.reason ?? "an action that nobody could allow"}`, "yellow")
    else if (ended.state !== "done") this.line(explain(ended, "say something to go on", "/again"), ended.state === "interrupted" ? "yellow" : "red")
    this.line(summary(ended, Date.now() - this.talk.since), "dim")
  }

  interrupt(): void {
    if (this.#shell) return this.#shell.stop.abort()
    if (!this.#waiting || this.#stopping) return this.#left.resolve(this.#waiting)
    this.#stopping = true
    this.#surface.refresh()
    void this.#graft.session.interrupt(this.talk.session!, "interrupted").catch((error: unknown) => this.line(messageOf(error), "red"))
  }

  /** What still runs is interrupted, and may be gone on with later. */
  leave(): void {
    this.#shell?.stop.abort()
    if (!this.#waiting || this.#stopping) return this.#left.resolve(this.#waiting)
    this.interrupt()
    const late = this.#graft.timeout(GRACE, () => this.#left.resolve(true))
    void this.#graft.session.wait(this.talk.session!).catch(() => {}).finally(() => (late(), this.#left.resolve(true)))
  }

  // ── what is asked ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Questions that were open before this generation of the plugin was. */
  async #askAgain(): Promise<void> {
    for (const ask of await this.place.project.permission.pending()) this.#ask({ kind: "permission", id: ask.id, ask })
    for (const ask of await this.place.project.question.pending().catch(() => [])) this.#ask({ kind: "question", id: ask.id, ask })
    for (const ask of await this.#graft.trust.pending()) if (ask.location === this.place.location) this.#ask({ kind: "trust", id: ask.id, ask })
  }

  /** After what led to it was shown. */
  #ask(question: Question): void {
    if (this.#asked.has(question.id)) return
    this.#asked.add(question.id)
    void this.#called(question).finally(() => {
      if (!this.#asked.has(question.id)) return
      this.#questions.set(question.id, question)
      if (this.#questions.size === 1) this.#pose(question)
    })
  }

  /** The call that is asked about stands in the log behind what the model said before it. */
  async #called(question: Question): Promise<void> {
    const { call, session } = question.kind === "trust" ? {} : question.ask
    if (call === undefined || session !== this.talk.session || this.#view.calls.has(call)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#calls.set(call, resolve)
    const cancel = this.#graft.timeout(CATCH_UP, resolve)
    await promise
    cancel()
    this.#calls.delete(call)
  }

  #pose(question: Question): void {
    this.#posed ??= Date.now()
    this.#surface.line(pose(question).text.trimEnd(), "yellow")
    this.#surface.aside(true)
  }

  async #answer(question: Question, text: string): Promise<void> {
    if (!this.#questions.has(question.id)) return this.line("that has been answered already", "dim")
    if (question.kind === "permission") {
      const answer = readReply(question, text)
      if (!answer) return this.line(`please answer ${question.ask.rule ? "o, a, e or d" : "o or d"}`, "yellow")
      const { reply, said } = answer
      await this.place.project.permission.reply(question.id, reply, said)
      this.line(reply === "deny" ? "denied" : reply === "once" ? "allowed once" : `always allowed${reply === "everywhere" ? " everywhere" : " here"}: ${question.ask.rule!}`, reply === "deny" ? "red" : "green")
    } else if (question.kind === "question") {
      const answer = readAnswer(question.ask, text)
      if (!answer) return this.line(`please answer with ${question.ask.several ? "numbers" : "a number"} from 1 to ${question.ask.choices?.length ?? 1}, or in your own words; - leaves it open`, "yellow")
      await this.place.project.question.reply(question.id, answer)
    } else {
      const answer = readTrust(text)
      if (!answer) return this.line("please answer y, a or n", "yellow")
      await this.#graft.trust.answer(question.id, answer)
    }
    this.#answered(question.id)
  }

  #answered(id: string): void {
    this.#asked.delete(id)
    const [first] = this.#questions.keys()
    if (!this.#questions.delete(id)) return
    const [next] = this.#questions.values()
    if (first === id && next) return this.#pose(next)
    if (next) return
    // The time that a person took is not the turn's.
    if (this.#posed !== undefined) this.talk.since += Date.now() - this.#posed
    this.#posed = undefined
    this.#surface.aside(false)
  }
}
