/**
 * A model server on this machine, or where the config says it is: a provider as long as somebody is there. It is asked
 * when models are looked for and before the demo is taken, when its entry changed, when a request could not reach it, and
 * once a model of it has been used, because some servers know only then how long its context is. Nobody polls.
 */
import { connect } from "node:net"
import type { LanguageModelV4 } from "@ai-sdk/provider"
import type { Graft } from "graft"
import type { Model, ProviderRow } from "../model/contract.ts"
import { credentialFor } from "./credential.ts"
import { discover, type DiscoveryState } from "./discovery.ts"
import type { Connection, Listed } from "./model-listing.ts"
import { blockOf, providerSettings } from "./provider-settings.ts"
import { unreachable } from "./unreachable.ts"

export interface LocalServer {
  id: string
  name: string
  /** Its origin, where nobody says otherwise. */
  url: string
  /** A variable that holds its address, as its own tools read it. */
  variable?: string
  /** What it serves, the one to begin with first. `connection.url` has no version. */
  list(connection: Connection, signal: AbortSignal): Promise<Listed[]>
}

/** After services with a key, before the demo. */
const RANK = 5
/** ms; on this machine it is one. */
const KNOCK = 300

export async function speakToLocal(graft: Graft<DiscoveryState>, { id, name, url: usual, variable, list }: LocalServer): Promise<void> {
  const connection = async (): Promise<Connection> => {
    const { url, key, headers, body } = await providerSettings(graft, id)
    const secret = key ?? (await credentialFor(graft, id))?.secret
    return { url: rootOf(url ?? (variable && process.env[variable]) ?? usual), headers: { ...(secret && { authorization: `Bearer ${secret}` }), ...headers }, body }
  }
  const isWritten = async () => typeof blockOf(await graft.config.get("providers", graft.location), id).url === "string"

  /** Models that have answered: by then they are loaded, and the server knows how. */
  const loaded = new Set<string>()
  let spoken: { key: string; language: Promise<LanguageModelV4> } | undefined
  const languageModel = async (model: Model): Promise<LanguageModelV4> => {
    const { url, ...settings } = await connection()
    const key = JSON.stringify([model.api ?? model.id, model.replay, url, settings])
    if (spoken?.key !== key) spoken = { key, language: import("./chat-model.ts").then((chat) => chat.languageModel(model, { url: `${url}/v1`, ...settings })) }
    const language = await spoken.language
    return {
      ...language,
      async doStream(options) {
        const result = await language.doStream(options)
        if (!loaded.has(model.ref)) void seek()
        loaded.add(model.ref)
        return result
      },
    }
  }

  let written = await isWritten()
  let rows: (() => void)[] = []
  const show = (found: readonly Listed[] | undefined, problem: string | undefined) => {
    const before = rows
    const reason = problem ?? (found ? undefined : "nobody has answered there yet; `graft models` asks")
    const row: ProviderRow = { id, name, rank: RANK, ready: reason === undefined, ...(reason !== undefined && { reason }), defaultModel: found?.[0]?.id, languageModel }
    rows = found || written ? [graft.add("provider", row), graft.add("authMethod", { id: `${id}.key`, provider: id, kind: "key", label: `${name} API key`, env: [] })] : []
    for (const remove of before) remove()
  }

  const { seek, anew } = discover(graft, {
    provider: id, near: true, show, ready: () => true,
    async ask(signal) {
      const there = await connection()
      if (!written && !(await somebodyAt(there.url))) return undefined
      try {
        return await list(there, signal)
      } catch (error) {
        // Where nobody said that it is there, its absence is no problem.
        if (written || !(unreachable(error) || isForeign(error))) throw new Error(`${there.url} cannot be used: ${unreachable(error)?.says ?? (error as Error).message}`)
        return undefined
      }
    },
  })

  graft.on("config.changed", async ({ paths }) => {
    if (!paths.some((path) => path === "providers" || `${path}.`.startsWith(`providers.${id}.`))) return
    written = await isWritten()
    await anew()
  })
}

/** A knock at the port: it costs nothing where nobody is, and loads nothing. */
async function somebodyAt(address: string): Promise<boolean> {
  const { hostname, port, protocol } = new URL(address)
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) || (protocol === "https:" ? 443 : 80), timeout: KNOCK })
  socket.once("connect", () => resolve(true)).once("timeout", () => resolve(false)).once("error", () => resolve(false))
  const there = await promise
  socket.destroy()
  return there
}

/** Something answers there that is no such server: the port is another program's. */
const isForeign = (error: unknown): boolean => String((error as { code?: unknown }).code).startsWith("listing.") || (error as Error).name === "TimeoutError"

/** `0.0.0.0:11434` is how a server is told where to listen; a client asks loopback. */
function rootOf(address: string): string {
  const url = /^https?:\/\//.test(address) ? address : `http://${address}`
  return url.replace(/\/+$/, "").replace(/\/v\d+$/, "").replace("//0.0.0.0", "//127.0.0.1")
}
