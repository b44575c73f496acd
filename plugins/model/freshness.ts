/** When the catalogue is refreshed: after a turn went out to a provider that it knows, unless config or `offline` forbids it; and when somebody asks for it. */
import type { Graft } from "graft"
import { unreachable } from "../lib/unreachable.ts"
import type { Catalogue } from "./catalogue.ts"
import type { ModelDatabase } from "./contract.ts"
import type { ModelState } from "./database.ts"
import { ModelError } from "./errors.ts"
import { MODELS_DEV, Refresh } from "./refresh.ts"

/** Gives the way to ask for it now. */
export function keepFresh(graft: Graft<ModelState>, directory: string, catalogue: Catalogue, updated: () => void): ModelDatabase["refresh"] {
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

  return async () => {
    const url = (await read<{ url?: string }>("catalogue"))?.url ?? MODELS_DEV
    try {
      const outcome = await refresh.run(url, graft.signal, { now: true })
      if (outcome === "updated") updated()
      return outcome === "updated" ? "updated" : "unchanged"
    } catch (error) {
      throw new ModelError("model.refresh", `the catalogue could not be had from ${url}: ${unreachable(error)?.says ?? (error as Error).message}; what was there stays`)
    }
  }
}
