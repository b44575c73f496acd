/** The answers that were given for good ("always"), by project: one private JSON file, shared by every process of this home. */
import { randomBytes } from "node:crypto"
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises"
import { dirname } from "node:path"
import * as v from "valibot"

const File = v.record(v.string(), v.array(v.string()))
type Answers = v.InferOutput<typeof File>

export class SavedAnswers {
  readonly #file: string
  readonly #warn: (message: string) => void
  #read: { stamp: string; answers: Answers; broken: boolean } | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(file: string, warn: (message: string) => void) {
    this.#file = file
    this.#warn = warn
  }

  async rules(location: string): Promise<readonly string[]> {
    return (await this.#load()).answers[location] ?? []
  }

  async add(location: string, rule: string): Promise<void> {
    await this.#change((answers) => ({ ...answers, [location]: [...new Set([...(answers[location] ?? []), rule])] }))
  }

  async remove(location: string, rule: string): Promise<boolean> {
    if (!(await this.rules(location)).includes(rule)) return false
    await this.#change((answers) => ({ ...answers, [location]: (answers[location] ?? []).filter((saved) => saved !== rule) }))
    return true
  }

  /** Read again only when the file changed: another process may have saved an answer. */
  async #load(): Promise<{ answers: Answers; broken: boolean }> {
    const status = await stat(this.#file, { bigint: true }).catch(() => undefined)
    const stamp = status ? `${status.ino}:${status.size}:${status.mtimeNs}` : ""
    if (this.#read?.stamp === stamp) return this.#read
    this.#read = { stamp, ...(status ? this.#parse(await readFile(this.#file, "utf8")) : { answers: {}, broken: false }) }
    return this.#read
  }

  #parse(text: string): { answers: Answers; broken: boolean } {
    try {
      return { answers: v.parse(File, JSON.parse(text)), broken: false }
    } catch (error) {
      this.#warn(`${this.#file} cannot be read (${error instanceof Error ? error.message : String(error)}): no saved answer holds; it is kept as it is until the next one is saved, and then beside it as .broken`)
      return { answers: {}, broken: true }
    }
  }

  /** One change at a time; written beside, synced, renamed. */
  #change(edit: (answers: Answers) => Answers): Promise<void> {
    const work = this.#writing.then(async () => {
      const { answers, broken } = await this.#load()
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 })
      if (broken) await rename(this.#file, `${this.#file}.broken`)
      const temporary = `${this.#file}.${randomBytes(6).toString("hex")}`
      try {
        await using file = await open(temporary, "wx", 0o600)
        await file.writeFile(`${JSON.stringify(edit(answers), null, 2)}\n`)
        await file.sync()
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
      await rename(temporary, this.#file)
    })
    this.#writing = work.catch(() => {})
    return work
  }
}
