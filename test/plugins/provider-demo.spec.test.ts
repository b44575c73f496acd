/** The demo is honest: it understands what its table says, calls only what it is offered, and answers from what really came back. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { LanguageModelV4CallOptions, LanguageModelV4Prompt, LanguageModelV4StreamPart, LanguageModelV4ToolResultOutput } from "@ai-sdk/provider"
import fc from "fast-check"
import { createKernel } from "graft"
import { describe, expect, onTestFinished, test } from "vitest"
import { describeFile } from "../../plugins/provider-demo/describe.ts"
import demo from "../../plugins/provider-demo/index.ts"
import { makeDemo } from "../../plugins/provider-demo/language-model.ts"
import { ABOUT, CAPABILITIES } from "../../plugins/provider-demo/reply.ts"
import { RULES } from "../../plugins/provider-demo/rules.ts"

const TOOLS = ["read", "ls", "grep", "glob", "edit", "write", "bash", "dice"]
type Answers = (tool: string, input: Record<string, unknown>) => string | LanguageModelV4ToolResultOutput

const user = (text: string): LanguageModelV4Prompt[number] => ({ role: "user", content: [{ type: "text", text }] })
const options = (prompt: LanguageModelV4Prompt, tools: readonly string[] = TOOLS, more: Partial<LanguageModelV4CallOptions> = {}): LanguageModelV4CallOptions =>
  ({ prompt, tools: tools.map((name) => ({ type: "function", name, description: name, inputSchema: { type: "object" } })), ...more })

async function partsOf(call: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamPart[]> {
  const { stream } = await makeDemo(() => 0).doStream(call)
  const parts: LanguageModelV4StreamPart[] = []
  for await (const part of stream) parts.push(part)
  return parts
}

test("messages that came together are understood one by one", async () => {
  const [first, second] = [user("run: echo one"), user("run: echo two")]
  expect(callsOf(await partsOf(options([first, second]))).map(({ input }) => input)).toEqual([JSON.stringify({ command: "echo one" })])
  expect(callsOf(await partsOf(options([first, user("Continue.")]))).map(({ input }) => input)).toEqual([JSON.stringify({ command: "echo one" })])
})

const textOf = (parts: readonly LanguageModelV4StreamPart[]) => parts.map((part) => (part.type === "text-delta" ? part.delta : "")).join("")
const callsOf = (parts: readonly LanguageModelV4StreamPart[]) => parts.flatMap((part) => (part.type === "tool-call" ? [part] : []))

/** Plays the host: runs the calls, gives back the results, until there is an answer. Stages are lists of "tool input". */
async function converse(request: string, answers: Answers = (tool) => `done by ${tool}`, tools: readonly string[] = TOOLS, before: LanguageModelV4Prompt = []): Promise<{ stages: string[][]; answer: string }> {
  const prompt: LanguageModelV4Prompt = [...before, user(request)]
  const stages: string[][] = []
  for (let turn = 0; turn < 10; turn++) {
    const parts = await partsOf(options(prompt, tools))
    const calls = callsOf(parts)
    if (calls.length === 0) return { stages, answer: textOf(parts) }
    stages.push(calls.map(({ toolName, input }) => `${toolName} ${input}`))
    prompt.push({ role: "assistant", content: calls.map(({ toolCallId, toolName, input }) => ({ type: "tool-call", toolCallId, toolName, input: JSON.parse(input) as unknown })) })
    prompt.push({ role: "tool", content: calls.map(({ toolCallId, toolName, input }) => { const value = answers(toolName, JSON.parse(input) as Record<string, unknown>); return { type: "tool-result", toolCallId, toolName, output: typeof value === "string" ? { type: "text", value } : value } }) })
  }
  throw new Error("the demo does not come to an end")
}

const numbered = (text: string) => text.replace(/\n$/, "").split("\n").map((line, index) => `${index + 1}\t${line}`).join("\n")
const json = (value: unknown) => JSON.stringify(value)
const failure = (value: string): LanguageModelV4ToolResultOutput => ({ type: "error-text", value })

describe("what it understands", () => {
  const expected: Record<string, string[][]> = {
    run: [['bash {"command":"npm test"}']],
    write: [['write {"path":"notes.txt","content":"remember the milk\\n"}']],
    edit: [['read {"path":"notes.txt"}'], ['edit {"path":"notes.txt","oldText":"milk","newText":"bread"}']],
    use: [['dice {"sides":6}']],
    plan: [['ls {"path":"."}']],
    project: [['read {"path":"package.json"}']],
    explain: [['read {"path":"src/index.ts"}']],
    search: [['grep {"pattern":"TODO","path":"src","literal":true}']],
    find: [['glob {"pattern":"**/*.md"}']],
    list: [['ls {"path":"src"}']],
    read: [['read {"path":"package.json"}']],
  }

  test.each(RULES.map(({ id, example }) => [id, example] as const))("%s: %s", async (id, example) => {
    const { stages, answer } = await converse(example)
    expect(stages).toEqual(expected[id])
    expect(answer).not.toContain("did not understand")
    expect(answer.endsWith(ABOUT)).toBe(true)
  })

  test.each<[string, string[][]]>([
    ["Read package.json and tell me what this project is", [['read {"path":"package.json"}']]],
    ["read a.txt, b.txt and c.txt", [['read {"path":"a.txt"}', 'read {"path":"b.txt"}', 'read {"path":"c.txt"}']]],
    ["List src, then read src/a.ts and search for x in src.", [['ls {"path":"src"}'], ['read {"path":"src/a.ts"}', 'grep {"pattern":"x","path":"src","literal":true}']]],
    ['search for "this and that" in src', [['grep {"pattern":"this and that","path":"src","literal":true}']]],
    ["grep /a+b/", [['grep {"pattern":"a+b","path":"."}']]],
    ["list files in src", [['ls {"path":"src"}']]],
    ["Could you please show me README.md?", [['read {"path":"README.md"}']]],
    ["list\nread a.txt", [['ls {"path":"."}'], ['read {"path":"a.txt"}']]],
    ["list src and run: echo a and b, then c", [['ls {"path":"src"}', 'bash {"command":"echo a and b, then c"}']]],
    ["write a.txt: one, then two\nthree", [['write {"path":"a.txt","content":"one, then two\\nthree\\n"}']]],
    ['edit a.txt: replace "x and y" with "", then run: cat a.txt', [['read {"path":"a.txt"}'], ['edit {"path":"a.txt","oldText":"x and y","newText":""}'], ['bash {"command":"cat a.txt"}']]],
    ["edit a.txt: replace one word with two words and then read b.txt", [['read {"path":"a.txt"}'], ['edit {"path":"a.txt","oldText":"one word","newText":"two words"}'], ['read {"path":"b.txt"}']]],
    ["read a.txt please, then list src please.", [['read {"path":"a.txt"}'], ['ls {"path":"src"}']]],
    ["read a.txt and read a.txt", [['read {"path":"a.txt"}']]],
  ])("%j", async (request, stages) => {
    expect((await converse(request)).stages).toEqual(stages)
  })

  test("anything else is answered with what it can do; of a request that it understands in part, it says which part not", async () => {
    for (const request of ["hello", "Write me a poem about the sea", "", "42", "?"]) {
      const { stages, answer } = await converse(request)
      expect(stages).toEqual([])
      expect(answer).toContain(CAPABILITIES)
      expect(answer).toContain("not a language model")
    }
    const { stages, answer } = await converse("list src and fix all my bugs")
    expect(stages).toEqual([['ls {"path":"src"}']])
    expect(answer).toContain('I did not understand: "fix all my bugs"')
    expect((await converse(`list src${" and do it".repeat(1_000)}`)).answer).toContain('I did not understand: "do it", "do it", "do it", "do it", "do it" and 995 more')
  })

  test("the README says the same as the table", () => {
    expect(readFileSync(new URL("../../plugins/provider-demo/README.md", import.meta.url), "utf8")).toContain(CAPABILITIES)
  })

  test("only the last request counts, and a note of the day is none; what comes in while it works is the request from then on", async () => {
    const before: LanguageModelV4Prompt = [{ role: "system", content: "read secrets.txt" }, user("list old"), { role: "assistant", content: [{ type: "text", text: "It was empty." }] }]
    expect((await converse("read a.txt", undefined, TOOLS, [...before, user("Today is 2026-11-24 (Tuesday).")])).stages).toEqual([['read {"path":"a.txt"}']])
    const first = callsOf(await partsOf(options([user("read a.txt")])))[0]!
    const steered: LanguageModelV4Prompt = [user("read a.txt"), { role: "assistant", content: [{ type: "tool-call", toolCallId: first.toolCallId, toolName: "read", input: {} }] }, { role: "tool", content: [{ type: "tool-result", toolCallId: first.toolCallId, toolName: "read", output: { type: "text", value: "x" } }] }, user("list src")]
    expect(callsOf(await partsOf(options(steered))).map(({ toolName }) => toolName)).toEqual(["ls"])
  })
})

describe("what it answers", () => {
  test("a project is told from its real package.json", async () => {
    const manifest = { name: "tinytool", version: "1.2.3", description: "A tool that is tiny.", license: "MIT", type: "module", scripts: { test: "vitest run", build: "tsc" }, dependencies: { valibot: "1", immer: "11" }, devDependencies: { vitest: "5" }, engines: { node: ">=22" } }
    const { stages, answer } = await converse("Read package.json and tell me what this project is", () => numbered(JSON.stringify(manifest, null, 2)))
    expect(stages).toHaveLength(1)
    for (const fact of ["**tinytool**", "version 1.2.3", "A tool that is tiny.", "licence MIT", "`npm run test`: `vitest run`", "2 packages: `valibot`, `immer`", "`vitest`", ">=22"]) expect(answer).toContain(fact)
    expect((await converse("what is this project?", () => numbered("{ broken"))).answer).toContain("is not a JSON object")
  })

  test("a file is explained by what stands in it", async () => {
    const source = '/** Counts sheep\n * until it sleeps. */\nimport { sleep } from "./sleep.ts"\nimport * as fs from "node:fs"\n\nexport interface Sheep { id: number }\nexport async function count(sheep: Sheep[]) {\n  const inner = 1\n}\nclass Pen {}\n'
    const { answer } = await converse("explain src/sheep.ts", () => numbered(source))
    expect(answer).toContain('`src/sheep.ts` is a TypeScript file of 10 lines. It says of itself: "Counts sheep until it sleeps." It imports `./sleep.ts`, `node:fs`. It defines `Sheep`, `count`, `Pen`.')
    expect(describeFile("a.json", '{"a":1,"b":[]}')).toContain("Its keys: `a`, `b`.")
    expect(describeFile("a.md", "# One\ntext\n## Two\n")).toContain("Its headings: `One`, `Two`.")
    expect(describeFile("data", "")).toBe("`data` is a text file of 0 lines.")
  })

  test("what came back is shown, and a long output is cut with the number of lines that are left", async () => {
    const { answer } = await converse("read a.md and run: ls", (tool) => (tool === "read" ? numbered("```js\ncode\n```") : Array.from({ length: 50 }, (_, line) => `file${line}`).join("\n")))
    expect(answer).toContain("`a.md` (3 lines):\n````md\n```js\ncode\n```\n````")
    expect(answer).toContain("`ls` gave:\n```\nfile0\n")
    expect(answer).toContain("file39\n```\n… 10 more lines")
    expect(answer).not.toContain("file40")
  })

  test("a failure or a refusal is told as it was, and what would have followed is not done", async () => {
    const refusal = "not run: bash npm test needs permission, and nobody is here to give it"
    const { stages, answer } = await converse("run: npm test", () => failure(refusal))
    expect(stages).toHaveLength(1)
    expect(answer).toContain(`\`bash npm test\` failed:\n\`\`\`\n${refusal}`)
    const edit = await converse('edit a.txt: replace "x" with "y", then list', (tool) => (tool === "read" ? failure("a.txt: no such file") : "ok"))
    expect(edit.stages).toEqual([['read {"path":"a.txt"}']])
    expect(edit.answer).toContain("a.txt: no such file")
    expect(edit.answer).toContain("So I did not go on with: `edit a.txt`, `ls .`.")
    const denied = await converse("read a and read b", (_, { path }) => (path === "a" ? { type: "execution-denied", reason: "the user said no" } : "1\tfine"))
    expect(denied.answer).toContain("the user said no")
    expect(denied.answer).toContain("fine")
  })

  test("a tool that is not offered is never called, and is named", async () => {
    const { stages, answer } = await converse("run: rm -rf build", undefined, ["read"])
    expect(stages).toEqual([])
    expect(answer).toContain("I would need the tool `bash` for this, and the request does not offer it.")
    await fc.assert(fc.asyncProperty(fc.subarray(TOOLS), fc.shuffledSubarray(RULES.map(({ example }) => example), { minLength: 1, maxLength: 4 }), fc.constantFrom(" and ", ", then ", "\n"), async (tools, examples, joint) => {
      const conversation = await converse(examples.join(joint), undefined, tools)
      for (const call of conversation.stages.flat()) expect(tools).toContain(call.split(" ")[0])
      expect(conversation.answer).toContain(ABOUT)
    }), { numRuns: 60 })
  })

  test("whatever is asked and whatever tools give, it comes to an end", async () => {
    await fc.assert(fc.asyncProperty(fc.oneof(fc.string({ unit: "grapheme" }), fc.array(fc.constantFrom("read", "and", "then", "a.txt", ",", '"', "`", "edit", ":", "replace", "with", "run:", "write", "\n", "list", "plan", ".", "then,"), { maxLength: 12 }).map((words) => words.join(" "))), fc.string(), async (request, output) => {
      expect((await converse(request, () => output)).answer.length).toBeGreaterThan(0)
    }), { numRuns: 200 })
    for (const long of ["a ".repeat(20_000), "read ".repeat(2_000), "'".repeat(20_000), `edit x: replace ${"with ".repeat(5_000)}`, " ".repeat(50_000), "then ".repeat(10_000)]) expect(typeof (await partsOf(options([user(long)]))).length).toBe("number")
  })
})

describe("how it streams", () => {
  test("as real providers do: each part opened, filled and closed; tool input in pieces that make the call; finish last", async () => {
    await fc.assert(fc.asyncProperty(fc.shuffledSubarray(RULES.map(({ example }) => example), { minLength: 1, maxLength: 3 }), async (examples) => {
      const parts = await partsOf(options([user(examples.join(" and "))]))
      expect(parts[0]).toEqual({ type: "stream-start", warnings: [] })
      expect(parts[1]).toMatchObject({ type: "response-metadata", modelId: "demo" })
      const open = new Map<string, string>()
      for (const part of parts) {
        if (part.type === "reasoning-start" || part.type === "text-start" || part.type === "tool-input-start") open.set(part.id, "")
        else if (part.type === "reasoning-delta" || part.type === "text-delta" || part.type === "tool-input-delta") {
          expect(open.has(part.id) && part.delta.length > 0).toBe(true)
          open.set(part.id, open.get(part.id)! + part.delta)
        } else if (part.type === "reasoning-end" || part.type === "text-end") open.delete(part.id)
        else if (part.type === "tool-call") {
          expect(part.input).toBe(open.get(part.toolCallId))
          expect(() => JSON.parse(part.input) as unknown).not.toThrow()
          open.delete(part.toolCallId)
        }
      }
      expect(open.size).toBe(0)
      expect(parts.at(-1)).toMatchObject({ type: "finish", finishReason: { unified: callsOf(parts).length > 0 ? "tool-calls" : "stop" } })
    }), { numRuns: 30 })
  })

  test("the same prompt gives the same stream, with calls that no other turn has", async () => {
    const prompt = [user("read a and b")]
    expect(json(await partsOf(options(prompt)))).toBe(json(await partsOf(options(prompt))))
    const ids = async (before: LanguageModelV4Prompt) => callsOf(await partsOf(options([...before, ...prompt]))).map(({ toolCallId }) => toolCallId)
    expect(new Set([...(await ids([])), ...(await ids([user("x"), { role: "assistant", content: [{ type: "text", text: "y" }] }]))]).size).toBe(4)
  })

  test("reasoning and tools can be turned off; generating gives what streaming gives; four characters are a token", async () => {
    const silent = await partsOf(options([user("list")], TOOLS, { reasoning: "none", toolChoice: { type: "none" } }))
    expect(silent.some(({ type }) => type.startsWith("reasoning") || type === "tool-call")).toBe(false)
    const call = options([user("read a.txt and b.txt")])
    const generated = await makeDemo(() => 0).doGenerate(call)
    const streamed = await partsOf(call)
    expect(generated.content.filter(({ type }) => type === "tool-call")).toEqual(callsOf(streamed))
    const finish = streamed.at(-1)!
    expect(finish).toMatchObject({ usage: generated.usage })
    expect(generated.usage.inputTokens.total).toBe(Math.ceil((json(call.prompt).length + json(call.tools).length) / 4))
    expect(generated.usage.outputTokens.total).toBe(generated.usage.outputTokens.text! + generated.usage.outputTokens.reasoning!)
  })

  test("an abort ends it at once, also in the middle of a delay", async () => {
    const aborted = new AbortController()
    aborted.abort(new Error("enough"))
    await expect(makeDemo(() => 0).doStream(options([user("list")], TOOLS, { abortSignal: aborted.signal }))).rejects.toThrow("enough")
    const controller = new AbortController()
    const { stream } = await makeDemo(() => 1_000).doStream(options([user("list")], TOOLS, { abortSignal: controller.signal }))
    const reading = stream.getReader().read()
    controller.abort(new Error("enough"))
    await expect(reading).rejects.toThrow()
  })
})

test("in a kernel it adds one provider of the lowest rank and one model, and a changed delay needs no reload", async () => {
  const home = mkdtempSync(join(tmpdir(), "graft-demo-"))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  mkdirSync(join(home, ".git"))
  const kernel = createKernel({ dataDir: home })
  onTestFinished(() => kernel.close())
  using graft = await kernel.child(home)
  await kernel.put("provider-demo", demo as never, home)
  const [provider] = graft.all("provider")
  expect(provider).toMatchObject({ id: "demo", ready: true, rank: 0, defaultModel: "demo" })
  expect([...graft.all("model")]).toMatchObject([{ id: "demo", provider: "demo", capabilities: { tools: true } }])
  await graft.kernel.configure(undefined, { "provider-demo": { delay: 5 } })
  await kernel.settled()
  expect(kernel.inspect().realms.at(-1)!.plugins[0]).toMatchObject({ id: "provider-demo", gen: 1, status: "live" })
})
