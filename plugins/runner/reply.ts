/**
 * What comes back in one attempt, part by part: told live as it comes, written in chunks (2 KiB or a quarter of a
 * second), and summed up at the end. It knows nothing of retries and runs no tool.
 */
import { createHash, type Hash } from "node:crypto"
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider"
import type { Graft } from "graft"
import { usageOf } from "../lib/usage.ts"
import type { Cost } from "../model/contract.ts"
import type { Usage } from "../session/contract.ts"
import type { Ledger } from "./ledger.ts"

const CHUNK = 2_048
const CHUNK_MILLISECONDS = 250

interface Open { id: string; kind: "text" | "reasoning"; started: boolean; buffer: string; text: string; hash: Hash; metadata?: unknown }
export interface Called { call: string; name: string; input: string; executed?: "provider"; replay?: unknown }
export type ReplyPart = { kind: "text" | "reasoning"; text: string } | { kind: "tool"; call: string; name: string; input: string }

export interface ReplyOf {
  graft: Pick<Graft, "emit">
  ledger: Ledger
  session: string
  message: string
  attempt: string
  cost?: Cost
  /** A call begins: what will run it can be got ready. */
  calling(): void
  /** A whole call was parsed. */
  called(call: Called): void
}

export class Reply {
  readonly #of: ReplyOf
  #open = new Map<string, Open>()
  #parts: (Open | { called: Called })[] = []
  #names = new Map<string, string>()
  #ids = new Map<string, string>()
  #timer: NodeJS.Timeout | undefined
  #count = 0
  #ref: string | undefined
  #closed = false
  output = false
  finish: string | undefined
  usage: Usage | undefined

  constructor(of: ReplyOf) { this.#of = of }

  accept(part: LanguageModelV4StreamPart): void {
    if (this.#closed) return
    switch (part.type) {
      case "text-start": case "reasoning-start":
        return void this.#start(part.type === "text-start" ? "text" : "reasoning", part.id, part.providerMetadata)
      case "text-delta": case "reasoning-delta": {
        const kind = part.type === "text-delta" ? "text" : "reasoning"
        return this.#append(this.#open.get(`${kind} ${part.id}`) ?? this.#start(kind, part.id), part.delta, part.providerMetadata)
      }
      case "text-end": case "reasoning-end": {
        const open = this.#open.get(`${part.type === "text-end" ? "text" : "reasoning"} ${part.id}`)
        if (open && part.providerMetadata) open.metadata = { ...(open.metadata as object), ...part.providerMetadata }
        return
      }
      case "tool-input-start":
        this.#names.set(part.id, part.toolName)
        if (!part.providerExecuted) this.#of.calling()
        return this.#answered()
      case "tool-input-delta":
        return this.#of.graft.emit("tool.input.delta", { session: this.#of.session, message: this.#of.message, call: part.id, name: this.#names.get(part.id) ?? "", text: part.delta })
      case "tool-call":
        return this.#called({ call: this.#unique(part.toolCallId), name: part.toolName, input: part.input, ...(part.providerExecuted && { executed: "provider" as const }), ...(part.providerMetadata && { replay: part.providerMetadata }) })
      case "tool-result":
        return part.preliminary ? undefined : this.#answer(part)
      case "response-metadata":
        this.#ref = part.id
        return
      case "finish":
        this.finish = part.finishReason.unified
        this.usage = usageOf(part.usage, this.#of.cost)
        return
      case "error":
        throw part.error
      default:
        // Sources, files, raw chunks and pings leave nothing behind.
        return
    }
  }

  /** What came, in order, for the `turn.response` hook. */
  parts(): ReplyPart[] {
    return this.#parts.map((part) => ("called" in part ? { kind: "tool", call: part.called.call, name: part.called.name, input: part.called.input } : { kind: part.kind, text: part.text }))
  }

  /** Writes what is still in memory; from here on nothing is accepted. */
  flush(): void {
    this.#closed = true
    this.#write()
  }

  /** Ends every text part. `hooked` is what a hook made of `parts()`: texts are matched in order, so it may change one but not take one out. */
  settle(hooked?: readonly ReplyPart[]): void {
    const { ledger, message } = this.#of
    const texts = hooked?.filter((part) => part.kind !== "tool")
    const same = texts?.length === this.#parts.filter((part) => !("called" in part)).length
    let at = 0
    for (const part of this.#parts) {
      if ("called" in part) continue
      const changed = same ? texts![at++]!.text : part.text
      const text = changed === part.text ? undefined : changed
      if (part.metadata !== undefined && !part.started) this.#tellStart(part)
      if (!part.started) continue
      ledger.tell("message.part.settled", {
        message, part: part.id, length: (text ?? part.text).length, sha256: text === undefined ? part.hash.digest("base64url") : createHash("sha256").update(text).digest("base64url"),
        ...(text !== undefined && { text }), ...(part.metadata !== undefined && { metadata: part.metadata }),
      })
    }
  }

  #start(kind: Open["kind"], id: string, metadata?: unknown): Open {
    const open: Open = { id: "", kind, started: false, buffer: "", text: "", hash: createHash("sha256"), ...(metadata !== undefined && { metadata }) }
    this.#open.set(`${kind} ${id}`, open)
    this.#parts.push(open)
    return open
  }

  #append(open: Open, delta: string, metadata: unknown): void {
    if (metadata !== undefined) open.metadata = { ...(open.metadata as object), ...(metadata as object) }
    if (delta === "") return
    const { graft, session, message } = this.#of
    if (!open.started) this.#tellStart(open)
    open.text += delta
    open.buffer += delta
    graft.emit("message.part.delta", { session, message, part: open.id, kind: open.kind, text: delta })
    if (open.buffer.length >= CHUNK) this.#writePart(open)
    else this.#timer ??= setTimeout(() => this.#write(), CHUNK_MILLISECONDS)
  }

  #tellStart(open: Open): void {
    this.#answered()
    open.started = true
    open.id = `${this.#of.message}:${this.#count++}`
    this.#of.ledger.tell("message.part.started", { message: this.#of.message, part: open.id, kind: open.kind })
  }

  #called(called: Called): void {
    this.#answered()
    this.#write()
    this.#parts.push({ called })
    this.#of.called(called)
  }

  /** The result of a call that the provider made itself, once; it has no say about others. */
  #answer({ toolCallId, result, isError, providerMetadata }: Extract<LanguageModelV4StreamPart, { type: "tool-result" }>): void {
    const { ledger, message } = this.#of
    const call = this.#ids.get(toolCallId)
    const open = ledger.state.activity?.turn?.calls.some((candidate) => candidate.call === call && candidate.executed === "provider" && candidate.state !== "settled")
    if (call === undefined || !open) return
    ledger.tell("tool.settled", { message, call, outcome: isError ? "error" : "ok", output: JSON.stringify(result), ...(providerMetadata && { replay: providerMetadata }) })
  }

  /** The provider has answered: from here on sending again could cost, or do, something twice. */
  #answered(): void {
    if (this.output) return
    this.output = true
    this.#of.ledger.tell("provider.attempt.output", { attempt: this.#of.attempt, ...(this.#ref !== undefined && { ref: this.#ref }) })
  }

  /** Some endpoints count their call ids from 0 in each reply; in a conversation an id may stand once. */
  #unique(id: string): string {
    const taken = this.#of.ledger.state.calls
    let unique = id || `call_${this.#of.message}`
    for (let n = 2; taken.has(unique); n++) unique = `${id || `call_${this.#of.message}`}-${n}`
    this.#ids.set(id, unique)
    return unique
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const open of this.#open.values()) this.#writePart(open)
  }

  #writePart(open: Open): void {
    if (open.buffer === "") return
    open.hash.update(open.buffer)
    this.#of.ledger.tell("message.part.appended", { message: this.#of.message, part: open.id, text: open.buffer })
    open.buffer = ""
  }
}
