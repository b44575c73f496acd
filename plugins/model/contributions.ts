/** Who says what of which model, weakest first: the catalogue, the rows of plugins in their order, what an overflow taught, the user's overlay, the config. */
import type { Graft } from "graft"
import type { Catalogue } from "./catalogue.ts"
import { saidInConfig, type Overlay, type Said } from "./configured.ts"
import type { ModelRow } from "./contract.ts"
import { equal, patchesOf } from "./diff.ts"
import { foldLayers, type Layer } from "./fold.ts"
import type { Policy } from "./policy.ts"

/** The contributions to one provider's models, by the model's id, and the rows that they make. */
export interface Gathered { layers: Map<string, Layer[]>; rows: Record<string, ModelRow> }

export class Contributions {
  readonly #graft: Pick<Graft, "all" | "config" | "location" | "log">
  readonly #catalogue: Catalogue
  readonly #overlay: Overlay
  #config: Said = new Map()
  /** Which models the config lets be used. */
  policy: Policy = {}

  constructor(graft: Pick<Graft, "all" | "config" | "location" | "log">, catalogue: Catalogue, overlay: Overlay) {
    this.#graft = graft
    this.#catalogue = catalogue
    this.#overlay = overlay
  }

  /** True when the user's overlay may say something else than before. */
  overlayChanged(): boolean { return this.#overlay.refresh() }

  /** The catalogue's files are others now. */
  forgetCatalogue(): void { this.#catalogue.forget() }

  /** Providers that the catalogue knows, whether or not somebody speaks for them. */
  catalogued(): ReadonlySet<string> { return this.#catalogue.providers() }

  /** Providers of whose models the user says something. */
  configured(): string[] { return [...this.#overlay.said.keys(), ...this.#config.keys()] }

  /** Reads `models` and `providers` of the config; the providers whose models are said to be otherwise than before, or "*" where any may be. */
  async readConfig(): Promise<string[] | "*"> {
    const { config, location, log } = this.#graft
    let [tree, models]: unknown[] = []
    try {
      [tree, models] = await Promise.all([config.get("providers", location), config.get("models", location)])
    } catch (error) {
      // Without a config plugin nothing is configured; with one that fails, what it said before holds.
      if ((error as { code?: unknown } | null)?.code === "Unavailable") return []
      log.warn("`providers` and `models` of the config could not be read:", error)
      return []
    }
    const { allow, deny } = (models ?? {}) as Policy
    const policy = { ...(allow && { allow }), ...(deny && { deny }) }
    const otherPolicy = !equal(policy, this.policy)
    this.policy = policy
    const before = this.#config
    this.#config = saidInConfig(tree, (message) => log.warn(message))
    if (otherPolicy) return "*"
    return [...new Set([...before.keys(), ...this.#config.keys()])].filter((provider) => {
      const [old, now] = [before, this.#config].map((said) => Object.fromEntries(said.get(provider) ?? []))
      return patchesOf(old, now).length > 0
    })
  }

  /** The rows of plugins by provider, in the board's order; of these providers only, where they are named. */
  board(wanted?: ReadonlySet<string>): Map<string, Layer[]> {
    const found = new Map<string, Layer[]>()
    for (const { item, owner } of this.#graft.all("model").rows()) {
      for (const row of Array.isArray(item) ? item : [item]) {
        if (wanted && !wanted.has(row.provider)) continue
        const layers = found.get(row.provider)
        if (layers) layers.push({ by: owner, row })
        else found.set(row.provider, [{ by: owner, row }])
      }
    }
    return found
  }

  /** One provider's models. The catalogue counts only where asked for: what nobody speaks for is not there. */
  gather(provider: string, { catalogue, board = this.board(new Set([provider])), learnt = {} }: { catalogue: boolean; board?: ReadonlyMap<string, readonly Layer[]>; learnt?: Readonly<Record<string, number>> }): Gathered {
    const layers = new Map<string, Layer[]>()
    const say = (id: string, layer: Layer) => {
      const list = layers.get(id)
      if (list) list.push(layer)
      else layers.set(id, [layer])
    }
    if (catalogue) for (const { by, rows } of this.#catalogue.layers(provider)) for (const [id, row] of rows) say(id, { by, row })
    for (const layer of board.get(provider) ?? []) say(layer.row.id!, layer)
    for (const [id, context] of Object.entries(learnt)) if (layers.has(id)) say(id, { by: "overflow", row: { limits: { context, source: "overflow" } } })
    for (const [id, row] of this.#overlay.said.get(provider) ?? []) say(id, { by: "models.jsonc", row })
    for (const [id, row] of this.#config.get(provider) ?? []) say(id, { by: "config", row })
    const rows: Record<string, ModelRow> = {}
    for (const [id, list] of layers) rows[id] = foldLayers(provider, id, list)
    return { layers, rows }
  }
}
