/** Anthropic is spoken to as its Messages API wants it: thinking goes back with its signature, the prompt is cached where it can be, and the provider is ready as long as there is a key. */
import type { LanguageModelV4Prompt } from "@ai-sdk/provider"
import fc from "fast-check"
import { describe, expect, onTestFinished, test } from "vitest"
import type { LlmFailure } from "../../plugins/llm/contract.ts"
import { withCachePoints } from "../../plugins/lib/cache-points.ts"
import { anthropic, anthropicError, anthropicErrorEvent, anthropicEvents, event, messageStart, PING } from "../fixtures/vendor-anthropic.ts"
import { answers, streams, VendorServer } from "../fixtures/vendor-server.ts"
import { assistantOf, openWorld, soon, textOf, toolResult, until, user, type World, type WorldOptions } from "../fixtures/vendor-world.ts"

const MODEL = "anthropic/claude-sonnet-5-5"
const KEY = "sk-ant-api03-secret"

async function open({ env, ...options }: WorldOptions = {}): Promise<{ server: VendorServer; world: World }> {
  const server = await VendorServer.open()
  const world = await openWorld({ plugins: ["provider-anthropic"], env: { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.origin, ...env }, ...options })
  onTestFinished(async () => {
    await world[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  return { server, world }
}

describe("a turn", () => {
  test("is this request, byte for byte, and comes back in the vendor's parts", async () => {
    const { server, world } = await open()
    server.script(anthropic([{ reasoning: "Let me see.", signature: "EqQB" }, "Reading.", { call: "read", id: "toolu_1", input: { path: "ü.txt" } }], { pieces: 11 }))
    const parts = await world.turn({ model: MODEL, system: ["Be brief.", "Today."], messages: [user("Read")], tools: [{ name: "read", description: "Reads", inputSchema: { type: "object" } }], options: { reasoning: "low" }, headers: { "x-turn": "1" } })
    const [{ method, path, headers, text }] = server.turns as [VendorServer["turns"][number]]
    expect(`${method} ${path}`).toBe("POST /v1/messages")
    expect(headers).toMatchObject({ "x-api-key": KEY, "anthropic-version": "2023-06-01", "content-type": "application/json", "x-turn": "1" })
    expect(headers.authorization).toBeUndefined()
    expect(text).toBe(JSON.stringify({
      model: "claude-sonnet-5-5", max_tokens: 32_000,
      thinking: { type: "adaptive", display: "summarized" }, output_config: { effort: "low" },
      system: [{ type: "text", text: "Be brief." }, { type: "text", text: "Today.", cache_control: { type: "ephemeral" } }],
      messages: [{ role: "user", content: [{ type: "text", text: "Read", cache_control: { type: "ephemeral" } }] }],
      tools: [{ name: "read", description: "Reads", input_schema: { type: "object" }, eager_input_streaming: true }],
      stream: true,
    }))
    expect([textOf(parts, "reasoning-delta"), textOf(parts)]).toEqual(["Let me see.", "Reading."])
    expect(parts.filter(({ type }) => type === "tool-call")).toEqual([{ type: "tool-call", toolCallId: "toolu_1", toolName: "read", input: '{"path":"ü.txt"}' }])
    expect(parts.at(-1)).toMatchObject({ type: "finish", finishReason: { unified: "tool-calls" }, usage: { inputTokens: { total: 10, cacheRead: 0 }, outputTokens: { total: 5 } } })
  })

  test("sends thinking back as it came: with its signature, also where the text was redacted, and without what it cannot vouch for", async () => {
    const { server, world } = await open()
    const redacted = [event("content_block_start", { index: 0, content_block: { type: "redacted_thinking", data: "gAAA" } }), event("content_block_stop", { index: 0 })]
    const [start, , ...rest] = anthropicEvents({ says: ["One.", { reasoning: "Hm.", signature: "EqQB" }, { call: "read", id: "toolu_2", input: { path: "a" } }] })
    server.script(streams([start!, ...redacted, ...rest.map((each) => each.replace(/"index":(\d)/, (_, index: string) => `"index":${Number(index) + 1}`))]), anthropic("done"))
    const reply = assistantOf(await world.turn({ model: MODEL }))
    const foreign: LanguageModelV4Prompt[number] = { role: "assistant", content: [{ type: "reasoning", text: "cut off", providerOptions: { anthropic: {} } }, { type: "reasoning", text: "another's", providerOptions: { openai: { itemId: "rs_1" } } }, { type: "text", text: "Zero." }] }
    await world.turn({ model: MODEL, messages: [user("Hi"), foreign, user("Read"), reply, toolResult("toolu_2", "read", "A")] })
    expect(server.turns[1]!.body.messages.filter(({ role }: { role: string }) => role === "assistant")).toEqual([
      { role: "assistant", content: [{ type: "text", text: "Zero." }] },
      { role: "assistant", content: [{ type: "redacted_thinking", data: "gAAA" }, { type: "text", text: "One." }, { type: "thinking", thinking: "Hm.", signature: "EqQB" }, { type: "tool_use", id: "toolu_2", name: "read", input: { path: "a" } }] },
    ])
  })

  test("takes calls that another vendor named, and tells in words what another vendor ran", async () => {
    const { server, world } = await open()
    server.script(anthropic("done"))
    await world.turn({ model: MODEL, messages: [
      user("Hi"),
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "functions.read:0", toolName: "read", input: {} }, { type: "tool-call", toolCallId: "ws_1", toolName: "web_search", input: {}, providerExecuted: true }, { type: "tool-result", toolCallId: "ws_1", toolName: "web_search", output: { type: "error-text", value: "no network" } }] },
      toolResult("functions.read:0", "read", "A"),
    ] })
    const [, assistant, results] = server.turns[0]!.body.messages
    const { id } = assistant.content.find(({ type }: { type: string }) => type === "tool_use")
    expect(id).toMatch(/^[a-zA-Z0-9_-]+$/)
    expect(results.content).toEqual([{ type: "tool_result", tool_use_id: id, content: "A", cache_control: { type: "ephemeral" } }])
    expect(assistant.content.filter(({ type }: { type: string }) => type === "text")).toEqual([{ type: "text", text: "\n[web_search, run by the provider, with {}]" }, { type: "text", text: "\n[web_search gave: no network]" }])
  })

  test("has room for an answer: what the turn asks for, else what the model can, at most 32,000 tokens", async () => {
    const { server, world } = await open({ config: { providers: { anthropic: { models: { small: { limits: { output: 4_000 } }, "claude-sonnet-5-5": { capabilities: { cache: false } } } } } } })
    for (const [model, options] of [["anthropic/claude-haiku-5-5", {}], ["anthropic/small", {}], ["anthropic/small", { maxOutputTokens: 10 }], [MODEL, {}]] as const) {
      server.script(anthropic("ok"))
      await world.turn({ model, options })
    }
    expect(server.turns.map(({ body }) => body.max_tokens)).toEqual([32_000, 4_000, 10, 32_000])
    expect(server.turns.map(({ text }) => text.includes("cache_control"))).toEqual([true, true, true, false])
  })

  test("cache points: at most four, after the system and the last two messages that are not the model's, and never on what is shared", () => {
    const message: fc.Arbitrary<LanguageModelV4Prompt[number]> = fc.oneof<fc.Arbitrary<LanguageModelV4Prompt[number]>[]>(fc.constant({ role: "system", content: "s" }), fc.constant(user("u")), fc.constant({ role: "assistant", content: [{ type: "text", text: "a" }] }), fc.constant(toolResult("1", "read", "r")))
    fc.assert(fc.property(fc.array(message, { maxLength: 12 }), (prompt) => {
      const before = JSON.stringify(prompt)
      const marked = withCachePoints(prompt, { name: "anthropic", mark: { cacheControl: { type: "ephemeral" } } })
      expect(JSON.stringify(prompt)).toBe(before)
      const points = marked.flatMap((each, index) => (each.providerOptions?.anthropic?.cacheControl ? [index] : []))
      const system = prompt.findLastIndex(({ role }) => role === "system")
      const others = prompt.flatMap(({ role }, index) => (role === "user" || role === "tool" ? [index] : [])).slice(-2)
      expect(points).toEqual([...new Set([...(system < 0 ? [] : [system]), ...others])].sort((a, b) => a - b))
      const [were, are] = [prompt, marked].map((messages) => messages.map(({ role, content }) => ({ role, content })))
      expect(are).toEqual(were)
    }))
  })

  test("a ping is a sign of life; a stream that ends before message_stop was cut, also without a word", async () => {
    const { server, world } = await open()
    const whole = anthropicEvents({ says: ["Hello there"] })
    server.script(streams([...whole.slice(0, 4), PING, PING, ...whole.slice(4)]), streams(whole.slice(0, 4)), streams(whole.slice(0, 1)), streams([]), streams(whole.slice(0, -1)))
    expect((await world.turn({ model: MODEL })).filter(({ type }) => type === "ping")).toHaveLength(3)
    for (let n = 0; n < 4; n++) expect(await world.failure({ model: MODEL })).toMatchObject({ code: "llm.cut", retryable: true })
  })
})

describe("a failure", () => {
  const refusals: [status: number, type: string, message: string, headers: Record<string, string>, expected: Partial<LlmFailure>][] = [
    [401, "authentication_error", "invalid x-api-key", {}, { code: "llm.auth", retryable: false, status: 401 }],
    [403, "permission_error", "Your API key does not have permission to use the specified resource.", {}, { code: "llm.permission", status: 403 }],
    [429, "rate_limit_error", "This request would exceed your organization's rate limit of 30,000 input tokens per minute", { "retry-after": "12" }, { code: "llm.rate-limit", retryable: true, retryAfter: 12_000 }],
    [400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.", {}, { code: "llm.quota", retryable: false }],
    [402, "billing_error", "There's an issue with your billing or payment information.", {}, { code: "llm.quota" }],
    [400, "invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.", {}, { code: "llm.quota" }],
    [400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", {}, { code: "llm.overflow", retryable: false }],
    [400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length or `max_tokens` and try again", {}, { code: "llm.overflow" }],
    [413, "request_too_large", "Request exceeds the maximum size", {}, { code: "llm.overflow" }],
    [400, "invalid_request_error", "messages.0.content: text content blocks must be non-empty", {}, { code: "llm.request", retryable: false }],
    [404, "not_found_error", "model: claude-0", {}, { code: "llm.not-found", status: 404 }],
    [500, "api_error", "Internal server error", {}, { code: "llm.server", retryable: true }],
    [529, "overloaded_error", "Overloaded", {}, { code: "llm.server", retryable: true, status: 529 }],
  ]

  test("is told apart, whether it comes as a status, as the first event, or in the midst of a reply", async () => {
    const { server, world } = await open()
    const begun = anthropicEvents({ says: ["Hello there"] }).slice(0, 4)
    for (const [status, type, message, headers, expected] of refusals) {
      server.script(answers(status, anthropicError(type, message), { "request-id": "req_01", ...headers }), streams([messageStart(), anthropicErrorEvent(type, message)]), streams([anthropicErrorEvent(type, message)]), streams([...begun, anthropicErrorEvent(type, message)]))
      const failures = [await world.failure({ model: MODEL }), await world.failure({ model: MODEL }), await world.failure({ model: MODEL }), await world.failure({ model: MODEL })]
      expect(failures[0]).toMatchObject({ ...expected, provider: "anthropic" })
      expect(failures.map(({ code, retryable }) => ({ message, code, retryable }))).toEqual(failures.map(() => ({ message, code: expected.code, retryable: failures[0]!.retryable })))
      for (const failure of failures) expect(failure.message).toContain(message.replace(/\.$/, ""))
    }
    expect(refusals).toHaveLength(13)
  })

  test("of a chunk that is not what the vendor documents is the protocol's, first or later", async () => {
    const { server, world } = await open()
    server.script(streams(["event: message_start\ndata: {"]), streams([messageStart(), "event: content_block_delta\ndata: nonsense"]), answers(200, "<html>", { "content-type": "text/html" }))
    for (let n = 0; n < 3; n++) expect(await world.failure({ model: MODEL })).toMatchObject({ code: "llm.protocol" })
  })

  test("says what to do about a refused key, and does not say the key", async () => {
    const { server, world } = await open()
    server.script(answers(401, anthropicError("authentication_error", `invalid x-api-key ${KEY}`)))
    const failure = await world.failure({ model: MODEL })
    expect(failure.message).toBe("anthropic refused the credential (401: invalid x-api-key [redacted]). Run `graft auth login anthropic`, or set ANTHROPIC_API_KEY (a key: https://console.anthropic.com/settings/keys)")
    expect(JSON.stringify(failure)).not.toContain("secret")
  })

  test("of one that stops in the middle: the abort closes the connection", async () => {
    const { server, world } = await open()
    server.script(streams(anthropicEvents({ says: ["Hello there"] }).slice(0, 4), { last: "hang" }))
    const stop = new AbortController()
    const failing = world.failure({ model: MODEL }, { signal: stop.signal })
    await world.next("llm.requested")
    await soon("it is there", until(() => server.turns.length === 1))
    stop.abort()
    expect(await soon("the end", failing)).toMatchObject({ code: "llm.aborted" })
    await soon("it is closed", server.turns[0]!.closed)
  })
})

describe("the provider", () => {
  test("is ready as long as there is a key, live, and says what to do when there is none", async () => {
    const { world } = await open({ env: { ANTHROPIC_API_KEY: "" } })
    const provider = async () => (await world.graft.model.providers())[0]
    expect(await provider()).toMatchObject({ id: "anthropic", name: "Anthropic", ready: false, reason: "no key: run `graft auth login anthropic`, or set ANTHROPIC_API_KEY (a key: https://console.anthropic.com/settings/keys)" })
    expect(await world.failure({ model: MODEL })).toMatchObject({ code: "llm.request", message: expect.stringContaining("no key: run") })
    world.told()
    await world.graft.auth.set("anthropic", "sk-ant-from-file")
    await world.kernel.settled()
    expect(await provider()).toMatchObject({ ready: true })
    expect(world.told().filter((fact) => fact.startsWith("provider."))).toEqual(["provider.updated anthropic"])
    await world.graft.auth.set("anthropic", "sk-ant-another")
    await world.graft.auth.remove("anthropic")
    await world.kernel.settled()
    expect(await provider()).toMatchObject({ ready: false })
    expect(world.told().filter((fact) => fact.startsWith("provider."))).toEqual(["provider.updated anthropic"])
    await world.config({ providers: { anthropic: { key: "{env:NOT_SET}" } } })
    expect(await provider()).toMatchObject({ ready: false, reason: "config.jsonc:1: {env:NOT_SET} is not set" })
    await world.config({ providers: { anthropic: { key: "in-config" } } })
    expect(await provider()).toMatchObject({ ready: true })
  })

  test("is known to be ready when it comes up, so that its default model is the one that is chosen", async () => {
    const { world } = await open({ plugins: ["provider-anthropic", "provider-demo"] })
    expect(await world.graft.model.resolve()).toMatchObject({ ref: MODEL, usable: true, limits: { context: expect.any(Number) } })
    expect(await world.graft.model.resolve(undefined, "small")).toMatchObject({ ref: "anthropic/claude-haiku-5-5", usable: true })
    expect(await world.graft.auth.methods()).toMatchObject([{ id: "anthropic.key", provider: "anthropic", env: ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"], url: expect.stringContaining("https://") }])
  })

  test("uses the key, the URL and the headers of the moment: a login, a bearer token, or the config's", async () => {
    const { server, world } = await open({ env: { ANTHROPIC_API_KEY: "" } })
    const sent = async () => {
      server.script(anthropic("ok"))
      await world.turn({ model: MODEL })
      const { path, headers } = server.turns.at(-1)!
      return [path, headers["x-api-key"], headers.authorization, headers["x-team"]]
    }
    await world.graft.auth.set("anthropic", "first")
    await world.kernel.settled()
    expect(await sent()).toEqual(["/v1/messages", "first", undefined, undefined])
    await world.graft.auth.set("anthropic", "second")
    expect(await sent()).toEqual(["/v1/messages", "second", undefined, undefined])
    process.env.ANTHROPIC_AUTH_TOKEN = "token"
    onTestFinished(() => { delete process.env.ANTHROPIC_AUTH_TOKEN })
    expect(await sent()).toEqual(["/v1/messages", undefined, "Bearer token", undefined])
    await world.config({ providers: { anthropic: { url: `${server.origin}/gateway/`, key: "mine", headers: { "X-Team": "red" } } } })
    expect(await sent()).toEqual(["/gateway/v1/messages", "mine", undefined, "red"])
    process.env.ANTHROPIC_BASE_URL = `${server.origin}/v1`
    await world.config({ providers: { anthropic: { headers: { "X-Team": "blue" } } } })
    expect(await sent()).toEqual(["/v1/messages", undefined, "Bearer token", "blue"])
  })
})
