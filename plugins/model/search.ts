/** Finding a model by what a person types: every word must occur, in full or letter by letter in order. */
import { near } from "../lib/near.ts"
import type { Model } from "./contract.ts"

/** The best match first; without a text, by ref. */
export function search(models: Iterable<Model>, text = ""): Model[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const found: { model: Model; cost: number }[] = []
  for (const model of models) {
    const cost = costOf(`${model.ref} ${model.name}`.toLowerCase(), words)
    if (cost !== undefined) found.push({ model, cost })
  }
  return found.sort((a, b) => a.cost - b.cost || (a.model.ref < b.model.ref ? -1 : 1)).map(({ model }) => model)
}

/** A word that the ref begins with costs nothing, one in full a little; else the letters that stand between its own, as far as they are few. */
function costOf(subject: string, words: readonly string[]): number | undefined {
  let cost = 0
  for (const word of words) {
    if (subject.includes(word)) {
      if (!subject.startsWith(word)) cost += 1
      continue
    }
    const gap = gapOf(subject, word)
    if (gap === undefined || gap > word.length * 2) return undefined
    cost += 2 + gap
  }
  return cost
}

/** The fewest letters between the first and the last letter of a subsequence, beside its own. */
function gapOf(subject: string, word: string): number | undefined {
  let best: number | undefined
  for (let start = subject.indexOf(word[0]!); start >= 0; start = subject.indexOf(word[0]!, start + 1)) {
    let at = start
    for (const letter of word.slice(1)) if ((at = subject.indexOf(letter, at + 1)) < 0) return best
    const gap = at - start + 1 - word.length
    if (best === undefined || gap < best) best = gap
  }
  return best
}

/** References near to what was asked for: of whole references, and of ids without their provider. */
export function nearRefs(wanted: string, models: readonly Model[]): string[] {
  const ids = new Map<string, string>()
  for (const { id, ref } of models) if (!ids.has(id)) ids.set(id, ref)
  const bare = wanted.slice(wanted.indexOf("/") + 1)
  const close = [...near(wanted, models.map(({ ref }) => ref)), ...near(bare, ids.keys()).map((id) => ids.get(id)!), ...search(models, bare.replaceAll(/[^a-z0-9.]+/gi, " ")).slice(0, 3).map(({ ref }) => ref)]
  return [...new Set(close)].slice(0, 3)
}
