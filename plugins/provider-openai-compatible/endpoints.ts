/**
 * The endpoints of the config, each a provider: there when its entry is, with the models that it lists itself. It is asked
 * when it is new, when its entry or its key changed, when a model is wanted that it did not list, and when a request to it
 * failed; never by the clock. What it listed is state, so a reload asks nobody.
 */
import { isDeepStrictEqual } from "node:util"
import type { Graft } from "graft"
import type { Listed } from "../lib/model-listing.ts"
import { blockOf, isRecord } from "../lib/provider-settings.ts"
import { Endpoint, type Block } from "./endpoint.ts"
import { SERVICES } from "./services.ts"

/** What each endpoint listed last, by its id; it counts as long as its URL in the config is the same. */
export interface EndpointState { listed: Record<string, { url: string; models: readonly Listed[] }> }

/** Ids whose own plugins read the same entries, and speak another protocol. */
const VENDORS: ReadonlySet<string> = new Set([
  "anthropic", "openai", "google", "google-vertex", "amazon-bedrock", "azure", "mistral", "groq", "xai", "openrouter", "github-copilot",
  "ollama", "lmstudio", "vllm", "llamacpp",
])
/** How long the choice among all models waits for lists that may decide it. */
const PATIENCE = 1_500

export class Endpoints {
  readonly #graft: Graft<EndpointState>
  readonly #endpoints = new Map<string, Endpoint>()
  #work = Promise.resolve()
  #live = false

  constructor(graft: Graft<EndpointState>) { this.#graft = graft }

  /** Belongs in setup. It waits for lists only where the model to start with hangs on them. */
  async open(): Promise<void> {
    await this.#ask(await this.#compare())
    await this.#await(await this.#configured())
  }

  /** The commit stands: what was learnt in setup becomes state. */
  live(): void {
    this.#live = true
    this.#keep()
  }

  /** The entries may be others now. */
  read(): Promise<void> {
    const work = this.#work.then(async () => this.#ask(await this.#compare()))
    this.#work = work.catch(() => {})
    return work
  }

  /** Somebody looks for models: all are asked. */
  async seek(): Promise<void> {
    const all = [...this.#endpoints.values()]
    await this.#ask(all)
    await Promise.all(all.map(({ listing }) => listing))
  }

  /** A key came, changed or went. */
  async keyed(id: string): Promise<void> {
    await this.#ask([this.#endpoints.get(id)])
  }

  /** A request failed in a way that says that what is known may be wrong. */
  async failed({ provider, code, status }: { provider: string; code: string; status?: number }): Promise<void> {
    if (code === "llm.network" || status === 404) await this.#ask([this.#endpoints.get(provider)], true)
  }

  /** A model is about to be chosen: one that is named and not known is looked for. */
  async wanted(ref: string | undefined): Promise<void> {
    const wanted = ref ?? (await this.#configured())
    const lacking = this.#lacking(wanted)
    if (lacking) await this.#ask([lacking], true)
    await this.#await(wanted)
  }

  /** Compares with the config, and gives the endpoints of which nothing is known: those that are new, or reached in another way than before. */
  async #compare(): Promise<Endpoint[]> {
    const tree = await this.#graft.config.get("providers", this.#graft.location)
    if (this.#graft.retiring.aborted) return []
    // A row of the slot reads its entry itself.
    const rows = new Set([...SERVICES, ...this.#graft.all("endpoint")].map(({ id }) => id))
    const blocks = new Map(Object.keys(isRecord(tree) ? tree : {}).flatMap((id): [string, Block][] => {
      const block = blockOf(tree, id)
      return typeof block.url === "string" && !VENDORS.has(id) && !rows.has(id) ? [[id, block as Block]] : []
    }))
    for (const [id, endpoint] of this.#endpoints) {
      if (blocks.has(id)) continue
      this.#endpoints.delete(id)
      endpoint.withdraw()
    }
    const fresh: Endpoint[] = []
    for (const [id, block] of blocks) {
      const known = this.#endpoints.get(id)
      if (known?.takes(block)) continue
      const endpoint = new Endpoint(this.#graft, id, block, this.#remembered(id, block.url), known)
      this.#endpoints.set(id, endpoint)
      if (known || !endpoint.models) fresh.push(endpoint)
    }
    this.#keep()
    return fresh
  }

  #remembered(id: string, url: string): readonly Listed[] | undefined {
    const { listed } = this.#graft.state.value
    return Object.hasOwn(listed, id) && listed[id]!.url === url ? listed[id]!.models : undefined
  }

  #keep(): void {
    if (!this.#live || this.#graft.retiring.aborted) return
    const listed = Object.fromEntries([...this.#endpoints.values()].flatMap(({ id, url, models }) => (models ? [[id, { url, models }]] : [])))
    if (!isDeepStrictEqual(listed, this.#graft.state.value.listed)) this.#graft.state.update(() => ({ listed }))
  }

  /** Starts to ask them, or joins who asks already. Offline only the one that was chosen is asked. */
  async #ask(endpoints: readonly (Endpoint | undefined)[], chosen = false): Promise<void> {
    const offline = !chosen && (await this.#graft.config.get("offline", this.#graft.location)) === true
    const wanted = offline ? await this.#configured() : undefined
    for (const endpoint of endpoints) if (endpoint && (!offline || wanted?.startsWith(`${endpoint.id}/`))) void endpoint.list().then(() => this.#keep())
  }

  /** A named model waits for its own endpoint; where none is named, or without its provider, any list may decide. */
  async #await(wanted: string | undefined): Promise<void> {
    if (wanted?.includes("/")) return this.#lacking(wanted)?.listing
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, PATIENCE)
    await Promise.race([promise, Promise.all([...this.#endpoints.values()].map(({ listing }) => listing))])
    clearTimeout(timer)
  }

  /** The endpoint whose model is wanted and not known. */
  #lacking(wanted: string | undefined): Endpoint | undefined {
    const [id, ...model] = wanted?.split("/") ?? []
    const endpoint = this.#endpoints.get(id ?? "")
    return endpoint?.knows(model.join("/")) ? undefined : endpoint
  }

  async #configured(): Promise<string | undefined> {
    const model = await this.#graft.config.get("model", this.#graft.location)
    return typeof model === "string" ? model : undefined
  }
}
