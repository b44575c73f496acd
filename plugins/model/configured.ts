/**
 * What the user says of models without writing a plugin: `providers.<id>.models.<id>` in the config, and the overlay
 * models.jsonc beside it, keyed by ref. An entry that makes no sense is left out alone, with its place and field named.
 */
import { readFileSync, statSync } from "node:fs"
import { parse, printParseErrorCode, type ParseError } from "jsonc-parser"
import * as v from "valibot"
import type { ModelRow } from "./contract.ts"
import { ModelFields, splitRef } from "./rows.ts"

export type Fields = Partial<ModelRow>
/** By provider, then by the model's id. */
export type Said = ReadonlyMap<string, ReadonlyMap<string, Fields>>
type Warn = (message: string) => void

/** The `models` of the config's `providers` tree. */
export function saidInConfig(providers: unknown, warn: Warn): Said {
  const entries = Object.entries(isRecord(providers) ? providers : {}).flatMap(([provider, block]) =>
    isRecord(block) && isRecord(block.models) ? Object.entries(block.models).map(([id, fields]): Entry => [provider, id, fields, `config: providers.${provider}.models.${id}`]) : [])
  return gather(entries, warn)
}

/** The user's models.jsonc: `{ "anthropic/claude-x": { "limits": { "context": 200000 } } }`. Read again only when it changed. */
export class Overlay {
  readonly #file: string
  readonly #warn: Warn
  #stamp = ""
  #said: Said = new Map()

  constructor(file: string, warn: Warn) {
    this.#file = file
    this.#warn = warn
  }

  get said(): Said { return this.#said }

  /** True when what it says may have changed. A file that does not parse changes nothing. */
  refresh(): boolean {
    const status = statSync(this.#file, { throwIfNoEntry: false })
    const stamp = status ? `${status.ino}:${status.size}:${status.mtimeMs}` : ""
    if (stamp === this.#stamp) return false
    this.#stamp = stamp
    const said = status ? this.#read() : new Map()
    if (!said) return false
    this.#said = said
    return true
  }

  #read(): Said | undefined {
    const errors: ParseError[] = []
    const text = this.#text()
    if (text === undefined) return undefined
    const tree = parse(text, errors, { allowTrailingComma: true }) as unknown
    const [error] = errors
    if (error || !isRecord(tree)) {
      const line = error ? text.slice(0, error.offset).split("\n").length : 1
      this.#warn(`${this.#file}:${line}: ${error ? printParseErrorCode(error.error) : "an object keyed by provider/id is expected"}; what it said before holds`)
      return undefined
    }
    const entries = Object.entries(tree).flatMap(([ref, fields]): Entry[] => {
      const split = splitRef(ref)
      if (!split) this.#warn(`${this.#file}: "${ref}" is no model: write provider/id`)
      return split ? [[split.provider, split.id, fields, `${this.#file}: ${ref}`]] : []
    })
    return gather(entries, this.#warn)
  }

  #text(): string | undefined {
    try {
      return readFileSync(this.#file, "utf8")
    } catch (error) {
      this.#warn(`${this.#file} cannot be read (${(error as NodeJS.ErrnoException).code}); what it said before holds`)
      return undefined
    }
  }
}

type Entry = [provider: string, id: string, fields: unknown, where: string]

function gather(entries: readonly Entry[], warn: Warn): Said {
  const said = new Map<string, Map<string, Fields>>()
  for (const [provider, id, fields, where] of entries) {
    const checked = v.safeParse(ModelFields, fields)
    if (!checked.success) {
      const [issue] = checked.issues
      warn(`${where}${v.getDotPath(issue) ? `.${v.getDotPath(issue)}` : ""}: ${issue.message}; this entry is left out`)
      continue
    }
    if (!said.has(provider)) said.set(provider, new Map())
    said.get(provider)!.set(id, checked.output as Fields)
  }
  return said
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)
