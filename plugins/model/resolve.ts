/** Which model a turn gets. Pure: what is there and what is wanted in, a model or a clear refusal out. */
import type { Model, ProviderRow } from "./contract.ts"
import { ModelError } from "./errors.ts"
import { splitRef } from "./rows.ts"
import { nearRefs } from "./search.ts"

/** What there is to choose from. `get` knows more than `models`: also what nobody speaks for now. */
export interface Offer {
  models: readonly Model[]
  providers: readonly ProviderRow[]
  get(ref: string): Model | undefined
}

const RANK = 10
/** Preferred first; of equals the first by name, so that the choice does not depend on who loaded first. */
export const byRank = (a: ProviderRow, b: ProviderRow): number => (b.rank ?? RANK) - (a.rank ?? RANK) || (a.id < b.id ? -1 : 1)

/** The model that is named, if it can be used. */
export function named(wanted: string, offer: Offer): Model {
  const model = find(wanted, offer)
  if (model.usable) return model
  const elsewhere = offer.models.filter((other) => other.usable && (other.id === model.id || other.id === model.ref)).map(({ ref }) => ref)
  throw new ModelError("model.unusable", [`${model.ref} cannot be used: ${model.reason}`, elsewhere.length > 0 ? `it can be had as ${elsewhere.slice(0, 3).join(" or ")}` : ""].filter(Boolean).join("; "), elsewhere)
}

/** By its ref, its id without the provider, or its name. Of several the usable one, of the preferred provider. */
export function find(wanted: string, offer: Offer): Model {
  const exact = offer.get(wanted)
  if (exact) return exact
  const folded = wanted.toLowerCase()
  const ranks = new Map([...offer.providers].sort(byRank).map(({ id }, index) => [id, index]))
  const same = offer.models.filter(({ ref, id, name }) => [ref, id, name].some((text) => text.toLowerCase() === folded))
    .sort((a, b) => Number(b.usable) - Number(a.usable) || (ranks.get(a.provider) ?? Infinity) - (ranks.get(b.provider) ?? Infinity) || (a.ref < b.ref ? -1 : 1))
  if (same[0]) return same[0]
  const meant = meantBy(wanted, offer.models, ranks)
  if (meant) return meant
  const close = nearRefs(wanted, [...offer.models].sort((a, b) => Number(b.usable) - Number(a.usable)))
  const provider = splitRef(wanted)?.provider
  const speaker = offer.providers.find(({ id }) => id === provider)
  const stranger = provider === undefined || speaker?.ready ? "" : ` (${speaker ? (speaker.reason ?? `${speaker.name} is not ready`) : `nobody speaks for "${provider}"`})`
  const hint = close.length > 0 ? `did you mean ${close.join(" or ")}?` : ""
  throw new ModelError("model.unknown", [`there is no model "${wanted}"${stranger}`, hint, '"graft models" lists those that can be used'].filter(Boolean).join("; "), close)
}

/** A few words that only one usable model has all of in its name: "sonnet 5.5". Of one that several providers have, the preferred one's. */
function meantBy(wanted: string, models: readonly Model[], ranks: ReadonlyMap<string, number>): Model | undefined {
  const words = wordsOf(wanted)
  if (words.length === 0) return undefined
  const fitting = models.filter((model) => model.usable && model.status !== "deprecated" && hasAll(wordsOf(`${model.ref} ${model.name}`), words))
  const [first] = fitting.sort((a, b) => (ranks.get(a.provider) ?? Infinity) - (ranks.get(b.provider) ?? Infinity) || (a.ref < b.ref ? -1 : 1))
  return first && fitting.every((other) => other.provider !== first.provider || other === first) ? first : undefined
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/\d+|[a-z]+/g) ?? []
/** All words, side by side: "5 5" is no other version's. */
const hasAll = (words: readonly string[], wanted: readonly string[]): boolean => ` ${words.join(" ")} `.includes(` ${wanted.join(" ")} `)

/** Nothing was named: the default of the best provider that is ready. */
export function best(offer: Offer): Model {
  for (const provider of offer.providers.filter(({ ready }) => ready).sort(byRank)) {
    const mine = offer.models.filter((model) => model.provider === provider.id && model.usable)
    const model = mine.find((candidate) => is(candidate, provider.defaultModel)) ?? mine.find(({ status }) => status !== "deprecated")
    if (model) return model
  }
  const reasons = offer.providers.map(({ id, reason }) => `${id}: ${reason ?? "it has no model"}`)
  throw new ModelError("model.none", `no model can be used. ${reasons.length > 0 ? reasons.join("; ") : "No provider is loaded; enable one, for example provider-demo"}`)
}

/** The small model beside a model: its provider's, where it has one that can be used; else the model itself. */
export function smallBeside(model: Model, offer: Offer): Model {
  const provider = offer.providers.find(({ id }) => id === model.provider)
  return offer.models.find((candidate) => candidate.provider === model.provider && candidate.usable && is(candidate, provider?.smallModel)) ?? model
}

/** A provider names its models by id, or by ref. */
const is = (model: Model, named: string | undefined): boolean => named !== undefined && (model.id === named || model.ref === named)
