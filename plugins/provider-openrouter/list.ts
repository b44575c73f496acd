/** OpenRouter's own list: what it has today, with prices in dollars a token. */
import { asking, definite, numberIn, textIn, type Listed } from "../lib/model-listing.ts"
import { isRecord } from "../lib/provider-settings.ts"
import type { Connection } from "../lib/vendor.ts"
import type { Cost } from "../model/contract.ts"

const MOST = 2_000

export async function list({ url = "https://openrouter.ai/api/v1", key, headers }: Connection, signal: AbortSignal): Promise<Listed[]> {
  const answer = await asking({ ...(key && { authorization: `Bearer ${key}` }), ...headers }, signal)(`${url}/models`)
  if (!isRecord(answer) || !Array.isArray(answer.data)) throw new Error(`${url}/models gave no list of models`)
  return answer.data.filter(isRecord).slice(0, MOST).flatMap(described)
}

function described(row: Record<string, unknown>): Listed[] {
  const id = textIn(row, "id")
  const [about, top] = [row.architecture, row.top_provider].map((value) => (isRecord(value) ? value : {})) as [Record<string, unknown>, Record<string, unknown>]
  const takes = Array.isArray(row.supported_parameters) ? row.supported_parameters : undefined
  const gives = Array.isArray(about.output_modalities) ? about.output_modalities : ["text"]
  if (id === undefined || !gives.includes("text")) return []
  return [definite({
    id, name: textIn(row, "name"),
    context: numberIn(top, "context_length") ?? numberIn(row, "context_length"), output: numberIn(top, "max_completion_tokens"),
    images: Array.isArray(about.input_modalities) && about.input_modalities.includes("image") ? true : undefined,
    tools: takes?.includes("tools"), reasoning: takes?.includes("reasoning"),
    cost: isRecord(row.pricing) ? pricesOf(row.pricing) : undefined,
  })]
}

/** A negative price is one that depends. */
function pricesOf(pricing: Record<string, unknown>): Cost | undefined {
  const price = (key: string) => {
    const dollars = Number(pricing[key] ?? Number.NaN)
    return dollars >= 0 ? Number((dollars * 1e6).toPrecision(6)) : undefined
  }
  const [input, output, cacheRead, cacheWrite] = ["prompt", "completion", "input_cache_read", "input_cache_write"].map(price)
  if (input === undefined || output === undefined) return undefined
  return { input, output, ...(cacheRead !== undefined && { cacheRead }), ...(cacheWrite !== undefined && { cacheWrite }) }
}
