/**
 * The life of a vendor's provider: one row, ready while there is a credential, told anew when that or its entry in the
 * config changes. What is secret is asked for at each turn, so that a new key or header is used by the next one.
 */
import type { LanguageModelV4 } from "@ai-sdk/provider"
import type { Graft } from "graft"
import type { AuthMethod } from "../auth/contract.ts"
import type { Model, ProviderRow } from "../model/contract.ts"
import { providerSettings, type ProviderSettings } from "./provider-settings.ts"

export interface Vendor {
  id: string
  name: string
  methods: readonly [AuthMethod, ...AuthMethod[]]
  defaultModel: string
  smallModel: string
  languageModel(model: Model, connection: Connection): Promise<LanguageModelV4>
}
/** `url` is the config's; a vendor knows its own. `variable` is where the key came from, when it came from the environment. */
export interface Connection extends ProviderSettings { key: string; variable?: string }

/** Belongs in setup, and ends when it is known whether the vendor is ready. */
export async function speakFor(graft: Graft, { id, name, methods, defaultModel, smallModel, ...vendor }: Vendor): Promise<void> {
  const [{ env: [variable], url }] = methods
  const noKey = `no key: run \`graft auth login ${id}\`, or set ${variable}${url ? ` (a key: ${url})` : ""}`

  const connect = async (): Promise<Connection | undefined> => {
    const { key, ...settings } = await providerSettings(graft, id)
    if (key !== undefined) return { ...settings, key }
    // A plugin's own methods count only from its commit on, so they are brought along.
    const found = await graft.auth.get(id, methods)
    return found && { ...settings, key: found.secret, ...(found.source === "env" && { variable: found.name }) }
  }

  const languageModel: ProviderRow["languageModel"] = async (model) => {
    const connection = await connect()
    if (!connection) throw Object.assign(new Error(noKey), { code: "llm.auth" })
    return vendor.languageModel(model, connection)
  }

  const look = async (): Promise<ProviderRow> => {
    const reason = await connect().then((connection) => (connection ? undefined : noKey), messageOf)
    return { id, name, ready: reason === undefined, ...(reason !== undefined && { reason }), defaultModel, smallModel, languageModel }
  }

  graft.add("authMethod", [...methods])
  let row = await look()
  graft.add("provider", row)

  let work = Promise.resolve()
  const again = (): Promise<void> => (work = work.then(async () => {
    const next = await look()
    if (graft.retiring.aborted || (next.ready === row.ready && next.reason === row.reason)) return
    row = next
    graft.add("provider", row)
  }))
  for (const event of ["auth.added", "auth.updated", "auth.removed"] as const) graft.on(event, ({ provider }: { provider: string }) => (provider === id ? again() : undefined))
  graft.on("config.changed", ({ paths }) => (paths.some((path) => path === "providers" || `${path}.`.startsWith(`providers.${id}.`)) ? again() : undefined))
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
