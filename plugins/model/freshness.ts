/** When the catalogue is refreshed: after a turn went out to a provider that it knows, unless config or `offline` forbids it. */
import type { Graft } from "graft"
import type { Catalogue } from "./catalogue.ts"
import type { ModelState } from "./database.ts"
import { MODELS_DEV, Refresh } from "./refresh.ts"

export function keepFresh(graft: Graft<ModelState>, directory: string, catalogue: Catalogue, updated: () => void): void {
  const refresh = new Refresh(directory)

  graft.on("llm.requested", async ({ provider }) => {
    if (!catalogue.providers().has(provider) || graft.retiring.aborted) return
    const [settings, offline] = await Promise.all([read<{ refresh?: boolean; url?: string }>("catalogue"), read<boolean>("offline")])
    if (offline === true || settings?.refresh === false) return
    graft.fork(async (signal) => {
      try {
        if ((await refresh.run(settings?.url ?? MODELS_DEV, signal)) === "updated") updated()
      } catch (error) {
        if (!signal.aborted) graft.log.info(`the model catalogue was not refreshed: ${error instanceof Error ? error.message : String(error)}`)
      }
    })
  })

  const read = <T>(path: string): Promise<T | undefined> => graft.config.get<T>(path, graft.location).catch(() => undefined)
}
