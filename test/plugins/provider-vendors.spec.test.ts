/** Every vendor is spoken to through its real SDK in its own protocol, and no reply of it is ever taken for what it is not. */
import type { LanguageModelV4Prompt, LanguageModelV4StreamPart } from "@ai-sdk/provider"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { LlmFailure } from "../../plugins/llm/contract.ts"
import { answers, VendorServer } from "../fixtures/vendor-server.ts"
import { BROKEN, VENDORS, type VendorCase } from "../fixtures/vendor-table.ts"
import type { Reply } from "../fixtures/vendor-chat.ts"
import { assistantOf, openWorld, requestOf, textOf, toolResult, user, type World } from "../fixtures/vendor-world.ts"

const read = { name: "read", description: "Reads a file", inputSchema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] } }
const REPLY: Reply = { says: [{ reasoning: "Let me see.", signature: "SIG" }, "Grüße, 世界.", { call: "read", id: "call_a", input: { path: "ü/🦀.txt" } }, { call: "read", id: "call_b", input: { path: "b.txt" } }], usage: { input: 100, output: 20, cached: 64 } }

describe.each(VENDORS)("$id", (vendor: VendorCase) => {
  let server: VendorServer
  let world: World
  const model = `${vendor.id}/${vendor.model}`

  beforeAll(async () => {
    server = await VendorServer.open()
    // Copilot's token is exchanged there; elsewhere nobody asks.
    server.route("GET /copilot_internal/v2/token", answers(404, "no")).route("GET /v1/models", answers(200, { data: [] }))
    world = await openWorld({ plugins: [`provider-${vendor.id}`], env: { ...vendor.env, GITHUB_API_URL: server.origin }, config: { providers: { [vendor.id]: vendor.entry(server) } } })
  })
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  const ask = (messages: LanguageModelV4Prompt = [user("Read")]) => ({ model, system: ["Be brief."], messages, tools: [read], options: { reasoning: "low" as const } })
  /** What came, and how it ended. */
  async function heard(): Promise<{ parts: LanguageModelV4StreamPart[]; failure: LlmFailure | undefined }> {
    const parts: LanguageModelV4StreamPart[] = []
    try {
      for await (const part of world.graft.llm.stream(requestOf(ask()))) parts.push(part)
      return { parts, failure: undefined }
    } catch (error) {
      return { parts, failure: error as LlmFailure }
    }
  }
  const callsIn = (parts: readonly LanguageModelV4StreamPart[]) => parts.flatMap((part) => (part.type === "tool-call" ? [[part.toolName, JSON.parse(part.input)]] : []))

  test("a whole reply: what was thought and said, calls side by side, and what the cache held", async () => {
    server.script(vendor.travels(vendor.pieces(REPLY), { pieces: 13 }))
    const parts = await world.turn(ask())
    const turn = server.turns.at(-1)!
    expect(turn.path).toMatch(vendor.path)
    expect(turn.headers[vendor.signed[0]]).toEqual(vendor.signed[1])
    expect([textOf(parts, "reasoning-delta"), textOf(parts)]).toEqual(["Let me see.", "Grüße, 世界."])
    expect(callsIn(parts)).toEqual([["read", { path: "ü/🦀.txt" }], ["read", { path: "b.txt" }]])
    expect(parts.at(-1)).toMatchObject({ type: "finish", finishReason: { unified: "tool-calls" }, usage: { inputTokens: { cacheRead: 64 } } })
  })

  test("goes back as the vendor wants it, and the longer request begins with the bytes of the shorter", async () => {
    server.script(vendor.travels(vendor.pieces(REPLY)), vendor.travels(vendor.pieces({ says: ["Done."] })), vendor.travels(vendor.pieces({ says: ["Done."] })))
    const first = [user("Read")]
    const reply = assistantOf(await world.turn(ask(first)))
    const ids = (reply.content as { type: string; toolCallId: string }[]).filter(({ type }) => type === "tool-call").map(({ toolCallId }) => toolCallId)
    const second = [...first, reply, ...ids.map((id) => toolResult(id, "read", "A"))]
    await world.turn(ask(second))
    await world.turn(ask([...second, { role: "assistant", content: [{ type: "text", text: "Done." }] }, user("And?")]))
    const bodies = server.turns.slice(-3).map(({ text }) => text)
    for (const part of vendor.back) expect(bodies[1]).toContain(part)
    expect(saidIn(bodies[2]!).slice(0, saidIn(bodies[1]!).length)).toBe(saidIn(bodies[1]!))
  })

  test("cut anywhere it is a failure that says so, and whatever came of it is whole", async () => {
    const pieces = vendor.pieces(REPLY)
    server.script(vendor.travels(pieces))
    const whole = await heard()
    const wanted = callsIn(whole.parts).map((call) => JSON.stringify(call))
    const check = ({ parts, failure }: Awaited<ReturnType<typeof heard>>) => {
      // What ends behind its end is whole all the same.
      if (!failure) return expect([textOf(parts), callsIn(parts)]).toEqual([textOf(whole.parts), callsIn(whole.parts)])
      expect(["llm.cut", "llm.protocol"]).toContain(failure.code)
      expect(failure.retryable).toBe(true)
      for (const call of callsIn(parts)) expect(wanted).toContain(JSON.stringify(call))
      expect(textOf(whole.parts).startsWith(textOf(parts))).toBe(true)
    }
    for (let n = 0; n < pieces.length; n++) {
      server.script(vendor.travels(pieces.slice(0, n), { last: n % 2 ? "end" : "cut" }))
      const result = await heard()
      // The last piece of some says only what it cost.
      if (n < pieces.length - 2) expect(result.failure).toBeDefined()
      check(result)
    }
    const bytes = Buffer.concat(pieces.map((piece) => (typeof piece === "string" ? Buffer.from(`${piece}\n\n`) : piece)))
    await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 1 }), fc.constantFrom("end" as const, "cut" as const), async (at, last) => {
      server.script(async (exchange) => {
        exchange.head(200, { "content-type": typeof pieces[0] === "string" ? "text/event-stream" : "application/vnd.amazon.eventstream" })
        if (at > 0) await exchange.write(bytes.subarray(0, at))
        if (last === "end") exchange.end()
        else exchange.cut()
      })
      check(await heard())
    }), { numRuns: 12 })
  })

  test("each refusal is of its class, with the vendor's own words", async () => {
    for (const [code, status, body, headers] of vendor.refusals) {
      server.script(answers(status, body, headers))
      const failure = await world.failure(ask())
      expect({ body, code: failure.code }).toEqual({ body, code })
      expect(failure).toMatchObject({ provider: vendor.id, model, status, class: CLASSES[code] })
      expect(failure.message).toContain(String((body as any).error?.message ?? (body as any).message ?? (body as any).error ?? (body as any).detail).slice(0, 20))
    }
    for (const [code, piece] of BROKEN[vendor.id] ?? []) {
      server.script(vendor.travels([...vendor.pieces(REPLY).slice(0, 3), piece]))
      expect(await world.failure(ask())).toMatchObject({ code, provider: vendor.id })
    }
    expect(vendor.refusals.length).toBeGreaterThan(3)
  })

  test.skipIf(vendor.filtered === "")("an answer that its filter ended is no empty answer", async () => {
    server.script(vendor.travels(vendor.pieces({ says: [], finish: vendor.filtered })))
    expect(await world.failure(ask())).toMatchObject({ code: "llm.content-filter", class: "content-filter", retryable: false, message: expect.stringContaining("Say it otherwise") })
  })

  test("is ready as long as there is a credential, live; what it is without one, it says", async () => {
    const before = Object.fromEntries(Object.keys(vendor.env).map((name) => [name, process.env[name]]))
    for (const name of Object.keys(vendor.env)) if (!name.startsWith("AWS_") || name.includes("BEARER")) delete process.env[name]
    try {
      await world.config({ providers: { [vendor.id]: { ...vendor.entry(server), headers: { a: "b" } } } })
      const provider = async () => (await world.graft.model.providers()).find(({ id }) => id === vendor.id)
      expect(await provider()).toMatchObject({ ready: false, reason: expect.stringContaining("no ") })
      world.told()
      await world.graft.auth.set(vendor.id, `from-file-${vendor.id}`)
      await world.kernel.settled()
      expect(await provider()).toMatchObject({ ready: true })
      expect(world.told().filter((fact) => fact.startsWith("provider."))).toEqual([`provider.updated ${vendor.id}`])
      server.script(vendor.travels(vendor.pieces({ says: ["ok"] })))
      await world.turn(ask())
      expect(server.turns.at(-1)!.headers).toMatchObject({ a: "b", [vendor.signed[0]]: expect.stringContaining(`from-file-${vendor.id}`) })
      await world.graft.auth.remove(vendor.id)
      await world.kernel.settled()
      expect(await provider()).toMatchObject({ ready: false })
    } finally {
      for (const [name, value] of Object.entries(before)) if (value !== undefined) process.env[name] = value
      await world.config({ providers: { [vendor.id]: vendor.entry(server) } })
    }
  })
})

/** The conversation of a request, as its bytes, without its end; cache points wander with that, so they are no part of what stays. */
function saidIn(text: string): string {
  const plain = text.replaceAll(/,?"cache_control":\{[^}]*\}|,?\{"cachePoint":\{[^}]*\}\}/g, "")
  const { messages, input, contents } = JSON.parse(plain) as Record<string, unknown[]>
  const conversation = JSON.stringify(messages ?? input ?? contents)
  expect(plain).toContain(conversation)
  return conversation.replace(/\]*$/, "").replace(/\}*$/, "")
}

const CLASSES: Record<string, string> = {
  "llm.auth": "auth", "llm.permission": "permission", "llm.not-found": "not-found", "llm.rate-limit": "rate-limit", "llm.quota": "quota", "llm.overflow": "overflow",
  "llm.content-filter": "content-filter", "llm.server": "overloaded", "llm.request": "malformed", "llm.protocol": "malformed",
}
