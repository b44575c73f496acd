/**
 * What is known of models before anybody speaks for them: the snapshot that ships in config/catalogue/, one file a
 * provider, read when that provider is asked about and never at the start; and over it what was refreshed into the cache.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Root } from "graft"
import type { ModelRow } from "./contract.ts"

/** One line of a catalogue file. `efforts` are the reasoning efforts that become variants. */
export interface CatalogueModel extends Omit<ModelRow, "provider" | "variants"> { efforts?: string[] }
/** Whose rows these are, as `why` names it. */
export interface Source { by: string; directory: string }

/** The snapshot lies beside the built-ins, wherever this file was copied to. */
export function shippedIn(roots: readonly Root[]): string {
  const beside = roots.filter(({ kind }) => kind === "built-in").map(({ dir }) => join(dir, "..", "config", "catalogue")).find((directory) => existsSync(directory))
  return beside ?? fileURLToPath(new URL("../../config/catalogue", import.meta.url))
}

const PROVIDER = /^[a-z0-9][a-z0-9._-]*$/i

export class Catalogue {
  readonly #sources: readonly Source[]
  readonly #warn: (message: string) => void
  readonly #read = new Map<string, ReadonlyMap<string, ModelRow>>()
  #index: ReadonlySet<string> | undefined

  constructor(sources: readonly Source[], warn: (message: string) => void) {
    this.#sources = sources
    this.#warn = warn
  }

  /** The rows of one provider, source by source, the first is the weakest. */
  layers(provider: string): { by: string; rows: ReadonlyMap<string, ModelRow> }[] {
    if (!PROVIDER.test(provider)) return []
    return this.#sources.map(({ by, directory }) => ({ by, rows: this.#file(directory, provider) }))
  }

  /** Every provider that the snapshot or the refreshed files know. */
  providers(): ReadonlySet<string> {
    return (this.#index ??= new Set(this.#sources.flatMap(({ directory }) => Object.keys(this.#json<{ providers: Record<string, number> }>(join(directory, "index.json"))?.providers ?? {}))))
  }

  /** What was read is read anew: a refresh wrote other files. */
  forget(): void {
    this.#read.clear()
    this.#index = undefined
  }

  #file(directory: string, provider: string): ReadonlyMap<string, ModelRow> {
    const path = join(directory, `${provider}.json`)
    let rows = this.#read.get(path)
    if (!rows) {
      const models = this.#json<{ models: CatalogueModel[] }>(path)?.models ?? []
      this.#read.set(path, (rows = new Map(models.map((model) => [model.id, rowOf(model, provider)]))))
    }
    return rows
  }

  /** A file that is not there knows nothing; one that is damaged says so and knows nothing. */
  #json<T>(path: string): T | undefined {
    try {
      return JSON.parse(readFileSync(path, "utf8")) as T
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#warn(`the model catalogue ${path} cannot be read and is left out: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }
}

function rowOf({ efforts, ...model }: CatalogueModel, provider: string): ModelRow {
  return { ...model, provider, ...(efforts ? { variants: Object.fromEntries(efforts.map((effort) => [effort, { reasoning: effort }])) } : {}) }
}
