/** What is there of this plugin until it is needed: nearly nothing. The rest is loaded where the config asks for language servers, at the first file that one could serve. */
import type { Graft } from "graft"
import type { Lsp } from "./contract.ts"
import type { Pool } from "./pool.ts"
import type { Servers } from "./servers.ts"

interface Call { outcome: string; output: string; metadata?: Record<string, unknown> }

export interface Beginning {
  /** In setup: what runs is taken over, so that its tool is there from the commit on. */
  takeOver(): Promise<void>
  /** From the commit on this generation hears what runs. */
  listen(): void
  /** Something that says which servers there are to be may have changed. */
  look(): Promise<void>
  endAll(reason: string): Promise<void>
  after(call: Call): Promise<void>
  readonly service: Omit<Lsp, "register">
}

export function makeBeginning(graft: Graft, pool: Pool): Beginning {
  let opened: Promise<Servers> | undefined
  let there: Servers | undefined
  const open = () => (opened ??= import("./servers.ts").then(({ Servers }) => (there = new Servers(graft, pool))).catch((error: unknown) => {
    opened = undefined
    throw error
  }))
  const service = async () => (await open()).service()
  return {
    async takeOver() { if (pool.lives.size > 0) await open() },
    listen: () => there?.takeOver(),
    look: async () => there?.look(),
    endAll: async (reason) => there?.endAll(reason),
    async after(call) {
      if (call.outcome !== "ok" || !call.metadata || !(await graft.config.get("lsp", graft.location))) return
      const [servers, { diagnoseAfter }] = await Promise.all([open(), import("./after.ts")])
      await diagnoseAfter(servers, graft.location!, call)
    },
    service: {
      list: async () => (await service()).list(),
      diagnose: async (paths) => (await service()).diagnose(paths),
      logs: async (name) => (await service()).logs(name),
      restart: async (name) => (await service()).restart(name),
    },
  }
}
