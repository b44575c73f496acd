/** The levers of operations, as a person pulls them: beside a running instance, and alone. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { BIN, place, type Place } from "./graft.ts"

vi.setConfig({ testTimeout: 90_000 })

const tool = (name: string, more = "") => `import { definePlugin } from "graft"\nexport default definePlugin({ per: "location", setup(graft) {\n  graft.tool.register({ name: "${name}", description: "${name}", effects: ["read"], input: { type: "object", properties: {} }, execute: async () => "v1 of ${name}" })${more}\n} })\n`

describe("operations", () => {
  let here: Place
  beforeAll(() => {
    here = place()
    here.config({ catalogue: { refresh: false } })
  })
  afterAll(() => here[Symbol.dispose]())

  it("bisect names the plugin that makes a command fail, and leaves everything as it was", async () => {
    for (const name of ["one", "two", "four"]) writeFileSync(join(here.plugins, `${name}.ts`), tool(name))
    const probe = `'${process.execPath}' '${BIN}' run --allow four 'use four {}' | grep -q "v1 of four" && exit 1 || exit 0`
    const found = await here.graft(["plugin", "bisect", "--probe", probe])
    expect(found, found.err).toMatchObject({ code: 0, out: expect.stringMatching(/^four makes it fail \([3-6] tries\)/) as string })
    expect((await here.graft(["plugin", "list"])).out).toMatch(/live +four@1/)
    expect(await here.graft(["plugin", "bisect", "--probe", "true"])).toMatchObject({ code: 1, out: expect.stringContaining("there is nothing to find") as string })
    expect(await here.graft(["plugin", "bisect", "--probe", "false"])).toMatchObject({ code: 1, out: expect.stringContaining("it is none of them") as string })
    expect(await here.graft(["plugin", "bisect"])).toMatchObject({ code: 2, err: expect.stringContaining("say what fails") as string })
  })

  it("several plugins may be made at once, the types for the editor with them", async () => {
    rmSync(join(here.plugins, ".types"), { recursive: true, force: true })
    for (const { code, err } of await Promise.all(["red", "green", "blue"].map((name) => here.graft(["plugin", "new", name])))) expect(code, err).toBe(0)
    for (const name of ["red", "green", "blue"]) rmSync(join(here.plugins, `${name}.ts`))
    expect(readdirSync(here.plugins)).toEqual(expect.arrayContaining([".types"]))
    expect(readdirSync(here.plugins).filter((name) => name.startsWith("..types"))).toEqual([])
  })

  it("upgrade --check judges a version, and refuses what is none", async () => {
    expect(await here.graft(["upgrade", "--check", "0.2.0"])).toMatchObject({ code: 0, out: expect.stringContaining("runs on Graft 0.2.0") as string })
    expect(await here.graft(["upgrade", "--check", "soon"])).toMatchObject({ code: 2, err: expect.stringContaining('"soon" is no version') as string })
  })

  it("pin holds what runs, the journal says what happened, a profile says whose time it was", async () => {
    const chat = here.terminal(["--model", "demo/demo"])
    await chat.says("demo/demo")
    await chat.says("›")
    expect(await here.graft(["plugin", "pin", "one"])).toMatchObject({ code: 0, out: expect.stringContaining("one@1 is pinned") as string })
    writeFileSync(join(here.plugins, "one.ts"), tool("one", "\n  graft.log.info('again')"))
    writeFileSync(join(here.plugins, "two.ts"), tool("two", "\n  graft.log.info('again')"))
    await here.graft(["plugin", "reload"])
    expect((await here.graft(["plugin", "list"])).out).toMatch(/one@1[\s\S]*two@2/)
    expect((await here.graft(["doctor"])).out).toContain("plugin one: is pinned: what is saved is not run  → graft plugin unpin one")
    expect(await here.graft(["why", "tool", "one"])).toMatchObject({ code: 0, out: expect.stringContaining("tool one  added by one@1 (user") as string })
    await here.graft(["plugin", "unpin", "one"])
    await here.graft(["plugin", "reload", "one"])
    expect((await here.graft(["plugin", "journal", "one"])).out).toMatch(/one .*@1 +committed[\s\S]*one .*@2 +committed/)
    expect(await here.graft(["plugin", "profile", "--seconds", "0.3"])).toMatchObject({ code: 0, out: expect.stringMatching(/^busy \d+ % of the time\n/) as string })
    expect(await here.graft(["plugin", "profile", "--seconds", "x"])).toMatchObject({ code: 2 })
    chat.press("\u0004")
    await chat.ended
  })

  it("eject makes a built-in one's own, and deleting the copy gives the built-in back", async () => {
    const ejected = await here.graft(["plugin", "eject", "tool-ls"])
    expect(ejected, ejected.err).toMatchObject({ code: 0, out: `${join(here.plugins, "tool-ls")}\n` })
    const file = join(here.plugins, "tool-ls/index.ts")
    expect(await here.graft(["run", "list ."])).toMatchObject({ code: 0, out: expect.stringContaining("package.json") as string })
    expect((await here.graft(["why", "tool", "ls"])).out).toMatch(/tool ls {2}added by tool-ls@1 \(user.*tool-ls\/index\.ts/)
    expect(await here.graft(["plugin", "eject", "tool-ls"])).toMatchObject({ code: 2, err: expect.stringContaining("is no built-in: it is yours already") as string })
    expect(existsSync(file)).toBe(true)
    rmSync(join(here.plugins, "tool-ls"), { recursive: true })
    expect((await here.graft(["why", "tool", "ls"])).out).toContain("(built-in")
  })

  it("add installs what is made for this Graft, as it is built", async () => {
    const folder = join(here.project, "parcel")
    mkdirSync(folder)
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "graft-parcel", version: "1.0.0", type: "module", graft: "./index.js", engines: { graft: ">=0.1" } }))
    writeFileSync(join(folder, "index.js"), tool("parcel"))
    expect(await here.graft(["plugin", "add", folder])).toMatchObject({ code: 0, out: expect.stringContaining("graft-parcel 1.0.0, used where it lies: parcel") as string })
    expect(await here.graft(["run", "--allow", "parcel", "use parcel {}"])).toMatchObject({ code: 0, out: expect.stringContaining("v1 of parcel") as string })
    expect(await here.graft(["upgrade", "--check", "0.0.1"])).toMatchObject({ code: 1, out: expect.stringContaining("graft-parcel was made for Graft >=0.1") as string })
    expect(await here.graft(["plugin", "remove", "parcel"])).toMatchObject({ code: 0 })
    expect(await here.graft(["permission", "test", "read", "/etc/passwd"])).toMatchObject({ code: 2, err: expect.stringContaining('put the whole in quotes, e.g. graft permission test "read /etc/passwd"') as string })
  })

  it("the graph is drawn into a file, and asks for what there is", async () => {
    const file = join(here.project, "graph.svg")
    expect(await here.graft(["graph", "--format", "svg", "-o", file])).toMatchObject({ code: 0, out: "" })
    expect(readFileSync(file, "utf8")).toMatch(/^<svg .*[\s\S]*>runner<\/text>/)
    expect((await here.graft(["graph", "session", "-f", "mermaid"])).out).toMatch(/session -->\|store\| store/)
    expect(await here.graft(["graph", "sesion"])).toMatchObject({ code: 2, err: expect.stringContaining("did you mean session?") as string })
    expect(await here.graft(["why", "tol", "ls"])).toMatchObject({ code: 1, err: expect.stringContaining('there is no noun "tol"; did you mean tool?') as string })
  })
})
