/** What killed the process twice is left out of the third start, and comes back when it is another; what hangs is named; nobody is blamed for a kill while idle. */
import { spawn, spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel } from "graft"
import { afterAll, describe, expect, it, onTestFinished, vi } from "vitest"
import { acquit, directoryOf, hashOf, lift, quarantined, tidy, writeMarker, type Marker } from "../../plugins/lib/quarantine.ts"
import type { Life } from "../fixtures/guarded.ts"

/** A process that was. */
const dead = spawnSync(process.execPath, ["-e", ""]).pid
const PROGRAM = join(import.meta.dirname, "../fixtures/guarded.ts")
/** Compiled once for all lives. */
const cache = mkdtempSync(join(tmpdir(), "graft-guard-cache-"))
afterAll(() => rmSync(cache, { recursive: true, force: true }))
const temporary = () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-guard-")))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  return base
}

/** A home with one plugin of its user, and the lives of processes in it. */
class Home {
  readonly base = temporary()
  readonly plugins = join(this.base, "plugins")
  readonly data = join(this.base, "home/data")
  constructor(sources: Record<string, string>) {
    mkdirSync(this.plugins)
    for (const [id, source] of Object.entries(sources)) this.write(id, source)
  }
  path(id: string): string { return join(this.plugins, `${id}.ts`) }
  write(id: string, source: string): void { writeFileSync(this.path(id), source) }
  /** As a process leaves it that died with this plugin on the CPU. */
  strike(id: string): void {
    const file = this.path(id)
    const started = 1 + this.markers().length
    writeMarker(join(directoryOf(this.data), `${started}-1.json`), { pid: dead, started, culprit: { plugin: id, file, files: { [file]: hashOf(file) }, deed: "held everything up", at: started } })
  }
  markers(): Marker[] { return existsSync(directoryOf(this.data)) ? readdirSync(directoryOf(this.data)).map((name) => JSON.parse(readFileSync(join(directoryOf(this.data), name), "utf8")) as Marker) : [] }

  live(life: Partial<Life>, during?: (life: { said(line: (said: any) => boolean): Promise<any>; end(): void }) => Promise<void>): Promise<{ code: number | null; signal: string | null; said: any[]; stderr: string }> {
    const given: Life = { home: join(this.base, "home"), cache, plugins: this.plugins, only: readdirSync(this.plugins).map((name) => name.replace(".ts", "")), stall: 200, ending: "close", ...life }
    const child = spawn(process.execPath, ["--no-warnings", PROGRAM, JSON.stringify(given)], { stdio: ["ignore", "pipe", "pipe"], timeout: 15_000, killSignal: "SIGKILL" })
    const said: any[] = []
    let [stdout, stderr] = ["", ""]
    let heard = () => {}
    child.stdout.on("data", (chunk) => {
      const lines = `${stdout}${chunk}`.split("\n")
      stdout = lines.pop()!
      for (const line of lines) said.push(JSON.parse(line))
      heard()
    })
    child.stderr.on("data", (chunk) => { stderr += chunk })
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => child.on("close", (code, signal) => { resolve({ code, signal }); heard() }))
    void during?.({
      said: async (wanted) => {
        for (;;) {
          const found = said.find(wanted)
          if (found || child.exitCode !== null) return found
          await new Promise<void>((resolve) => { heard = resolve })
        }
      },
      end: () => child.kill("SIGTERM"),
    })
    return ended.then((end) => ({ ...end, said, stderr }))
  }
}

const listening = (body: string, head = "") => `${head}\nexport default { setup(graft) {\n  graft.on("law.go", function go() {\n${body}\n  })\n} }\n`
/** A loop that is killed, from within, when the watchdog has noticed it. */
const spin = listening(`    while (true) if (/culprit/.test(readFileSync(process.env.MARKER, "utf8"))) process.kill(process.pid, "SIGKILL")`, 'import { readFileSync } from "node:fs"')
const calm = listening("    return 1")
const standing = (said: any[], id: string) => said.find(({ plugins }) => plugins).plugins.find((plugin: { id: string }) => plugin.id === id)

describe("quarantine (L26)", () => {
  it("leaves a plugin that was on the CPU at two unclean ends in a row out of the third start, until its bytes are others", async () => {
    const home = new Home({ spin, calm })
    for (const deaths of [1, 2]) {
      const { signal, stderr, said } = await home.live({ event: "law.go" })
      expect(standing(said, "spin").status).toBe("live")
      expect(signal).toBe("SIGKILL")
      expect(stderr).toMatch(new RegExp(`^graft: spin@1 has held everything up for 0.2 s: go at ${home.path("spin")}:4: while \\(true\\)`))
      expect(home.markers().filter(({ culprit }) => culprit?.plugin === "spin")).toHaveLength(deaths)
    }
    const third = await home.live({})
    expect(standing(third.said, "spin")).toMatchObject({ status: "disabled", reason: expect.stringMatching(/^quarantined: it held everything up \(go at .*spin\.ts:4\).*graft plugin enable spin$/) })
    expect(standing(third.said, "calm").status).toBe("live")
    expect(third.code).toBe(0)
    home.write("spin", `${spin}// another try\n`)
    expect(standing((await home.live({})).said, "spin").status).toBe("live")
    expect(home.markers()).toEqual([])
  })

  it.each<[string, (home: Home) => unknown]>([
    ["its file is edited", (home) => home.write("spin", `${calm}// edited\n`)],
    ["it is pardoned from another terminal", ({ data }) => lift(data, "spin")],
  ])("ends while the process runs, when %s", async (_, end) => {
    const home = new Home({ spin: calm })
    home.strike("spin")
    home.strike("spin")
    const { said } = await home.live({ only: ["spin", "watch"], ending: "wait" }, async (life) => {
      await life.said(({ kept }) => kept)
      end(home)
      await life.said(({ event, plugin }) => event === "plugin.loaded" && plugin === "spin")
      life.end()
    })
    expect(standing(said, "spin").status).toBe("disabled")
    expect(said.filter(({ event, plugin }) => event === "plugin.loaded" && plugin === "spin")).toHaveLength(1)
  })

  it("counts who threw what nobody caught, and not who only left", async () => {
    const home = new Home({
      leaver: listening("    process.exit(3)"),
      thrower: `export default { setup(graft) {\n  graft.on("law.go", () => { setTimeout(() => { throw new Error("late") }, 1) })\n} }\n`,
    })
    const thrown = await home.live({ only: ["thrower"], event: "law.go", ending: "wait", contain: false })
    const left = await home.live({ only: ["leaver"], event: "law.go" })
    expect([thrown.code, left.code]).toEqual([1, 3])
    expect(home.markers().map(({ culprit }) => `${culprit?.plugin} ${culprit?.deed}`)).toEqual(["thrower threw an error that nobody caught"])
  })

  it("blames nobody for a kill while all is idle, and a clean end makes good", async () => {
    const home = new Home({ spin })
    const { signal } = await home.live({ ending: "die" })
    expect([signal, home.markers().map(({ culprit }) => culprit)]).toEqual(["SIGKILL", [undefined]])
    await home.live({ event: "law.go" })
    expect(home.markers().map(({ culprit }) => culprit?.plugin)).toEqual(["spin"])
    expect((await home.live({})).code).toBe(0)
    expect(home.markers()).toEqual([])
  })
})

describe("the watchdog", () => {
  it("is not there while everything is as it was shipped", async () => {
    const home = new Home({})
    const { said, code } = await home.live({})
    expect(said.find(({ kept }) => kept).kept).toEqual([])
    expect([code, home.markers()]).toEqual([0, []])
  })

  it("says when what it named gave way, holds nothing against it then, and keeps no process alive", async () => {
    const home = new Home({ slow: listening("    for (const until = Date.now() + 700; Date.now() < until; ) continue") })
    const { said, stderr, code } = await home.live({ event: "law.go", ending: "wait" }, async ({ said, end }) => {
      await said(({ event }) => event === "plugin.logged")
      expect(home.markers().map(({ culprit }) => culprit)).toEqual([undefined])
      end()
    })
    expect(stderr).toMatch(/^graft: slow@1 has held everything up for 0.2 s: go at .*slow\.ts/)
    expect(said.find(({ event }) => event === "plugin.logged")).toMatchObject({ level: "warn", text: expect.stringMatching(/^slow@1 held everything up for 0\.[4-9] s: go at .*slow\.ts/) })
    expect(said.at(-1)!.active).not.toContain("MessagePort")
    expect([code, home.markers()]).toEqual([0, []])
  })

  it("says so when it cannot see who it is, and blames nobody", async () => {
    const home = new Home({ waits: listening(`    execFileSync("sleep", ["1.7"])`, 'import { execFileSync } from "node:child_process"') })
    const { stderr, code } = await home.live({ event: "law.go", stall: 100 })
    expect(stderr).toBe("graft: something outside of JavaScript, such as a program that is waited for, has held everything up for 0.1 s\n")
    expect([code, home.markers()]).toEqual([0, []])
  })
})

describe("an edit of the guard itself", () => {
  it("keeps the thread and the marker; an edit of the thread starts another; closing takes both away", async () => {
    const home = new Home({ calm })
    // A copy stays in the repository, where its packages are found.
    const builtIn = mkdtempSync(join(import.meta.dirname, "../fixtures/.plugins-"))
    onTestFinished(() => rmSync(builtIn, { recursive: true, force: true }))
    for (const folder of ["guard", "lib"]) cpSync(join(import.meta.dirname, "../../plugins", folder), join(builtIn, folder), { recursive: true })
    const listeners = process.listenerCount("exit")
    const kernel = createKernel({ roots: [{ dir: builtIn, kind: "built-in" }, { dir: home.plugins, kind: "user", per: "process" }], dataDir: join(home.base, "home") })
    const view = () => kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "guard")!
    const edit = async (name: string, text: (source: string) => string) => {
      const file = join(builtIn, "guard", name)
      writeFileSync(file, text(readFileSync(file, "utf8")))
      await kernel.reconcile([file])
      await vi.waitFor(() => expect(view().generations).toHaveLength(1))
      return view()
    }
    await kernel.start()
    kernel.emit("llm.requested", { model: "m", provider: "p", messages: 1, tools: 0 })
    await vi.waitFor(() => expect(view().kept).toHaveLength(2))
    const [thread, marker] = view().kept
    expect(await edit("probation.ts", (source) => `${source}// edited\n`)).toMatchObject({ gen: 2, status: "live", kept: [thread, marker] })
    const { kept } = await edit("thread.ts", (source) => source.replace("30_000", "20_000"))
    expect(kept).toEqual([marker, expect.stringMatching(/^thread \w{8} 5000 ms$/)])
    expect(kept).not.toContain(thread)
    expect(home.markers()).toMatchObject([{ pid: process.pid }])
    await kernel.close()
    expect([home.markers(), process.listenerCount("exit")]).toEqual([[], listeners])
  })
})

describe("the markers", () => {
  const mark = (home: Home, started: number, more: Partial<Marker> = {}) => writeMarker(join(directoryOf(home.data), `${started}-1.json`), { pid: dead, started, ...more })

  it("are private", () => {
    const home = new Home({ calm })
    home.strike("calm")
    expect([directoryOf(home.data), join(directoryOf(home.data), "1-1.json")].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o600])
  })

  it("are two for quarantine; one, or one of a process that lives, is none", () => {
    const home = new Home({ calm })
    expect(quarantined(home.data)).toEqual([])
    home.strike("calm")
    const { culprit } = home.markers()[0]!
    mark(home, 2, { pid: process.ppid, culprit })
    expect(quarantined(home.data)).toEqual([])
    mark(home, 2, { culprit })
    expect(quarantined(home.data)).toMatchObject([{ id: "calm", file: home.path("calm"), files: [home.path("calm")] }])
  })

  it("with this process's id, from an earlier start, are of the dead", () => {
    const home = new Home({ calm })
    home.strike("calm")
    const { culprit } = home.markers()[0]!
    mark(home, 2, { pid: process.pid, culprit })
    expect(quarantined(home.data)).toHaveLength(1)
    mark(home, 3, { pid: process.pid, started: Math.round(performance.timeOrigin), culprit })
    expect(acquit(home.data, new Set([home.path("calm")]))).toBe(true)
    expect(readdirSync(directoryOf(home.data))).toEqual(["3-1.json"])
  })

  it.each<[string, (home: Home) => unknown]>([
    ["other bytes", (home) => home.write("calm", "other")],
    ["a pardon", ({ data }) => lift(data, "calm")],
    ["a clean end", (home) => acquit(home.data, new Set([home.path("calm")]))],
  ])("end with %s, and what counts no more is cleared away", (_, end) => {
    const home = new Home({ calm })
    home.strike("calm")
    home.strike("calm")
    mark(home, 3)
    expect(quarantined(home.data)).toHaveLength(1)
    end(home)
    expect(quarantined(home.data)).toEqual([])
    tidy(home.data)
    expect(home.markers()).toEqual([])
  })

  it("that are damaged are passed over", () => {
    const home = new Home({ calm })
    home.strike("calm")
    home.strike("calm")
    for (const [n, text] of ["", "{", "null", "[]", '{"pid":"x"}', '{"pid":1,"started":1,"culprit":5}'].entries()) writeFileSync(join(directoryOf(home.data), `9${n}-1.json`), text)
    expect(quarantined(home.data)).toHaveLength(1)
  })
})
