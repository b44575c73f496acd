/**
 * What an endpoint says of its models: `<url>/models`, and, where the server is known to keep the true context window
 * elsewhere, that place too. Answers are read as far as they make sense; what is not said stays unknown.
 */
import type { Cost } from "../model/contract.ts"
import { providerFetch, textOf } from "./provider-fetch.ts"
import { isRecord } from "./provider-settings.ts"
import { unreachable } from "./unreachable.ts"

/** What was learnt of one model; plain, because it outlives a reload. `source`: who says how long its context is. */
export interface Listed { id: string; name?: string; context?: number; output?: number; source?: string; images?: true; tools?: boolean; reasoning?: boolean; cost?: Cost }

const DEADLINE = 3_000
const MOST_BYTES = 8 * 1024 * 1024
const MOST_MODELS = 2_000

/** `listing.status`: it refuses to say; `listing.answer`: what it says is no list of models. */
class ListingError extends Error {
  readonly code: "listing.status" | "listing.answer"
  constructor(code: ListingError["code"], message: string) {
    super(message)
    this.code = code
  }
}

export interface Connection { url: string; headers: Record<string, string>; body?: Record<string, unknown> | undefined }

/** Rejects when the endpoint cannot be reached within the deadline, or does not list models. */
export async function listModels({ url, headers }: Connection, signal: AbortSignal): Promise<Listed[]> {
  const get = asking(headers, signal)
  const answer = await get(`${url}/models`)
  const rows = [isRecord(answer) ? (answer.data ?? answer.models) : answer].flat().filter(isRecord)
  if (rows.length === 0 && !(isRecord(answer) && Array.isArray(answer.data ?? answer.models))) throw new ListingError("listing.answer", `${url}/models gave no list of models`)
  const models = rows.slice(0, MOST_MODELS).flatMap(listed)
  return moreOf(models, rows, url.replace(/\/v\d+$/, ""), (address) => get(address).catch(() => undefined))
}

/** JSON of a place, within one deadline for all that is asked. */
export function asking(headers: Record<string, string>, signal: AbortSignal): (address: string, body?: object) => Promise<unknown> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE)])
  return (address, body) => fetchJson(address, headers, until, body)
}

function listed(row: Record<string, unknown>): Listed[] {
  const id = textIn(row, "id") ?? textIn(row, "name")
  const abilities = isRecord(row.capabilities) ? row.capabilities : {}
  if (id === undefined || abilities.completion_chat === false || row.type === "embeddings" || row.type === "embedding") return []
  const provider = isRecord(row.top_provider) ? row.top_provider : {}
  const inputs = isRecord(row.architecture) ? row.architecture.input_modalities : undefined
  const tools = Array.isArray(row.supported_parameters) ? row.supported_parameters.includes("tools") : typeof abilities.function_calling === "boolean" ? abilities.function_calling : undefined
  return [definite({
    id,
    name: textIn(row, "display_name") ?? (textIn(row, "id") === undefined ? undefined : textIn(row, "name")),
    context: numberIn(row, "max_model_len", "context_length", "context_window", "max_context_length"),
    output: numberIn(row, "max_completion_tokens", "max_output_tokens") ?? numberIn(provider, "max_completion_tokens"),
    images: abilities.vision === true || (Array.isArray(inputs) && inputs.includes("image")) ? true : undefined,
    tools,
  })]
}

/** llama.cpp serves one model, with the window that it was started with; LM Studio has a list of its own that says more. */
async function moreOf(models: Listed[], rows: readonly Record<string, unknown>[], root: string, get: (address: string) => Promise<unknown>): Promise<Listed[]> {
  const [first] = rows
  if (first && (first.owned_by === "llamacpp" || isRecord(first.meta))) {
    const props = await get(`${root}/props`)
    const running = isRecord(props) && isRecord(props.default_generation_settings) ? numberIn(props.default_generation_settings, "n_ctx") : undefined
    const modalities = isRecord(props) && isRecord(props.modalities) ? props.modalities : {}
    return models.map((model) => definite({ ...model, context: running ?? trainedFor(rows, model.id) ?? model.context, images: modalities.vision === true ? true : model.images }))
  }
  if (first?.owned_by === "organization_owner") {
    const answer = await get(`${root}/api/v0/models`)
    const known = new Map((isRecord(answer) && Array.isArray(answer.data) ? answer.data : []).filter(isRecord).map((row) => [textIn(row, "id"), row]))
    return models.flatMap((model) => {
      const row = known.get(model.id)
      if (!row) return [model]
      if (row.type === "embeddings") return []
      return [definite({ ...model, context: numberIn(row, "loaded_context_length", "max_context_length"), images: row.type === "vlm" ? true : undefined })]
    })
  }
  return models
}

function trainedFor(rows: readonly Record<string, unknown>[], id: string): number | undefined {
  const meta = rows.find((row) => row.id === id)?.meta
  return isRecord(meta) ? numberIn(meta, "n_ctx_train") : undefined
}

async function fetchJson(address: string, headers: Record<string, string>, signal: AbortSignal, body?: object): Promise<unknown> {
  const response = await providerFetch(address, { headers: { accept: "application/json", ...(body && { "content-type": "application/json" }), ...headers }, signal, ...(body && { method: "POST", body: JSON.stringify(body) }) })
  const text = await textOf(response, MOST_BYTES)
  const { origin, pathname } = new URL(address)
  if (!response.ok) throw new ListingError("listing.status", `${origin}${pathname} answered ${response.status}${HINTS[response.status] ?? ""}`)
  try {
    return JSON.parse(text)
  } catch {
    throw new ListingError("listing.answer", `${origin}${pathname} gave no list of models, but ${response.headers.get("content-type") ?? "something else"}${HINTS[404]}`)
  }
}

const KEY = "; set its `key` in the config, or run `graft auth login`"
const HINTS: Readonly<Record<number, string>> = { 401: KEY, 403: KEY, 404: "; is the URL right? Most end in /v1" }

/** Why nothing was learnt, in one line. `final`: it cannot be asked anything like this. */
export function problemOf(error: unknown, url: string): { reason: string; final: boolean } {
  const { code, name, message } = error as Error & { code?: unknown }
  if (error instanceof ListingError) return { reason: message, final: false }
  const way = name === "TimeoutError" ? { says: `it did not answer within ${DEADLINE / 1_000} s` } : unreachable(error)
  if (!way && typeof code === "string" && code !== "ERR_INVALID_URL") return { reason: message, final: true }
  if (!/^https?:/.test(url) || !URL.canParse(url)) return { reason: `its \`url\` is no http URL: ${url}`, final: true }
  const { origin, pathname } = new URL(url)
  return { reason: `${origin}${pathname} cannot be reached: ${way?.says ?? message}`, final: false }
}

export const textIn = (row: Record<string, unknown>, key: string): string | undefined => (typeof row[key] === "string" && row[key] !== "" ? row[key] : undefined)
/** The first of these that is a number of tokens. */
export const numberIn = (row: Record<string, unknown>, ...keys: string[]): number | undefined => keys.map((key) => row[key]).find((value): value is number => Number.isSafeInteger(value) && (value as number) > 0)
export const definite = (model: { [K in keyof Listed]: Listed[K] | undefined } & { id: string }): Listed => Object.fromEntries(Object.entries(model).filter(([, value]) => value !== undefined)) as unknown as Listed
