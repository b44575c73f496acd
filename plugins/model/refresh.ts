/**
 * The catalogue kept fresh from models.dev: in the background, at most once a day, with an ETag, into the cache. It starts
 * only after a turn was sent to a provider that the catalogue knows, so it is never on the way of a start, and who works
 * offline or with the demo opens no connection at all.
 */
import { mkdir, open, readFile, rename, rm } from "node:fs/promises"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import * as v from "valibot"
import type { CatalogueModel } from "./catalogue.ts"
import type { Prices } from "./contract.ts"

export const MODELS_DEV = "https://models.dev/api.json"
const DAY = 86_400_000
const HOUR = 3_600_000
const DEADLINE = 30_000
const MOST_BYTES = 64 * 1024 * 1024

/** Providers whose id there is another than here. */
const ALIASES: Readonly<Record<string, string>> = { togetherai: "together", "fireworks-ai": "fireworks", vercel: "vercel-ai-gateway", "kimi-for-coding": "kimi-coding" }

const amount = v.optional(v.number())
const Theirs = v.object({
  id: v.pipe(v.string(), v.nonEmpty()),
  name: v.optional(v.string()),
  family: v.optional(v.string()),
  attachment: v.optional(v.boolean()),
  reasoning: v.optional(v.boolean()),
  tool_call: v.optional(v.boolean()),
  structured_output: v.optional(v.boolean()),
  status: v.optional(v.string()),
  release_date: v.optional(v.string()),
  modalities: v.optional(v.object({ input: v.optional(v.array(v.string())), output: v.optional(v.array(v.string())) })),
  cost: v.optional(v.object({ input: amount, output: amount, cache_read: amount, cache_write: amount, context_over_200k: v.optional(v.object({ input: amount, output: amount, cache_read: amount, cache_write: amount })) })),
  limit: v.optional(v.object({ context: amount, input: amount, output: amount })),
})
const Index = v.object({ etag: v.optional(v.string()), checked: v.number(), providers: v.optional(v.record(v.string(), v.number()), {}) })
type Index = v.InferOutput<typeof Index>

export type Outcome = "fresh" | "unchanged" | "updated"

export class Refresh {
  readonly #directory: string
  readonly #now: () => number
  #running: Promise<Outcome> | undefined
  #notBefore = 0

  constructor(directory: string, now: () => number = Date.now) {
    this.#directory = directory
    this.#now = now
  }

  /** Asks at most once a day, and after a failure not again within the hour, unless it is to be `now`. Rejects when it failed; what was there stays. */
  run(url: string, signal: AbortSignal, { now = false } = {}): Promise<Outcome> {
    return (this.#running ??= this.#run(url, signal, now).finally(() => { this.#running = undefined }))
  }

  async #run(url: string, signal: AbortSignal, now: boolean): Promise<Outcome> {
    const index = await this.#index()
    if (!now && this.#now() < Math.max(this.#notBefore, (index?.checked ?? 0) + DAY)) return "fresh"
    this.#notBefore = this.#now() + HOUR
    const response = await fetch(url, { headers: { accept: "application/json", ...(index?.etag ? { "if-none-match": index.etag } : {}) }, signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE)]) })
    if (response.status === 304 && index) {
      await this.#write("index.json", { ...index, checked: this.#now() })
      return "unchanged"
    }
    if (!response.ok) throw new Error(`${url} answered ${response.status}`)
    const catalogue = convert(JSON.parse(await bounded(response)))
    if (catalogue.size === 0) throw new Error(`${url} is no model catalogue`)
    for (const [provider, models] of catalogue) await this.#write(`${provider}.json`, { models })
    const etag = response.headers.get("etag")
    // The index is written last: without it the files beside it count for nothing.
    await this.#write("index.json", { origin: url, ...(etag ? { etag } : {}), checked: this.#now(), providers: Object.fromEntries([...catalogue].map(([provider, models]) => [provider, models.length])) })
    return "updated"
  }

  async #index(): Promise<Index | undefined> {
    try {
      return v.parse(Index, JSON.parse(await readFile(join(this.#directory, "index.json"), "utf8")))
    } catch {
      return undefined
    }
  }

  async #write(name: string, content: object): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const temporary = join(this.#directory, `.${randomBytes(6).toString("hex")}`)
    try {
      await using file = await open(temporary, "wx", 0o600)
      await file.writeFile(JSON.stringify(content))
      await rename(temporary, join(this.#directory, name))
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > MOST_BYTES) throw new Error(`the catalogue is longer than ${MOST_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}

/** What they publish, as catalogue files. A model that does not read as one is left out; zeros are what is not known. */
export function convert(theirs: unknown): Map<string, CatalogueModel[]> {
  const catalogue = new Map<string, CatalogueModel[]>()
  for (const [name, block] of Object.entries(isRecord(theirs) ? theirs : {})) {
    if (!/^[a-z0-9][a-z0-9._-]*$/i.test(name) || name === "index" || !isRecord(block) || !isRecord(block.models)) continue
    const models = Object.values(block.models).flatMap((model) => {
      const parsed = v.safeParse(Theirs, model)
      return parsed.success && parsed.output.tool_call === true ? [convertModel(parsed.output)] : []
    })
    if (models.length > 0) catalogue.set(Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name, models.sort((a, b) => (a.id < b.id ? -1 : 1)))
  }
  return catalogue
}

function convertModel({ id, name, family, modalities, limit, cost, status, ...theirs }: v.InferOutput<typeof Theirs>): CatalogueModel {
  const takes = (kind: string) => (modalities?.input ? modalities.input.includes(kind) : undefined)
  const model: CatalogueModel = {
    id, name, family,
    capabilities: { tools: theirs.tool_call, reasoning: theirs.reasoning, images: takes("image"), pdf: takes("pdf"), audio: takes("audio"), structured: theirs.structured_output },
    limits: { context: positive(limit?.context), input: positive(limit?.input), output: positive(limit?.output) },
    cost: { ...pricesOf(cost), ...(cost?.context_over_200k && { tiers: [{ above: 200_000, ...pricesOf(cost.context_over_200k) }] }) },
    status: status === "deprecated" ? "deprecated" : status === "alpha" || status === "beta" ? "preview" : undefined,
    released: theirs.release_date,
  }
  return JSON.parse(JSON.stringify(model)) as CatalogueModel
}

type TheirPrices = { input?: number; output?: number; cache_read?: number; cache_write?: number }
const pricesOf = (cost: TheirPrices | undefined): Prices => ({ input: positive(cost?.input), output: positive(cost?.output), cacheRead: positive(cost?.cache_read), cacheWrite: positive(cost?.cache_write) })
const positive = (value: number | undefined): number | undefined => (value !== undefined && value > 0 ? value : undefined)
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)
