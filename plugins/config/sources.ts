/**
 * The files that are read, each with its last good content: one that does not parse, is empty or gone for a moment (an
 * editor is just writing it) changes nothing. Bytes decide, never times.
 */
import { readFile, realpath, stat } from "node:fs/promises"
import { isDocument, MOST, parseDocument, type Broken, type Document } from "../lib/jsonc.ts"

/** How a file is read. `id`: another one reads the same bytes anew. */
export interface Reader { readonly id: unknown; readonly most: number; parse(text: string): Promise<Document | Broken> }
/** Our own. */
const OWN: Reader = { id: "", most: MOST, parse: (text) => parseDocument(text) }

/** A file, and how it is read; without a reader, as one of our own. `key` tells readings of one file apart. */
export interface Wanted { readonly file: string; readonly key?: string; readonly reader?: Reader }

interface Source { readonly document?: Document; /** What the disk shows instead of the document that holds. */ readonly broken?: Broken; readonly real?: string }

/** A file this young may be half written; one that is gone may come back. Milliseconds. */
const YOUNG = 250
const VANISH = 150

export class Sources {
  readonly #remembered: (file: string) => string | undefined
  readonly #lookAgain: (milliseconds: number) => void
  readonly #known = new Map<string, { source: Source; wanted: Wanted }>()
  readonly #vanished = new Set<string>()

  /** `remembered`: what was good in an earlier generation of this plugin. `lookAgain` is asked for where what was seen is not believed yet. */
  constructor(remembered: (file: string) => string | undefined, lookAgain: (milliseconds: number) => void) {
    this.#remembered = remembered
    this.#lookAgain = lookAgain
  }

  /** What is to be remembered: the good texts of our own files. */
  texts(): Record<string, string> {
    return Object.fromEntries([...this.#known.values()].flatMap(({ source: { document }, wanted: { file, reader } }) => (document && !reader ? [[file, document.text]] : [])))
  }

  /** Read at the first use, and at each `look`. */
  async get(wanted: Wanted): Promise<Source> {
    const known = this.#known.get(keyOf(wanted))
    return known?.wanted.reader?.id === wanted.reader?.id && known ? known.source : this.#read(wanted)
  }

  /** Reads every file again that was ever asked for. */
  async look(): Promise<void> {
    await Promise.all([...this.#known.values()].map(({ wanted }) => this.#read(wanted)))
  }

  /** Only these are still of interest. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of this.#known.keys()) if (!keys.has(key)) this.#known.delete(key)
  }

  async #read(wanted: Wanted): Promise<Source> {
    const source = await this.#see(wanted, await this.#lastGood(wanted))
    this.#known.set(keyOf(wanted), { source, wanted })
    return source
  }

  async #lastGood(wanted: Wanted): Promise<Document | undefined> {
    const { reader = OWN } = wanted
    const known = this.#known.get(keyOf(wanted))
    const same = known?.wanted.reader?.id === wanted.reader?.id
    if (known && same) return known.source.document
    const text = known?.source.document?.text ?? (wanted.reader ? undefined : this.#remembered(wanted.file))
    const parsed = text === undefined ? undefined : await reader.parse(text)
    return parsed && isDocument(parsed) ? parsed : undefined
  }

  async #see({ file, key = file, reader = OWN }: Wanted, good: Document | undefined): Promise<Source> {
    try {
      const status = await stat(file)
      const real = await realpath(file)
      this.#vanished.delete(key)
      if (!status.isFile()) return { ...hold(good), real, broken: { line: 1, message: "it is not a regular file" } }
      if (status.size > reader.most) return { ...hold(good), real, broken: { line: 1, message: `it has ${status.size} bytes, which no config needs` } }
      const text = await readFile(file, "utf8")
      if (text === good?.text) return { document: good, real }
      const parsed = await reader.parse(text)
      const suspicious = !isDocument(parsed) || (good && text.trim() === "")
      if (suspicious && Date.now() - status.mtimeMs < YOUNG) {
        this.#lookAgain(YOUNG)
        return { ...hold(good), real }
      }
      return isDocument(parsed) ? { document: parsed, real } : { ...hold(good), real, broken: parsed }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== "ENOENT" && code !== "ENOTDIR") return { ...hold(good), broken: { line: 1, message: `it cannot be read (${code ?? String(error)})` } }
      if (!good || this.#vanished.has(key)) return {}
      this.#vanished.add(key)
      this.#lookAgain(VANISH)
      return hold(good)
    }
  }
}

export const keyOf = ({ file, key = file }: Wanted): string => key
const hold = (good: Document | undefined): Source => (good ? { document: good } : {})
