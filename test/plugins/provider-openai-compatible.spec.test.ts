/** Every endpoint of the config is a provider, with the models that it lists itself, there as long as its entry is; and it is asked in a way that strict servers take. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import * as v from "valibot"
import { section } from "../../plugins/provider-openai-compatible/section.ts"
import { SERVICES } from "../../plugins/provider-openai-compatible/services.ts"
import { listModels } from "../../plugins/lib/model-listing.ts"
import { chat, chatError, chatEvents } from "../fixtures/vendor-chat.ts"
import { answers, streams, VendorServer, type Act } from "../fixtures/vendor-server.ts"
import { assistantOf, openWorld, soon, textOf, toolResult, until, user, type World, type WorldOptions } from "../fixtures/vendor-world.ts"

const list = (...models: (string | object)[]): Act => answers(200, { object: "list", data: models.map((model) => (typeof model === "string" ? { id: model, object: "model", owned_by: "acme" } : model)) })

async function endpoint(...models: (string | object)[]): Promise<VendorServer> {
  const server = await VendorServer.open()
  onTestFinished(() => server[Symbol.asyncDispose]())
  return server.route("GET /v1/models", list(...models))
}
async function open(options: WorldOptions): Promise<World> {
  const world = await openWorld(options)
  onTestFinished(() => world[Symbol.asyncDispose]())
  // The services that are always there have a test of their own.
  const { told } = world
  world.told = () => told().filter((fact) => !SERVICES.some(({ id }) => fact.endsWith(` ${id}`)))
  return world
}
const isOwn = ({ id }: { id: string }): boolean => !SERVICES.some((service) => service.id === id)
const providers = async (world: World) => (await world.graft.model.providers()).filter(isOwn)
const methods = async (world: World) => (await world.graft.auth.methods()).filter(({ provider }) => isOwn({ id: provider }))
const acme = (server: VendorServer, more: object = {}) => ({ providers: { acme: { url: server.url, ...more } } })
const asked = (server: VendorServer) => server.requests.filter(({ path }) => path === "/v1/models").length
const usable = async (world: World) => (await world.graft.model.list()).map(({ ref }) => ref)

describe("a provider", () => {
  test("is there with its entry, live: it comes, gets another name, another URL, and goes; each change is told once", async () => {
    const [one, two] = [await endpoint("m1", "m2"), await endpoint("m2", "m3")]
    const world = await open({ config: {} })
    expect(world.told()).toEqual([])
    await world.config(acme(one))
    await world.next("model.added", ({ model }) => model.ref === "acme/m2")
    expect(world.told()).toEqual(["provider.added acme", "model.added acme/m1", "model.added acme/m2"])
    await world.config(acme(one, { name: "Acme Corp" }))
    expect(world.told()).toEqual(["provider.updated acme"])
    expect(await providers(world)).toEqual([{ id: "acme", name: "Acme Corp", ready: true, models: 2 }])
    await world.config(acme(two, { name: "Acme Corp" }))
    await world.next("model.added", ({ model }) => model.ref === "acme/m3")
    expect(world.told().sort()).toEqual(["model.added acme/m2", "model.added acme/m3", "model.removed acme/m1", "model.removed acme/m2"])
    expect([asked(one), asked(two)]).toEqual([1, 1])
    await world.config({})
    expect(world.told().sort()).toEqual(["model.removed acme/m2", "model.removed acme/m3", "provider.removed acme"])
    expect(await methods(world)).toEqual([])
  })

  test("what vendors' plugins read is not taken from them, and a wrong entry is told by its field", async () => {
    const server = await endpoint("m1")
    const world = await open({ config: { providers: { anthropic: { url: server.url }, openai: { url: server.url }, noted: { models: {} } } } })
    expect(await providers(world)).toEqual([])
    expect(server.requests).toEqual([])
    const issue = (providers: unknown) => v.safeParse(section.schema as v.GenericSchema, providers).issues?.map((each) => `${v.getDotPath(each)}: ${each.message}`)
    expect(issue({ acme: { url: "http://x/v1", key: "{env:K}", headers: { a: "b" }, name: "A", models: { m: {} } }, anthropic: { key: "k" } })).toBeUndefined()
    expect(issue({ acme: { uri: "http://x" } })![0]).toContain("acme.uri: ")
    expect(issue({ acme: { headers: { a: 1 } } })![0]).toContain("acme.headers.a: ")
    expect(issue({ "a/b": { url: "x" } })![0]).toContain("without \"/\"")
  })

  test("a header and a key are those of the moment: from the config, its references, or who logged in", async () => {
    const server = await endpoint("m1")
    const world = await open({ config: acme(server, { key: "{env:ACME_KEY}", headers: { "x-team": "red" } }), env: { ACME_KEY: "first" } })
    const sent = async () => {
      server.script(chat("ok"))
      await world.turn({ model: "acme/m1" })
      const { headers } = server.turns.at(-1)!
      return [headers.authorization, headers["x-team"]]
    }
    expect(await sent()).toEqual(["Bearer first", "red"])
    process.env.ACME_KEY = "second"
    expect(await sent()).toEqual(["Bearer second", "red"])
    await world.config(acme(server, { key: "{env:ACME_KEY}", headers: { "x-team": "blue" } }))
    expect(await sent()).toEqual(["Bearer second", "blue"])
    await world.config(acme(server, { headers: { authorization: "Token mine" } }))
    expect(await sent()).toEqual(["Token mine", undefined])
    await world.config(acme(server))
    expect(await sent()).toEqual([undefined, undefined])
    await world.graft.auth.set("acme", "logged-in")
    expect(await sent()).toEqual(["Bearer logged-in", undefined])
    expect(server.requests.filter(({ path }) => path === "/v1/models").at(-1)!.headers.authorization).toBe("Bearer logged-in")
    expect(await methods(world)).toEqual([{ id: "acme.key", provider: "acme", kind: "key", label: "acme API key", env: [] }])
  })

  test("that cannot be used says why, and is ready when the reason is gone", async () => {
    const server = await endpoint("m1")
    server.route("GET /v1/models", answers(401, chatError("no key")))
    const world = await open({ config: { model: "other/x", providers: { acme: { url: server.url }, none: { url: "localhost:1/v1" }, unset: { url: server.url, key: "{env:NOT_SET}", models: { m1: {} } } } } })
    // It is asked beside the start: what it answers may come before or after it is told of.
    await expect.poll(async () => Object.fromEntries((await providers(world)).map(({ id, reason }) => [id, reason]))).toEqual({
      acme: `${server.url}/models answered 401; set its \`key\` in the config, or run \`graft auth login\``,
      none: "its `url` is no http URL: localhost:1/v1",
      unset: "config.jsonc:1: {env:NOT_SET} is not set",
    })
    server.route("GET /v1/models", list("m1"))
    await world.graft.auth.set("acme", "key")
    await world.next("model.added", ({ model }) => model.ref === "acme/m1")
    expect(await usable(world)).toEqual(["acme/m1"])
    await expect(world.graft.model.resolve("unset/m1")).rejects.toMatchObject({ code: "model.unusable" })
    process.env.NOT_SET = "set"
    onTestFinished(() => { delete process.env.NOT_SET })
    expect((await world.graft.model.resolve("unset/m1")).ref).toBe("unset/m1")
  })
})

describe("a row of the slot endpoint", () => {
  test("is a provider as long as it is there, ready with its key; nobody asks it before somebody looks, and its entry changes what it says", async () => {
    const server = await endpoint("m1")
    const world = await open({ config: {} })
    const put = (env: string[]) => world.kernel.put("dropped-in", (graft) => { graft.add("endpoint", { id: "acme", name: "Acme", url: server.url, env }) }, world.directory)
    await put(["ACME_KEY"])
    await world.next("provider.added", ({ provider }) => provider.id === "acme")
    expect(await providers(world)).toEqual([{ id: "acme", name: "Acme", ready: false, reason: "no key: run `graft auth login acme`, or set ACME_KEY", models: 0 }])
    await world.graft.auth.set("acme", "logged-in")
    await world.next("provider.updated", ({ provider }) => provider.id === "acme")
    expect(server.requests).toEqual([])
    expect((await world.graft.model.resolve("acme/m1")).ref).toBe("acme/m1")
    server.script(chat("Hello"))
    expect(textOf(await world.turn({ model: "acme/m1" }))).toBe("Hello")
    expect(server.turns[0]!.headers.authorization).toBe("Bearer logged-in")
    await world.config(acme(server, { headers: { "x-team": "red" } }))
    server.script(chat("again"))
    await world.turn({ model: "acme/m1" })
    expect([server.turns[1]!.headers["x-team"], asked(server), (await providers(world)).length]).toEqual(["red", 1, 1])
    await world.kernel.drop("dropped-in", world.directory)
    await world.config({})
    await soon("it is gone", world.next("provider.removed", ({ provider }) => provider.id === "acme"))
    expect([await providers(world), await methods(world), await usable(world)]).toEqual([[], [], []])
  })

  test("those that are always there are known to the catalogue, and ready with nothing but their variable", async () => {
    const world = await open({ config: {}, env: { DEEPSEEK_API_KEY: "k" } })
    expect((await world.graft.model.resolve()).provider).toBe("deepseek")
    expect((await world.graft.model.list({ all: true, provider: "cerebras" })).map(({ reason }) => reason)).toContain("no key: run `graft auth login cerebras`, or set CEREBRAS_API_KEY (a key: https://cloud.cerebras.ai)")
    for (const { id } of SERVICES) expect((await world.graft.model.list({ all: true, provider: id })).length, id).toBeGreaterThan(0)
  })
})

describe("the models", () => {
  test("with the true context window, where the server says it: vLLM, llama.cpp, LM Studio, OpenRouter, Mistral, Groq", async () => {
    const server = await endpoint()
    const learn = async (...models: object[]) => {
      server.route("GET /v1/models", list(...models))
      return listModels({ url: server.url, headers: {} }, new AbortController().signal)
    }
    expect(await learn({ id: "m", max_model_len: 4096 })).toEqual([{ id: "m", context: 4096 }])
    const llama = { id: "m.gguf", owned_by: "llamacpp", meta: { n_ctx_train: 131_072, n_params: 1 } }
    expect(await learn(llama)).toEqual([{ id: "m.gguf", context: 131_072 }])
    server.route("GET /props", answers(200, { default_generation_settings: { n_ctx: 8_192 }, modalities: { vision: true } }))
    expect(await learn(llama)).toEqual([{ id: "m.gguf", context: 8_192, images: true }])
    server.route("GET /api/v0/models", answers(200, { data: [{ id: "a", type: "vlm", max_context_length: 32_768, loaded_context_length: 4_096 }, { id: "b", type: "llm", max_context_length: 8_192 }, { id: "e", type: "embeddings" }] }))
    expect(await learn(...["a", "b", "e"].map((id) => ({ id, object: "model", owned_by: "organization_owner" })))).toEqual([{ id: "a", context: 4_096, images: true }, { id: "b", context: 8_192 }])
    expect(await learn({ id: "x/y", name: "Y", context_length: 200_000, architecture: { input_modalities: ["text", "image"] }, top_provider: { max_completion_tokens: 64_000 }, supported_parameters: ["temperature"] })).toEqual([{ id: "x/y", name: "Y", context: 200_000, output: 64_000, images: true, tools: false }])
    expect(await learn({ id: "m", max_context_length: 32_768, capabilities: { completion_chat: true, function_calling: true, vision: false } }, { id: "embed", capabilities: { completion_chat: false } })).toEqual([{ id: "m", context: 32_768, tools: true }])
    expect(await learn({ id: "m", context_window: 131_072, max_completion_tokens: 32_768 }, { id: "unknown" }, { no: "id" })).toEqual([{ id: "m", context: 131_072, output: 32_768 }, { id: "unknown" }])
    expect(await learn({ id: "m", max_model_len: -1, context_length: "many" })).toEqual([{ id: "m" }])
  })

  test("what is no list is refused, however it looks; a list without end is bounded, and one that never comes is given up", async () => {
    const server = await endpoint()
    const learn = (act: Act) => {
      server.route("GET /v1/models", act)
      return listModels({ url: server.url, headers: {} }, new AbortController().signal).catch((error: Error) => error.message)
    }
    expect(await learn(answers(200, "<html>", { "content-type": "text/html" }))).toContain("gave no list of models, but text/html; is the URL right? Most end in /v1")
    expect(await learn(answers(200, { models: "none" }))).toContain("gave no list of models")
    expect(await learn(answers(404, "not found"))).toContain("/v1/models answered 404; is the URL right? Most end in /v1")
    expect(await learn(answers(200, { object: "list", data: [] }))).toEqual([])
    expect(await learn(answers(200, { models: [{ name: "a" }] }))).toEqual([{ id: "a" }])
    expect(await learn(list(...Array.from({ length: 3_000 }, (_, n) => `m${n}`)))).toHaveLength(2_000)
    const stop = new AbortController()
    server.route("GET /v1/models", () => {})
    const listing = listModels({ url: server.url, headers: {} }, stop.signal)
    stop.abort(new Error("enough"))
    await expect(listing).rejects.toThrow()
  })

  test("one that only the endpoint knows can be asked for at once, also when it was pulled a moment ago", async () => {
    const server = await endpoint("m1")
    const world = await open({ config: { model: "acme/m1", ...acme(server) } })
    expect((await world.graft.model.resolve()).ref).toBe("acme/m1")
    server.route("GET /v1/models", list("m1", "pulled"))
    expect((await world.graft.model.resolve("acme/pulled")).ref).toBe("acme/pulled")
    expect(asked(server)).toBe(2)
    await world.graft.model.resolve("acme/m1")
    await world.graft.model.resolve("acme/pulled")
    expect(asked(server)).toBe(2)
    await expect(world.graft.model.resolve("acme/pulle")).rejects.toMatchObject({ code: "model.unknown", near: expect.arrayContaining(["acme/pulled"]) })
  })

  test("with no model configured the endpoint's is chosen, before the demo; a server that starts later is found when it is asked for", async () => {
    const server = await endpoint("m1")
    const world = await open({ plugins: ["provider-openai-compatible", "provider-demo"], config: acme(server) })
    expect((await world.graft.model.resolve()).ref).toBe("acme/m1")
    server.route("GET /v1/models", (exchange) => exchange.cut())
    const later = await open({ plugins: ["provider-openai-compatible", "provider-demo"], config: acme(server) })
    expect((await later.graft.model.resolve()).ref).toBe("demo/demo")
    expect((await providers(later)).find(({ id }) => id === "acme")).toMatchObject({ ready: false, reason: expect.stringContaining(`${server.url} cannot be reached`) })
    await expect(later.graft.model.resolve("acme/m1")).rejects.toMatchObject({ code: "model.unknown", message: expect.stringContaining(`there is no model "acme/m1" (${server.url} cannot be reached`) })
    server.route("GET /v1/models", list("m1"))
    expect((await later.graft.model.resolve("acme/m1")).ref).toBe("acme/m1")
  })

  test("a list never stands in the way of a start that does not need it", async () => {
    const server = await endpoint()
    const gate = Promise.withResolvers<void>()
    server.route("GET /v1/models", async (exchange) => { await gate.promise; await list("late")(exchange) })
    const world = await soon("a start", open({ config: { model: "acme/written", ...acme(server, { models: { written: { limits: { context: 4_096 } } } }) } }), 4_000)
    server.script(chat("Hello"))
    expect(await world.graft.model.resolve()).toMatchObject({ ref: "acme/written", limits: { context: 4_096 } })
    expect(textOf(await world.turn({ model: "acme/written" }))).toBe("Hello")
    gate.resolve()
    await world.next("model.added", ({ model }) => model.ref === "acme/late")
  })

  test("one that is gone when it is asked is removed; a list that is not to be had takes nothing away", async () => {
    const server = await endpoint("m1", "m2")
    const world = await open({ config: acme(server) })
    world.told()
    server.route("GET /v1/models", list("m2")).script(answers(404, chatError("model not found", { code: "model_not_found" })))
    expect(await world.failure({ model: "acme/m1" })).toMatchObject({ code: "llm.not-found", status: 404 })
    await world.next("model.removed", ({ model }) => model.ref === "acme/m1")
    server.route("GET /v1/models", answers(500, "")).script((exchange) => exchange.cut())
    const before = asked(server)
    expect(await world.failure({ model: "acme/m2" })).toMatchObject({ code: "llm.network" })
    await soon("it is asked", until(() => asked(server) > before))
    await world.kernel.settled()
    expect(await usable(world)).toEqual(["acme/m2"])
  })

  test("offline only the endpoint of the chosen model is asked", async () => {
    const [chosen, other] = [await endpoint("m1"), await endpoint("m2")]
    const world = await open({ config: { offline: true, model: "chosen/m1", providers: { chosen: { url: chosen.url }, other: { url: other.url } } } })
    expect((await world.graft.model.resolve()).ref).toBe("chosen/m1")
    await world.config({ offline: true, model: "chosen/m1", providers: { chosen: { url: chosen.url }, other: { url: other.url, headers: { a: "b" } } } })
    expect([asked(chosen), asked(other)]).toEqual([1, 0])
    expect((await world.graft.model.resolve("other/m2")).ref).toBe("other/m2")
    expect(asked(other)).toBe(1)
  })

  test("an edit of this plugin that renames a model is one model.updated and nothing else, and asks nobody", async () => {
    const server = await endpoint("m1", "m2", "m3")
    const world = await open({ config: acme(server), copy: true })
    await world.kernel.settled()
    world.told()
    const path = join(world.sources, "lib/listed-rows.ts")
    const source = readFileSync(path, "utf8")
    writeFileSync(path, source.replace("...(name !== undefined && { name }),", '...(id === "m2" ? { name: "Emm Two" } : name !== undefined && { name }),'))
    await world.kernel.reconcile([path])
    await world.kernel.settled()
    expect(world.facts.filter(({ event }) => event === "model.updated").map(({ payload }) => payload)).toEqual([{ model: expect.objectContaining({ ref: "acme/m2", name: "Emm Two" }), patches: [{ op: "replace", path: ["name"], value: "Emm Two" }], by: ["provider-openai-compatible@2"] }])
    expect(world.told()).toEqual(["model.updated acme/m2"])
    writeFileSync(path, "export const rowsOf = (")
    await world.kernel.reconcile([path])
    writeFileSync(path, source)
    await world.kernel.reconcile([path])
    await world.kernel.settled()
    expect(world.told()).toEqual(["model.updated acme/m2"])
    expect(asked(server)).toBe(1)
  })
})

describe("a conversation", () => {
  test("goes out as strict templates take it: one system text, user and assistant in turns, results right behind their calls", async () => {
    const server = await endpoint("m1")
    const world = await open({ config: acme(server) })
    server.script(chat([{ reasoning: "hm" }, "Reading.", { call: "read", id: "functions.read:0", input: { path: "a" } }]), chat("done"))
    const first = [user("Today is Tuesday."), user("Read a")]
    const reply = assistantOf(await world.turn({ model: "acme/m1", system: ["One.", "Two."], messages: first }))
    await world.turn({ model: "acme/m1", system: ["One.", "Two."], messages: [...first, reply, toolResult("functions.read:0", "read", "A"), user("And?")] })
    const [{ body: before }, { body: after }] = server.turns as [any, any]
    expect(before.messages).toEqual([{ role: "system", content: "One.\n\nTwo." }, { role: "user", content: "Today is Tuesday.\n\nRead a" }])
    const id = after.messages[2].tool_calls[0].id as string
    expect(id).toMatch(/^[\w-]{1,64}$/)
    expect(after.messages).toEqual([
      ...before.messages,
      { role: "assistant", content: "Reading.", reasoning_content: "hm", tool_calls: [{ id, type: "function", function: { name: "read", arguments: '{"path":"a"}' } }] },
      { role: "tool", tool_call_id: id, content: "A" },
      { role: "user", content: "And?" },
    ])
  })

  test("sends what the model thought back where the endpoint wrote it: as reasoning_content, or as reasoning", async () => {
    const server = await endpoint("m1")
    const world = await open({ config: acme(server) })
    const thinking = (field: string) => streams(chatEvents({ says: [{ reasoning: "Let me see." }, "Here."] }).map((event) => event.replace('"reasoning_content"', `"${field}"`)))
    for (const field of ["reasoning_content", "reasoning"]) {
      server.script(thinking(field), chat("ok"))
      const parts = await world.turn({ model: "acme/m1" })
      expect(textOf(parts, "reasoning-delta")).toBe("Let me see.")
      await world.turn({ model: "acme/m1", messages: [user("Hello"), assistantOf(parts), user("And?")] })
      expect(server.turns.at(-1)!.body.messages[1]).toEqual({ role: "assistant", content: "Here.", [field]: "Let me see." })
    }
  })

  test("that another model had part in: its reasoning stays away, and what its provider ran is told in words", async () => {
    const server = await endpoint("m1")
    const world = await open({ config: acme(server) })
    server.script(chat("ok"))
    await world.turn({ model: "acme/m1", messages: [user("Hi"), { role: "assistant", content: [
      { type: "reasoning", text: "secret thoughts", providerOptions: { anthropic: { signature: "sig" } } },
      { type: "reasoning", text: "nobody's thoughts" },
      { type: "text", text: "I looked." },
      { type: "tool-call", toolCallId: "ws_1", toolName: "web_search", input: { query: "weather" }, providerExecuted: true },
      { type: "tool-result", toolCallId: "ws_1", toolName: "web_search", output: { type: "json", value: { sky: "blue" } } },
    ] }, user("And?")] })
    expect(server.turns[0]!.body.messages).toEqual([
      { role: "user", content: "Hi" },
      { role: "assistant", content: 'I looked.\n[web_search, run by the provider, with {"query":"weather"}]\n[web_search gave: {"sky":"blue"}]' },
      { role: "user", content: "And?" },
    ])
  })

  test("is byte for byte the beginning of the longer one, so that a server's cache holds", async () => {
    const server = await endpoint("m1")
    const world = await open({ config: acme(server) })
    const messages = [user("One"), { role: "assistant" as const, content: [{ type: "text" as const, text: "Two" }] }, user("Three")]
    for (let n = 1; n <= 3; n += 2) {
      server.script(chat("ok"))
      await world.turn({ model: "acme/m1", messages: messages.slice(0, n) })
    }
    const [short, long] = server.turns.map(({ text }) => text.slice(0, text.indexOf('],"stream"')))
    expect(long!.startsWith(short!)).toBe(true)
  })
})
