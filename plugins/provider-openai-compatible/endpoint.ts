/** One endpoint: what it adds to Graft, and the way to ask it what models it has. */
import { isDeepStrictEqual } from "node:util"
import type { LanguageModelV4 } from "@ai-sdk/provider"
import type { Graft } from "graft"
import { languageModel } from "../lib/chat-model.ts"
import { credentialFor } from "../lib/credential.ts"
import { rowsOf } from "../lib/listed-rows.ts"
import { listModels, problemOf, type Connection, type Listed } from "../lib/model-listing.ts"
import { isRecord, providerSettings } from "../lib/provider-settings.ts"
import type { Model, ProviderRow } from "../model/contract.ts"

export type Block = Record<string, unknown> & { url: string }
type World = Pick<Graft, "add" | "auth" | "config" | "location" | "retiring" | "signal">

/** Before keys that only happen to be in the environment: this one was written down. */
const RANK = 12

export class Endpoint {
  readonly id: string
  readonly #world: World
  #block: Block
  #rows: (() => void)[] = []
  #gone = false
  #spoken: { key: string; language: Promise<LanguageModelV4> } | undefined
  /** Why nothing can be asked of it, or was learnt of its models. */
  #problem: { reason: string; final: boolean } | undefined
  models: readonly Listed[] | undefined
  listing: Promise<void> | undefined

  /** Its rows take the place of its predecessor's. */
  constructor(world: World, id: string, block: Block, models: readonly Listed[] | undefined, predecessor?: Endpoint) {
    this.#world = world
    this.id = id
    this.#block = block
    this.models = models
    this.#show()
    predecessor?.withdraw()
  }

  get url(): string { return this.#block.url }

  /** Takes over a new name and new models. False when it is to be reached in another way than before. */
  takes(block: Block): boolean {
    if (["url", "key", "headers"].some((field) => !isDeepStrictEqual(this.#block[field], block[field]))) return false
    const same = isDeepStrictEqual(this.#block, block)
    this.#block = block
    if (!same) this.#show()
    return true
  }

  /** Is it ready, and is this one of its models? */
  knows(model: string): boolean {
    return this.#reason === undefined && (this.#written().includes(model) || this.models?.some(({ id }) => id === model) === true)
  }

  /** Ends when it has answered, or its deadline is over. Never rejects. */
  list(): Promise<void> {
    return (this.listing ??= this.#list().finally(() => { this.listing = undefined }))
  }

  withdraw(): void {
    this.#gone = true
    for (const remove of this.#rows) remove()
  }

  async #list(): Promise<void> {
    let { url } = this
    try {
      const connection = await this.#connection()
      url = connection.url
      this.models = await listModels(connection, this.#world.signal)
      this.#problem = undefined
    } catch (error) {
      this.#problem = problemOf(error, url)
    }
    // Its entry is gone or another one, or a newer generation reads it.
    if (!this.#gone && !this.#world.retiring.aborted) this.#show()
  }

  async #connection(): Promise<Connection> {
    const { url = this.url, key, headers, body } = await providerSettings(this.#world, this.id)
    const secret = key ?? (await credentialFor(this.#world, this.id))?.secret
    return { url, headers: { ...(secret !== undefined && { authorization: `Bearer ${secret}` }), ...headers }, body }
  }

  /** Made anew only for another model, key or header: the SDK compiles its schemas each time. */
  #speak(model: Model, connection: Connection): Promise<LanguageModelV4> {
    const key = JSON.stringify([model.api ?? model.id, model.replay, connection])
    if (this.#spoken?.key !== key) this.#spoken = { key, language: languageModel(model, connection) }
    return this.#spoken.language
  }

  /** Why it is not ready. Where models are known, it may be only the list that is not to be had: then the request itself will say. */
  get #reason(): string | undefined {
    const known = this.#written().length > 0 || (this.models?.length ?? 0) > 0
    return this.#problem?.final || !known ? this.#problem?.reason : undefined
  }

  /** The models that the config names. */
  #written(): string[] {
    return isRecord(this.#block.models) ? Object.keys(this.#block.models) : []
  }

  #show(): void {
    const name = typeof this.#block.name === "string" ? this.#block.name : this.id
    const [written] = this.#written()
    const reason = this.#reason
    const provider: ProviderRow = {
      id: this.id, name, rank: RANK, ready: reason === undefined,
      ...(reason !== undefined && { reason }),
      ...(written !== undefined && { defaultModel: written }),
      languageModel: async (model) => this.#speak(model, await this.#connection()),
    }
    const before = this.#rows
    this.#rows = [
      this.#world.add("provider", provider),
      this.#world.add("model", rowsOf(this.id, this.models ?? [])),
      this.#world.add("authMethod", { id: `${this.id}.key`, provider: this.id, kind: "key", label: `${name} API key`, env: [] }),
    ]
    for (const remove of before) remove()
  }
}
