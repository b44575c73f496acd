/** Nothing of a project's own code is compiled or evaluated before a person has agreed to it; what they say takes hold at once, and can be taken back. */
import { fork } from "node:child_process"
import { appendFileSync, chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createKernel, definePlugin, type EmbeddedKernel } from "graft"
import { afterEach, describe, expect, onTestFinished, test } from "vitest"
import type { TrustAsk } from "../../plugins/trust/contract.ts"
import trust from "../../plugins/trust/index.ts"

const open: EmbeddedKernel[] = []
afterEach(async () => { for (const kernel of open.splice(0)) await kernel.close() })

const face = (answers = true) => definePlugin({ setup: (graft) => void graft.add("face", { id: "face", answers }) })

class World {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), "graft-trust-")))
  readonly home = join(this.base, "home")
  readonly location = join(this.base, "project")
  readonly file = join(this.home, "data", "trust.json")
  readonly marker = join(this.base, "marker")
  #aged = Math.floor(Date.now() / 1000) - 100_000

  constructor() {
    mkdirSync(join(this.location, ".git"), { recursive: true })
    onTestFinished(() => rmSync(this.base, { recursive: true, force: true }))
  }

  /** A plugin that leaves a mark when it is evaluated, and another one when it is set up. */
  plant(name: string, version: number | string = 1, location = this.location): string {
    const path = join(location, ".graft", "plugins", name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `import { appendFileSync } from "node:fs"\nappendFileSync(${JSON.stringify(this.marker)}, "${name}@${version} evaluated\\n")\nexport default { setup() { appendFileSync(${JSON.stringify(this.marker)}, "${name}@${version} set up\\n") } }\n`)
    utimesSync(path, ++this.#aged, this.#aged)
    return path
  }

  marks(): string[] { return existsSync(this.marker) ? readFileSync(this.marker, "utf8").trim().split("\n") : [] }

  /** A process of its own, as far as trust goes. */
  async start({ face: answers, trustFrom }: { face?: boolean; trustFrom?: string } = {}) {
    const kernel = createKernel({
      dataDir: this.home, cacheDir: join(this.base, "compiled"),
      roots: [...(trustFrom ? [{ dir: trustFrom, kind: "built-in" } as const] : []), { dir: ".graft/plugins", kind: "project", per: "location", guarded: true }],
    })
    open.push(kernel)
    const told: string[] = []
    const warned: string[] = []
    kernel.on("*", (payload, { event, location }) => {
      const { answer, plugin } = payload as { answer?: string; plugin?: string }
      if (event.startsWith("trust.")) told.push(`${event}${answer ? ` ${answer}` : plugin ? ` ${plugin}` : ""}${location ? "" : " at the root"}`)
      if (event === "plugin.logged") warned.push((payload as { text: string }).text)
    })
    await kernel.start()
    if (!trustFrom) await kernel.put("trust", trust as never)
    if (answers) await kernel.put("face", face())
    const settle = async () => {
      await kernel.reconcile()
      await kernel.settled()
    }
    return {
      kernel, graft: kernel.graft, warned, settle,
      told: () => told.splice(0),
      enter: async (location = this.location) => {
        const there = await kernel.child(location)
        await settle()
        return there
      },
      view: (id: string, location = this.location) => kernel.inspect().realms.find((realm) => realm.location === location)!.plugins.find((plugin) => plugin.id === id)!,
      pending: async (id: string): Promise<TrustAsk> => (await kernel.graft.trust.pending()).find(({ plugin }) => plugin === id)!,
    }
  }
}

const failing = (work: Promise<unknown>): Promise<{ code?: string; message: string }> => work.then(() => { throw new Error("it did not fail") }, (error: Error & { code?: string }) => ({ code: error.code, message: error.message }))

describe("L27: of what nobody has agreed to", () => {
  test("not one byte is compiled or evaluated, whatever kind of file it is; after a yes it is, at once", async () => {
    const world = new World()
    for (const name of ["a.ts", "b.mjs", "c/index.ts", "d.js"]) world.plant(name)
    // A compiler would have complained.
    writeFileSync(join(world.location, ".graft", "plugins", "e.ts"), "export default {{{{")
    writeFileSync(join(world.location, ".graft", "plugins", "c", "helper.ts"), "const = 5")
    const { graft, enter, view, settle, kernel } = await world.start({ face: true })
    await enter()
    for (const id of ["a", "b", "c", "d", "e"]) expect([id, view(id).status]).toEqual([id, "refused"])
    expect([world.marks(), existsSync(join(world.base, "compiled"))]).toEqual([[], false])
    expect(kernel.journal().filter(({ realm, phase }) => realm === world.location && phase !== "admit")).toEqual([])
    await graft.trust.answer((await graft.trust.pending()).find(({ plugin }) => plugin === "a")!.id, "content")
    await settle()
    expect([view("a").status, world.marks(), readdirSync(join(world.base, "compiled")).length]).toEqual(["live", ["a.ts@1 evaluated", "a.ts@1 set up"], 1])
  })

  test("nothing waits for the answer: the kernel is quiet, and other plugins come and go", async () => {
    const world = new World()
    world.plant("a.ts")
    const { kernel, enter, view } = await world.start({ face: true })
    await enter()
    await kernel.settled(1_000)
    await kernel.put("other", definePlugin({ setup() {} }), world.location)
    expect([view("a").reason, view("other").status]).toEqual([expect.stringContaining("waits for your answer"), "live"])
  })
})

describe("without anybody who could answer", () => {
  test("it is no, with what to do", async () => {
    const world = new World()
    world.plant("a.ts")
    const { kernel, graft, enter, view, told } = await world.start()
    await kernel.put("logger", face(false))
    await enter()
    expect(view("a")).toMatchObject({ status: "refused", reason: `nobody has agreed to the code of "a". To let the plugins of ${world.location} run: graft trust allow in that directory, or --trust for one run` })
    expect([await graft.trust.pending(), told(), world.marks()]).toEqual([[], [], []])
  })

  test("who comes later is asked then; when the last one goes the question falls away", async () => {
    const world = new World()
    world.plant("a.ts")
    const { kernel, graft, enter, told, settle } = await world.start()
    await enter()
    await kernel.put("face", face())
    await settle()
    expect([told(), (await graft.trust.pending()).length]).toEqual([["trust.asked a"], 1])
    await kernel.drop("face")
    await settle()
    expect([told(), await graft.trust.pending()]).toEqual([["trust.answered void"], []])
  })
})

describe("an answer", () => {
  test("to the content is for good, for exactly these bytes at this place, and is kept in private", async () => {
    const world = new World()
    const path = world.plant("a.ts")
    const one = await world.start({ face: true })
    await one.enter()
    const ask = await one.pending("a")
    expect(ask).toMatchObject({ location: world.location, plugin: "a", realpath: path, files: [path], digest: expect.stringMatching(/^[0-9a-f]{64}$/) })
    await one.graft.trust.answer(ask.id, "content")
    await one.settle()
    expect([one.told(), (statSync(world.file).mode & 0o777).toString(8)]).toEqual([["trust.asked a", "trust.answered content"], "600"])
    expect(await one.graft.trust.allowed(world.location)).toBe(false)
    const two = await world.start({ face: true })
    await two.enter()
    expect([two.view("a").status, two.told()]).toEqual(["live", []])
    // Other bytes are another question, and what was agreed to runs on meanwhile.
    world.plant("a.ts", 2)
    await two.settle()
    expect([two.told(), two.view("a").status, world.marks().at(-1)]).toEqual([["trust.asked a"], "live", "a.ts@1 set up"])
    world.plant("a.ts", 3)
    await two.settle()
    expect(two.told()).toEqual(["trust.answered void", "trust.asked a"])
    await two.graft.trust.answer((await two.pending("a")).id, "content")
    await two.settle()
    expect(world.marks().at(-1)).toBe("a.ts@3 set up")
    // What was agreed to before is not asked about again.
    world.plant("a.ts", 1)
    await two.settle()
    expect([two.told(), world.marks().at(-1)]).toEqual([["trust.answered content"], "a.ts@1 set up"])
  })

  test("to the directory covers whatever is in this project, until the process ends", async () => {
    const world = new World()
    world.plant("a.ts")
    const nested = join(world.location, "vendor")
    mkdirSync(join(nested, ".git"), { recursive: true })
    world.plant("n.ts", 1, nested)
    const one = await world.start({ face: true })
    await one.enter()
    await one.graft.trust.answer((await one.pending("a")).id, "directory")
    await one.settle()
    world.plant("a.ts", 2)
    world.plant("b.ts")
    await one.settle()
    expect([world.marks().filter((mark) => mark.endsWith("set up")).slice(1).sort(), one.told(), await one.graft.trust.allowed(join(world.location, ".graft"))]).toEqual([["a.ts@2 set up", "b.ts@1 set up"], ["trust.asked a", "trust.answered directory", "trust.granted"], true])
    // A project inside it is another one, and a link that leads out of it is not in it.
    await one.enter(nested)
    const outside = join(world.base, "outside.ts")
    writeFileSync(outside, "export default { setup() {} }")
    symlinkSync(outside, join(world.location, ".graft", "plugins", "linked.ts"))
    await one.settle()
    expect([one.view("n", nested).status, one.view("linked").status]).toEqual(["refused", "refused"])
    const two = await world.start({ face: true })
    await two.enter()
    expect(two.view("a").status).toBe("refused")
  })

  test("of no is not asked about again, unless the bytes change", async () => {
    const world = new World()
    world.plant("a.ts")
    const { kernel, graft, enter, pending, told, settle, view } = await world.start({ face: true })
    await enter()
    await graft.trust.answer((await pending("a")).id, "no")
    await settle()
    await kernel.put("face", face())
    await settle()
    expect([told(), view("a").reason]).toEqual([["trust.asked a", "trust.answered no"], expect.stringContaining('you said no to "a" as it is now')])
    world.plant("a.ts", 2)
    await settle()
    expect([told(), world.marks()]).toEqual([["trust.asked a"], []])
  })

  test("is one: of two who race, one learns that it came too late", async () => {
    const world = new World()
    world.plant("a.ts")
    const { graft, enter, pending, told, settle } = await world.start({ face: true })
    await enter()
    const { id } = await pending("a")
    const ends = await Promise.allSettled([graft.trust.answer(id, "content"), graft.trust.answer(id, "no"), graft.trust.answer(id, "directory")])
    await settle()
    expect(ends.map((end) => (end.status === "rejected" ? (end.reason as { code: string }).code : "done"))).toEqual(["done", "trust.unknown", "trust.unknown"])
    expect([told(), world.marks()]).toEqual([["trust.asked a", "trust.answered content"], ["a.ts@1 evaluated", "a.ts@1 set up"]])
  })
})

describe("trust in a project", () => {
  test("for this process, or for good, brings its plugins up; taken back, they go", async () => {
    const world = new World()
    world.plant("a.ts")
    const one = await world.start()
    await one.enter()
    await one.graft.trust.allow(join(world.location, ".graft"))
    await one.settle()
    expect([one.view("a").status, one.told(), existsSync(world.file)]).toEqual(["live", ["trust.granted"], false])
    await one.graft.trust.allow(world.location, { remember: true })
    const two = await world.start({ face: true })
    await two.enter()
    expect([two.view("a").status, await two.graft.trust.allowed(world.location)]).toEqual(["live", true])
    await two.graft.trust.revoke(world.location)
    await two.settle()
    expect([two.view("a").status, two.told(), await two.graft.trust.allowed(world.location), await two.graft.trust.pending()]).toEqual(["refused", ["trust.revoked"], false, []])
    expect(two.view("a").reason).toContain("was taken back")
    await two.graft.trust.allow(world.location)
    await two.settle()
    expect([two.view("a").status, two.told()]).toEqual(["live", ["trust.granted"]])
    const three = await world.start()
    await three.enter()
    expect(three.view("a").status).toBe("refused")
  })

  test("given in one process holds in another, as soon as the file is seen to change; and so does its end", async () => {
    const world = new World()
    world.plant("a.ts")
    const one = await world.start()
    await one.enter()
    const two = await world.start()
    const seen = async () => {
      one.kernel.emit("watch.changed", { paths: [world.file] })
      await one.kernel.settled()
      await one.settle()
    }
    await two.graft.trust.allow(world.location, { remember: true })
    await seen()
    expect([one.view("a").status, one.told()]).toEqual(["live", ["trust.granted"]])
    await seen()
    expect(one.told()).toEqual([])
    await two.graft.trust.revoke(world.location)
    await seen()
    expect([one.view("a").status, one.told(), [...one.graft.all("watched")].map(({ path }) => path)]).toEqual(["refused", ["trust.revoked"], [world.file]])
  })
})

describe("the file", () => {
  test("that is damaged trusts nothing, says so once, and is kept beside", async () => {
    const world = new World()
    world.plant("a.ts")
    mkdirSync(dirname(world.file), { recursive: true })
    writeFileSync(world.file, '{ "version": 1, "projects": ')
    const { graft, enter, view, warned, settle } = await world.start()
    await enter()
    await settle()
    expect([view("a").status, warned.length, warned[0]]).toEqual(["refused", 1, expect.stringMatching(/trust\.json is damaged .*: nothing in it counts as agreed to/)])
    await graft.trust.allow(world.location, { remember: true })
    await settle()
    expect([view("a").status, readFileSync(`${world.file}.broken`, "utf8"), Object.keys(JSON.parse(readFileSync(world.file, "utf8")).projects)]).toEqual(["live", '{ "version": 1, "projects": ', [world.location]])
  })

  test("that others could have written, or that a newer version wrote, trusts nothing", async () => {
    const world = new World()
    const { graft, warned } = await world.start()
    await graft.trust.allow(world.location, { remember: true })
    chmodSync(world.file, 0o666)
    expect([await graft.trust.allowed(world.location), warned.at(-1)]).toEqual([false, expect.stringContaining("could have been written by others (mode 0666)")])
    await graft.trust.allow(world.location, { remember: true })
    expect([await graft.trust.allowed(world.location), (statSync(world.file).mode & 0o777).toString(8)]).toEqual([true, "600"])
    writeFileSync(world.file, readFileSync(world.file, "utf8").replace('"version": 1', '"version": 2'))
    expect(await graft.trust.allowed(world.location)).toBe(false)
  })

  test("that cannot be written: a yes holds for the process, and what should be remembered fails", async () => {
    const world = new World()
    world.plant("a.ts")
    writeFileSync(world.home, "a file where the home should be")
    const { graft, enter, pending, view, warned, settle } = await world.start({ face: true })
    await enter()
    await graft.trust.answer((await pending("a")).id, "content")
    await settle()
    expect([view("a").status, warned.at(-1)]).toEqual(["live", expect.stringContaining("your yes holds until this process ends")])
    expect(await failing(graft.trust.allow(world.location, { remember: true }))).toMatchObject({ code: "trust.unwritable", message: expect.stringContaining(world.file) })
    expect((await failing(graft.trust.revoke(world.location))).code).toBe("trust.unwritable")
    await settle()
    expect(view("a").status).toBe("refused")
  })

  test("loses nothing when several processes agree at once", async () => {
    const world = new World()
    const script = join(world.base, "writer.mjs")
    writeFileSync(script, `import { createKernel } from ${JSON.stringify(new URL("../../kernel/index.ts", import.meta.url).href)}
const kernel = createKernel({ roots: [{ dir: ${JSON.stringify(new URL("../../plugins", import.meta.url).pathname)}, kind: "built-in" }], dataDir: ${JSON.stringify(world.home)}, only: ["trust"] })
await kernel.start()
await Promise.all([1, 2, 3].map((n) => kernel.graft.trust.allow(${JSON.stringify(world.base)} + "/" + process.argv[2] + n, { remember: true })))
await kernel.close()`)
    const names = ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"]
    for (const name of names) mkdirSync(join(world.base, name, ".git"), { recursive: true })
    const children = ["a", "b"].map((name) => new Promise<number | null>((resolve) => fork(script, [name], { stdio: "inherit", execArgv: [] }).on("exit", resolve)))
    const { graft } = await world.start()
    await Promise.all(["c1", "c2", "c3"].map((name) => graft.trust.allow(join(world.base, name), { remember: true })))
    expect(await Promise.all(children)).toEqual([0, 0])
    expect(Object.keys(JSON.parse(readFileSync(world.file, "utf8")).projects).sort()).toEqual(names.map((name) => join(world.base, name)))
    expect(readdirSync(dirname(world.file))).toEqual(["trust.json"])
  })
})

describe("the plugin's own source", () => {
  test("edited while a question is open neither repeats nor loses it", async () => {
    const world = new World()
    world.plant("a.ts")
    // A copy stays in the repository, where its packages are found.
    const sources = mkdtempSync(join(import.meta.dirname, "../fixtures/.plugins-"))
    onTestFinished(() => rmSync(sources, { recursive: true, force: true }))
    for (const folder of ["lib", "trust"]) cpSync(join(import.meta.dirname, "../../plugins", folder), join(sources, folder), { recursive: true })
    const { kernel, graft, enter, pending, told, settle, view } = await world.start({ face: true, trustFrom: sources })
    await enter()
    const before = await pending("a")
    expect(told()).toEqual(["trust.asked a"])
    appendFileSync(join(sources, "trust/gate.ts"), "\n// edited\n")
    await kernel.reconcile([join(sources, "trust/gate.ts")])
    await settle()
    expect([kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "trust")!.gen, await pending("a"), told()]).toEqual([2, before, []])
    await graft.trust.answer(before.id, "content")
    await settle()
    expect([view("a").status, told()]).toEqual(["live", ["trust.answered content"]])
  })
})

