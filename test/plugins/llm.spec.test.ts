/** One provider turn in, one stream of parts out; and whatever goes wrong is one failure of a closed set, which says what happened, where, and what to do. */
import { getEventListeners } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, onTestFinished, test } from "vitest"
import type { LlmFailure } from "../../plugins/llm/contract.ts"
import { Ending } from "../../plugins/llm/ending.ts"
import { failureOf } from "../../plugins/llm/failure.ts"
import { retryAfter } from "../../plugins/llm/retry-after.ts"
import { makeLlm } from "../../plugins/llm/turn.ts"
import { anthropic, anthropicEvents } from "../fixtures/vendor-anthropic.ts"
import { certificate } from "../fixtures/vendor-certificate.ts"
import { chat, chatError, chatEvents, chunk, delta, DONE } from "../fixtures/vendor-chat.ts"
import { TunnelProxy } from "../fixtures/vendor-proxy.ts"
import { answers, streams, VendorServer, type Act } from "../fixtures/vendor-server.ts"
import { openWorld, requestOf, soon, textOf, until, user, type World, type WorldOptions } from "../fixtures/vendor-world.ts"
import { FakeClock, turns } from "../kernel/harness.ts"

const M1 = { models: { m1: {} } }
const MODELS = answers(200, { object: "list", data: [{ id: "m1", object: "model", owned_by: "acme" }] })
const read = { name: "read", description: "Reads a file", inputSchema: { type: "object" } }

/** An endpoint "acme" with a model "m1", and a world that speaks to it. */
async function acme(options: WorldOptions & { entry?: object } = {}): Promise<{ server: VendorServer; world: World }> {
  const server = await VendorServer.open()
  server.route("GET /v1/models", MODELS)
  const world = await openWorld({ ...options, config: { providers: { acme: { url: server.url, ...M1, ...options.entry } }, ...options.config } })
  onTestFinished(async () => {
    await world[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  return { server, world }
}
const TURN = { model: "acme/m1" }

describe("a turn", () => {
  test("is the system first, then the messages, tools and options; what comes back is the vendor's parts, and the request is told once", async () => {
    const { server, world } = await acme()
    server.script(chat([{ reasoning: "Let me see." }, "Reading.", { call: "read", input: { path: "a.txt" } }]))
    const parts = await world.turn({ ...TURN, system: ["Be brief.", ""], messages: [user("Read a.txt")], tools: [read], options: { maxOutputTokens: 50, temperature: 0.5, reasoning: "high", provider: { acme: { seed: 7 } } }, headers: { "x-turn": "1" } })
    const [{ body, headers }] = server.turns as [VendorServer["turns"][number]]
    expect(body).toEqual({
      model: "m1", max_tokens: 50, temperature: 0.5, seed: 7, reasoning_effort: "high", stream: true, stream_options: { include_usage: true },
      messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Read a.txt" }],
      tools: [{ type: "function", function: { name: "read", description: "Reads a file", parameters: { type: "object" } } }],
    })
    expect(headers["x-turn"]).toBe("1")
    expect(textOf(parts, "reasoning-delta")).toBe("Let me see.")
    expect(textOf(parts)).toBe("Reading.")
    expect(parts.find(({ type }) => type === "tool-call")).toEqual({ type: "tool-call", toolCallId: "call_0", toolName: "read", input: '{"path":"a.txt"}' })
    expect(parts.at(-1)).toMatchObject({ type: "finish", finishReason: { unified: "tool-calls" }, usage: { inputTokens: { total: 10 }, outputTokens: { total: 5 } } })
    await world.kernel.settled()
    expect(world.facts.filter(({ event }) => event.startsWith("llm."))).toMatchObject([{ event: "llm.requested", payload: { model: "acme/m1", provider: "acme", messages: 1, tools: 1 } }])
  })

  test("comes out the same however the bytes travel: cut within a character, with CRLF, among comments and pings", async () => {
    const { server, world } = await acme()
    const events = chatEvents({ says: [{ reasoning: "Ça – 思考 🧠" }, "Grüße, 世界 👋🏽!", { call: "read", input: { path: "ü/🦀.txt" } }] })
    server.script(streams(events))
    const whole = await world.turn(TURN)
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.boolean(), fc.array(fc.nat(events.length)), async (pieces, crlf, at) => {
      const commented = events.flatMap((event, n) => (at.includes(n) ? [": keep-alive", event] : [event]))
      server.script(streams(commented, { pieces: pieces * 7, crlf }))
      expect(await world.turn(TURN)).toEqual(whole)
    }), { numRuns: 8 })
    server.script(streams(events.slice(0, 4).concat(events.slice(-3)), { pieces: 1 }))
    expect(textOf(await world.turn(TURN), "reasoning-delta")).toBe("Ça – 思考 ")
  })

  test("an unknown tool, arguments that are no JSON, and an empty answer are the runner's to judge: they pass as they came", async () => {
    const { server, world } = await acme()
    server.script(chat([{ call: "fly", input: { to: "moon" } }, { call: "read", input: '{"path": "a' }]), chat([]))
    const parts = await world.turn({ ...TURN, tools: [read] })
    expect(parts.filter(({ type }) => type === "tool-call")).toMatchObject([{ toolName: "fly", input: '{"to":"moon"}' }, { toolName: "read", input: '{"path": "a' }])
    expect((await world.turn(TURN)).map(({ type }) => type)).toEqual(["stream-start", "response-metadata", "finish"])
  })

  test("a model that nobody has, or whose provider is not ready, is refused with the reason and what is near", async () => {
    const { world } = await acme({ config: {} })
    expect(await world.failure({ model: "acme/m2" })).toMatchObject({ code: "llm.request", retryable: false, provider: "acme", message: expect.stringContaining('there is no model "acme/m2"') })
    expect(await world.failure({ model: "anthropic/claude-sonnet-5-5" })).toMatchObject({ code: "llm.request", message: expect.stringContaining('no plugin speaks for "anthropic"') })
    await world.kernel.settled()
    expect(world.told().filter((fact) => fact.startsWith("llm."))).toEqual(["llm.failed acme", "llm.failed anthropic"])
  })
})

describe("what an endpoint refuses", () => {
  const cases: [what: string, status: number, body: unknown, headers: Record<string, string>, expected: Partial<LlmFailure>][] = [
    ["a wrong key", 401, chatError("Incorrect API key provided", { code: "invalid_api_key" }), {}, { code: "llm.auth", retryable: false, status: 401 }],
    ["what the key may not do", 403, chatError("Not allowed to sample from this model"), {}, { code: "llm.permission", retryable: false }],
    ["too many requests", 429, chatError("Rate limit reached", { type: "requests", code: "rate_limit_exceeded" }), {}, { code: "llm.rate-limit", retryable: true, retryAfter: undefined }],
    ["too many, with seconds", 429, chatError("Slow down"), { "retry-after": "7" }, { code: "llm.rate-limit", retryAfter: 7_000 }],
    ["too many, with milliseconds", 429, chatError("Slow down"), { "retry-after": "7", "retry-after-ms": "250" }, { code: "llm.rate-limit", retryAfter: 250 }],
    ["too many, in words", 429, chatError("Rate limit reached. Please try again in 1.5s.", { code: "rate_limit_exceeded" }), {}, { code: "llm.rate-limit", retryAfter: 1_500 }],
    ["too many, and no use", 429, chatError("Slow down"), { "x-should-retry": "false" }, { code: "llm.rate-limit", retryable: false }],
    ["an empty purse (OpenAI)", 429, chatError("You exceeded your current quota, please check your plan and billing details.", { type: "insufficient_quota", code: "insufficient_quota" }), {}, { code: "llm.quota", retryable: false }],
    ["an empty purse (DeepSeek)", 402, chatError("Insufficient Balance", { type: "unknown_error" }), {}, { code: "llm.quota", retryable: false }],
    ["an empty purse (OpenRouter)", 402, { error: { message: "This request requires more credits", code: 402 } }, {}, { code: "llm.quota" }],
    ["a minute's allowance in tokens", 429, chatError("Rate limit reached for m1 on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000", { type: "tokens", code: "rate_limit_exceeded" }), {}, { code: "llm.rate-limit" }],
    ["more than a minute's allowance", 429, chatError("Request too large for m1 on tokens per min (TPM): Limit 30000, Requested 45000", { type: "tokens", code: "rate_limit_exceeded" }), {}, { code: "llm.overflow" }],
    ["a minute's allowance (Google)", 429, [{ error: { code: 429, message: "You exceeded your current quota, please check your plan and billing details. Please retry in 34.07s.", status: "RESOURCE_EXHAUSTED" } }], {}, { code: "llm.rate-limit", retryAfter: 34_070 }],
    ["too long (OpenAI)", 400, chatError("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", { code: "context_length_exceeded" }), {}, { code: "llm.overflow", retryable: false }],
    ["too long (vLLM)", 400, { object: "error", message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens in the messages.", type: "BadRequestError", code: 400 }, {}, { code: "llm.overflow" }],
    ["too long (llama.cpp)", 400, { error: { code: 400, message: "the request exceeds the available context size. try increasing the context size or enable context shift", type: "exceed_context_size_error", n_prompt_tokens: 9000, n_ctx: 4096 } }, {}, { code: "llm.overflow" }],
    ["too long (LM Studio)", 400, { error: "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length" }, {}, { code: "llm.overflow" }],
    ["too long (xAI)", 400, { code: "Client specified an invalid argument", error: "This model's maximum prompt length is 131072 but the request contains 537812 tokens." }, {}, { code: "llm.overflow" }],
    ["too long (Google)", 400, [{ error: { code: 400, message: "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", status: "INVALID_ARGUMENT" } }], {}, { code: "llm.overflow" }],
    ["too many bytes", 413, "Payload Too Large", {}, { code: "llm.overflow" }],
    ["another mistake", 400, chatError("Unknown parameter: 'seed'"), {}, { code: "llm.request", retryable: false, status: 400 }],
    ["a model that is gone", 404, chatError("The model `m1` does not exist", { code: "model_not_found" }), {}, { code: "llm.not-found", status: 404 }],
    ["a field (FastAPI)", 422, { detail: "messages: field required" }, {}, { code: "llm.request" }],
    ["its own failure", 500, chatError("The server had an error", { type: "server_error" }), {}, { code: "llm.server", retryable: true, status: 500 }],
    ["its own failure, as a page", 502, "<html><body>Bad Gateway</body></html>", { "content-type": "text/html" }, { code: "llm.server", retryable: true }],
    ["itself being overloaded", 529, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, { "retry-after": "3" }, { code: "llm.server", retryable: true, retryAfter: 3_000 }],
  ]

  test("is told apart, with how long to wait; and each says what the vendor said", async () => {
    const { server, world } = await acme()
    for (const [what, status, body, headers, expected] of cases) {
      server.script(answers(status, body, headers))
      const failure = await world.failure(TURN)
      expect({ what, code: failure.code, ...pick(failure, Object.keys(expected)) }).toEqual({ what, code: failure.code, ...expected })
      expect(failure).toMatchObject({ provider: "acme", url: `${server.origin}/v1/chat/completions`, status })
      expect(failure.message).toContain("acme")
      expect(failure.message).toContain(String(status))
    }
    expect(cases).toHaveLength(26)
  })

  test("a refused credential says what to do about it", async () => {
    const { server, world } = await acme()
    server.script(answers(401, chatError("no")))
    expect((await world.failure(TURN)).message).toBe("acme refused the credential (401: no). Run `graft auth login acme`, or set providers.acme.key in the config")
  })

  test("no secret is in a failure, whatever the endpoint says back, and no query of its URL", async () => {
    const { server, world } = await acme({ entry: { key: "{env:ACME_KEY}", headers: { "x-team-token": "hush-hush" } }, env: { ACME_KEY: "k3y-of-acme-123456" } })
    server.script(
      answers(401, chatError("Incorrect key: k3y-of-acme-123456, team hush-hush, also sk-abcdefghijklmnop and AIzaSyA1234567890abcdefghijk")),
      answers(500, "Authorization: Bearer k3y-of-acme-123456"),
      streams([`data: ${JSON.stringify({ error: { message: "Bearer abc.def-ghi is wrong" } })}`]),
    )
    for (let n = 0; n < 3; n++) {
      const failure = await world.failure(TURN)
      await world.kernel.settled()
      for (const text of [JSON.stringify(failure), failure.message, String(failure), JSON.stringify(world.facts)]) expect(text).not.toMatch(/k3y|hush|sk-abc|abc\.def|AIza/)
    }
    const { url } = failureOf(Object.assign(new Error("x"), { name: "AI_APICallError", url: "https://user:pass@host.example/v1/chat?key=secret#part", statusCode: 500 }), { provider: "acme", begun: false, advice: "" })
    expect(url).toBe("https://host.example/v1/chat")
  })

  test("a body without end is read a little way, and a redirect is not followed with the key", async () => {
    const { server, world } = await acme({ entry: { key: "k3y-of-acme" } })
    await using elsewhere = await VendorServer.open()
    let sent = 0
    server.script(async (exchange) => {
      exchange.head(500, { "content-type": "text/plain" })
      const closed = exchange.request.closed.then(() => "closed")
      while ((await Promise.race([exchange.write("x".repeat(65_536)), closed])) !== "closed" && sent < 1_000) sent++
    }, answers(307, "", { location: `${elsewhere.url}/chat/completions?key=1` }))
    expect((await world.failure(TURN)).body!.length).toBeLessThanOrEqual(2_000)
    expect(sent).toBeLessThan(1_000)
    expect(await world.failure(TURN)).toMatchObject({ code: "llm.request", status: 307, message: expect.stringContaining(`it redirects to ${elsewhere.url}/chat/completions; if that is right`) })
    expect(elsewhere.requests).toEqual([])
  })

  test("Retry-After is seconds or a date, in headers or words; what is neither is nothing", () => {
    const now = Date.parse("2026-11-24T12:00:00Z")
    expect(retryAfter({ "retry-after": "Tue, 24 Nov 2026 12:00:30 GMT" }, "", now)).toBe(30_000)
    expect(retryAfter({ "retry-after": "Tue, 24 Nov 2026 11:00:00 GMT" }, "", now)).toBe(0)
    expect(retryAfter({ "retry-after": "soon" }, "", now)).toBeUndefined()
    expect(retryAfter({ "retry-after": "" }, "", now)).toBeUndefined()
    expect(retryAfter({}, "retry after 2 minutes", now)).toBe(120_000)
    fc.assert(fc.property(fc.integer({ min: 0, max: 1e6 }), fc.string(), (seconds, said) => { expect(retryAfter({ "retry-after": String(seconds) }, said, now)).toBe(seconds * 1_000) }))
    fc.assert(fc.property(fc.dictionary(fc.constantFrom("retry-after", "retry-after-ms"), fc.string()), fc.string(), (headers, said) => {
      const wait = retryAfter(headers, said, now)
      expect(wait === undefined || (Number.isFinite(wait) && wait >= 0)).toBe(true)
    }))
  })
})

describe("the way there", () => {
  test("nobody listens: says so, with the address", async () => {
    const taken = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1")
    await new Promise((resolve) => taken.once("listening", resolve))
    const { port } = taken.address() as AddressInfo
    const { world } = await acme({ entry: { url: `http://127.0.0.1:${port}/v1` } })
    // Only now: a port that is free may be given to any other server of this world.
    await new Promise((resolve) => taken.close(resolve))
    expect(await world.failure(TURN)).toMatchObject({ code: "llm.network", retryable: true, message: `acme could not be reached at http://127.0.0.1:${port}/v1/chat/completions: nobody listens there; is the server running? (ECONNREFUSED)` })
  })

  test("a name that is not known, and a URL that is none", async () => {
    const { world } = await acme({ entry: { url: "http://nowhere.invalid/v1" } })
    expect(await world.failure(TURN)).toMatchObject({ code: "llm.network", retryable: true, message: expect.stringMatching(/^acme could not be reached at http:\/\/nowhere\.invalid\/v1\/chat\/completions: its name .*\((ENOTFOUND|EAI_AGAIN)\)$/) })
  })

  test("a reset before the answer is the network; a break after it is a cut", async () => {
    const { server, world } = await acme()
    const [first, ...rest] = chatEvents({ says: ["Hello there"] })
    server.script((exchange) => exchange.cut(), streams([first!, rest[0]!], { last: "cut", gate: () => new Promise((resolve) => setImmediate(resolve)) }))
    expect(await world.failure(TURN)).toMatchObject({ code: "llm.network", retryable: true, message: expect.stringContaining("the connection was closed before an answer") })
    expect(await world.failure(TURN)).toMatchObject({ code: "llm.cut", retryable: true, message: expect.stringContaining("acme: the stream broke off") })
  })

  test("a certificate that nobody knows says how to make it known; SSL_CERT_FILE does", async () => {
    await using server = await VendorServer.open({ secure: true })
    server.route("GET /v1/models", MODELS).script(chat("Hello"))
    const { world } = await acme({ entry: { url: `https://localhost:${server.port}/v1` } })
    expect(await world.failure(TURN)).toMatchObject({ code: "llm.network", retryable: false, message: expect.stringContaining("its certificate is not known; name your authority's file in NODE_EXTRA_CA_CERTS or SSL_CERT_FILE") })
    const file = join(world.directory, "authority.pem")
    process.env.SSL_CERT_FILE = join(tmpdir(), "no-such-file.pem")
    expect(await world.failure(TURN)).toMatchObject({ code: "llm.network", retryable: false, message: expect.stringContaining("no-such-file.pem cannot be read (ENOENT)") })
    writeFileSync(file, certificate)
    process.env.SSL_CERT_FILE = file
    expect(textOf(await world.turn(TURN))).toBe("Hello")
  })

  test("leads through the proxy of the environment, except to loopback; a proxy that is no URL is said", async () => {
    await using secure = await VendorServer.open({ secure: true })
    await using proxy = await TunnelProxy.open(secure)
    secure.route("GET /v1/models", MODELS).script(chat("through the tunnel"))
    const { server, world } = await acme({ config: {}, entry: { url: "https://vendor.invalid/v1" } })
    const file = join(world.directory, "authority.pem")
    writeFileSync(file, certificate)
    Object.assign(process.env, { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url, SSL_CERT_FILE: file })
    expect(textOf(await world.turn(TURN))).toBe("through the tunnel")
    expect(new Set(proxy.tunnels)).toEqual(new Set(["vendor.invalid:443"]))
    const tunnels = proxy.tunnels.length
    await world.config({ providers: { acme: { url: server.url, ...M1 } } })
    server.script(chat("directly"))
    expect(textOf(await world.turn(TURN))).toBe("directly")
    expect(proxy.tunnels).toHaveLength(tunnels)
    process.env.HTTPS_PROXY = "http://user:hush@"
    const failure = await world.failure(TURN)
    expect(failure).toMatchObject({ code: "llm.network", retryable: false, message: expect.stringContaining("HTTPS_PROXY or HTTP_PROXY is no URL") })
    expect(JSON.stringify(failure)).not.toContain("hush")
    for (const name of ["HTTPS_PROXY", "HTTP_PROXY", "SSL_CERT_FILE"]) delete process.env[name]
    server.script(chat("and back"))
    expect(textOf(await world.turn(TURN))).toBe("and back")
  })
})

describe("what comes back", () => {
  const broken: [what: string, act: Act, code: string, says: string][] = [
    ["ends without its end", streams(chatEvents({ says: ["Hel"] }).slice(0, 2)), "llm.cut", "broke off"],
    ["ends at once", streams([]), "llm.cut", "broke off"],
    ["ends after [DONE] alone", streams([DONE]), "llm.cut", "broke off"],
    ["has a chunk that is no JSON", streams([delta({ content: "Hi" }), 'data: {"choices": [', DONE]), "llm.protocol", "sent what its protocol does not know"],
    ["has a chunk of another shape", streams(['data: {"choices": "none"}', DONE]), "llm.protocol", "sent what its protocol does not know"],
    ["is a page", answers(200, "<html>Welcome</html>", { "content-type": "text/html" }), "llm.protocol", "answered with text/html, which is no stream of events; is its URL right?"],
    ["is JSON", answers(200, { ok: true }), "llm.protocol", "answered with application/json"],
    ["says that it failed", streams([delta({ content: "Hi" }), `data: ${JSON.stringify(chatError("The server had an error", { type: "server_error", code: null }))}`]), "llm.server", "The server had an error"],
    ["says so with a number (OpenRouter)", streams([chunk({ choices: [{ index: 0, delta: { content: "" }, finish_reason: "error" }], error: { code: 502, message: "Provider disconnected" } })]), "llm.server", "(502: Provider disconnected)"],
    ["says so as words", streams(['data: {"error":"model runner has unexpectedly stopped"}']), "llm.server", "model runner has unexpectedly stopped"],
    ["finds it too long after all", streams([`data: ${JSON.stringify({ error: { code: 400, message: "the request exceeds the available context size", type: "exceed_context_size_error" } })}`]), "llm.overflow", "longer than the model can take"],
    ["is asked too often after all", streams([`data: ${JSON.stringify(chatError("Rate limit reached", { code: "rate_limit_exceeded" }))}`]), "llm.rate-limit", "Rate limit reached"],
  ]
  test("and is no reply, is one failure; what came before it was handed on", async () => {
    const { server, world } = await acme()
    for (const [what, act, code, says] of broken) {
      server.script(act)
      const failure = await world.failure(TURN)
      expect({ what, code: failure.code, message: failure.message }).toEqual({ what, code, message: expect.stringContaining(says) })
    }
    server.script(streams([delta({ content: "Hi" }), "data: {", DONE]))
    const parts: string[] = []
    await expect((async () => { for await (const part of world.graft.llm.stream(requestOf(TURN))) if (part.type === "text-delta") parts.push(part.delta) })()).rejects.toMatchObject({ code: "llm.protocol" })
    expect(parts).toEqual(["Hi"])
  })

  test("silence is given up after the time that was set, by the clock, and a sign of life begins it anew", async () => {
    const clock = new FakeClock()
    const server = await VendorServer.open()
    onTestFinished(() => server[Symbol.asyncDispose]())
    server.route("GET /v1/models", MODELS)
    await using world = await openWorld({ config: { providers: { acme: { url: server.url, ...M1 } } }, llm: (graft) => makeLlm(new Proxy(graft, { get: (target, name) => (name === "options" ? { idle: 1_000 } : Reflect.get(target, name) as unknown) }), clock) })
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    server.script(streams(chatEvents({ says: ["One two"] }), { gate: (event) => (event === 2 ? first.promise : event === 3 ? second.promise : undefined) }))
    const heard: string[] = []
    const turn = (async () => { for await (const part of world.graft.llm.stream(requestOf(TURN))) if (part.type === "text-delta") heard.push(part.delta) })().then(() => undefined, (error: LlmFailure) => error)
    await soon("the first word", until(() => heard.length === 1))
    await clock.advance(999)
    first.resolve()
    await soon("the second word", until(() => heard.length === 2))
    await clock.advance(999)
    expect(server.turns).toHaveLength(1)
    await clock.advance(1)
    expect(await turn).toMatchObject({ code: "llm.idle", retryable: true, message: "acme said nothing for 1 s" })
    await soon("the connection is closed", server.turns[0]!.closed)
    second.resolve()
    expect(clock.pending).toBe(0)
    server.script(streams([], { last: "hang" }))
    const silent = world.failure(TURN, { idle: 500 })
    await soon("the request", until(() => server.turns.length === 2))
    await clock.advance(500)
    expect(await silent).toMatchObject({ code: "llm.idle" })
  })

  test("a timer a stream, not one a part: silence is measured from the last sign of life", async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 20 }), async (gaps) => {
      const clock = new FakeClock()
      using ending = new Ending({ closing: new AbortController().signal, idle: 100, clock })
      for (const gap of gaps) {
        await clock.advance(gap)
        expect([ending.ended, clock.pending]).toEqual([undefined, 1])
        ending.heard()
      }
      await clock.advance(99)
      expect(ending.ended).toBeUndefined()
      await clock.advance(1)
      expect([ending.ended, ending.signal.aborted]).toEqual(["silent", true])
    }), { numRuns: 20 })
  })
})

describe("who stops it", () => {
  test("an abort ends it at once and closes the connection, before the answer and within it; so does who stops reading", async () => {
    const { server, world } = await acme()
    const hang = (events: readonly string[]) => streams(events, { last: "hang" })
    server.script(hang([]), hang(chatEvents({ says: ["Hello there"] }).slice(0, 2)), hang(chatEvents({ says: ["Hello there"] }).slice(0, 2)))
    for (const n of [0, 1]) {
      const stop = new AbortController()
      const failing = world.failure(TURN, { signal: stop.signal })
      await soon("the request", until(() => server.turns.length === n + 1))
      // It is told as soon as it is on its way, not when it is answered.
      await world.next("llm.requested")
      world.told()
      stop.abort()
      expect(await soon("the end", failing)).toMatchObject({ code: "llm.aborted", retryable: false })
      await soon("the connection is closed", server.turns[n]!.closed)
    }
    const { signal } = new AbortController()
    for await (const part of world.graft.llm.stream(requestOf(TURN), { signal })) if (part.type === "text-delta") break
    await soon("the connection is closed", server.turns[2]!.closed)
    expect(await world.failure(TURN, { signal: AbortSignal.abort() })).toMatchObject({ code: "llm.aborted" })
    expect(server.turns).toHaveLength(3)
    await world.kernel.settled()
    expect([world.told().filter((fact) => fact.startsWith("llm.failed")), getEventListeners(signal, "abort")]).toEqual([[], []])
  })

  test("whole replies leave the connection open for the next", async () => {
    const { server, world } = await acme()
    const ports = new Set<unknown>()
    server.route("POST /v1/chat/completions", async (exchange) => { ports.add(exchange.port); await chat("Hello")(exchange) })
    for (let n = 0; n < 4; n++) {
      expect(textOf(await world.turn(TURN))).toBe("Hello")
      await turns()
    }
    expect(ports.size).toBe(1)
  })

  test("also where all is said before the body has ended", async () => {
    await using server = await VendorServer.open()
    await using world = await openWorld({ plugins: ["provider-anthropic"], env: { ANTHROPIC_API_KEY: "key", ANTHROPIC_BASE_URL: server.origin } })
    const ports = new Set<unknown>()
    server.route("POST /v1/messages", async (exchange) => {
      ports.add(exchange.port)
      await streams(anthropicEvents({ says: ["Hello"] }), { last: "hang" })(exchange)
      await new Promise((resolve) => setImmediate(resolve))
      exchange.end()
    })
    for (let n = 0; n < 4; n++) {
      expect(textOf(await world.turn({ model: "anthropic/claude-sonnet-5-5" }))).toBe("Hello")
      // Node gives a connection free a cycle after its answer.
      await turns()
    }
    expect(ports.size).toBe(1)
  })
})

describe("who speaks", () => {
  test("a dropped-in provider's own failures are its own, and typed ones pass; one that does not hear the signal is left", async () => {
    const { world } = await acme()
    const faults: string[] = []
    world.kernel.on("kernel.fault", ({ plugin, message }) => { faults.push(`${plugin}: ${message}`) })
    const speak = (languageModel: () => unknown) => world.kernel.put("mine", { setup: (graft) => {
      graft.add("provider", { id: "mine", name: "Mine", ready: true, languageModel: languageModel as never })
      graft.model.register({ id: "a", provider: "mine" })
    } }, world.directory)
    await speak(() => { throw new TypeError("undefined is not a function") })
    expect(await world.failure({ model: "mine/a" })).toMatchObject({ code: "llm.protocol", retryable: false, provider: "mine", message: "the plugin that speaks to mine failed: undefined is not a function" })
    await speak(() => ({ doStream: async () => { throw new RangeError("too far") } }))
    expect(await world.failure({ model: "mine/a" })).toMatchObject({ code: "llm.protocol", retryable: false, message: expect.stringContaining("too far") })
    await world.kernel.settled()
    expect(faults).toEqual(["mine: undefined is not a function", "mine: too far"])
    await speak(() => ({ doStream: async () => { throw Object.assign(new Error("my house burned down"), { code: "llm.server", retryable: true, retryAfter: 5 }) } }))
    expect(await world.failure({ model: "mine/a" })).toMatchObject({ code: "llm.server", message: "my house burned down", retryable: true, retryAfter: 5, provider: "mine" })
    for (const doStream of [() => new Promise(() => {}), async () => ({ stream: new ReadableStream() })]) {
      await speak(() => ({ doStream }))
      const stop = new AbortController()
      world.told()
      const failing = world.failure({ model: "mine/a" }, { signal: stop.signal })
      await until(() => world.kernel.inspect().realms.at(-1)!.plugins.find(({ id }) => id === "mine")!.generations.at(-1)!.leases > 0)
      stop.abort()
      expect(await soon("the end", failing)).toMatchObject({ code: "llm.aborted" })
    }
    await world.kernel.settled()
    expect(faults).toHaveLength(2)
  })

  test("a provider that is taken away in the midst of its stream is closed only after it", async () => {
    const { world } = await acme()
    const notes: string[] = []
    const gate = Promise.withResolvers<void>()
    await world.kernel.put("mine", { setup(graft) {
      graft.defer(() => { notes.push("closed") })
      graft.model.register({ id: "a", provider: "mine" })
      graft.add("provider", { id: "mine", name: "Mine", ready: true, languageModel: () => ({ doStream: async () => ({ stream: ReadableStream.from((async function* () {
        yield { type: "text-start", id: "1" }
        await gate.promise
        yield { type: "finish", usage: {}, finishReason: { unified: "stop" } }
      })()) }) }) as never })
    } }, world.directory)
    const turn = (async () => { for await (const { type } of world.graft.llm.stream(requestOf({ model: "mine/a" }))) notes.push(type) })()
    await soon("the first part", until(() => notes.length === 1))
    await world.kernel.drop("mine", world.directory)
    gate.resolve()
    await turn
    await soon("it is closed", until(() => notes.length === 3))
    expect(notes).toEqual(["text-start", "finish", "closed"])
  })

  test("two vendors at once, and each gets its own key", async () => {
    await using other = await VendorServer.open()
    const { server, world } = await acme({ plugins: ["provider-openai-compatible", "provider-anthropic"], entry: { key: "acme-key" }, env: { ANTHROPIC_API_KEY: "anthropic-key", ANTHROPIC_BASE_URL: other.origin } })
    server.script(chat("from acme"))
    other.script(anthropic("from anthropic"))
    const [one, two] = await Promise.all([world.turn(TURN), world.turn({ model: "anthropic/claude-sonnet-5-5" })])
    expect([textOf(one), textOf(two)]).toEqual(["from acme", "from anthropic"])
    expect([server.turns[0]!.headers.authorization, other.turns[0]!.headers["x-api-key"]]).toEqual(["Bearer acme-key", "anthropic-key"])
  })

  test("a stream ends on the generation that began it, whoever is edited meanwhile; the next one is the new one's", async () => {
    const { server, world } = await acme({ copy: true })
    const gate = Promise.withResolvers<void>()
    server.script(streams(chatEvents({ says: ["One two three"] }), { gate: (event) => (event === 2 ? gate.promise : undefined) }), chat("after"))
    const heard: string[] = []
    const turn = (async () => { for await (const part of world.graft.llm.stream(requestOf(TURN))) if (part.type === "text-delta") heard.push(part.delta) })()
    await soon("the first word", until(() => heard.length === 1))
    await edit(world, "llm/turn.ts", "headers, abortSignal,", 'headers: { ...headers, "x-edited": "llm" }, abortSignal,')
    await edit(world, "lib/chat-model.ts", "baseURL: url, headers,", 'baseURL: url, headers: { ...headers, "x-also": "provider" },')
    expect(world.kernel.inspect().realms.at(-1)!.plugins.filter(({ gen }) => gen === 2).map(({ id }) => id).sort()).toEqual(["llm", "provider-openai-compatible"])
    gate.resolve()
    await turn
    expect(heard.join("")).toBe("One two three")
    expect(textOf(await world.turn(TURN))).toBe("after")
    expect(server.turns.map(({ headers }) => [headers["x-edited"], headers["x-also"]])).toEqual([[undefined, undefined], ["llm", "provider"]])
  })
})

async function edit(world: World, file: string, from: string, to: string): Promise<void> {
  const path = join(world.sources, file)
  const source = readFileSync(path, "utf8")
  expect(source).toContain(from)
  writeFileSync(path, source.replace(from, to))
  await world.kernel.reconcile([path])
}

const pick = (record: object, keys: readonly string[]): object => Object.fromEntries(keys.map((key) => [key, (record as Record<string, unknown>)[key]]))
