import type { Notify } from "graft"
import type { Model } from "../model/contract.ts"
import type { Message, Usage } from "../session/contract.ts"

/** Before a request that may not fit, after one that did not, or because a person said so. */
export type CompactionReason = "threshold" | "overflow" | "manual"

export interface CompactionWork {
  session: string
  directory: string
  /** The session's. */
  model: Model
  /** What the next request is made of: the message with the summary first, where there is one, then what follows the boundary. */
  messages: readonly Message[]
  reason: CompactionReason
  /** Input tokens of the last request as the provider counted them; absent when unknown. */
  used?: number
  /** What the person said that the summary must hold. */
  instructions?: string
  signal: AbortSignal
}

/** `through`: id of the last message that is folded; what follows is kept as it is. `before`/`after`: estimated tokens of the conversation. */
export interface Folded {
  through: string
  summary: string
  method: "model" | "fold"
  before: number
  after: number
  usage?: Usage
  /** Who made it, or why no model did, in one line. */
  note?: string
}

/**
 * Folds the older part of a conversation into a summary. The engine writes down what came of it. Errors: `compaction.nothing`
 * (too little to fold), `compaction.larger` (no summary is smaller than what it stands for), `compaction.failed` (stopped).
 */
export interface Compaction {
  /** Is it time, before the next request? The reason in words ("91 % of 200,000 tokens, 32,000 of them reserved for the answer"), or undefined. Cheap: pure arithmetic. */
  due(work: Omit<CompactionWork, "reason" | "signal">): Promise<string | undefined>
  fold(work: CompactionWork): Promise<Folded>
}

/** Somebody's own way to fold: `messages` are only those that are folded, and the answer is their summary. */
export interface Compactor { id: string; fold(work: CompactionWork): string | Promise<string> }

declare module "graft" {
  interface Services { compaction: Compaction }
  interface Slots { compactor: Compactor }
  interface Events {
    /** Live only: a summary as a model writes it. */
    "session.compaction.delta": Notify<{ session: string; text: string }>
  }
}
