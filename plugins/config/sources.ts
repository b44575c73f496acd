/**
 * The files that are read, each with its last good content: one that does not parse, is empty or gone for a moment (an
 * editor is just writing it) changes nothing. Bytes decide, never times.
 */
import { readFile, realpath, stat } from "node:fs/promises"
import { isDocument, MOST, parseDocument, type Broken, type Document } from "./document.ts"

interface Source { readonly document?: Document; /** What the disk shows instead of the document that holds. */ readonly broken?: Broken; readonly real?: string }

/** A file this young may be half written; one that is gone may come back. Milliseconds. */
const YOUNG = 250
const VANISH = 150

export class Sources {
  readonly #remembered: (file: string) => string | undefined
  readonly #lookAgain: (milliseconds: number) => void
  readonly #known = new Map<string, Source>()
  readonly #vanished = new Set<string>()

  /** `remembered`: what was good in an earlier generation of this plugin. `lookAgain` is asked for where what was seen is not believed yet. */
  constructor(remembered: (file: string) => string | undefined, lookAgain: (milliseconds: number) => void) {
    this.#remembered = remembered
    this.#lookAgain = lookAgain
  }

  /** What is to be remembered: the good texts by file. */
  texts(): Record<string, string> {
    return Object.fromEntries([...this.#known].flatMap(([file, { document }]) => (document ? [[file, document.text]] : [])))
  }

  /** Read at the first use, and at each `look`. */
  async get(file: string): Promise<Source> {
    return this.#known.get(file) ?? this.#read(file)
  }

  /** Reads every file again that was ever asked for. */
  async look(): Promise<void> {
    await Promise.all([...this.#known.keys()].map((file) => this.#read(file)))
  }

  forget(file: string): void {
    this.#known.delete(file)
  }

  async #read(file: string): Promise<Source> {
    const source = await this.#see(file, await this.#lastGood(file))
    this.#known.set(file, source)
    return source
  }

  async #lastGood(file: string): Promise<Document | undefined> {
    const known = this.#known.get(file)
    const text = known ? undefined : this.#remembered(file)
    const parsed = text === undefined ? undefined : await parseDocument(text)
    return known?.document ?? (parsed && isDocument(parsed) ? parsed : undefined)
  }

  async #see(file: string, good: Document | undefined): Promise<Source> {
    try {
      const status = await stat(file)
      const real = await realpath(file)
      this.#vanished.delete(file)
      if (!status.isFile()) return { ...hold(good), real, broken: { line: 1, message: "it is not a regular file" } }
      if (status.size > MOST) return { ...hold(good), real, broken: { line: 1, message: `it has ${status.size} bytes, which no config needs` } }
      const text = await readFile(file, "utf8")
      if (text === good?.text) return { document: good, real }
      const parsed = await parseDocument(text)
      const suspicious = !isDocument(parsed) || (good && text.trim() === "")
      if (suspicious && Date.now() - status.mtimeMs < YOUNG) {
        this.#lookAgain(YOUNG)
        return { ...hold(good), real }
      }
      return isDocument(parsed) ? { document: parsed, real } : { ...hold(good), real, broken: parsed }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== "ENOENT" && code !== "ENOTDIR") return { ...hold(good), broken: { line: 1, message: `it cannot be read (${code ?? String(error)})` } }
      if (!good || this.#vanished.has(file)) return {}
      this.#vanished.add(file)
      this.#lookAgain(VANISH)
      return hold(good)
    }
  }
}

const hold = (good: Document | undefined): Source => (good ? { document: good } : {})
