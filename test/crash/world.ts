/**
 * What no crash of the process can undo: the provider that was asked and the effects that happened, written down outside
 * of it. Whoever comes is held against the log as it is on disk at that moment (S11, S13, S14).
 */
import { once } from "node:events"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"
import { scenarioOf, type Answer } from "./scenarios.ts"

type Message = { role: string; content: string | { type: string; text?: string; toolName?: string; toolCallId?: string }[] }

/** One run's ledgers. */
export class Ledgers {
  readonly file: string
  readonly session: string
  /** Attempts whose bytes came in. */
  readonly sent = new Set<string>()
  readonly effects: { tool: string; call: string }[] = []
  readonly wrong: string[] = []
  /** Requests that had come in when an interrupt was acknowledged. */
  interrupted: number | undefined
  readonly #asked = new Map<string, number>()

  constructor(session: string, file: string) {
    this.session = session
    this.file = file
  }

  query<T>(sql: string, ...params: (string | number)[]): T[] {
    const database = new DatabaseSync(this.file, { readOnly: true })
    try {
      return database.prepare(sql).all(...params) as T[]
    } finally {
      database.close()
    }
  }

  /** The n-th request for this conversation. */
  ask(messages: readonly Message[]): number {
    const text = JSON.stringify(messages)
    const n = (this.#asked.get(text) ?? 0) + 1
    this.#asked.set(text, n)
    const live = this.query<{ id: string }>("SELECT id FROM provider_attempt WHERE session = ? AND state = 'dispatched'", this.session)
    const [attempt] = live
    if (live.length !== 1 || this.sent.has(attempt!.id)) this.wrong.push(`S11: bytes came in, and ${live.length === 0 ? "no attempt was dispatched" : `${attempt!.id} was sent before`}`)
    if (attempt) this.sent.add(attempt.id)
    const open = this.query<{ call: string }>("SELECT call FROM tool_call WHERE session = ? AND state <> 'settled'", this.session)
    if (open.length > 0) this.wrong.push(`S14: a request was built while ${open.map(({ call }) => call).join(", ")} ran`)
    const parts = messages.flatMap(({ content }) => (typeof content === "string" ? [] : content))
    for (const { type, toolCallId } of parts) if (type === "tool-call" && parts.filter((part) => part.type === "tool-result" && part.toolCallId === toolCallId).length !== 1) this.wrong.push(`S14: ${toolCallId} has not one result in the request`)
    return n
  }

  effect(tool: string, call: string): void {
    this.effects.push({ tool, call })
    const [row] = this.query<{ state: string }>("SELECT state FROM tool_call WHERE session = ? AND call = ?", this.session, call)
    if (row?.state !== "started") this.wrong.push(`S13: ${tool} had its effect, and ${call} is ${row?.state ?? "not there"}`)
  }
}

export interface World extends AsyncDisposable { url: string; runs: Map<string, Ledgers> }

export async function openWorld(): Promise<World> {
  const runs = new Map<string, Ledgers>()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = JSON.parse(Buffer.concat(chunks).toString()) as { session: string; scenario: string; messages: Message[]; tool: string; call: string }
    const run = runs.get(body.session)
    if (!run) return void response.writeHead(410).end()
    if (request.url === "/turn") return answer(response, body.scenario, body.messages, run)
    if (request.url === "/effect") run.effect(body.tool, body.call)
    if (request.url === "/said") run.interrupted ??= run.sent.size
    response.end("{}\n")
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    runs, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(response: ServerResponse, scenario: string, messages: Message[], run: Ledgers): Promise<void> {
  const n = run.ask(messages)
  const say = (part: object) => void response.write(`${JSON.stringify(part)}\n`)
  const answers = scenarioOf(scenario).answer(messages, n)
  if (!Array.isArray(answers)) {
    say({ refused: answers })
    return void response.end()
  }
  let id = 0
  for (const part of answers as Answer[]) {
    if ("pause" in part) await sleep(part.pause)
    else if ("text" in part) for (const each of [{ type: "text-start" }, { type: "text-delta", delta: part.text }, { type: "text-end" }]) say({ ...each, id: String(id) })
    else say({ type: "tool-call", toolCallId: part.call, toolName: part.name, input: JSON.stringify(part.input) })
    id++
  }
  const tools = answers.some((part) => "call" in part)
  say({ type: "finish", usage: { inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 5, text: 5, reasoning: 0 } }, finishReason: { unified: tools ? "tool-calls" : "stop" } })
  response.end()
}
