/** What a fold would do to a conversation, before anything is asked of anybody. Pure. */
import type { Message } from "../session/contract.ts"
import type { CompactionWork } from "./contract.ts"
import { cutOf } from "./cut.ts"
import type { Settings } from "./settings.ts"
import { roomOf, sizeOf, sum } from "./size.ts"

/** Tokens below which a fold loses more than it wins. */
const LEAST = 200
/** Of what is there, at most so much stays as it is, and so much may a summary be; so folding a short conversation folds it. */
const STAYS = 1 / 4
const LONGEST_SUMMARY = 20_000
/** Of the model's context, so much has to be won before a fold is worth its summary: so one does not follow the other. */
const WORTH = 1 / 10

export interface Plan {
  /** What is folded; at its end is the boundary. */
  folded: readonly Message[]
  /** Tokens of the whole conversation as the provider counts, and as they are estimated; of what is folded; and of the longest summary without a model. */
  before: number
  whole: number
  tokens: number
  summary: number
}

/** Undefined when there is too little to fold. */
export function planOf(work: Pick<CompactionWork, "messages" | "used" | "model">, settings: Settings): Plan | undefined {
  const { messages, model } = work
  const room = roomOf(model, settings)
  const before = sizeOf(work)
  const whole = sum(messages)
  const most = Math.min(room?.free ?? Infinity, whole)
  const share = Math.floor(most * STAYS)
  const folded = messages.slice(0, cutOf(messages, { turns: settings.keep.turns, tokens: Math.min(settings.keep.tokens, share), most: Math.floor(most / 2) }))
  if (fresh(folded) < LEAST) return undefined
  return { folded, before, whole, tokens: sum(folded), summary: Math.min(LONGEST_SUMMARY, share) }
}

/** Why it is time, in words. */
export function dueBecause(work: Pick<CompactionWork, "messages" | "used" | "model">, settings: Settings): string | undefined {
  const room = roomOf(work.model, settings)
  if (!settings.auto || room === undefined) return undefined
  const size = sizeOf(work)
  if (size < room.free) return undefined
  const plan = planOf(work, settings)
  if (plan === undefined || fresh(plan.folded) < room.limit * WORTH) return undefined
  const reserved = room.reserved > 0 ? `, ${count(room.reserved)} of them reserved for the answer` : ""
  return `${Math.round((size / room.limit) * 100)} % of ${count(room.limit)} tokens${reserved}`
}

/** Tokens that were not folded before. */
const fresh = (messages: readonly Message[]): number => sum(messages.filter(({ parts }) => !parts.some(({ kind }) => kind === "summary")))
const count = (tokens: number): string => tokens.toLocaleString("en-US")
