/** What a turn used, from what the provider said. */
import type { LanguageModelV4Usage } from "@ai-sdk/provider"
import type { Cost } from "../model/contract.ts"
import type { Usage } from "../session/contract.ts"
import { pricesAt } from "./prices.ts"

/** Tokens as the provider counted them, and dollars where the model's prices are known. */
export function usageOf({ inputTokens, outputTokens }: LanguageModelV4Usage, cost?: Cost): Usage {
  const [cacheRead, cacheWrite] = [inputTokens.cacheRead ?? 0, inputTokens.cacheWrite ?? 0]
  const input = inputTokens.total ?? (inputTokens.noCache ?? 0) + cacheRead + cacheWrite
  const output = outputTokens.total ?? (outputTokens.text ?? 0) + (outputTokens.reasoning ?? 0)
  const usage: Usage = { input, output, reasoning: outputTokens.reasoning ?? 0, cacheRead, cacheWrite }
  const prices = pricesAt(cost, input)
  if (prices.input === undefined || prices.output === undefined) return usage
  const fresh = inputTokens.noCache ?? Math.max(0, input - cacheRead - cacheWrite)
  return { ...usage, cost: (fresh * prices.input + output * prices.output + cacheRead * (prices.cacheRead ?? prices.input) + cacheWrite * (prices.cacheWrite ?? prices.input)) / 1e6 }
}
