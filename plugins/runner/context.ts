/**
 * What a request is made of besides the conversation, as it is kept: system texts, tools, options, headers, and what a
 * hook made of the messages. With the log it gives the request again byte for byte, and the hash in the log proves it.
 * What a header tells that only the provider may know is kept as its hash.
 */
import { createHash, type Hash } from "node:crypto"
import type { LanguageModelV4Message, LanguageModelV4Prompt } from "@ai-sdk/provider"
import type { TurnRequest } from "../llm/contract.ts"
import { Beginnings } from "./begun.ts"

/** A hook's change of the messages, as a splice: from here so many are taken out, and these come in. */
interface Splice { at: number; take: number; put: readonly LanguageModelV4Message[] }
interface Context extends Omit<TurnRequest, "model" | "messages"> { splice?: Splice }

const SECRET = /auth|key|token|secret|cookie|credential|password/i
/** Made of the turn's own name, so it need not be kept. */
export const IDEMPOTENCY = "idempotency-key"

export function contextOf({ system, tools, options, headers, messages }: TurnRequest, before: LanguageModelV4Prompt): string {
  const splice = spliceOf(before, messages)
  const plain = Object.entries(headers).filter(([name]) => name !== IDEMPOTENCY).map(([name, value]) => [name, SECRET.test(name) ? `sha256:${sha256(value)}` : value])
  return JSON.stringify({ system, tools, options, headers: Object.fromEntries(plain), ...(splice && { splice }) } satisfies Context)
}

/** What no hook touched is the same object. */
function spliceOf(before: LanguageModelV4Prompt, after: LanguageModelV4Prompt): Splice | undefined {
  if (before === after || (before.length === after.length && before.every((message, n) => message === after[n]))) return undefined
  const at = before.findIndex((message, n) => message !== after[n])
  const from = at < 0 ? before.length : at
  let tail = 0
  while (tail < before.length - from && tail < after.length - from && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++
  return { at: from, take: before.length - from - tail, put: after.slice(from, after.length - tail) }
}

/** The request that was made of these messages and this context. */
export function requestOf(model: string, messages: LanguageModelV4Prompt, text: string): TurnRequest {
  const { splice, ...context } = JSON.parse(text) as Context
  return { model, messages: splice ? messages.toSpliced(splice.at, splice.take, ...splice.put) : messages, ...context }
}

const hashed = new Beginnings<LanguageModelV4Message, { head: string; hash: Hash }>()
export function hashOf({ model, messages }: Pick<TurnRequest, "model" | "messages">, context: string): string {
  const head = `${model} ${context}`
  const known = hashed.of(messages)
  const begun = known?.made.head === head ? known : undefined
  const hash = begun ? begun.made.hash.copy() : createHash("sha256").update(head)
  for (let n = begun?.items.length ?? 0; n < messages.length; n++) hash.update(sha256(JSON.stringify(messages[n])))
  hashed.keep(messages, { head, hash })
  return hash.copy().digest("base64url")
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")
