/** What a session did to files is taken back with its words, and brought back; what anybody else did is not touched, and neither is the user's git. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { spansOf, undo, type Entry, type State } from "../../plugins/snapshot/course.ts"
import { call, finish, says, text, type Script } from "../fixtures/conversation.ts"
import { openLife, type Life, type LifeOptions } from "../fixtures/life.ts"

/** Where the next does what it does; most share one. */
let life: Life
let shared: Life
const next: Script[] = []
const open = (options: LifeOptions = {}) => openLife({ scripts: () => next.shift() ?? says(...text("done"), finish()), ...options })
beforeAll(async () => { shared = await open() })
afterAll(async () => { await shared?.[Symbol.asyncDispose]() })
beforeEach(() => {
  next.length = 0
  life = shared
  for (const name of readdirSync(life.project)) if (name !== ".git") rmSync(join(life.project, name), { recursive: true, force: true })
})

let serial = 0
/** A prompt that is answered by a command in the shell. */
async function does(session: string, ...commands: string[]): Promise<void> {
  for (const command of commands) next.push(says(call(`c${++serial}`, "bash", { command }), finish("tool-calls")))
  await life.say(session, commands.join("; "))
  // The state after it is kept beside what goes on; who asks for a plan asks after it.
  await life.graft.snapshot.plan(session, { activity: 1_000, turn: 1 })
}
const revert = (session: string, message?: string) => life.graft.session.revert(session, { files: true, ...(message !== undefined && { message }) })
const read = (path: string) => readFileSync(join(life.project, path), "utf8")
const path = (name: string) => join(life.project, name)
/** Every file of the project but .git: mode, and content or where it leads. */
function files(directory = life.project): Record<string, string> {
  return Object.fromEntries(readdirSync(directory, { withFileTypes: true }).filter(({ name }) => name !== ".git").flatMap((entry) => {
    const full = join(directory, entry.name)
    if (entry.isDirectory()) return Object.entries(files(full))
    return [[full.slice(life.project.length + 1), entry.isSymbolicLink() ? `-> ${readlinkSync(full)}` : `${(statSync(full).mode & 0o777).toString(8)} ${readFileSync(full, "latin1")}`]]
  }))
}

describe("in a git repository", () => {
  it("what was written, changed, deleted and linked is as it was; restoring brings all of it back, and the words", async () => {
    life.put("keep.txt", "keep\r\n")
    life.put("change.txt", "before\r\n")
    life.put("deep/er/gone.sh", "#!/bin/sh\n")
    chmodSync(path("deep/er/gone.sh"), 0o755)
    life.put(".gitattributes", "* text=auto eol=lf\n*.txt filter=none ident\n")
    symlinkSync("keep.txt", path("link"))
    const id = await life.session()
    await life.say(id, "hello")
    const before = files()
    await does(id, "printf after > change.txt; rm -r deep; mkdir -p new/est; echo made > new/est/file; ln -sf change.txt link; chmod 600 keep.txt; chmod 755 keep.txt", "echo more >> change.txt; echo 'ü\\n' > 'na\nme'")
    const [after, whole] = [files(), await life.graft.session.messages(id)]
    const { files: put, kept } = await revert(id)
    expect(kept).toEqual([])
    expect(put).toEqual(["change.txt", "deep/er/gone.sh", "keep.txt", "link", "na\nme", "new/est/file"])
    expect(files()).toEqual({ ...before, "keep.txt": "644 keep\r\n" })
    expect(existsSync(path("new"))).toBe(false)
    expect(await life.graft.session.messages(id)).toHaveLength(3)
    expect(await life.graft.session.restore(id)).toEqual({ files: put, kept: [] })
    expect(files()).toEqual(after)
    expect(await life.graft.session.messages(id)).toEqual(whole)
  })

  it("of any prompts with any changes, taking back and restoring is nothing (law)", async () => {
    const names = ["a", "b", "d/c"]
    const change = fc.record({ name: fc.constantFrom(...names), to: fc.option(fc.constantFrom("one", "two", "three")) })
    await fc.assert(fc.asyncProperty(fc.array(fc.array(change, { maxLength: 3 }), { minLength: 1, maxLength: 3 }), fc.nat(), async (prompts, n) => {
      for (const name of [...names, "d"]) rmSync(path(name), { recursive: true, force: true })
      life.put("a", "one")
      const id = await life.session()
      const states: Record<string, string>[] = []
      for (const changes of prompts) {
        states.push(files())
        await does(id, ["true", ...changes.map(({ name, to }) => (to === null ? `rm -f ${name}` : `mkdir -p d; printf ${to} > ${name}`))].join("; "))
      }
      const [after, whole] = [files(), await life.graft.session.messages(id)]
      const at = n % prompts.length
      const users = whole.filter(({ role }) => role === "user")
      await revert(id, users[at]!.id)
      expect(files()).toEqual(states[at])
      if (at > 0) await revert(id, users[0]!.id)
      await life.graft.session.restore(id)
      expect(files()).toEqual(after)
      expect(await life.graft.session.messages(id)).toEqual(whole)
    }), { numRuns: 3 })
  })

  it("what somebody else changed since, or in between, is left as it is and named", async () => {
    for (const name of ["mine", "ours", "theirs"]) life.put(name, "0\n")
    const id = await life.session()
    await does(id, "echo 1 > ours; echo 1 > theirs")
    life.put("ours", "between\n")
    life.put("mine", "mine\n")
    await does(id, "echo 2 > ours; echo 2 > theirs; echo 2 > new")
    life.put("new", "mine too\n")
    const [first] = (await life.graft.session.messages(id)).filter(({ role }) => role === "user")
    expect(await life.graft.session.revert(id, { message: first!.id, files: true, preview: true })).toMatchObject({ files: ["theirs"], kept: ["new", "ours"] })
    expect(read("theirs")).toBe("2\n")
    expect(await revert(id, first!.id)).toMatchObject({ files: ["theirs"], kept: ["new", "ours"] })
    expect([read("theirs"), read("ours"), read("new"), read("mine")]).toEqual(["0\n", "2\n", "mine too\n", "mine\n"])
    life.put("theirs", "changed meanwhile\n")
    expect(await life.graft.session.restore(id)).toEqual({ files: [], kept: ["theirs"] })
    expect(read("theirs")).toBe("changed meanwhile\n")
  })

  it("what was taken back and done otherwise is taken back again", async () => {
    life.put("file", "0\n")
    const id = await life.session()
    await does(id, "echo 1 > file")
    await does(id, "echo 2 > file")
    await revert(id)
    expect(read("file")).toBe("1\n")
    await does(id, "echo 3 > file")
    await revert(id)
    expect(read("file")).toBe("1\n")
    await revert(id)
    expect(read("file")).toBe("0\n")
    await life.graft.session.restore(id)
    expect(read("file")).toBe("3\n")
  })

  it("from the middle of the work on, only what came then is taken back", async () => {
    const id = await life.session()
    await does(id, "echo 1 > one", "cat one", "echo 2 > two")
    expect(await revert(id, "a1.3")).toMatchObject({ files: ["two"] })
    expect([existsSync(path("one")), existsSync(path("two"))]).toEqual([true, false])
  })

  it("what git ignores, and what is too large, is nobody's to put back; nothing that was there is deleted", async () => {
    life.put(".gitignore", "secret\n")
    life.put("secret", "token\n")
    life.put("large.bin", Buffer.alloc(5 * 1024 * 1024 + 1))
    const old = new Date(Date.now() - 60_000)
    utimesSync(path("secret"), old, old)
    const id = await life.session()
    await does(id, ": > .gitignore; printf small > large.bin; echo made > made")
    expect(await revert(id)).toMatchObject({ files: [".gitignore", "made"], kept: ["large.bin", "secret"] })
    expect([read("secret"), read("large.bin"), read(".gitignore")]).toEqual(["token\n", "small", "secret\n"])
  })

  it("never through a link that was put in the way", async () => {
    life.put("directory/file", "0\n")
    const id = await life.session()
    await does(id, "echo 1 > directory/file")
    const outside = join(life.home, "outside")
    mkdirSync(outside)
    writeFileSync(join(outside, "file"), "1\n")
    const { snapshot } = await life.graft.snapshot.plan(id, { activity: 1, turn: 1 })
    rmSync(path("directory"), { recursive: true })
    symlinkSync(outside, path("directory"))
    expect(await life.graft.snapshot.apply(snapshot!, "there")).toEqual({ files: [], kept: ["directory/file"] })
    expect(readFileSync(join(outside, "file"), "utf8")).toBe("1\n")
    expect(lstatSync(path("directory")).isSymbolicLink()).toBe(true)
  })

  it("without a touch of the user's git, and in a private directory", async () => {
    life.put("file", "0\n")
    life.git("add", ".")
    life.put(".git/hooks/post-index-change", `#!/bin/sh\ntouch ${path("hooked")}\n`)
    chmodSync(path(".git/hooks/post-index-change"), 0o755)
    const state = () => readdirSync(path(".git"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => {
      const file = join(entry.parentPath, entry.name)
      return `${file} ${statSync(file).mtimeMs} ${readFileSync(file, "latin1")}`
    })
    const before = state()
    const id = await life.session()
    await does(id, "echo 1 > file")
    await revert(id)
    await life.graft.session.restore(id)
    expect(state()).toEqual(before)
    expect(existsSync(path("hooked"))).toBe(false)
    const [own] = readdirSync(join(life.home, "data/snapshots"))
    expect(statSync(join(life.home, "data/snapshots")).mode & 0o777).toBe(0o700)
    expect(statSync(join(life.home, "data/snapshots", own!)).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(life.home, "data/snapshots", own!)).filter((name) => name.startsWith("index."))).toEqual([])
  })

  it("and what only was said costs no state", async () => {
    const id = await life.session()
    await life.say(id, "hello")
    next.push(says(call("r", "read", { path: "." }), finish("tool-calls")))
    await life.say(id, "look")
    expect(await revert(id)).toEqual({ message: expect.any(String) as string, files: [], kept: [] })
    expect((await life.graft.session.describe(id)).reverted).toMatchObject([{ files: false }])
  })

  it("the states of a session go with it", async () => {
    const id = await life.session()
    await does(id, "echo 1 > file")
    const refs = async () => { await life.graft.snapshot.plan(id, { activity: 1, turn: 1 }).catch(() => {}); return readdirSync(join(life.home, "data/snapshots", readdirSync(join(life.home, "data/snapshots"))[0]!, "refs"), { recursive: true }).filter((name) => String(name).includes(id)) }
    expect((await refs()).length).toBeGreaterThan(0)
    await life.graft.session.remove(id)
    await life.kernel.settled()
    await expect.poll(refs).toEqual([])
  })
})

describe("an edit of the plugin", () => {
  it("in the middle of the work forgets nothing of it", async () => {
    await using own = (life = await open({ copy: true }))
    life.put("file", "0\n")
    const id = await life.session()
    const entry = join(own.sources, "snapshot/index.ts")
    next.push(says(call("c1", "bash", { command: "echo 1 > file" }), finish("tool-calls")))
    next.push(async function* () {
      writeFileSync(entry, `${readFileSync(entry, "utf8")}// edited\n`)
      await life.kernel.reconcile([entry])
      yield* [call("c2", "bash", { command: "echo 2 > file" }), finish("tool-calls")]
    })
    await life.say(id, "go")
    expect(read("file")).toBe("2\n")
    expect(await revert(id)).toMatchObject({ files: ["file"], kept: [] })
    expect(read("file")).toBe("0\n")
    await life.graft.session.restore(id)
    expect(read("file")).toBe("2\n")
  })
})

describe("where there is no git repository", () => {
  it("only the words are taken back, and it is said why", async () => {
    await using own = (life = await open({ git: false }))
    const id = await own.session()
    next.push(says(call("c", "bash", { command: "echo 1 > file" }), finish("tool-calls")))
    await own.say(id, "write")
    expect(await revert(id)).toMatchObject({ files: [], kept: [], unable: expect.stringContaining("is no git repository") as string })
    expect(read("file")).toBe("1\n")
    expect(await life.graft.session.messages(id)).toHaveLength(1)
    expect(await life.graft.session.restore(id)).toEqual({ files: [], kept: [] })
  })
})

describe("which files are put back", () => {
  const state = (activity: number, turn: number, tree: string): State => ({ activity, turn, tree, at: activity })
  const entry = (blob: string): Entry => ({ mode: "100644", blob })

  it("is what was done between the states from a turn on, each activity by itself", () => {
    const states = [state(1, 1, "A"), state(1, Infinity, "B"), state(2, 1, "C"), state(2, 4, "D"), state(2, Infinity, "E")]
    const spans = (activity: number, turn: number) => spansOf(states, { activity, turn }, "now").map(({ before, after }) => `${before.tree}${after}`)
    expect(spans(1, 1)).toEqual(["AB", "CD", "DE"])
    expect(spans(1, 9)).toEqual(["AB", "CD", "DE"])
    expect(spans(2, 3)).toEqual(["CD", "DE"])
    expect(spans(2, 4)).toEqual(["DE"])
    expect(spans(3, 1)).toEqual([])
    // Its process died before the end was kept.
    expect(spansOf([state(1, 1, "A")], { activity: 1, turn: 1 }, "now").map(({ after }) => after)).toEqual(["now"])
  })

  it.each<[string, (string | undefined)[][], string | undefined, "put" | "kept" | "there"]>([
    ["changed once", [["a", "b"]], "b", "put"],
    ["changed twice", [["a", "b"], ["b", "c"]], "c", "put"],
    ["is as it was", [["a", "b"]], "a", "there"],
    ["was changed since", [["a", "b"]], "x", "kept"],
    ["was changed in between", [["a", "b"], ["x", "c"]], "c", "kept"],
    ["was put back in between", [["a", "b"], ["b", "c"], ["b", "d"]], "d", "put"],
    ["was made", [[undefined, "b"]], "b", "put"],
    ["was deleted", [["a", undefined]], undefined, "put"],
    ["was too large before", [["mark", "b"]], "b", "kept"],
  ])("a file that %s", (_, steps, now, expected) => {
    const courses = steps.map(([from, to], i) => ({ before: state(1, i + 1, ""), changes: [{ path: "f", ...(from && { from: entry(from) }), ...(to && { to: entry(to) }) }] }))
    const { put, kept } = undo(courses, new Map(now === undefined ? [] : [["f", entry(now)]]), "mark", () => false)
    expect(put.has("f") ? "put" : kept.includes("f") ? "kept" : "there").toBe(expected)
    if (expected === "put") expect(put.get("f")?.blob).toBe(steps[0]![0])
  })

  it("is none that was there before it came into sight", () => {
    const courses = [{ before: state(1, 1, ""), changes: [{ path: "f", to: entry("b") }] }]
    expect(undo(courses, new Map([["f", entry("b")]]), "mark", () => true)).toEqual({ put: new Map(), kept: ["f"] })
  })
})
