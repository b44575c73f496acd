/** Where a key alone is no way in, the way that there is is found: AWS' chain, Google's credentials, an Azure resource, a Copilot session; and who lists models is asked for them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { profilesIn } from "../../plugins/provider-amazon-bedrock/profiles.ts"
import { credentials, lacks as bedrockLacks } from "../../plugins/provider-amazon-bedrock/chain.ts"
import { lacks as vertexLacks, settingsOf } from "../../plugins/provider-google-vertex/cloud.ts"
import type { Connection } from "../../plugins/lib/vendor.ts"
import { bedrock } from "../fixtures/vendor-bedrock.ts"
import { chat } from "../fixtures/vendor-chat.ts"
import { openai } from "../fixtures/vendor-openai.ts"
import { answers, VendorServer } from "../fixtures/vendor-server.ts"
import { openWorld, textOf, user, type World, type WorldOptions } from "../fixtures/vendor-world.ts"

async function open(options: (server: VendorServer) => WorldOptions): Promise<{ server: VendorServer; world: World }> {
  const server = await VendorServer.open()
  const world = await openWorld(options(server))
  onTestFinished(async () => {
    await world[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  return { server, world }
}
function folder(files: Record<string, string>): string {
  const made = mkdtempSync(join(tmpdir(), "graft-cloud-"))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(made, name), text)
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}
const without: Connection = { key: "", headers: {}, more: {} }
const connection = (more: Record<string, string>): Connection => ({ ...without, more })

describe("AWS", () => {
  const at = (files: { config?: string; credentials?: string }, env: Record<string, string> = {}) => {
    const made = folder({ config: files.config ?? "", credentials: files.credentials ?? "" })
    return { AWS_CONFIG_FILE: join(made, "config"), AWS_SHARED_CREDENTIALS_FILE: join(made, "credentials"), AWS_EC2_METADATA_DISABLED: "true", ...env }
  }

  test("files are read as AWS writes them", () => {
    expect([...profilesIn("[default]\nregion = eu-west-1 # here\n\n[profile work]\naws_access_key_id=A\ns3 =\n  max = 2\n[ \"x y\" ]\na = b = c\r\n")]).toEqual([["default", { region: "eu-west-1" }], ["work", { aws_access_key_id: "A", s3: "" }], ["x y", { a: "b = c" }]])
  })

  test("the environment comes first, then the profile, and each says what it lacks", async () => {
    const env = at({ credentials: "[default]\naws_access_key_id = D\naws_secret_access_key = d\n[work]\naws_access_key_id = W\naws_secret_access_key = w\naws_session_token = t\n" })
    expect(await credentials(without, env)).toEqual({ accessKeyId: "D", secretAccessKey: "d" })
    expect(await credentials(connection({ profile: "work" }), env)).toEqual({ accessKeyId: "W", secretAccessKey: "w", sessionToken: "t" })
    expect(await credentials(without, { ...env, AWS_PROFILE: "work" })).toMatchObject({ accessKeyId: "W" })
    expect(await credentials(without, { ...env, AWS_ACCESS_KEY_ID: "E", AWS_SECRET_ACCESS_KEY: "e" })).toEqual({ accessKeyId: "E", secretAccessKey: "e" })
    expect(await bedrockLacks(without, env)).toBeUndefined()
    expect(await bedrockLacks(connection({ profile: "none" }), env)).toContain("no credentials")
    await expect(credentials(connection({ profile: "none" }), env)).rejects.toMatchObject({ code: "llm.auth", message: expect.stringContaining('not in the profile "none"') })
    expect(await bedrockLacks(connection({ profile: "sso" }), at({ config: "[profile sso]\nsso_session = x\n" }))).toContain("aws configure export-credentials --profile sso")
  })

  test("a program of the profile gives them, and is not asked again before they end; what it says when it fails is not repeated", async () => {
    const made = folder({})
    const script = (body: string) => at({ config: `[default]\ncredential_process = ${body}\n` })
    const answer = (key: string, until: string) => `echo x >> ${made}/runs; echo '{"Version":1,"AccessKeyId":"${key}","SecretAccessKey":"s","SessionToken":"t","Expiration":"${until}"}'`
    const env = script(answer("P", new Date(Date.now() + 3_600_000).toISOString()))
    expect(await credentials(without, env)).toEqual({ accessKeyId: "P", secretAccessKey: "s", sessionToken: "t" })
    await credentials(without, env)
    expect(readFileSync(join(made, "runs"), "utf8")).toBe("x\n")
    await expect(credentials(without, script("echo secret-thing >&2; exit 3"))).rejects.toSatisfy((error: Error) => !error.message.includes("secret-thing") && error.message.includes("(3)"))
  })

  test("a container and an instance are asked, each in its way", async () => {
    const server = await VendorServer.open()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const given = { AccessKeyId: "I", SecretAccessKey: "i", Token: "t" }
    server.route("GET /creds", answers(200, given)).route("PUT /latest/api/token", answers(200, "tok")).route("GET /latest/meta-data/iam/security-credentials/", answers(200, "role")).route("GET /latest/meta-data/iam/security-credentials/role", answers(200, given))
    const expected = { accessKeyId: "I", secretAccessKey: "i", sessionToken: "t" }
    expect(await credentials(without, at({}, { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.origin}/creds`, AWS_CONTAINER_AUTHORIZATION_TOKEN: "let me in" }))).toEqual(expected)
    expect(server.requests[0]!.headers.authorization).toBe("let me in")
    const instance = at({}, { AWS_EC2_METADATA_SERVICE_ENDPOINT: server.origin, AWS_EC2_METADATA_DISABLED: "" })
    expect(await credentials(without, instance)).toEqual(expected)
    expect(server.requests.at(-1)!.headers["x-aws-ec2-metadata-token"]).toBe("tok")
    expect(await bedrockLacks(connection({ region: "eu-west-1" }), instance)).toBeUndefined()
    expect(await bedrockLacks(without, instance)).toContain("on an instance, set `providers.amazon-bedrock.region`")
  })

  test("a request is signed with them, for its region, and a field of the config is signed with the rest", async () => {
    const { server, world } = await open((server) => ({ plugins: ["provider-amazon-bedrock"], env: at({ credentials: "[default]\naws_access_key_id = AKID\naws_secret_access_key = s\n" }), config: { providers: { "amazon-bedrock": { url: server.origin, region: "eu-central-1" } } } }))
    server.script(bedrock("Hello"))
    expect(textOf(await world.turn({ model: "amazon-bedrock/anthropic.claude-sonnet-5-5" }))).toBe("Hello")
    expect(server.turns[0]!.headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-central-1\/bedrock\/aws4_request, SignedHeaders=\S+, Signature=[0-9a-f]{64}$/)
  })
})

describe("Google Cloud", () => {
  test("wants a project, and credentials that its own library finds", () => {
    const none = { CLOUDSDK_CONFIG: "/nonexistent" }
    const file = folder({ "key.json": "{}" })
    expect(vertexLacks({ ...without, key: "express" }, none)).toBeUndefined()
    expect(vertexLacks(without, none)).toContain("gcloud auth application-default login")
    expect(vertexLacks(without, { ...none, GOOGLE_APPLICATION_CREDENTIALS: join(file, "key.json") })).toContain("no project")
    expect(vertexLacks(without, { ...none, GOOGLE_APPLICATION_CREDENTIALS: join(file, "key.json"), GOOGLE_CLOUD_PROJECT: "p" })).toBeUndefined()
    expect(vertexLacks(connection({ project: "p" }), none)).toBeUndefined()
    expect(settingsOf(connection({ project: "p", region: "europe-west4" }), none)).toEqual({ apiKey: "", project: "p", location: "europe-west4" })
    expect(settingsOf(without, { GOOGLE_CLOUD_PROJECT: "q" })).toEqual({ apiKey: "", project: "q", location: "global" })
  })
})

describe("Azure", () => {
  test("wants a resource, or a URL; a deployment of one's own is a model that the config names", async () => {
    const { server, world } = await open(() => ({ plugins: ["provider-azure"], env: { AZURE_API_KEY: "k" }, config: {} }))
    expect(await world.graft.model.providers()).toMatchObject([{ ready: false, reason: expect.stringContaining("no resource") }])
    await world.config({ providers: { azure: { url: `${server.origin}/openai/v1`, models: { mine: { api: "my-deployment", capabilities: { reasoning: true } } } } } })
    server.script(openai("Hello"))
    expect(textOf(await world.turn({ model: "azure/mine" }))).toBe("Hello")
    expect(server.turns[0]).toMatchObject({ path: "/openai/v1/responses", body: { model: "my-deployment", store: false, include: ["reasoning.encrypted_content"] } })
  })
})

describe("Copilot", () => {
  test("a token of GitHub's is exchanged, once for half an hour, for a session that names the endpoint; a model speaks as it has to", async () => {
    const { server, world } = await open((server) => ({ plugins: ["provider-github-copilot"], env: { COPILOT_GITHUB_TOKEN: "gho_1", GITHUB_API_URL: server.origin } }))
    server.route("GET /copilot_internal/v2/token", answers(200, { token: "tid=1", expires_at: Math.floor(Date.now() / 1_000) + 1_800, endpoints: { api: `${server.origin}/api` } }))
    server.script(chat("one"), openai("two"), chat("three"))
    expect(textOf(await world.turn({ model: "github-copilot/claude-sonnet-5.5" }))).toBe("one")
    expect(textOf(await world.turn({ model: "github-copilot/gpt-6.1-sol" }))).toBe("two")
    await world.turn({ model: "github-copilot/claude-sonnet-5.5", messages: [user("Hi"), { role: "assistant", content: [{ type: "tool-call", toolCallId: "c1", toolName: "read", input: {} }] }, { role: "tool", content: [{ type: "tool-result", toolCallId: "c1", toolName: "read", output: { type: "text", value: "A" } }] }] })
    expect(server.turns.map(({ path, headers }) => [path, headers.authorization, headers["x-initiator"]])).toEqual([["/api/chat/completions", "Bearer tid=1", "user"], ["/api/responses", "Bearer tid=1", "user"], ["/api/chat/completions", "Bearer tid=1", "agent"]])
    expect(server.requests.filter(({ path }) => path.startsWith("/copilot_internal")).map(({ headers }) => headers.authorization)).toEqual(["token gho_1"])
  })

  test("says what it has when somebody looks, with its true limits; a token that GitHub refuses is refused", async () => {
    const { server, world } = await open((server) => ({ plugins: ["provider-github-copilot"], env: { COPILOT_GITHUB_TOKEN: "gho_1", GITHUB_API_URL: server.origin }, config: { providers: { "github-copilot": { url: server.url } } } }))
    server.route("GET /copilot_internal/v2/token", answers(404, "no"))
    server.route("GET /v1/models", answers(200, { data: [{ id: "new-model", name: "New", capabilities: { type: "chat", limits: { max_context_window_tokens: 64_000, max_output_tokens: 8_000 }, supports: { tool_calls: true, vision: true } } }, { id: "off", capabilities: { type: "chat" }, policy: { state: "disabled" } }, { id: "embed", capabilities: { type: "embeddings" } }] }))
    expect((await world.graft.model.list({ text: "new-model", seek: true })).map(({ ref, limits, capabilities }) => ({ ref, limits, capabilities }))).toEqual([{ ref: "github-copilot/new-model", limits: { context: 64_000, output: 8_000 }, capabilities: { images: true, tools: true } }])
    server.route("GET /copilot_internal/v2/token", answers(401, { message: "Bad credentials" }))
    process.env.COPILOT_GITHUB_TOKEN = "gho_2"
    expect(await world.failure({ model: "github-copilot/claude-sonnet-5.5" })).toMatchObject({ code: "llm.auth", message: expect.stringContaining("graft auth login github-copilot") })
  })
})

describe("OpenRouter", () => {
  test("says what it has when somebody looks, or wants what is not known, with prices; never at a start", async () => {
    const { server, world } = await open((server) => ({ plugins: ["provider-openrouter"], env: { OPENROUTER_API_KEY: "k" }, config: { providers: { openrouter: { url: server.url } } } }))
    const row = (id: string, more: object = {}) => ({ id, name: id.toUpperCase(), context_length: 200_000, architecture: { input_modalities: ["text", "image"], output_modalities: ["text"] }, top_provider: { context_length: 100_000, max_completion_tokens: 8_000 }, supported_parameters: ["tools", "reasoning"], pricing: { prompt: "0.000003", completion: "0.000015", input_cache_read: "0.0000003" }, ...more })
    server.route("GET /v1/models", answers(200, { data: [row("acme/new"), row("acme/draws", { architecture: { output_modalities: ["image"] } }), row("acme/depends", { pricing: { prompt: "-1", completion: "-1" } })] }))
    expect(server.requests).toEqual([])
    expect(await world.graft.model.resolve("openrouter/acme/new")).toMatchObject({ name: "ACME/NEW", limits: { context: 100_000, output: 8_000 }, cost: { input: 3, output: 15, cacheRead: 0.3 }, capabilities: { tools: true, reasoning: true, images: true } })
    expect(await world.graft.model.get("openrouter/acme/draws")).toBeUndefined()
    expect((await world.graft.model.get("openrouter/acme/depends"))!.cost).toBeUndefined()
    expect(server.requests.map(({ path, headers }) => [path, headers.authorization])).toEqual([["/v1/models", "Bearer k"]])
    server.script(chat("ok"))
    await world.turn({ model: "openrouter/acme/new" })
    expect(server.turns[0]!.text).not.toContain("cache_control")
  })
})

test("a header, a URL and a field of the body in the config are used by the next turn, without a reload", async () => {
  const { server, world } = await open((server) => ({ plugins: ["provider-groq"], env: { GROQ_API_KEY: "k" }, config: { providers: { groq: { url: server.url } } } }))
  const sent = async () => {
    server.script(chat("ok"))
    await world.turn({ model: "groq/openai/gpt-oss-120b" })
    const { path, headers, body } = server.turns.at(-1)!
    return [path, headers["x-team"], body.service_tier]
  }
  expect(await sent()).toEqual(["/v1/chat/completions", undefined, undefined])
  await world.config({ providers: { groq: { url: `${server.origin}/gateway`, headers: { "X-Team": "red" }, body: { service_tier: "flex" } } } })
  expect(await sent()).toEqual(["/gateway/chat/completions", "red", "flex"])
  expect(world.facts.filter(({ event }) => event === "plugin.reloaded")).toEqual([])
})
