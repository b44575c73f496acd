/** An edit that keeps throwing is taken back, with a sentence that says what and where; anything less is let be. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { createKernel, type EmbeddedKernel, type JournalEntry } from "graft"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { before, sentence, verdict, type Counters } from "../../plugins/guard/verdict.ts"

describe("the verdict", () => {
  it.each<[string, Counters, string]>([
    ["given nothing happened yet", { calls: 0, crashes: 0, age: 0 }, "wait"],
    ["given two crashes of two calls", { calls: 2, crashes: 2, age: 10 }, "wait"],
    ["given three crashes of five calls", { calls: 5, crashes: 3, age: 10 }, "revert"],
    ["given three crashes of six calls, which is half", { calls: 6, crashes: 3, age: 10 }, "wait"],
    ["given three crashes outside of any call", { calls: 0, crashes: 3, age: 10 }, "revert"],
    ["given most of a thousand calls in the first minute", { calls: 1_000, crashes: 501, age: 60_000 }, "revert"],
    ["given most of the first twenty calls, an hour later", { calls: 20, crashes: 11, age: 3_600_000 }, "revert"],
    ["given the first minute and the first twenty calls are over", { calls: 21, crashes: 21, age: 60_001 }, "passed"],
  ])("%s", (_, counters, expected) => expect(verdict(counters)).toBe(expected))

  it("reverts only what crashed three times, in more than half of its calls, while it is on trial", () => {
    const nat = fc.nat({ max: 200_000 })
    fc.assert(fc.property(fc.nat({ max: 60 }), fc.nat({ max: 60 }), nat, (calls, crashes, age) => {
      const decided = verdict({ calls, crashes, age })
      expect(decided === "revert").toBe(crashes >= 3 && crashes > calls / 2 && (age <= 60_000 || calls <= 20))
      if (decided === "passed") expect(verdict({ calls: calls + 1, crashes: crashes + 1, age: age + 1 })).toBe("passed")
    }))
  })
})

describe("what was before", () => {
  const entry = (gen: number, hash: string | undefined, outcome: JournalEntry["outcome"] = "committed"): JournalEntry => ({ at: gen, plugin: "p", realm: "root", gen, cause: "", outcome, times: {}, ...(hash && { hash }) })
  it.each<[string, JournalEntry[], number | undefined]>([
    ["the first generation has nothing", [entry(1, "a")], undefined],
    ["an edit has what it took the place of", [entry(1, "a"), entry(2, "b")], 1],
    ["a reload for other options is the same code", [entry(1, "a"), entry(2, "a")], undefined],
    ["what failed was never live", [entry(1, "a"), entry(2, "x", "failed"), entry(2, "b")], 1],
    ["a fault is no generation", [entry(1, "a"), entry(1, undefined, "failed"), entry(2, "b")], 1],
    ["what was reverted is gone", [entry(1, "a"), entry(2, "b"), entry(3, "a", "reverted"), entry(4, "c")], 1],
    ["after a revert, what was before that", [entry(1, "a"), entry(2, "b"), entry(3, "c"), entry(4, "b", "reverted")], 1],
    ["the same bytes saved again are an edit like any other", [entry(1, "a"), entry(2, "b"), entry(3, "a")], 2],
  ])("%s", (_, journal, expected) => expect(before(journal)).toBe(expected))
})

describe("the sentence", () => {
  const fault = { plugin: "foo", kind: "throw", message: "no such thing\nat all", where: "/p/foo.ts:31:5" } as const
  it("names file and line as the author knows them, and the first line of the error", () => {
    expect(sentence(fault, 12, "/p/foo.ts")).toBe("reverted to 12: your edit of foo.ts:31 throws: no such thing")
    expect(sentence({ ...fault, where: "/p/foo/parts/a.ts:3:1" }, 2, "/p/foo/index.ts")).toBe("reverted to 2: your edit of foo/parts/a.ts:3 throws: no such thing")
    expect(sentence({ ...fault, kind: "timeout", message: "on x did not end within 5000 ms", where: undefined }, 2, "/p/foo.ts")).toBe("reverted to 2: your edit of foo hangs: on x did not end within 5000 ms")
  })
})

describe("probation", () => {
  let base: string, file: string, kernel: EmbeddedKernel
  /** `answer` is what each call does. */
  const source = (answer: string) => `export default { setup(graft) {\n  graft.provide("shaky", {\n    ask: async (n) => {\n      ${answer}\n    },\n  })\n} }\n`
  const GOOD = source('return "good"')
  const save = async (text: string) => {
    writeFileSync(file, text)
    await kernel.reconcile([file])
    await kernel.settled()
  }
  const ask = (n = 0) => (kernel.use("shaky" as never) as { ask(n: number): Promise<unknown> }).ask(n).then(String, (error: Error) => error.message)
  /** So many calls, and everything that comes of them. */
  const asked = async (times: number) => {
    const answers: string[] = []
    for (let n = 0; n < times; n++) answers.push(await ask(n))
    await kernel.settled()
    return answers
  }
  const reverted = () => kernel.journal("shaky").filter(({ outcome }) => outcome === "reverted").map(({ message }) => message)

  beforeEach(async () => {
    base = realpathSync(mkdtempSync(join(tmpdir(), "graft-probation-")))
    mkdirSync(join(base, "plugins"))
    file = join(base, "plugins/shaky.ts")
    writeFileSync(file, GOOD)
    kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }, { dir: join(base, "plugins"), kind: "user", per: "process" }], dataDir: base, only: ["guard", "shaky"] })
    await kernel.start()
  })
  afterEach(async () => {
    await kernel.close()
    rmSync(base, { recursive: true, force: true })
  })

  it("takes an edit back at its third crash, says where it throws, and tries it again when it is edited", async () => {
    const told: string[] = []
    kernel.on("plugin.reverted", ({ gen, reason }) => { told.push(`${gen} ${reason}`) })
    await save(source('throw new Error("broken by hand")'))
    expect(await asked(3)).toEqual(["broken by hand", "broken by hand", "broken by hand"])
    expect(told).toEqual(["3 reverted to 1: your edit of shaky.ts:4 throws: broken by hand"])
    expect(await ask()).toBe("good")
    await kernel.reconcile([file])
    expect(await ask()).toBe("good")
    await save(source('return "mended"'))
    expect(await ask()).toBe("mended")
  })

  it("goes back as far as it must", async () => {
    await save(source('if (globalThis.shakyTurns) throw new Error("so much for that")\n      return "fine so far"'))
    expect(await ask()).toBe("fine so far")
    await save(source('throw new Error("worse")'))
    ;(globalThis as { shakyTurns?: boolean }).shakyTurns = true
    await asked(3)
    await asked(3)
    delete (globalThis as { shakyTurns?: boolean }).shakyTurns
    expect(reverted()).toEqual(["reverted to 2: your edit of shaky.ts:4 throws: worse", "reverted to 1: your edit of shaky.ts:4 throws: so much for that"])
    expect(await ask()).toBe("good")
  })

  it("lets be: typed errors, which are results", async () => {
    await save(source('throw Object.assign(new Error("not found"), { code: "shaky.missing" })'))
    await asked(6)
    expect(reverted()).toEqual([])
  })

  it("lets be: what fails in half of its calls", async () => {
    await save(source('if (n % 2) throw new Error("odd")\n      return "even"'))
    await asked(12)
    expect(reverted()).toEqual([])
  })

  it("lets be: what took the place of nothing, or of the same code", async () => {
    await kernel.close()
    writeFileSync(file, source('throw new Error("from the start")'))
    kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }, { dir: join(base, "plugins"), kind: "user", per: "process" }], dataDir: base, only: ["guard", "shaky"] })
    await kernel.start()
    await asked(4)
    await kernel.graft.kernel.configure(undefined, { shaky: { other: "options" } })
    expect(kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "shaky")).toMatchObject({ gen: 2, status: "live" })
    await asked(4)
    expect(kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "shaky")).toMatchObject({ gen: 2, status: "live" })
  })

  it("judges each project's generation by itself", async () => {
    const projects = ["one", "two"].map((name) => join(base, name))
    for (const project of projects) {
      mkdirSync(join(project, ".git"), { recursive: true })
      mkdirSync(join(project, "plugins"))
      writeFileSync(join(project, "plugins/local.ts"), GOOD.replace("shaky", "local"))
    }
    await kernel.graft.kernel.enable("local")
    await kernel.close()
    kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }, { dir: "plugins", kind: "project" }], dataDir: base, only: ["guard", "local"] })
    await kernel.start()
    const realms = await Promise.all(projects.map((project) => kernel.child(project)))
    await kernel.settled()
    for (const project of projects) writeFileSync(join(project, "plugins/local.ts"), source('throw new Error("broken")').replace("shaky", "local"))
    await kernel.reconcile([])
    for (let n = 0; n < 3; n++) await (realms[0]!.use("local" as never) as { ask(): Promise<unknown> }).ask().catch(() => {})
    await kernel.settled()
    const gens = kernel.inspect().realms.slice(1).map(({ id, plugins }) => [id, plugins.find((plugin) => plugin.id === "local")?.gen])
    expect(gens).toEqual([[projects[0], 3], [projects[1], 2]])
    for (const realm of realms) realm[Symbol.dispose]()
  })
})
