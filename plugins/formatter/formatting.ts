/**
 * Formatting a file: always text in and text out, and what comes out is put in place only where the file still is what went
 * in. So a formatter that fails, hangs or dies, and an edit that comes meanwhile, lose nothing.
 */
import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { open, rm } from "node:fs/promises"
import { basename, dirname, extname, join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { messageOf, type Graft } from "graft"
import { inDirectory, inside } from "../lib/confine.ts"
import { unifiedDiff } from "../lib/diffs.ts"
import { expanded } from "../lib/expanded.ts"
import { directoriesAbove, findProgram, nearestWith } from "../lib/findprogram.ts"
import { inherited } from "../lib/inherited.ts"
import type { Leash } from "../lib/leash.ts"
import { encode, versionOf } from "../lib/text.ts"
import { readTextFile } from "../lib/textfile.ts"
import type { Program } from "../lib/companion.ts"
import type { Formatted, Formatters, FormatterInfo } from "./contract.ts"
import { run, type Ran } from "./run.ts"
import { infoOf, wantedFormatters, type Wanted } from "./wanted.ts"

/** `begun`: somebody asked; from then on it is told what there is. `said`: problems that were logged. */
export interface FormatterState { begun: boolean; told: Record<string, FormatterInfo>; said: string[] }

/** Milliseconds for one file, and how long one that hung is left alone. */
const PATIENCE = 10_000
const REST = 60_000
/** Characters: whoever writes more by hand has other things in mind than its form. */
const MOST_TEXT = 1024 * 1024
const MOST_SAID = 50

interface Use { formatter: Wanted; program: Program }

export class Formatting {
  readonly #graft: Graft<FormatterState>
  readonly #leash: Leash
  readonly #resting = new Set<string>()

  constructor(graft: Graft<FormatterState>, leash: Leash) {
    this.#graft = graft
    this.#leash = leash
  }

  async list(): Promise<FormatterInfo[]> { return (await this.#wanted(true)).map(infoOf) }

  /** What there is may have changed. */
  async look(): Promise<void> { await this.#wanted(true) }

  async #wanted(tell = false): Promise<Wanted[]> {
    const { state, config, location } = this.#graft
    const { wanted, problems } = wantedFormatters(this.#graft.all("formatter").rows(), await config.get("formatter", location))
    for (const problem of problems) this.#say(problem)
    if (tell) this.#tell(Object.fromEntries(wanted.map((each) => [each.name, infoOf(each)])), state.value.begun ? state.value.told : undefined)
    return wanted
  }

  /** Whoever asks for the first time learns it from the answer. */
  #tell(now: Record<string, FormatterInfo>, before: Record<string, FormatterInfo> | undefined): void {
    const { state, retiring } = this.#graft
    if (retiring.aborted || isDeepStrictEqual(before, now)) return
    state.update((draft) => Object.assign(draft, { begun: true, told: now }))
    if (!before) return
    for (const [name, formatter] of Object.entries(now)) {
      if (!Object.hasOwn(before, name)) this.#graft.emit("formatter.added", { formatter })
      else if (!isDeepStrictEqual(before[name], formatter)) this.#graft.emit("formatter.updated", { formatter })
    }
    for (const name of Object.keys(before)) if (!Object.hasOwn(now, name)) this.#graft.emit("formatter.removed", { name })
  }

  #say(problem: string): void {
    if (this.#graft.state.value.said.includes(problem)) return
    this.#graft.log.warn(problem)
    this.#graft.state.update((draft) => { draft.said = [...draft.said, problem].slice(-MOST_SAID) })
  }

  async format({ path, version, session }: Parameters<Formatters["format"]>[0]): Promise<Formatted> {
    const location = this.#graft.location!
    if (!inside(location, path)) return { version }
    const fitting = (await this.#wanted()).filter(({ enabled, extensions }) => enabled && extensions.includes(extname(path).toLowerCase()))
    const use = fitting.length > 0 ? await this.#choose(fitting, path) : undefined
    if (!use) return { version }
    const { formatter: { name, rewrites }, program } = use
    const file = await readTextFile(path).catch(() => undefined)
    if (file?.version !== version || file.text.length > MOST_TEXT || !file.encoding.startsWith("utf-8")) return { version }
    const ran = await (rewrites ? this.#onCopy(path, program, file.text) : run(program, file.text, this.#leash, AbortSignal.timeout(PATIENCE)))
    if (ran.kind === "late") {
      this.#rest(name)
      return { by: name, version, problem: `${name} did not end within ${PATIENCE / 1_000} s` }
    }
    if (ran.kind === "failed") return { by: name, version, problem: `${name} failed (${ran.why})` }
    if (ran.text === file.text) return { by: name, version }
    if (ran.text.trim() === "" && file.text.trim() !== "") return { by: name, version, problem: `${name} gave an empty file` }
    const bytes = encode(ran.text, file.encoding)!
    try {
      const written = await this.#graft.file.replace({ session, path, bytes, text: ran.text, expect: version })
      return { by: name, version: written.version, diff: await unifiedDiff(path, file.text, ran.text) }
    } catch (error) {
      // Somebody was faster: theirs is the newer text, and is formatted in its turn.
      if ((error as { code?: unknown }).code === "file.changed") return { version }
      return { by: name, version: versionOf(encode(file.text, file.encoding)!), problem: `what ${name} made of it could not be written: ${messageOf(error)}` }
    }
  }

  /** The first that the project uses, that is there, and that may run. */
  async #choose(fitting: readonly Wanted[], path: string): Promise<Use | undefined> {
    const location = this.#graft.location!
    const directories = directoriesAbove(path, location)
    for (const formatter of fitting) {
      const { name, marks, command, env, harmless } = formatter
      if (this.#resting.has(name)) continue
      const directory = marks ? await nearestWith(marks, directories) : location
      if (directory === undefined) continue
      const [program, ...args] = typeof command === "function" ? await command({ directory }) : command
      const found = program === undefined ? undefined : await findProgram(program, directories, location)
      if (!found) continue
      if ((!harmless || found.ofProject) && !(await this.#graft.trust.allowed(location))) {
        this.#say(`${name} does not format here until this project is trusted (graft trust allow): it could run code of the project`)
        continue
      }
      try {
        const own = await expanded(this.#graft.config, location, env)
        return { formatter, program: { command: found.path, args: args.map((arg) => arg.replaceAll("$FILE", path)), env: { ...inherited({ toolchains: true }), ...own }, directory } }
      } catch (error) {
        this.#say(`${name} does not format: ${messageOf(error)}`)
      }
    }
    return undefined
  }

  /** Beside the file, and named like it: that is where a formatter looks for its settings. */
  async #onCopy(path: string, program: Program, text: string): Promise<Ran> {
    const end = extname(path)
    const copy = join(dirname(path), `${basename(path, end)}.graft-${randomBytes(6).toString("hex")}${end}`)
    return inDirectory(dirname(path), async (parent) => {
      const here = join(parent, basename(copy))
      try {
        await using file = await open(here, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0), 0o600)
        await file.writeFile(text)
        const ran = await run({ ...program, args: program.args.map((arg) => arg.replaceAll(path, copy)) }, "", this.#leash, AbortSignal.timeout(PATIENCE))
        if (ran.kind !== "text") return ran
        const made = await readTextFile(copy)
        return made ? { kind: "text", text: made.text } : { kind: "failed", why: "it took the file away" }
      } finally {
        await rm(here, { force: true })
      }
    })
  }

  #rest(name: string): void {
    this.#resting.add(name)
    this.#graft.timeout(REST, () => { this.#resting.delete(name) })
  }
}
