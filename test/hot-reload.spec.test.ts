/**
 * Every built-in is hot: in mid-conversation its source is edited, broken, healed, deleted and restored; the conversation
 * goes on, and exactly its own events are seen.
 */
import { renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { builtIns, openHouse, read, type House, type Told } from "./fixtures/house.ts"

/** Without one of these there is nobody to talk to, or nothing to read with; the conversation goes on when it is back. */
const VOICE = ["config", "eventlog", "instruction", "llm", "model", "permission", "provider-demo", "runner", "session", "store", "tool", "tool-read"]

let house: House
beforeAll(async () => { house = await openHouse() })
afterAll(async () => { await house?.[Symbol.asyncDispose]() })

const save = (file: string, text: string) => house.during(async () => {
  writeFileSync(file, text)
  await house.kernel.reconcile([file])
})
const names = (told: readonly Told[]) => told.map(({ event }) => event)
const plugin = ({ payload }: Told) => (payload as { plugin: string }).plugin
/** What is live, without what may differ between two starts: numbers, hashes, times. */
const shape = () => house.kernel.inspect().realms.map(({ id, services, slots, plugins }) => ({
  id, slots, services: Object.keys(services).sort(), plugins: plugins.map(({ id, status, events, kept }) => ({ id, status, events, kept })),
}))
const speaks = () => VOICE.every((id) => house.views(id).some(({ status }) => status === "live"))

async function goesOn(): Promise<void> {
  const { state, answer } = await house.say("read notes.txt")
  expect({ state, answer: answer.includes("remember the milk") }).toEqual({ state: "done", answer: true })
}

describe("every built-in is hot", () => {
  it("and there are so many of them", () => {
    expect(builtIns.length).toBe(66)
    expect(house.views().filter(({ status }) => status !== "live").map(({ id, status, reason }) => `${id} ${status}: ${reason}`)).toEqual([])
    expect([...new Set(house.views().map(({ id }) => id))].sort()).toEqual([...builtIns])
  })

  it("in a conversation that has begun", goesOn)

  it.each(builtIns)("%s", async (id) => {
    const entry = house.entry(id)
    const source = read(entry)
    const before = house.views(id)
    const edited = `${source}// edited\n`
    // Whoever has a part in a turn is asked at each step; of the others it is enough that a turn ends on what was edited, and on what was restored.
    const between = async () => { if (VOICE.includes(id)) await goesOn() }

    const edit = await save(entry, edited)
    expect(edit.map((told) => `${told.event} ${plugin(told)}`)).toEqual(before.map(() => `plugin.reloaded ${id}`))
    expect(house.views(id).map(({ gen, kept }) => ({ gen, kept }))).toEqual(before.map(({ gen, kept }) => ({ gen: gen + 1, kept })))
    await goesOn()

    const broken = await save(entry, "export default {{{\n")
    expect(broken.map((told) => `${told.event} ${plugin(told)}`)).toEqual(before.map(() => `plugin.failed ${id}`))
    for (const { payload } of broken) expect((payload as { message: string }).message).toContain(`${entry}:1`)
    await between()

    expect(names(await save(entry, `${source}// healed\n`))).toEqual(before.map(() => "plugin.reloaded"))
    await between()

    const whole = shape()
    const folder = dirname(entry)
    // A name that begins with "_" is no plugin's.
    const away = join(dirname(folder), `_${id}`)
    const gone = await house.during(async () => {
      renameSync(folder, away)
      await house.kernel.reconcile([folder])
    })
    expect(gone.filter(({ event }) => event === "plugin.removed").map(plugin)).toEqual(before.map(() => id))
    expect(names(gone)).not.toContain("plugin.failed")
    expect(names(gone)).not.toContain("kernel.fault")
    expect(house.views(id).filter(({ status }) => status === "live")).toEqual([])
    if (speaks()) await between()

    const back = await house.during(async () => {
      renameSync(away, folder)
      await house.kernel.reconcile([folder])
    })
    expect(back.filter(({ event }) => event === "plugin.loaded").map(plugin)).toContain(id)
    expect(names(back)).not.toContain("plugin.failed")
    expect(shape()).toEqual(whole)
    await goesOn()
  })
})
