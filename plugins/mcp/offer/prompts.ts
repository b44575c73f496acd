/** The prompts of servers as commands of a conversation: `/server/prompt words`. */
import type { Client } from "@modelcontextprotocol/client"
import type { Graft } from "graft"
import * as v from "valibot"
import type { CommandRow } from "../../command/contract.ts"
import type { Server } from "../server.ts"
import { contentsOf, type Contents } from "./result.ts"

export interface Prompt { name: string; description: string; arguments: readonly { name: string; required: boolean }[] }

const MOST = 200
const MOST_PAGES = 16
/** Milliseconds that one request may take. */
const PATIENCE = 30_000
/** Characters of a description, and of a prompt. */
const MOST_ABOUT = 500
const MOST_TEXT = 256 * 1024

const Sent = v.looseObject({
  name: v.pipe(v.string(), v.nonEmpty(), v.maxLength(128)),
  title: v.optional(v.string()), description: v.optional(v.string()),
  arguments: v.optional(v.array(v.looseObject({ name: v.string(), required: v.optional(v.boolean(), false) })), []),
})
const Page = v.looseObject({ prompts: v.array(v.unknown()), nextCursor: v.nullish(v.string()) })
const Got = v.looseObject({ messages: v.array(v.looseObject({ role: v.optional(v.string()), content: v.unknown() })) })

/** What is none is left out. */
export async function listPrompts(client: Client, signal: AbortSignal): Promise<Prompt[]> {
  if (!client.getServerCapabilities()?.prompts) return []
  const found: Prompt[] = []
  let cursor: string | undefined
  for (let page = 0; page < MOST_PAGES && found.length < MOST; page++) {
    const { prompts, nextCursor } = await client.request({ method: "prompts/list", ...(cursor !== undefined && { params: { cursor } }) }, Page, { timeout: PATIENCE, signal })
    for (const sent of prompts) {
      const parsed = v.safeParse(Sent, sent)
      if (!parsed.success) continue
      const { name, title, description, arguments: takes } = parsed.output
      found.push({ name, description: (description?.trim() || title?.trim() || name).replace(/\s+/g, " ").slice(0, MOST_ABOUT).toWellFormed(), arguments: takes.map((each) => ({ name: each.name, required: each.required })) })
    }
    if (!nextCursor || nextCursor === cursor) break
    cursor = nextCursor
  }
  return found.slice(0, MOST)
}

/** The prompts of all servers as rows of the slot `command`, changed one by one. */
export class Prompts {
  readonly #graft: Graft<never>
  readonly #rows = new Map<string, { shown: string; server: Server; remove(): void }>()

  constructor(graft: Graft<never>) { this.#graft = graft }

  sync(servers: readonly Server[]): void {
    const wanted = new Map(servers.flatMap((server) => server.prompts.map((prompt) => [nameOf(server, prompt), { server, prompt }] as const)))
    for (const [name, { remove }] of this.#rows) {
      if (wanted.has(name)) continue
      this.#rows.delete(name)
      remove()
    }
    for (const [name, { server, prompt }] of wanted) {
      const shown = JSON.stringify(prompt)
      const row = this.#rows.get(name)
      if (row?.shown === shown && row.server === server) continue
      const remove = this.#graft.add("command", commandOf(name, server, prompt))
      row?.remove()
      this.#rows.set(name, { shown, server, remove })
    }
  }
}

const nameOf = (server: Server, { name }: Prompt): string => `${server.name}/${name}`.replace(/[^\w./-]/g, "_").slice(0, 128)

const commandOf = (name: string, server: Server, prompt: Prompt): CommandRow => ({
  name, description: prompt.description,
  ...(prompt.arguments.length > 0 && { hint: prompt.arguments.map(({ name: each, required }) => (required ? `<${each}>` : `[${each}]`)).join(" ") }),
  async expand(given, { signal }) {
    const { messages } = await server.ask(({ client }) => client.request({ method: "prompts/get", params: { name: prompt.name, arguments: argumentsOf(prompt, given) } }, Got, { timeout: PATIENCE, ...(signal && { signal }) }))
    const text = messages.map(({ role, content }) => `${role === "assistant" ? "(as an answer) " : ""}${textOf(content)}`).join("\n\n").slice(0, MOST_TEXT)
    if (text.trim() === "") throw new Error("the server gave an empty prompt")
    return text
  },
})

/** `name=value`, or in their order; the last one takes the rest. */
export function argumentsOf({ arguments: takes }: Prompt, given: string): Record<string, string> {
  const words = [...given.matchAll(/(?:[^\s"']+|"(?:[^"\\]|\\.)*"|'[^']*')+/g)]
  const named: Record<string, string> = {}
  const open = takes.map(({ name }) => name)
  let at = 0
  for (const { 0: word, index } of words) {
    const [, name, value] = /^([\w.-]+)=([\s\S]*)$/.exec(word) ?? []
    const known = name !== undefined && open.includes(name)
    const next = known ? name : open[0]
    if (index < at || next === undefined) continue
    open.splice(open.indexOf(next), 1)
    named[next] = bare(known ? value! : open.length === 0 ? given.slice(index).trim() : word)
    if (!known && open.length === 0) at = given.length
  }
  const missing = takes.filter(({ name, required }) => required && named[name] === undefined).map(({ name }) => `<${name}>`)
  if (missing.length > 0) throw new Error(`it needs ${missing.join(" ")}`)
  return named
}

const bare = (word: string): string => (/^"[^"]*"$|^'[^']*'$/.test(word) ? word.slice(1, -1) : word)

function textOf(content: unknown): string {
  if (Array.isArray(content)) return content.map(textOf).join("\n")
  const { type, text, resource } = (content ?? {}) as Record<string, unknown>
  if (type === "text" && typeof text === "string") return text
  return type === "resource" ? contentsOf((resource ?? {}) as Contents) : `(a part of type ${JSON.stringify(type)?.slice(0, 64) ?? "nothing"}, not shown)`
}
