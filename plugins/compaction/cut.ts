/**
 * Where a conversation is cut: what is before is folded, the rest stays as it is. Pure. A cut lies between two messages,
 * everything before it is settled, and a call and its result are one message, so nothing is ever torn; what nobody has
 * answered yet always stays.
 */
import type { Message } from "../session/contract.ts"
import { isSettled, sum, tokensOf } from "./size.ts"

/** At most so much of the end stays, whole turns where they fit. `most`: results that no model has read yet may take so much. */
export interface Keep { turns: number; tokens: number; most: number }

/** The index of the first message that stays. */
export function cutOf(messages: readonly Message[], keep: Keep): number {
  const must = mustStay(messages, keep.most)
  const least = Math.min(must, turnsFromEnd(messages, keep.turns))
  let left = keep.tokens
  const tooMuch = messages.findLastIndex((message, index) => index < least || (left -= tokensOf(message)) < 0)
  const cut = Math.min(tooMuch + 1, must)
  const turn = startsOf(messages).find((start) => start >= cut && start <= must)
  // A whole turn is the better beginning, unless most of what would fit were lost for it.
  return turn !== undefined && sum(messages.slice(turn)) * 2 >= Math.min(keep.tokens, sum(messages.slice(cut))) ? turn : cut
}

/** From here on nothing may be folded: what is still open, what waits for an answer, and results before it that wait as well. */
function mustStay(messages: readonly Message[], most: number): number {
  const open = messages.findIndex((message) => !isSettled(message))
  const asked = messages.findLastIndex(({ role }) => role === "assistant") + 1
  const last = messages[asked - 1]
  const unread = last !== undefined && last.parts.some(({ kind }) => kind === "tool") && tokensOf(last) <= most
  return Math.min(open < 0 ? Infinity : open, unread ? asked - 1 : asked)
}

/** A turn begins where somebody speaks after an answer, or first. */
const startsOf = (messages: readonly Message[]): number[] =>
  messages.flatMap(({ role }, index) => (role !== "assistant" && messages[index - 1]?.role !== "user" && messages[index - 1]?.role !== "synthetic" ? index : []))

const turnsFromEnd = (messages: readonly Message[], turns: number): number => (turns === 0 ? messages.length : (startsOf(messages).at(-turns) ?? 0))
