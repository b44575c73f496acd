/** The answers that were given for good, by project, and under "*" those for every project: one private JSON file, shared by every process of this home. */
import { rename } from "node:fs/promises"
import * as v from "valibot"
import { messageOf } from "graft"
import { PrivateFile, type Content } from "../lib/privatefile.ts"

/** No project's path. */
export const EVERYWHERE = "*"
const File = v.record(v.string(), v.array(v.string()))
type Answers = v.InferOutput<typeof File>
/** `broken`: the file says something, but nobody knows what. */
interface Parsed { content: Content | undefined; answers: Answers; broken: boolean }

export class SavedAnswers {
  readonly #file: PrivateFile
  readonly #warn: (message: string) => void
  #parsed: Parsed = { content: undefined, answers: {}, broken: false }
  #unreadable = false

  constructor(path: string, warn: (message: string) => void) {
    this.#file = new PrivateFile(path)
    this.#warn = warn
  }

  /** What cannot be read allows nothing. */
  async rules(location: string): Promise<readonly string[]> {
    try {
      const { answers } = this.#parse(await this.#file.read())
      this.#unreadable = false
      return Object.hasOwn(answers, location) ? answers[location]! : []
    } catch (error) {
      if (!this.#unreadable) this.#warn(`${messageOf(error)}: no saved answer holds`)
      this.#unreadable = true
      return []
    }
  }

  async add(location: string, rule: string): Promise<void> {
    await this.#change(location, (rules) => (rules.includes(rule) ? undefined : [...rules, rule]))
  }

  async remove(location: string, rule: string): Promise<boolean> {
    let removed = false
    await this.#change(location, (rules) => {
      removed = rules.includes(rule)
      return removed ? rules.filter((saved) => saved !== rule) : undefined
    })
    return removed
  }

  #change(location: string, edit: (rules: readonly string[]) => string[] | undefined): Promise<void> {
    return this.#file.change(async (content) => {
      const { answers, broken } = this.#parse(content)
      const rules = edit(Object.hasOwn(answers, location) ? answers[location]! : [])
      if (!rules) return undefined
      if (broken) await rename(this.#file.path, `${this.#file.path}.broken`)
      return `${JSON.stringify({ ...answers, [location]: rules }, null, 2)}\n`
    })
  }

  #parse(content: Content | undefined): Parsed {
    if (content === this.#parsed.content) return this.#parsed
    try {
      this.#parsed = { content, answers: content ? v.parse(File, JSON.parse(content.text)) : {}, broken: false }
    } catch (error) {
      this.#warn(`${this.#file.path} cannot be read (${messageOf(error)}): no saved answer holds; it is kept as it is until the next one is saved, and then beside it as .broken`)
      this.#parsed = { content, answers: {}, broken: true }
    }
    return this.#parsed
  }
}
