/** What is there of this plugin until a file was changed, or somebody asks: nearly nothing. A start pays for none of it. */
import type { Graft } from "graft"
import { changesOf } from "../lib/changes.ts"
import type { Leash } from "../lib/leash.ts"
import type { Formatters } from "./contract.ts"
import type { Formatting, FormatterState } from "./formatting.ts"

interface Call { session: string; outcome: string; output: string; metadata?: Record<string, unknown> }

export interface Beginning {
  /** What there is may have changed. */
  look(): Promise<void>
  after(call: Call): Promise<void>
  readonly service: Omit<Formatters, "register">
}

export function makeBeginning(graft: Graft<FormatterState>, leash: Leash): Beginning {
  let opened: Promise<Formatting> | undefined
  const open = () => (opened ??= import("./formatting.ts").then(({ Formatting }) => new Formatting(graft, leash)).catch((error: unknown) => {
    opened = undefined
    throw error
  }))
  return {
    look: async () => { if (graft.state.value.begun) await (await open()).look() },
    async after(call) {
      if (call.outcome !== "ok" || changesOf(call.metadata).length === 0) return
      const [formatting, { formatAfter }] = await Promise.all([open(), import("./after.ts")])
      await formatAfter(formatting, graft.location!, call)
    },
    service: {
      list: async () => (await open()).list(),
      format: async (file) => (await open()).format(file),
    },
  }
}
