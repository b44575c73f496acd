/**
 * The life of a vendor's provider: one row, ready while there is a credential, told anew when that or its entry in the
 * config changes. What is secret is asked for at each turn, so that a new key or header is used by the next one. Whatever
 * speaks, or is heavy, is loaded by the first turn.
 */
import type { LanguageModelV4 } from "@ai-sdk/provider"
import type { Graft } from "graft"
import type { AuthMethod } from "../auth/contract.ts"
import type { Model, ProviderRow } from "../model/contract.ts"
import { credentialFor } from "./credential.ts"
import type { Manner } from "./provider-turn.ts"
import { providerSettings, type ProviderSettings } from "./provider-settings.ts"

export interface Vendor {
  id: string
  name: string
  methods: readonly [AuthMethod, ...AuthMethod[]]
  defaultModel?: string
  smallModel?: string
  /** A variable that holds its URL, as its own tools read it. */
  urlVariable?: string
  /** Ways in without a key, and what must be known beside it: why it cannot be used, or undefined. Cheap: it reads no network. */
  lacks?(connection: Connection): Promise<string | undefined> | string | undefined
  /** One of its models, as its SDK speaks. */
  languageModel(model: Model, connection: Connection & { sdk: SdkSettings }): Promise<LanguageModelV4>
  /** How it wants to be spoken to; without it, `languageModel` sees to everything itself. */
  manner?: Manner
}
/** `url` is the config's, or a gateway's; a vendor knows its own. `variable` is where the key came from, when it came from the environment. `key` is empty where there is none. `token`: it is somebody's who logged in. */
export interface Connection extends ProviderSettings { key: string; token?: boolean; variable?: string }
/** What the factory of each SDK takes. */
export interface SdkSettings { apiKey: string; headers: Record<string, string>; fetch: typeof fetch; baseURL?: string }

/** For a vendor that is also asked which models it has (`discovery.ts`). */
export interface Speaking { ready(): boolean; connect(): Promise<Connection> }

/** Belongs in setup, and ends when it is known whether the vendor is ready. */
export async function speakFor(graft: Pick<Graft, "add" | "auth" | "config" | "location" | "on" | "retiring">, vendor: Vendor): Promise<Speaking> {
  const { id, name, methods, defaultModel, smallModel, lacks } = vendor
  const [{ env: [variable], url }] = methods
  const noKey = `no key: run \`graft auth login ${id}\`${variable ? `, or set ${variable}` : ""}${url ? ` (a key: ${url})` : ""}`

  /** What the config says; `key` only where that says it. */
  const configured = async () => {
    const settings = await providerSettings(graft, id)
    const from = vendor.urlVariable && process.env[vendor.urlVariable]
    return { ...settings, ...(settings.url === undefined && from && { url: from }) }
  }
  const connect = async (): Promise<Connection> => {
    const { key, ...settings } = await configured()
    if (key !== undefined) return { ...settings, key }
    // A plugin's own methods count only from its commit on, so they are brought along.
    const found = await credentialFor(graft, id, methods)
    if (!found) return { ...settings, key: "" }
    const { secret, token, kind, source, name, url } = found
    // A gateway is no vendor: it takes a token where tokens go.
    const headers = kind === "well-known" ? { authorization: `Bearer ${secret}`, ...found.headers } : {}
    return { ...settings, key: secret, ...(token && { token }), ...(source === "env" && { variable: name }), ...(url && settings.url === undefined && { url }), headers: { ...headers, ...settings.headers } }
  }
  /** Whether there is something to speak with is known without it: no command runs for that, and no token is refreshed. */
  const glance = async (): Promise<Connection> => {
    const { key, ...settings } = await configured()
    if (key !== undefined) return { ...settings, key }
    const found = await graft.auth.peek(id, methods)
    return { ...settings, key: found ? "kept" : "", ...(found?.kind === "well-known" && settings.url === undefined && { url: "a gateway's" }) }
  }
  const lacking = async (connection: Connection): Promise<string | undefined> => {
    if (lacks) return lacks(connection)
    return connection.key === "" ? noKey : undefined
  }

  let spoken: { model: Model; connection: string; language: Promise<LanguageModelV4> } | undefined
  const languageModel: ProviderRow["languageModel"] = async (model) => {
    const connection = await connect()
    const reason = await lacking(connection)
    if (reason !== undefined) throw Object.assign(new Error(reason), { code: "llm.auth" })
    // Made anew only for another model, key or header: the SDK compiles its schemas each time.
    const key = JSON.stringify(connection)
    if (spoken?.model !== model || spoken.connection !== key) spoken = { model, connection: key, language: import("./provider-turn.ts").then(({ speak }) => speak(vendor, model, connection)) }
    return spoken.language
  }

  const look = async (): Promise<ProviderRow> => {
    const reason = await glance().then(lacking).catch(messageOf)
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
  for (const event of ["auth.added", "auth.updated", "auth.removed", "auth.refreshed", "auth.failed"] as const) graft.on(event, ({ provider }: { provider: string }) => (provider === id ? again() : undefined))
  graft.on("config.changed", ({ paths }) => (paths.some((path) => path === "providers" || `${path}.`.startsWith(`providers.${id}.`)) ? again() : undefined))

  return { ready: () => row.ready, connect }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
