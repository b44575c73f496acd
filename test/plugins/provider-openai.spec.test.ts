/** OpenAI is spoken to over the Responses API, and nothing is stored there: reasoning goes back encrypted, and nothing is named by an id that the other side may not know. */
import type { LanguageModelV4Prompt } from "@ai-sdk/provider"
import { describe, expect, onTestFinished, test } from "vitest"
import type { LlmFailure } from "../../plugins/llm/contract.ts"
import { withoutItemIds } from "../../plugins/lib/stateless.ts"
import { created, errorEvent, failed, openai, openaiError, openaiEvents } from "../fixtures/vendor-openai.ts"
import { answers, streams, VendorServer } from "../fixtures/vendor-server.ts"
import { assistantOf, openWorld, soon, textOf, toolResult, until, user, type World, type WorldOptions } from "../fixtures/vendor-world.ts"

const MODEL = "openai/gpt-6.1-sol"
const KEY = "sk-proj-secret-key"

async function open({ env, ...options }: WorldOptions = {}): Promise<{ server: VendorServer; world: World }> {
  const server = await VendorServer.open()
  const world = await openWorld({ plugins: ["provider-openai"], env: { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: server.url, ...env }, ...options })
  onTestFinished(async () => {
    await world[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  return { server, world }
}

describe("a turn", () => {
  test("is this request, byte for byte, and comes back in the vendor's parts", async () => {
    const { server, world } = await open()
    server.script(openai([{ reasoning: "First this.\n\nThen that." }, "Reading.", { call: "read", id: "call_1", input: { path: "ü.txt" } }], { pieces: 13 }))
    const parts = await world.turn({ model: MODEL, system: ["Be brief.", "Today."], messages: [user("Read")], tools: [{ name: "read", description: "Reads", inputSchema: { type: "object" } }], options: { reasoning: "low", maxOutputTokens: 500 }, headers: { "x-turn": "1" } })
    const [{ method, path, headers, text }] = server.turns as [VendorServer["turns"][number]]
    expect(`${method} ${path}`).toBe("POST /v1/responses")
    expect(headers).toMatchObject({ authorization: `Bearer ${KEY}`, "content-type": "application/json", "x-turn": "1" })
    expect(text).toBe(JSON.stringify({
      model: "gpt-6.1-sol",
      input: [{ role: "developer", content: "Be brief." }, { role: "developer", content: "Today." }, { role: "user", content: [{ type: "input_text", text: "Read" }] }],
      max_output_tokens: 500, store: false, include: ["reasoning.encrypted_content"], reasoning: { effort: "low", summary: "auto" },
      tools: [{ type: "function", name: "read", description: "Reads", parameters: { type: "object" }, strict: false }],
      stream: true,
    }))
    expect([textOf(parts, "reasoning-delta"), textOf(parts)]).toEqual(["First this.Then that.", "Reading."])
    expect(parts.filter(({ type }) => type === "tool-call")).toMatchObject([{ toolCallId: "call_1", toolName: "read", input: '{"path":"ü.txt"}' }])
    expect(parts.at(-1)).toMatchObject({ type: "finish", finishReason: { unified: "tool-calls" }, usage: { inputTokens: { total: 10 }, outputTokens: { total: 5 } } })
  })

  test("sends reasoning back once an item, encrypted and without its id, and text and calls without theirs", async () => {
    const { server, world } = await open()
    server.script(openai([{ reasoning: "First this.\n\nThen that.", signature: "gAAAAB" }, "Reading.", { call: "read", id: "call_1", input: { path: "a" } }]), openai("done"))
    const reply = assistantOf(await world.turn({ model: MODEL, messages: [user("Read")] }))
    expect(JSON.stringify(reply)).toContain("rs_0")
    await world.turn({ model: MODEL, messages: [user("Read"), reply, toolResult("call_1", "read", "A")] })
    expect(server.turns[1]!.body.input).toEqual([
      { role: "user", content: [{ type: "input_text", text: "Read" }] },
      { type: "reasoning", encrypted_content: "gAAAAB", summary: [{ type: "summary_text", text: "First this.\n\nThen that." }] },
      { role: "assistant", content: "Reading." },
      { type: "function_call", call_id: "call_1", name: "read", arguments: '{"path":"a"}' },
      { type: "function_call_output", call_id: "call_1", output: "A" },
    ])
    expect(server.turns[1]!.text).not.toMatch(/rs_0|msg_1|fc_2|item_reference/)
  })

  test("also reasoning without a word goes back; without its content, or another's, it does not", async () => {
    const part = (text: string, openaiOptions: object) => ({ type: "reasoning" as const, text, providerOptions: { openai: openaiOptions as never } })
    const prompt: LanguageModelV4Prompt = [{ role: "assistant", content: [
      part("", { itemId: "rs_1", reasoningEncryptedContent: "one" }), { type: "text", text: "A" },
      part("cut", { itemId: "rs_2", reasoningEncryptedContent: "" }), part("off", { itemId: "rs_2" }), part("no id", { reasoningEncryptedContent: "three" }), { type: "text", text: "B" },
    ] }]
    expect(withoutItemIds(prompt, "openai")).toEqual([{ role: "assistant", content: [part("", { reasoningEncryptedContent: "one" }), { type: "text", text: "A" }, part("no id", { reasoningEncryptedContent: "three" }), { type: "text", text: "B" }] }])
    const { server, world } = await open()
    server.script(openai("ok"))
    await world.turn({ model: MODEL, messages: [user("Hi"), ...prompt, user("And?"), { role: "assistant", content: [{ type: "reasoning", text: "x", providerOptions: { anthropic: { signature: "s" } } }, { type: "text", text: "C" }] }, user("So?")] })
    expect(server.turns[0]!.body.input.map((item: { type?: string; role?: string; encrypted_content?: string; content?: unknown }) => item.type ?? (item.role === "assistant" ? item.content : item.role))).toEqual(["user", "reasoning", "A", "reasoning", "B", "user", "C", "user"])
  })

  test("tells what a provider ran in words: an item that was never stored cannot be referred to", async () => {
    const { server, world } = await open()
    server.script(openai("ok"))
    await world.turn({ model: MODEL, messages: [user("Hi"), { role: "assistant", content: [
      { type: "tool-call", toolCallId: "ws_1", toolName: "web_search", input: { query: "q" }, providerExecuted: true, providerOptions: { openai: { itemId: "ws_1" } } },
      { type: "tool-result", toolCallId: "ws_1", toolName: "web_search", output: { type: "json", value: [{ url: "https://example.com" }] }, providerOptions: { openai: { itemId: "ws_1" } } },
      { type: "text", text: "Found." },
    ] }, user("And?")] })
    expect(server.turns[0]!.body.input.slice(1, 4)).toEqual([
      { role: "assistant", content: '\n[web_search, run by the provider, with {"query":"q"}]' },
      { role: "assistant", content: '\n[web_search gave: [{"url":"https://example.com"}]]' },
      { role: "assistant", content: "Found." },
    ])
    expect(server.turns[0]!.text).not.toContain("ws_1")
  })

  test("asks each model for what it can: effort and summary where it reasons, by the catalogue and not by the SDK's list; what the turn says wins", async () => {
    const { server, world } = await open({ config: { providers: { openai: { models: { "thinker-9": { capabilities: { reasoning: true } }, "talker-9": { capabilities: { reasoning: false } } } } } } })
    for (const [model, options] of [["openai/gpt-4.1", {}], ["openai/thinker-9", { reasoning: "high" }], ["openai/talker-9", {}], [MODEL, { provider: { openai: { reasoningSummary: null, promptCacheKey: "session" } } }]] as const) {
      server.script(openai("ok"))
      await world.turn({ model, options })
    }
    expect(server.turns.map(({ body: { reasoning, include, store, prompt_cache_key } }) => ({ reasoning, include, store, prompt_cache_key }))).toEqual([
      { store: false },
      { store: false, include: ["reasoning.encrypted_content"], reasoning: { effort: "high", summary: "auto" } },
      { store: false },
      { store: false, include: ["reasoning.encrypted_content"], prompt_cache_key: "session" },
    ])
  })

  test("ends as the response does: at the limit it is length; without its last event it was cut", async () => {
    const { server, world } = await open()
    const whole = openaiEvents({ says: ["Hello there"] })
    server.script(openai({ says: ["Hello"], finish: "max_output_tokens" }), streams(whole.slice(0, 6)), streams(whole.slice(0, -1)), streams(created()), streams([]))
    expect((await world.turn({ model: MODEL })).at(-1)).toMatchObject({ type: "finish", finishReason: { unified: "length", raw: "max_output_tokens" } })
    for (let n = 0; n < 4; n++) expect(await world.failure({ model: MODEL })).toMatchObject({ code: "llm.cut", retryable: true })
  })
})

describe("a failure", () => {
  const refusals: [status: number, code: string, message: string, headers: Record<string, string>, expected: Partial<LlmFailure>][] = [
    [401, "invalid_api_key", "Incorrect API key provided", {}, { code: "llm.auth", retryable: false, status: 401 }],
    [429, "rate_limit_exceeded", "Rate limit reached for gpt-6.1-sol on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Please try again in 2.5s.", {}, { code: "llm.rate-limit", retryable: true, retryAfter: 2_500 }],
    [429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details.", {}, { code: "llm.quota", retryable: false }],
    [400, "context_length_exceeded", "Your input exceeds the context window of this model. Please adjust your input and try again.", {}, { code: "llm.overflow", retryable: false }],
    [400, "invalid_prompt", "Invalid prompt: we have limited access to this content for safety reasons.", {}, { code: "llm.request", retryable: false }],
    [500, "server_error", "An error occurred while processing your request.", {}, { code: "llm.server", retryable: true }],
    [503, "server_is_overloaded", "Our servers are currently overloaded. Please try again later.", {}, { code: "llm.server", retryable: true }],
  ]

  test("is told apart, whether it comes as a status, as response.failed, or as an error event, first or later", async () => {
    const { server, world } = await open()
    const begun = openaiEvents({ says: ["Hello there"] }).slice(0, 6)
    for (const [status, code, message, headers, expected] of refusals) {
      const ways = [answers(status, openaiError(message, { code, type: code }), headers), streams([...created(), failed(code, message)]), streams([...begun, failed(code, message)]), streams([errorEvent(code, message)]), streams([...begun, errorEvent(code, message)])]
      server.script(...ways)
      for (const [n] of ways.entries()) {
        const failure = await world.failure({ model: MODEL })
        expect({ n, code: failure.code, retryable: failure.retryable, retryAfter: failure.retryAfter }).toEqual({ n, code: expected.code, retryable: expected.retryable, retryAfter: expected.retryAfter })
        expect(failure.message).toContain(message.replace(/\.$/, ""))
      }
    }
    expect(refusals).toHaveLength(7)
  })

  test("of a chunk that is not what the vendor documents is the protocol's; so is an endpoint that speaks another API", async () => {
    const { server, world } = await open()
    server.script(streams(["event: response.created\ndata: {"]), streams([...openaiEvents({ says: ["Hello"] }).slice(0, 5), "data: nonsense"]), answers(200, "<html>", { "content-type": "text/html" }))
    for (let n = 0; n < 3; n++) expect(await world.failure({ model: MODEL })).toMatchObject({ code: "llm.protocol" })
  })

  test("says what to do about a refused key, and does not say the key", async () => {
    const { server, world } = await open()
    server.script(answers(401, openaiError(`Incorrect API key provided: ${KEY}.`, { code: "invalid_api_key" })))
    const failure = await world.failure({ model: MODEL })
    expect(failure.message).toBe("openai refused the credential (401: Incorrect API key provided: [redacted]). Run `graft auth login openai`, or set OPENAI_API_KEY (a key: https://platform.openai.com/api-keys)")
    expect(JSON.stringify(failure)).not.toContain("secret")
  })

  test("of one that is stopped in the middle: the abort closes the connection", async () => {
    const { server, world } = await open()
    server.script(streams(openaiEvents({ says: ["Hello there"] }).slice(0, 6), { last: "hang" }))
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
  test("is ready with a key, and its models are those of the catalogue", async () => {
    const { server, world } = await open({ plugins: ["provider-openai", "provider-demo"] })
    expect(await world.graft.model.resolve()).toMatchObject({ ref: MODEL, usable: true, capabilities: { reasoning: true } })
    expect(await world.graft.model.resolve(undefined, "small")).toMatchObject({ ref: "openai/gpt-6-luna" })
    expect(await world.graft.auth.methods()).toMatchObject([{ id: "openai.key", env: ["OPENAI_API_KEY"] }])
    server.script(openai("ok"))
    await world.config({ providers: { openai: { url: `${server.origin}/elsewhere/v1/`, key: "mine", headers: { "OpenAI-Project": "p1" } } } })
    await world.turn({ model: MODEL })
    expect(server.turns[0]).toMatchObject({ path: "/elsewhere/v1/responses", headers: { authorization: "Bearer mine", "openai-project": "p1" } })
  })

  test("without one it says what to do", async () => {
    const { world } = await open({ env: { OPENAI_API_KEY: "" } })
    expect(await world.graft.model.providers()).toMatchObject([{ id: "openai", ready: false, reason: "no key: run `graft auth login openai`, or set OPENAI_API_KEY (a key: https://platform.openai.com/api-keys)" }])
  })
})
