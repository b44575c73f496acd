/**
 * How much a conversation is, and how much a model takes. Pure. Four bytes count as a token: right for English and code,
 * and not far below the truth for other scripts. What a provider counted itself counts more than any estimate.
 */
import type { Model } from "../model/contract.ts"
import type { Message, Part } from "../session/contract.ts"
import type { CompactionWork } from "./contract.ts"
import type { Settings } from "./settings.ts"

export const BYTES_A_TOKEN = 4
/** What stands around a message, and an attachment such as a picture, in tokens. */
const AROUND = 4
const ATTACHED = 1_500
/** Left for an answer where the model's limit is not known, and at most. */
const ANSWER = 16_000
const LONGEST_ANSWER = 32_000

export const tokensIn = (text: string): number => Math.ceil(Buffer.byteLength(text) / BYTES_A_TOKEN)

/** A settled message stays as it is, so that it is counted once. */
const counted = new WeakMap<Message, number>()

export function tokensOf(message: Message): number {
  const known = counted.get(message)
  if (known !== undefined) return known
  const tokens = message.parts.reduce((sum, part) => sum + partTokens(part), AROUND)
  if (isSettled(message)) counted.set(message, tokens)
  return tokens
}

export const isSettled = ({ state, parts }: Message): boolean => state === "settled" && parts.every((part) => (part.kind !== "tool" && part.kind !== "shell") || part.state === "settled")

export const sum = (messages: readonly Message[]): number => messages.reduce((tokens, message) => tokens + tokensOf(message), 0)

function partTokens(part: Part): number {
  switch (part.kind) {
    case "tool": return tokensIn(part.name) + tokensIn(part.input) + tokensIn(part.output ?? "")
    case "shell": return tokensIn(part.command) + tokensIn(part.output ?? "")
    case "file": return ATTACHED
    default: return tokensIn(part.text)
  }
}

/** Tokens of the next request: what the last one had, and what came since. A count from before the summary is of another conversation, and none at all is no count. */
export function sizeOf({ messages, used }: Pick<CompactionWork, "messages" | "used">): number {
  const last = messages.findLastIndex(({ usage }) => usage !== undefined)
  const summary = messages.findLast(({ parts }) => parts.some(({ kind }) => kind === "summary"))
  const stale = last < 0 || (summary !== undefined && summary.created >= messages[last]!.created)
  return !used || stale ? sum(messages) : used + sum(messages.slice(last))
}

/** `limit`: tokens that go in; `free`: those that may be filled before it is time to fold. */
export interface Room { limit: number; reserved: number; free: number }

/** Undefined where the model's limits are not known: nobody guesses. An `input` limit of its own has the answer taken off already. */
export function roomOf({ limits = {} }: Pick<Model, "limits">, { threshold, reserve }: Pick<Settings, "threshold" | "reserve">): Room | undefined {
  const { context, input, output } = limits
  const limit = Math.min(input ?? Infinity, context ?? Infinity)
  if (limit === Infinity) return undefined
  const apart = input !== undefined && (context === undefined || input < context)
  const wanted = reserve ?? (apart ? 0 : Math.min(output ?? ANSWER, LONGEST_ANSWER, limit / 4))
  const reserved = Math.floor(Math.min(wanted, limit / 2))
  return { limit, reserved, free: Math.floor(Math.min(limit * threshold, limit - reserved)) }
}
