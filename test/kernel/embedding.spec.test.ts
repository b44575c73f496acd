/** Another program holds a kernel as a value: it says where plugins are, starts, asks, tells, listens and adds in types, and closes. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel, definePlugin, graft as faceless, KernelError, type Clock, type Decide, type EmbeddedKernel, type Graft, type Mutate, type Notify } from "graft"
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest"
import { all, FakeClock, outcome, until } from "./harness.ts"

interface Greeter { greet(who: string): Promise<string>; count(to: number): AsyncIterable<number> }
declare module "graft" {
  interface Services { embed_greeter: Greeter; embed_of_project: { where(): Promise<string> } }
  interface Slots { embed_name: { id: string; name: string } }
  interface Events { "embed.greeted": Notify<{ who: string }>; "embed.phrase": Mutate<{ words: string[] }>; "embed.allow": Decide<{ who: string }, boolean> }
}

const greeter = (hello: string) => `import { definePlugin } from "graft"
export default definePlugin<{ count: number }, { mark?: string }>({
  state: { version: 1, init: () => ({ count: 0 }) },
  setup(graft) {
    graft.provide("embed_greeter", {
      async greet(who) {
        if ((await graft.decide("embed.allow", { who })) === false) return "…"
        const { value } = await graft.mutate("embed.phrase", { words: ["${hello}", who] })
        graft.state.update((draft) => { draft.count++ })
        graft.emit("embed.greeted", { who })
        return value.words.join(" ") + (graft.options.mark ?? "")
      },
      async *count(to) { for (let n = 1; n <= to; n++) yield n },
    })
    graft.embed_name.register({ id: "own", name: "${hello}" })
    graft.timeout(1_000, () => graft.emit("embed.greeted", { who: "the clock" }))
  },
})
`
const ofProject = `import { definePlugin } from "graft"
export default definePlugin({ per: "location", setup(graft) { graft.provide("embed_of_project", { where: async () => graft.location! }) } })
`

describe("createKernel", () => {
  let home: string
  let kernel: EmbeddedKernel
  let clock: FakeClock
  const file = (name: string) => join(home, "plugins", name)
  beforeEach(() => {
    home = realpathSync(mkdtempSync(join(tmpdir(), "graft-embed-")))
    mkdirSync(join(home, "plugins"))
    writeFileSync(file("greeter.ts"), greeter("Hello"))
    clock = new FakeClock()
    kernel = createKernel({ roots: [{ dir: join(home, "plugins"), per: "process" }], config: { plugins: { greeter: { mark: "!" } }, of: "the program" }, dataDir: join(home, "data"), clock: clock satisfies Clock })
  })
  afterEach(async () => {
    await kernel.close()
    rmSync(home, { recursive: true })
  })

  it("loads nothing before start, and then what the roots hold, with the options of the config", async () => {
    expect(kernel.inspect().realms).toMatchObject([{ id: "root", services: {}, plugins: [] }])
    expect((await outcome(kernel.use("embed_greeter").greet("you"))).code).toBe("Unavailable")
    await kernel.start()
    expect(await kernel.use("embed_greeter").greet("you")).toBe("Hello you!")
    expect(kernel.inspect().realms[0]).toMatchObject({ services: { embed_greeter: "greeter@1" }, slots: { embed_name: ["own"] }, plugins: [{ id: "greeter", status: "live", file: file("greeter.ts"), files: [file("greeter.ts")] }] })
    expect(kernel.journal()).toMatchObject([{ plugin: "greeter", outcome: "committed", cause: "start", gen: 1 }])
    expect(kernel.graft.kernel.host).toMatchObject({ dataDir: join(home, "data"), config: { of: "the program" } })
  })

  it("asks, streams, tells, listens and adds by words or by names, and every one of them is typed", async () => {
    await kernel.start()
    const heard: string[] = []
    kernel.on("embed.greeted", ({ who }, { by }) => { heard.push(`${who} by ${by}`) })
    kernel.on("embed.phrase", (draft) => { draft.words.push("there") })
    kernel.on("embed.allow", ({ who }) => (who === "nobody" ? false : undefined))
    expect(await kernel.graft.embed_greeter.greet("you")).toBe("Hello you there!")
    expect(await kernel.graft.embed_greeter.greet("nobody")).toBe("…")
    expect(await all(kernel.use("embed_greeter").count(3))).toEqual([1, 2, 3])
    kernel.emit("embed.greeted", { who: "all" })
    await kernel.settled()
    expect(heard).toEqual(["you by greeter@1", "all by host@1"])
    const remove = kernel.add("embed_name", [{ id: "a", name: "A" }, { id: "b", name: "B" }])
    kernel.graft.embed_name.register({ id: "c", name: "C" })
    expect([...kernel.all("embed_name")].map(({ name }) => name)).toEqual(["Hello", "A", "B", "C"])
    remove()
    expect(kernel.all("embed_name").get("a")).toBe(undefined)

    expectTypeOf(kernel.graft).toExtend<Graft>()
    expectTypeOf(kernel.use("embed_greeter")).toEqualTypeOf<Greeter>()
    expectTypeOf(kernel.graft.embed_greeter.greet).returns.resolves.toBeString()
    expectTypeOf(kernel.all("embed_name").get("a")).toEqualTypeOf<{ id: string; name: string } | undefined>()
    kernel.on("embed.allow", (ask) => { expectTypeOf(ask).toEqualTypeOf<{ who: string }>(); return undefined })
    // @ts-expect-error no such answer
    kernel.on("embed.allow", () => "yes")
    // @ts-expect-error no such payload
    const wrong = () => kernel.emit("embed.greeted", { whom: "you" })
    // @ts-expect-error no such event of this kind
    const mistaken = () => kernel.emit("embed.phrase", { words: [] })
    void [wrong, mistaken]
  })

  it("compares what changed when told which file moved, or all of it when told nothing; the promise ends with the pass", async () => {
    await kernel.start()
    writeFileSync(file("greeter.ts"), greeter("Good day"))
    const pass = kernel.reconcile([file("greeter.ts")])
    await clock.advance(30)
    await pass
    expect(await kernel.use("embed_greeter").greet("you")).toBe("Good day you!")
    writeFileSync(file("other.ts"), "export default () => {}")
    await kernel.reconcile([])
    rmSync(file("greeter.ts"))
    await kernel.reconcile()
    expect(kernel.inspect().realms[0]!.plugins.map(({ id, status }) => `${id} ${status}`)).toEqual(["other live"])
    await kernel.settled()
  })

  it("puts and drops plugins without a file, goes back and holds still", async () => {
    await kernel.put("mine", definePlugin((graft) => graft.provide("embed_greeter", { greet: async (who) => `mine, ${who}`, async *count() {} })))
    expect(await kernel.use("embed_greeter").greet("you")).toBe("mine, you")
    await kernel.drop("mine")
    await kernel.start()
    writeFileSync(file("greeter.ts"), greeter("Hi"))
    await kernel.reconcile()
    await kernel.undo("greeter", "too short")
    expect(await kernel.use("embed_greeter").greet("you")).toBe("Hello you!")
    expect(kernel.journal("greeter").at(-1)).toMatchObject({ outcome: "reverted", message: "too short" })
    kernel.pin("greeter")
    writeFileSync(file("greeter.ts"), greeter("Hey"))
    await kernel.reconcile()
    expect(await kernel.use("embed_greeter").greet("you")).toBe("Hello you!")
    kernel.pin("greeter", false)
    await kernel.reconcile()
    expect(await kernel.use("embed_greeter").greet("you")).toBe("Hey you!")
  })

  it("gives the realm of a project, which is closed after it was let go", async () => {
    writeFileSync(file("of-project.ts"), ofProject)
    await kernel.close()
    kernel = createKernel({ roots: [{ dir: join(home, "plugins") }], clock })
    await kernel.start()
    const directory = join(home, "project")
    mkdirSync(join(directory, ".git"), { recursive: true })
    expect((await outcome(kernel.use("embed_of_project").where())).code).toBe("NeedsLocation")
    {
      using project = await kernel.child(join(directory, "src", "deep"))
      expect(await project.embed_of_project.where()).toBe(directory)
      expect(await project.embed_greeter.greet("you")).toBe("Hello you")
      expectTypeOf(project).toExtend<Graft & Disposable>()
    }
    await clock.advance(600_000)
    await until("the location is closed", () => kernel.inspect().realms.length === 1)
  })

  it("keeps what it is given: time stands with the clock, and everything private lies below dataDir", async () => {
    await kernel.start()
    const heard: string[] = []
    kernel.on("embed.greeted", ({ who }) => void heard.push(who))
    await clock.advance(999)
    expect(heard).toEqual([])
    await clock.advance(1)
    expect(heard).toEqual(["the clock"])
    expect(statSync(join(home, "data/cache/compiled")).mode & 0o777).toBe(0o700)
  })

  it("lets some come up first: what they say holds for everybody's first load, and calls wait for who comes after", async () => {
    writeFileSync(file("policy.ts"), `import { definePlugin } from "graft"\nexport default definePlugin({ async setup(graft) { await null; graft.onCommit(() => void graft.kernel.disable("idle", "not today")) } })\n`)
    writeFileSync(file("idle.ts"), "globalThis.idleWasEvaluated = true\nexport default () => {}\n")
    const second = createKernel({ roots: [{ dir: join(home, "plugins"), per: "process" }], first: ["policy"], clock })
    const started = second.start()
    expect(await second.use("embed_greeter").greet("you")).toBe("Hello you")
    await started
    expect(second.inspect().realms[0]!.plugins.find(({ id }) => id === "idle")).toMatchObject({ status: "disabled", reason: "not today", gen: 0 })
    expect("idleWasEvaluated" in globalThis).toBe(false)
    await second.close()
  })

  it("closes once, and is of no use afterwards; two kernels do not know of each other", async () => {
    const other = createKernel()
    await other.put("mine", definePlugin((graft) => { graft.add("embed_name", { id: "x", name: "X" }) }))
    await kernel.start()
    expect([[...other.all("embed_name")].length, [...kernel.all("embed_name")].map(({ id }) => id)]).toEqual([1, ["own"]])
    await Promise.all([kernel.close(), kernel.close()])
    expect((await outcome(kernel.use("embed_greeter").greet("you"))).code).toBe("Unavailable")
    expect((await outcome(kernel.child(home))).code).toBe("Retired")
    expect(await outcome(kernel.put("host", () => {}))).toMatchObject({ code: "Refused" })
    expect([...other.all("embed_name")].length).toBe(1)
    await other.close()
  })

  it("is needed: outside of a plugin and without a kernel, `graft` says what to do", () => {
    expect(() => faceless.embed_greeter).toThrow(KernelError)
    expect(() => faceless.emit).toThrow("graft.emit: this code was not loaded by a kernel; use createKernel().graft")
  })
})
