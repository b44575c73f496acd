/**
 * The JSON Schema beside the user's config, for an editor: the blocks of all plugins that there are. Once a config points
 * at it, it follows them.
 */
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import type { Graft, Remove } from "graft"
import { rewrite } from "../lib/rewrite.ts"
import type { ConfigState } from "./state.ts"

/** As a config beside it writes it in `$schema`. */
export const SCHEMA = "./config.schema.json"
/** Milliseconds after which nobody waits for the plugins of a start any more; a short run writes nothing. */
const LATER = 2_000

export class SchemaFile {
  readonly #graft: Graft<ConfigState>
  readonly #file: string
  readonly #make: () => Promise<Record<string, unknown>>
  #timer: Remove | undefined
  #written = ""

  /** `make` gives the schema as it is now. */
  constructor(graft: Graft<ConfigState>, userFile: string, make: () => Promise<Record<string, unknown>>) {
    this.#graft = graft
    this.#file = join(dirname(userFile), SCHEMA)
    this.#make = make
  }

  /** The user's config points at it, and sections may have changed. */
  soon(): void {
    this.#timer?.()
    this.#timer = this.#graft.timeout(LATER, () => this.write().catch((error: unknown) => this.#graft.log.warn("the schema beside the config:", error)))
  }

  async write(): Promise<void> {
    const text = `${JSON.stringify(await this.#make(), null, 2)}\n`
    const hash = createHash("sha256").update(text).digest("hex")
    if (hash === this.#written) return
    await rewrite(this.#file, () => text)
    this.#written = hash
  }
}
