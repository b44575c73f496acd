import { expect, test } from "vitest"
import { VendorServer, answers } from "../fixtures/vendor-server.ts"
import { chat } from "../fixtures/vendor-chat.ts"
import { anthropic } from "../fixtures/vendor-anthropic.ts"
import { openai } from "../fixtures/vendor-openai.ts"
import { openWorld } from "../fixtures/vendor-world.ts"

test("compat", async () => {
  await using server = await VendorServer.open()
  server.route("GET /v1/models", answers(200, { object: "list", data: [{ id: "m1", object: "model" }] })).script(chat([{ reasoning: "hm so" }, "Hello there", { call: "read", input: { path: "a" } }]))
  await using world = await openWorld({ config: { providers: { acme: { url: server.url, key: "k-secret-123" } } } })
  console.log(world.told(), await world.graft.model.providers())
  const parts = await world.turn({ model: "acme/m1", system: ["s1", "s2"], tools: [{ name: "read", description: "d", inputSchema: { type: "object" } }] })
  console.log(JSON.stringify(parts, null, 0)); console.log(server.turns[0]!.text, server.turns[0]!.headers)
  console.log(await world.failure({ model: "acme/m1" }))
})
test("anthropic", async () => {
  await using server = await VendorServer.open()
  server.script(anthropic([{ reasoning: "hm so" }, "Hello there", { call: "read", input: { path: "a" } }]))
  await using world = await openWorld({ plugins: ["provider-anthropic"], env: { ANTHROPIC_API_KEY: "sk-ant-key", ANTHROPIC_BASE_URL: server.origin } })
  const parts = await world.turn({ model: "anthropic/claude-sonnet-5-5", system: ["s1", "s2"], tools: [{ name: "read", description: "d", inputSchema: { type: "object" } }] })
  console.log(JSON.stringify(parts, null, 0)); console.log(server.turns[0]!.text, server.turns[0]!.headers)
})
test("openai", async () => {
  await using server = await VendorServer.open()
  server.script(openai([{ reasoning: "hm so\n\nand so" }, "Hello there", { call: "read", input: { path: "a" } }]))
  await using world = await openWorld({ plugins: ["provider-openai"], env: { OPENAI_API_KEY: "sk-key", OPENAI_BASE_URL: server.url } })
  const parts = await world.turn({ model: "openai/gpt-6.1-sol", system: ["s1", "s2"], tools: [{ name: "read", description: "d", inputSchema: { type: "object" } }] })
  console.log(JSON.stringify(parts, null, 0)); console.log(server.turns[0]!.text, server.turns[0]!.headers)
})
