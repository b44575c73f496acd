/**
 * May this content run? Yes where it was agreed to in this project, or where the project's directory is trusted. Else a
 * person is asked, if there is one who can answer, and until then it is no: nobody waits for them, and a yes brings the
 * plugin up at once.
 */
import { createHash } from "node:crypto"
import { join, sep } from "node:path"
import { locationOf, messageOf, type AdmitAsk, type AdmitVerdict, type Field, type Graft, type Meta } from "graft"
import { agreesTo, projectIn, withContent, withoutContent, withProject, type Agreements, type Project, type Projects } from "./agreements.ts"
import type { Trust, TrustAnswer, TrustAsk } from "./contract.ts"
import { TrustError } from "./errors.ts"
import { askOf, Questions, type QuestionState } from "./questions.ts"

export interface TrustState extends QuestionState {
  /** What holds until this process ends: directories, and contents that could not be written down. */
  projects: Projects
  /** Questions that were answered with no, each with its project. */
  refused: Record<string, string>
  /** Projects whose trust was taken back, with what the file said of them then: they are not asked about, until it says something else. */
  revoked: Record<string, string>
  /** Of each open project, whether it was told to be trusted. */
  told: Record<string, boolean>
  /** Digest of the file as it was last looked at. */
  seen?: string
}
export const emptyState = (): TrustState => ({ pending: {}, projects: {}, refused: {}, revoked: {}, told: {} })

const MOST_REFUSED = 500

export class Gate {
  readonly #graft: Graft<TrustState>
  readonly #agreements: Agreements
  readonly #questions: Questions

  constructor(graft: Graft<TrustState>, agreements: Agreements) {
    this.#graft = graft
    this.#agreements = agreements
    this.#questions = new Questions(graft.state)
  }

  /** Answers at once: what a person says later is heard then. */
  async admit(ask: AdmitAsk, { location = ask.root }: Pick<Meta, "location">): Promise<AdmitVerdict> {
    const { realpath, digest, plugin } = ask
    const question = askOf(ask, location)
    const agreed = await this.#agreements.read()
    const below = this.#trusts(agreed, location) && realpath.startsWith(join(location, sep)) ? { below: location } : undefined
    const trusted = below !== undefined || this.#layers(agreed, location).some((project) => agreesTo(project, realpath, digest))
    this.#fallAway((other) => other.location === location && other.realpath === realpath && (trusted || other.id !== question.id))
    if (trusted) return { admit: true, ...below }
    const no = (why: string): AdmitVerdict => ({ admit: false, reason: `${why}. To let the plugins of ${location} run: graft trust allow in that directory, or --trust for one run` })
    const { refused, revoked } = this.#graft.state.value
    if (Object.hasOwn(refused, question.id)) return no(`you said no to "${plugin}" as it is now`)
    if (Object.hasOwn(revoked, location)) return no(`the trust in the project that brings "${plugin}" was taken back`)
    if (!(await this.#someoneAnswers(location))) return no(`nobody has agreed to the code of "${plugin}"`)
    if (this.#questions.put(question)) this.#tell(location, "trust.asked", question)
    return no(`"${plugin}" waits for your answer`)
  }

  readonly service: Trust = {
    pending: async () => this.#questions.list(),
    answer: (id, answer) => this.#answer(id, answer),
    allowed: async (location) => this.#trusts(await this.#agreements.read(), locationOf(location)),
    allow: (location, { remember = false } = {}) => this.#around(locationOf(location), async (at) => {
      if (remember) await this.#agreements.change((projects) => withProject(projects, at, { contents: {}, ...projectIn(projects, at), directory: true }))
      this.#trustDirectory(at, !remember)
    }),
    revoke: (location) => this.#around(locationOf(location), async (at) => {
      const write = this.#agreements.change((projects) => withProject(projects, at, undefined))
      const failed = await write.then(() => undefined, (error: unknown) => ({ error }))
      const left = projectIn(await this.#agreements.read(), at)
      this.#graft.state.update((draft) => {
        draft.projects = withProject(draft.projects, at, undefined)
        draft.revoked[at] = JSON.stringify(left) ?? ""
      })
      this.#fallAway((ask) => ask.location === at)
      if (failed) throw failed.error
    }),
  }

  /** Somebody else may have written the file. */
  async look(): Promise<void> {
    const agreed = await this.#agreements.read()
    const seen = createHash("sha256").update(JSON.stringify(agreed)).digest("hex")
    const { state } = this.#graft
    if (this.#graft.retiring.aborted || seen === state.value.seen) return
    const first = state.value.seen === undefined
    state.update((draft) => { draft.seen = seen })
    for (const location of Object.keys(state.value.told)) this.#compare(location, this.#trusts(agreed, location))
    if (!first) this.#reconcile()
  }

  /** Somebody came who can answer, or nobody is left: who was turned away is asked about again. */
  faces(): void {
    if (!this.#answering(this.#graft)) this.#fallAway(() => true)
    if (this.#graft.kernel.inspect().realms.some(({ plugins }) => plugins.some(({ status }) => status === "refused"))) this.#reconcile()
  }

  /** Before this plugin was there, nobody could say yes. */
  async begin(): Promise<void> {
    await this.look()
    await Promise.all(this.#graft.kernel.locations().map((location) => this.opened(location)))
    this.faces()
  }

  async opened(location: string): Promise<void> {
    const trusted = this.#trusts(await this.#agreements.read(), location)
    if (!this.#graft.retiring.aborted) this.#graft.state.update((draft) => { draft.told[location] ??= trusted })
  }

  closed(location: string): void {
    this.#fallAway((ask) => ask.location === location)
    this.#graft.state.update((draft) => { delete draft.told[location] })
  }

  // ── what is trusted ─────────────────────────────────────────────────────────────────────────────────────────────

  /** What the file and this process say of a project. */
  #layers(agreed: Projects, location: string): (Project | undefined)[] {
    const { projects, revoked } = this.#graft.state.value
    const written = projectIn(agreed, location)
    const back = Object.hasOwn(revoked, location) && revoked[location] === (JSON.stringify(written) ?? "")
    return [projectIn(projects, location), back ? undefined : written]
  }

  #trusts(agreed: Projects, location: string): boolean {
    return this.#layers(agreed, location).some((project) => project?.directory === true)
  }

  async #answer(id: string, answer: TrustAnswer): Promise<void> {
    const { state, log } = this.#graft
    const late = () => new TrustError("trust.unknown", `no question "${id}" is open; it was answered, or the file has changed`)
    const open = this.#questions.get(id)
    if (!open) throw late()
    const { location, realpath, digest } = open
    await this.#around(location, async () => {
      // Taken and answered in one step, so that nobody finds the one without the other.
      if (!this.#questions.take(id)) throw late()
      this.#tell(location, "trust.answered", { id, answer })
      if (answer === "directory") return this.#trustDirectory(location, true)
      if (answer !== "content") return this.#refuse(id, location)
      state.update((draft) => { draft.projects = withContent(draft.projects, location, realpath, digest) })
      try {
        await this.#agreements.change((projects) => withContent(projects, location, realpath, digest))
        state.update((draft) => { draft.projects = withoutContent(draft.projects, location, realpath, digest) })
      } catch (error) {
        log.warn(`your yes holds until this process ends: ${messageOf(error)}`)
      }
    })
  }

  #refuse(id: string, location: string): void {
    this.#graft.state.update(({ refused }) => {
      refused[id] = location
      for (const old of Object.keys(refused).slice(0, -MOST_REFUSED)) delete refused[old]
    })
  }

  #trustDirectory(location: string, here: boolean): void {
    this.#graft.state.update((draft) => {
      if (here) draft.projects = withProject(draft.projects, location, { contents: {}, ...projectIn(draft.projects, location), directory: true })
      delete draft.revoked[location]
      for (const [id, project] of Object.entries(draft.refused)) if (project === location) delete draft.refused[id]
    })
    for (const { id } of this.#questions.takeAll((ask) => ask.location === location)) this.#tell(location, "trust.answered", { id, answer: "directory" })
  }

  // ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whatever it comes to, the difference is told, and the kernel compares again. */
  async #around(location: string, work: (location: string) => void | Promise<void>): Promise<void> {
    const before = this.#trusts(await this.#agreements.read(), location)
    try {
      await work(location)
    } finally {
      this.#compare(location, this.#trusts(await this.#agreements.read(), location), before)
      this.#reconcile()
    }
  }

  /** `before` counts where nothing was told yet. */
  #compare(location: string, now: boolean, before = now): void {
    const { state, kernel } = this.#graft
    if (!kernel.locations().includes(location)) return
    const told = state.value.told[location] ?? before
    state.update((draft) => { draft.told[location] = now })
    if (told !== now) this.#tell(location, now ? "trust.granted" : "trust.revoked", { location })
  }

  #fallAway(which: (ask: TrustAsk) => boolean): void {
    for (const { id, location } of this.#questions.takeAll(which)) this.#tell(location, "trust.answered", { id, answer: "void" })
  }

  async #someoneAnswers(location: string): Promise<boolean> {
    if (this.#answering(this.#graft)) return true
    if (!this.#graft.kernel.locations().includes(location)) return false
    using there = await this.#graft.at(location)
    return this.#answering(there)
  }

  #answering(graft: Graft<TrustState>): boolean { return [...graft.all("face")].some(({ answers }) => answers) }

  /** In the project that it concerns. */
  #tell<E extends "trust.asked" | "trust.answered" | "trust.granted" | "trust.revoked">(location: string, event: E, payload: Field<E, "payload">): void {
    const graft = this.#graft
    if (!graft.kernel.locations().includes(location)) return graft.emit(event, payload)
    void graft.at(location).then((there) => {
      there.emit(event, payload)
      there[Symbol.dispose]()
    })
  }

  /** A pass of the kernel may take long, and ask this very plugin: nobody waits for it here. */
  #reconcile(): void {
    this.#graft.kernel.reconcile().catch((error: unknown) => this.#graft.log.error("the kernel could not follow:", error))
  }
}
