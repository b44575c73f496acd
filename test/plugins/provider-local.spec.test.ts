/** A model server on this machine is a provider as long as it is there, with the context that it really serves; nobody polls it, and nobody waits for one that is not. */
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { chat, chatError } from "../fixtures/vendor-chat.ts"
import { serving, type Served } from "../fixtures/vendor-local.ts"
import { answers, VendorServer } from "../fixtures/vendor-server.ts"
import { openWorld, soon, textOf, until, type World, type WorldOptions } from "../fixtures/vendor-world.ts"

type Id = keyof typeof serving
const IDS = Object.keys(serving) as Id[]

async function serve(id: Id, models: readonly Served[]): Promise<VendorServer> {
  const server = await VendorServer.open()
  onTestFinished(() => server[Symbol.asyncDispose]())
  serving[id](server, models)
  return server
}
async function open(options: WorldOptions): Promise<World> {
  const world = await openWorld(options)
  onTestFinished(() => world[Symbol.asyncDispose]())
  return world
}
const limits = async (world: World, seek = false) => Object.fromEntries((await world.graft.model.list({ seek })).map(({ ref, limits: known }) => [ref, known]))

describe.each(IDS)("%s", (id) => {
  test("named in the config it is there with what it serves, speaks, and goes with its entry; nothing is asked before somebody looks", async () => {
    const server = await serve(id, [{ id: "m1", loaded: 8_192, tools: true }])
    const world = await open({ plugins: [`provider-${id}`], config: { providers: { [id]: { url: `${server.origin}/v1`, key: "k" } } } })
    expect(server.requests).toEqual([])
    expect(await world.graft.model.providers()).toMatchObject([{ id, ready: false, reason: expect.stringContaining("nobody has answered") }])
    expect(await world.graft.model.resolve(`${id}/m1`)).toMatchObject({ ref: `${id}/m1`, limits: { context: 8_192, source: "loaded" } })
    server.script(chat("Hello"))
    expect(textOf(await world.turn({ model: `${id}/m1` }))).toBe("Hello")
    expect(server.turns[0]).toMatchObject({ path: "/v1/chat/completions", headers: { authorization: "Bearer k" } })
    expect((await world.graft.model.resolve()).ref).toBe(`${id}/m1`)
    world.told()
    const removed = world.next("provider.removed", ({ provider }) => provider.id === id)
    await world.config({})
    await removed
    expect(await limits(world)).toEqual({})
  })

  test("what answers in its place and is something else is not taken for it", async () => {
    const server = await VendorServer.open()
    onTestFinished(() => server[Symbol.asyncDispose]())
    server.route("GET /v1/models", answers(200, { object: "list", data: [{ id: "x", object: "model", owned_by: "somebody" }] })).route("GET /api/tags", answers(200, "<html>", { "content-type": "text/html" })).route("GET /api/v0/models", answers(404, "no"))
    const world = await open({ plugins: [`provider-${id}`], config: { providers: { [id]: { url: server.origin } } } })
    expect(await limits(world, true)).toEqual({})
    expect(await world.graft.model.providers()).toMatchObject([{ id, ready: false, reason: expect.stringContaining("cannot be used") }])
  })
})

describe("a server that nobody named", () => {
  test("is found when models are looked for, and before the demo is taken; it goes when it is gone, and comes back", async () => {
    let server = await serve("ollama", [{ id: "m1", loaded: 4_096 }])
    const { port } = server
    const world = await open({ plugins: ["provider-ollama", "provider-demo"], env: { OLLAMA_HOST: `0.0.0.0:${port}` } })
    expect((await world.graft.model.providers()).map(({ id }) => id)).toEqual(["demo"])
    expect((await world.graft.model.resolve()).ref).toBe("ollama/m1")
    expect(world.told().filter((fact) => fact.endsWith("ollama"))).toEqual(["provider.added ollama"])
    await server[Symbol.asyncDispose]()
    expect(await world.failure({ model: "ollama/m1" })).toMatchObject({ code: "llm.network", class: "transport-unsent" })
    await world.next("provider.removed", ({ provider }) => provider.id === "ollama")
    expect((await world.graft.model.resolve()).ref).toBe("demo/demo")
    server = await serve("ollama", [{ id: "m1", loaded: 4_096 }, { id: "m2" }])
    process.env.OLLAMA_HOST = server.origin
    expect(Object.keys(await limits(world, true)).sort()).toEqual(["demo/demo", "ollama/m1", "ollama/m2"])
  })

  test("is not asked where another provider is ready, and nobody waits for one that does not answer", async () => {
    const server = await serve("ollama", [{ id: "m1" }])
    const world = await open({ plugins: ["provider-ollama", "provider-openai"], env: { OLLAMA_HOST: server.origin, OPENAI_API_KEY: "k" } })
    expect((await world.graft.model.resolve()).provider).toBe("openai")
    expect(server.requests).toEqual([])
    server.route("GET /api/tags", () => {})
    const other = await open({ plugins: ["provider-ollama", "provider-demo"], env: { OLLAMA_HOST: server.origin } })
    expect((await soon("the choice", other.graft.model.resolve(), 3_000)).ref).toBe("demo/demo")
  })

  test("what it served is state: a reload asks nobody, and tells nothing", async () => {
    const server = await serve("ollama", [{ id: "m1", loaded: 4_096 }])
    const world = await open({ plugins: ["provider-ollama"], env: { OLLAMA_HOST: server.origin }, copy: true })
    await world.graft.model.list({ seek: true })
    await world.kernel.settled()
    world.told()
    const asked = server.requests.length
    const entry = join(world.sources, "provider-ollama/index.ts")
    appendFileSync(entry, "// edited\n")
    await world.kernel.reconcile([entry])
    await world.kernel.settled()
    expect(world.facts.some(({ event, payload }) => event === "plugin.reloaded" && payload.plugin === "provider-ollama")).toBe(true)
    expect(world.told()).toEqual([])
    expect([await limits(world), server.requests.length]).toEqual([{ "ollama/m1": { context: 4_096, source: "loaded" } }, asked])
  })
})

describe("how long a context is", () => {
  test("Ollama: as it is loaded, else as its file says, else nobody knows; what only embeds is no model to talk to", async () => {
    const server = await serve("ollama", [{ id: "plain", trained: 131_072, tools: true }, { id: "written", numCtx: 32_768, images: true }, { id: "running", loaded: 16_384, numCtx: 32_768 }, { id: "embed", embeds: true }])
    const world = await open({ plugins: ["provider-ollama"], config: { providers: { ollama: { url: server.origin } } } })
    expect(await limits(world, true)).toEqual({ "ollama/plain": undefined, "ollama/running": { context: 16_384, source: "loaded" }, "ollama/written": { context: 32_768, source: "num_ctx" } })
    expect(await world.graft.model.get("ollama/written")).toMatchObject({ capabilities: { images: true, tools: false } })
    // Once it has answered it is loaded, and so known.
    server.script(chat("ok"))
    serving.ollama(server, [{ id: "plain", loaded: 4_096, tools: true }])
    await world.turn({ model: "ollama/plain" })
    expect((await world.next("model.updated", ({ model }) => model.ref === "ollama/plain")).model.limits).toEqual({ context: 4_096, source: "loaded" })
  })

  test("LM Studio: as it is loaded, else at most what the model takes", async () => {
    const server = await serve("lmstudio", [{ id: "idle", trained: 32_768 }, { id: "running", loaded: 4_096, images: true, tools: true }, { id: "embed", embeds: true }])
    const world = await open({ plugins: ["provider-lmstudio"], config: { providers: { lmstudio: { url: server.origin } } } })
    expect(await limits(world, true)).toEqual({ "lmstudio/idle": { context: 32_768, source: "trained" }, "lmstudio/running": { context: 4_096, source: "loaded" } })
    expect((await world.graft.model.resolve()).ref).toBe("lmstudio/running")
  })

  test("is corrected by the first request that does not fit: less than was known, or the first that is; the user's word stands above", async () => {
    const server = await serve("vllm", [{ id: "m1", loaded: 32_768 }, { id: "m2" }])
    const world = await open({ plugins: ["provider-vllm"], config: { providers: { vllm: { url: server.origin, models: { m2: { limits: { context: 2_048 } } } } } } })
    await world.graft.model.list({ seek: true })
    const tooLong = (most: number) => answers(400, { object: "error", message: `This model's maximum context length is ${most} tokens. However, you requested 90000 tokens.`, type: "BadRequestError", code: 400 })
    server.script(tooLong(8_192), tooLong(16_384), tooLong(4_096))
    expect(await world.failure({ model: "vllm/m1" })).toMatchObject({ code: "llm.overflow", limit: 8_192, model: "vllm/m1" })
    const { model, by } = await world.next("model.updated", (fact) => fact.model.ref === "vllm/m1")
    expect([model.limits, by]).toEqual([{ context: 8_192, source: "overflow" }, ["overflow"]])
    await world.failure({ model: "vllm/m1" })
    await world.failure({ model: "vllm/m2" })
    await world.kernel.settled()
    expect(await limits(world)).toMatchObject({ "vllm/m1": { context: 8_192 }, "vllm/m2": { context: 2_048 } })
    expect(await world.graft.model.why("vllm/m1", "limits.context")).toMatchObject([{ value: 8_192, history: [{ value: 32_768 }, { by: "overflow", value: 8_192 }] }])
  })
})

test("a request that a server refuses because a model is gone has it asked again", async () => {
  const server = await serve("vllm", [{ id: "m1", loaded: 4_096 }])
  const world = await open({ plugins: ["provider-vllm"], config: { providers: { vllm: { url: server.origin } } } })
  await world.graft.model.list({ seek: true })
  serving.vllm(server, [{ id: "m2", loaded: 4_096 }])
  server.script(answers(404, chatError("The model `m1` does not exist.")))
  expect(await world.failure({ model: "vllm/m1" })).toMatchObject({ code: "llm.not-found" })
  await world.next("model.removed", ({ model }) => model.ref === "vllm/m1")
  await soon("the other is there", until(() => world.facts.some(({ event, payload }) => event === "model.added" && payload.model.ref === "vllm/m2")))
})
