/** What is exported is the whole session, and what is imported is the very same; a file that was changed, cut or mixed up is refused, and says in which line. */
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { call, finish, says, text, type Script } from "../fixtures/conversation.ts"
import { openLife, type Life } from "../fixtures/life.ts"

let here: Life, there: Life
const next: Script[] = []
beforeAll(async () => {
  const scripts = () => next.shift() ?? says(...text("answered"), finish())
  ;[here, there] = await Promise.all([openLife({ scripts }), openLife({ scripts })])
})
afterAll(async () => { await Promise.all([here, there].map((life) => life?.[Symbol.asyncDispose]())) })

async function linesOf(life: Life, id: string, options: { until?: number } = {}): Promise<string[]> {
  const lines: string[] = []
  for await (const line of life.graft.session.export(id, options)) lines.push(line)
  return lines
}
async function* each(lines: readonly string[]) { yield* lines }
const take = (life: Life, lines: readonly string[]) => life.graft.session.import(each(lines))
const PNG = `data:image/png;base64,${Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3]).toString("base64")}`

/** Prompts, some with a file, some answered with a call whose output is cut. */
async function talk(steps: readonly ("words" | "call" | "file")[]): Promise<string> {
  const id = await here.session()
  for (const [n, step] of steps.entries()) {
    if (step === "call") next.push(says(call(`c${n}`, "bash", { command: `seq 1 4000; echo ${n}` }), finish("tool-calls")))
    await here.say(id, `prompt ${n} – ¡ünïcode \u{1F600} "quoted"\n`, step === "file" ? [PNG] : [])
  }
  return id
}

describe("an export", () => {
  it("imported elsewhere is the same session, and gives the same lines again", async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom("words", "call", "file"), { minLength: 1, maxLength: 3 }), async (steps) => {
      const id = await talk(steps)
      const lines = await linesOf(here, id)
      expect(await take(there, lines)).toEqual(await here.graft.session.get(id))
      expect(await linesOf(there, id)).toEqual(lines)
      expect(await there.graft.session.messages(id)).toEqual(await here.graft.session.messages(id))
      expect(await take(there, lines)).toMatchObject({ id })
      expect(await linesOf(there, id)).toEqual(lines)
    }), { numRuns: 4 })
  })

  it("has its blobs with it, and the sessions that it began", async () => {
    const id = await talk(["call", "file"])
    const child = await here.graft.session.create({ directory: here.project, parent: id })
    await here.say(child.id, "of the child")
    await take(there, await linesOf(here, id))
    const messages = await there.graft.session.messages(id)
    const blobs = messages.flatMap(({ parts }) => parts.flatMap((part) => ("blob" in part && part.blob ? [part.blob] : [])))
    expect(blobs).toHaveLength(2)
    for (const blob of blobs) expect(await there.graft.store.getBlob(blob)).toEqual(await here.graft.store.getBlob(blob))
    expect(await there.graft.session.get(child.id)).toMatchObject({ parent: id })
  })

  it("goes on elsewhere, and is told apart from what went on here since", async () => {
    const id = await talk(["words"])
    const lines = await linesOf(here, id)
    await take(there, lines)
    await there.say(id, "there")
    await take(there, lines)
    await here.say(id, "here")
    await expect(linesOf(here, id).then((more) => take(there, more))).rejects.toMatchObject({ code: "eventlog.divergent" })
    expect((await there.graft.session.messages(id)).at(-2)).toMatchObject({ parts: [{ text: "there" }] })
    await there.say(id, "still at work")
  })

  it("up to an event is whole up to there: what stands before a damage can be saved", async () => {
    const id = await talk(["words", "words"])
    const { events } = await here.graft.eventlog.read({ aggregate: id })
    const until = events.findLast(({ type }) => type === "session.input.admitted")!.seq - 1
    await here.graft.store.write((tx) => tx.run("UPDATE event SET data = 'no json' WHERE position = ?", [events[until]!.position]))
    await expect(linesOf(here, id)).rejects.toMatchObject({ code: "session.damaged" })
    await take(there, await linesOf(here, id, { until }))
    expect(await there.graft.session.messages(id)).toHaveLength(3)
    await expect(linesOf(here, id, { until: 10_000 })).rejects.toMatchObject({ code: "session.invalid" })
  })
})

describe("an import", () => {
  it("starts nothing: work that was open is interrupted, what waited waits", async () => {
    const id = await here.session()
    await here.graft.session.prompt({ session: id, text: "first", resume: false })
    const held = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    next.push(async function* () {
      begun.resolve()
      await held.promise
      yield finish()
    })
    await here.graft.session.prompt({ session: id, text: "now", delivery: "queue" })
    await begun.promise
    await here.graft.session.prompt({ session: id, text: "and this", delivery: "queue", id: "inp_q" })
    const lines = await linesOf(here, id)
    held.resolve()
    const asked = there.requests.length
    expect(await take(there, lines)).toMatchObject({ status: "idle" })
    expect(await there.graft.session.inbox(id)).toMatchObject([{ text: "now", resume: false }, { id: "inp_q", resume: false }])
    expect((await there.graft.session.describe(id)).activities.at(-1)).toMatchObject({ state: "interrupted", reason: "it was imported while it was at work" })
    expect(there.requests).toHaveLength(asked)
    await here.graft.session.wait(id)
  })

  it.each<[string, (lines: string[]) => string[], number, RegExp]>([
    ["a line that is no JSON", (lines) => lines.with(2, '{"seq": 2, "half'), 3, /not JSON/],
    ["a line that is no object", (lines) => lines.with(2, "[1]"), 3, /no object/],
    ["a line that is missing", (lines) => lines.toSpliced(3, 1), 4, /missing or changed/],
    ["an event that is none", (lines) => lines.with(2, JSON.stringify({ ...JSON.parse(lines[2]!), type: 5 })), 3, /not what an event should be/],
    ["an end too early", (lines) => lines.slice(0, -2), 0, /cut off/],
    ["another end", (lines) => lines.with(-1, JSON.stringify({ end: "ses_x", events: 1 })), 0, /ends here/],
    ["something else", () => ['{"name": "package"}'], 1, /no export/],
    ["a later format", (lines) => lines.with(0, JSON.stringify({ ...JSON.parse(lines[0]!), format: 2 })), 1, /format 2/],
    ["nothing", () => [""], 0, /no export/],
    ["a blob that was changed", (lines) => lines.toSpliced(1, 0, JSON.stringify({ blob: "0".repeat(64), data: "AAAA" })), 2, /another/],
  ])("refuses %s, in words that name the line, and leaves nothing behind", async (_, change, line, words) => {
    const id = await talk(["words"])
    const lines = await linesOf(here, id)
    await expect(take(there, change([...lines]))).rejects.toMatchObject({ code: "session.import", message: expect.stringMatching(words) as string })
    if (line > 0) await expect(take(there, change([...lines]))).rejects.toThrow(`line ${line}: `)
    expect(await there.graft.session.get(id)).toBeUndefined()
    expect(await there.graft.eventlog.head(id)).toBeUndefined()
  })

  it("of what no read model can take in leaves nothing behind", async () => {
    const id = await talk(["words"])
    const lines = (await linesOf(here, id)).map((line) => line.replace('"delivery":"steer"', '"delivery":"pigeon"'))
    await expect(take(there, lines)).rejects.toMatchObject({ code: "store.conflict" })
    expect(await there.graft.session.get(id)).toBeUndefined()
    expect(await there.graft.eventlog.head(id)).toBeUndefined()
  })
})
