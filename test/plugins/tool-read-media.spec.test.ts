/** read shows pictures and documents to models that take them, and tells what is written for agents nearer to a file. */
import { once } from "node:events"
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import { dirname, join } from "node:path"
import type { LanguageModelV4, LanguageModelV4Prompt } from "@ai-sdk/provider"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { languageModel as chat } from "../../plugins/lib/chat-model.ts"
import { sizeOf } from "../../plugins/lib/picture.ts"
import { inManner } from "../../plugins/lib/provider-turn.ts"
import type { Model } from "../../plugins/model/contract.ts"
import { languageModel as anthropic } from "../../plugins/provider-anthropic/language-model.ts"
import { languageModel as openai } from "../../plugins/provider-openai/language-model.ts"
import { inOrder } from "../../plugins/provider-mistral/order.ts"
import { attachmentsOf } from "../../plugins/runner/attached.ts"
import { promptOf } from "../../plugins/runner/request.ts"
import type { Message } from "../../plugins/session/contract.ts"
import { openProject, type Project } from "../fixtures/project.ts"

const { PhotonImage } = createRequire(import.meta.url)("@silvia-odwyer/photon-node") as { PhotonImage: new (raw: Uint8Array, width: number, height: number) => { get_bytes(): Uint8Array; get_bytes_jpeg(quality: number): Uint8Array; get_bytes_webp(): Uint8Array } }
const picture = (width: number, height: number) => new PhotonImage(new Uint8Array(width * height * 4).fill(200), width, height)
/** The smallest GIF: a header, no pixels. */
const gif = Buffer.concat([Buffer.from("GIF89a", "latin1"), Buffer.from([3, 0, 2, 0, 0, 0, 0, 0x3b])])
const pdf = Buffer.from("%PDF-1.4\n1 0 obj << >> endobj\ntrailer << >>\n%%EOF\n")

let project: Project
beforeAll(async () => { project = await openProject({ only: ["tool", "permission", "instruction", "tool-read"] }) })
afterAll(async () => project[Symbol.asyncDispose]())
const put = (name: string, content: string | Uint8Array) => {
  const path = join(project.directory, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}
const read = (path: string, more: object = {}) => project.call("read", { path }, more)

describe("a picture", () => {
  test.each<[string, () => Uint8Array, string, string]>([
    ["note.txt", () => picture(30, 20).get_bytes(), "image/png", "30×20"],
    ["b.png", () => picture(30, 20).get_bytes_jpeg(80), "image/jpeg", "30×20"],
    ["c", () => picture(30, 20).get_bytes_webp(), "image/webp", "30×20"],
    ["d.gif", () => gif, "image/gif", "3×2"],
  ])("%s is known by its bytes, and shown as it is", async (name, make, media, size) => {
    const bytes = make()
    put(name, bytes)
    const settled = await read(name)
    expect(settled).toMatchObject({ outcome: "ok", output: `${name} is an image (${media}, ${size}), shown beside this.`, files: [{ name, media, bytes: bytes.length }] })
    expect(project.blobs.get(settled.files![0]!.blob)).toEqual(Buffer.from(bytes))
  })

  test("that is too large is made smaller, in the same shape", async () => {
    put("large.png", picture(4_200, 1_400).get_bytes())
    const settled = await read("large.png")
    expect(settled).toMatchObject({ outcome: "ok", output: expect.stringContaining("2000×667, made smaller from 4200×1400") })
    const { blob, media } = settled.files![0]!
    expect(sizeOf(project.blobs.get(blob)!, media)).toEqual({ width: 2_000, height: 667 })
  })

  test("that is broken, or would fill the memory, is refused, and says why", async () => {
    put("cut.png", picture(30, 20).get_bytes().slice(0, 12))
    put("torn.png", Buffer.concat([picture(3_000, 20).get_bytes().slice(0, 60), Buffer.alloc(100)]))
    const bomb = Buffer.from(picture(30, 20).get_bytes())
    bomb.writeUInt32BE(60_000, 16)
    bomb.writeUInt32BE(60_000, 20)
    put("bomb.png", bomb)
    expect(await read("cut.png")).toMatchObject({ outcome: "error", output: expect.stringContaining("does not say how large") })
    expect(await read("torn.png")).toMatchObject({ outcome: "error", output: expect.stringContaining("broken") })
    expect(await read("bomb.png")).toMatchObject({ outcome: "error", output: expect.stringContaining("60000×60000") })
  })

  test("a text that begins like one is a text", async () => {
    put("about.md", "GIF89a is a format.\n%PDF-1.4 another, ID3 a third\n")
    expect(await read("about.md")).toMatchObject({ outcome: "ok", output: expect.stringContaining("1\tGIF89a is") })
  })
})

test("a PDF is shown; one that is too large is not, and the way to its text is told", async () => {
  put("a.pdf", pdf)
  expect(await read("a.pdf")).toMatchObject({ outcome: "ok", files: [{ name: "a.pdf", media: "application/pdf", bytes: pdf.length }] })
  put("large.pdf", Buffer.concat([pdf, Buffer.alloc(11 * 1024 * 1024)]))
  expect(await read("large.pdf")).toMatchObject({ outcome: "error", output: expect.stringContaining("pdftotext") })
})

describe("what is written for agents nearer to a file", () => {
  test("is told with the first read there, once a session, and again when it has changed", async () => {
    put("AGENTS.md", "At the top.\n")
    put("deep/AGENTS.md", "Below deep.\n")
    put("deep/down/file.ts", "x\n")
    const session = "rules"
    expect((await read("about.md", { session })).output).not.toContain("instructions")
    const first = await read("deep/down/file.ts", { session })
    expect(first.output).toMatch(/1\tx[^]*<instructions>\nInstructions from .*deep\/AGENTS\.md:\n\nBelow deep\.[^]*<\/instructions>$/)
    expect(first.output).not.toContain("At the top")
    expect((await read("deep", { session })).output).not.toContain("Below deep")
    expect((await read("deep", { session: "other" })).output).toContain("Below deep")
    put("deep/AGENTS.md", "Below deep, and longer.\n")
    expect((await read("deep/down/file.ts", { session })).output).toContain("and longer")
    // After the conversation was folded it may not be in it any more.
    project.graft.emit("session.compaction.ended", { session } as never)
    await project.kernel.settled()
    expect((await read("deep/down/file.ts", { session })).output).toContain("and longer")
    // What the session stands in it knows.
    expect((await read("down/file.ts", { session: "third", directory: join(project.directory, "deep") })).output).not.toContain("instructions")
  })
})

describe("in the requests of vendors", () => {
  const bytes = Buffer.from(picture(3, 2).get_bytes())
  const blob = "b".repeat(64)
  const files = [{ name: "a.png", media: "image/png", blob, bytes: bytes.length }]
  const messages = (): Message[] => [
    { id: "m1", session: "s", seq: 1, created: 0, role: "user", state: "settled", parts: [{ kind: "text", id: "m1:0", text: "look" }] },
    { id: "m2", session: "s", seq: 2, created: 0, role: "assistant", state: "settled", parts: [{ kind: "tool", id: "m2:c1", call: "c1", name: "read", input: "{}", state: "settled", outcome: "ok", output: "an image", files }] },
  ]
  const store = { getBlob: async (sha256: string) => (sha256 === blob ? bytes : undefined) }
  const prompt = async (capabilities: Model["capabilities"] = {}) => promptOf(messages(), await attachmentsOf(store, messages(), capabilities, new Map()))
  const data = bytes.toString("base64")

  /** What one model sends for this conversation. */
  async function sent(make: (url: string) => Promise<LanguageModelV4>, asked: LanguageModelV4Prompt): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>()
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      response.writeHead(400).end("{}")
      resolve(Buffer.concat(chunks).toString())
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    try {
      const model = await make(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`)
      await model.doStream({ prompt: asked }).then(() => {}, () => {})
      return await promise
    } finally {
      server.close()
    }
  }
  const model = (provider: string): Model => ({ id: "one", provider, ref: `${provider}/one`, name: "One", usable: true })
  const sdk = { apiKey: "k", headers: {}, fetch: globalThis.fetch }

  test("Anthropic and the Responses API are given it in the result", async () => {
    const asked = await prompt()
    const claude = JSON.parse(await sent((url) => anthropic(model("anthropic"), { url, key: "k", sdk } as never), asked)) as { messages: { content: { type: string; content?: unknown }[] }[] }
    expect(claude.messages.at(-1)!.content).toMatchObject([{ type: "tool_result", content: [{ type: "text", text: "an image" }, { type: "image", source: { type: "base64", media_type: "image/png", data } }] }])
    const gpt = JSON.parse(await sent((url) => openai(model("openai"), { url, key: "k", more: {}, sdk: { ...sdk, baseURL: url } } as never), asked)) as { input: { type?: string; output?: unknown }[] }
    expect(gpt.input.at(-1)).toMatchObject({ type: "function_call_output", output: [{ type: "input_text", text: "an image" }, { type: "input_image", image_url: `data:image/png;base64,${data}` }] })
  })

  test("where results are text, the user shows it right after them", async () => {
    const body = JSON.parse(await sent((url) => chat(model("local"), { url, headers: {} } as never), await prompt())) as { messages: { role: string; content: unknown }[] }
    expect(body.messages.slice(-2)).toMatchObject([
      { role: "tool", content: "an image" },
      { role: "user", content: [{ type: "text", text: "read gave a.png:" }, { type: "image_url", image_url: { url: `data:image/png;base64,${data}` } }] },
    ])
  })

  test("Mistral, which takes no user right after results, hears the assistant in between", async () => {
    const asked = inManner(model("mistral"), { prompt: inOrder }, { prompt: await prompt() }).prompt
    expect(asked.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant", "user"])
    expect(inOrder(asked)).toEqual(asked)
  })

  test("a model that takes none reads that it cannot", async () => {
    const body = JSON.parse(await sent((url) => chat(model("local"), { url, headers: {} } as never), await prompt({ images: false }))) as { messages: { role: string; content: string }[] }
    expect(body.messages.at(-1)).toMatchObject({ role: "tool", content: expect.stringMatching(/^an image\n\[a\.png \(image\/png\) is attached, but this model cannot take/) })
  })

  test("a file that is not there any more is named", async () => {
    const asked = promptOf(messages(), await attachmentsOf({ getBlob: async () => undefined }, messages(), {}, new Map()))
    expect(JSON.stringify(asked)).toContain("the attached file a.png is not there any more")
  })
})
