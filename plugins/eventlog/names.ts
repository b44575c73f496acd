/** Types and actors are numbers in the rows; here they get their names back, each asked for once. */
import type { Params } from "../store/contract.ts"

/** Kept; every process is an actor, so there are ever more. */
const MOST = 10_000
const ASKED = "SELECT key, text FROM name WHERE key IN (SELECT value FROM json_each(?))"

interface Numbered { type: number; actor: number }
interface Named { key: number; text: string }
export type Texts = ReadonlyMap<number, string>

export class Names {
  #texts = new Map<number, string>()

  /** With the names of all these rows. */
  async of(rows: readonly Numbered[], ask: (sql: string, params: Params) => Promise<Named[]>): Promise<Texts> {
    const texts = this.#kept()
    const missing = missingIn(texts, rows)
    return missing.length === 0 ? texts : learn(texts, await ask(ASKED, [JSON.stringify(missing)]))
  }

  /** The same inside of a transaction. */
  now(rows: readonly Numbered[], ask: (sql: string, params: Params) => Named[]): Texts {
    const texts = this.#kept()
    const missing = missingIn(texts, rows)
    return missing.length === 0 ? texts : learn(texts, ask(ASKED, [JSON.stringify(missing)]))
  }

  /** Who has it keeps it, also when it is full and the next one begins anew. */
  #kept(): Map<number, string> { return this.#texts.size > MOST ? (this.#texts = new Map()) : this.#texts }
}

function missingIn(texts: Texts, rows: readonly Numbered[]): number[] {
  const missing = new Set<number>()
  for (const { type, actor } of rows) {
    if (!texts.has(type)) missing.add(type)
    if (!texts.has(actor)) missing.add(actor)
  }
  return [...missing]
}

function learn(texts: Map<number, string>, found: readonly Named[]): Texts {
  for (const { key, text } of found) texts.set(key, text)
  return texts
}
