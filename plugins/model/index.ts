/** The model database of a project: what providers, users and the catalogue say about models, folded into what is. */
import { join } from "node:path"
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { Catalogue, shippedIn } from "./catalogue.ts"
import { Overlay } from "./configured.ts"
import { Contributions } from "./contributions.ts"
import type { ModelRow, ModelSource } from "./contract.ts"
import { Database, emptyState, type ModelState } from "./database.ts"
import { keepFresh } from "./freshness.ts"
import { ModelRows, ProviderRows, refOf } from "./rows.ts"
import { sections } from "./sections.ts"
import { makeModels } from "./service.ts"

const MANY = 20_000

export default definePlugin<ModelState>({
  per: "location",
  state: { version: 1, init: emptyState },
  slots: {
    model: { key: (item: ModelRow | ModelRow[]) => [item].flat().map(refOf).join(), schema: ModelRows },
    provider: { schema: ProviderRows },
    modelSource: { key: (item: ModelSource) => item.provider },
  },
  events: { "model.added": { cap: MANY }, "model.updated": { cap: MANY }, "model.removed": { cap: MANY } },
  setup(graft) {
    const { config, cache } = paths(graft.kernel.host.dataDir)
    const refreshed = join(cache, "catalogue")
    const warn = (message: string) => graft.log.warn(message)
    const catalogue = new Catalogue([{ by: "catalogue", directory: shippedIn(graft.kernel.roots()) }, { by: "models.dev", directory: refreshed }], warn)
    const overlay = join(config, "models.jsonc")
    const database = new Database(graft, new Contributions(graft, catalogue, new Overlay(overlay, warn)))
    graft.add("configSection", sections)
    const refresh = keepFresh(graft, refreshed, catalogue, () => database.catalogueChanged("models.dev"))
    graft.provide("model", makeModels(graft, database, refresh))
    database.listen()
    graft.add("watched", { id: `models ${graft.location}`, path: overlay })
    graft.on("watch.changed", ({ paths }) => (paths.includes(overlay) ? database.settle() : undefined))
    graft.fork(() => database.settle())
  },
})
