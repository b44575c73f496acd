/** What a request costs a million tokens: long ones are dearer with some vendors, as a whole. */
import type { Cost, Prices } from "../model/contract.ts"

/** `input`: tokens of the request, those of the cache with them. */
export function pricesAt(cost: Cost = {}, input: number): Prices {
  const { tiers = [], ...base } = cost
  const tier = tiers.filter(({ above }) => input > above).sort((a, b) => b.above - a.above)[0]
  const { above: _, ...dearer } = tier ?? { above: 0 }
  return { ...base, ...dearer }
}
