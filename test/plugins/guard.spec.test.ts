/** What killed the process twice is left out of the third start, and comes back when it is another; what hangs is named; nobody is blamed for a kill while idle. */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { acquit, directoryOf, hashOf, lift, quarantined, tidy, writeMarker, type Marker } from "../../plugins/lib/quarantine.ts"
import type { Life } from "../fixtures/guarded.ts"

const PROGRAM = join(import.meta.dirname, "../fixtures/guarded.ts")
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
  markers(): Marker[] { return existsSync(directoryOf(this.data)) ? readdirSync(directoryOf(this.data)).map((name) => JSON.parse(readFileSync(join(directoryOf(this.data), name), "utf8")) as Marker) : [] }

  live(life: Partial<Life>, during?: (life: { said(line: (said: any) => boolean): Promise<any>; end(): void }) => Promise<void>): Promise<{ code: number | null; signal: string | null; said: any[]; stderr: string }> {
    const given: Life = { home: join(this.base, "home"), plugins: this.plugins, only: readdirSync(this.plugins).map((name) => name.replace(".ts", "")), stall: 200, ending: "close", ...life }
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

  it("ends while the process runs when the file is edited", async () => {
    const home = new Home({ spin })
    for (const _ of [1, 2]) await home.live({ event: "law.go" })
    const { said } = await home.live({ only: ["spin", "watch"], ending: "wait" }, async ({ said, end }) => {
      await said(({ kept }) => kept)
      home.write("spin", calm)
      await said(({ event, plugin }) => event === "plugin.loaded" && plugin === "spin")
      end()
    })
    expect(standing(said, "spin").status).toBe("disabled")
    expect(said.filter(({ event, plugin }) => event === "plugin.loaded" && plugin === "spin")).toHaveLength(1)
  })

  it("counts who ended the process, or threw what nobody caught, as well", async () => {
    const home = new Home({
      leaver: listening("    process.exit(3)"),
      thrower: `export default { setup(graft) {\n  graft.on("law.throw", () => { setTimeout(() => { throw new Error("late") }, 1) })\n} }\n`,
    })
    const [exit, error] = [await home.live({ only: ["leaver"], event: "law.go" }), await home.live({ only: ["thrower"], event: "law.throw", ending: "wait", contain: false })]
    expect([exit.code, error.code]).toEqual([3, 1])
    expect(home.markers().map(({ culprit }) => `${culprit?.plugin}: ${culprit?.deed}`).sort()).toEqual(["leaver: ended the process", "thrower: threw an error that nobody caught"])
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

  it("is honest about what it cannot see into", async () => {
    const home = new Home({ waits: listening(`    execFileSync("sleep", ["0.9"])`, 'import { execFileSync } from "node:child_process"') })
    const { stderr, code } = await home.live({ event: "law.go" })
    expect(stderr).toMatch(/^$|something outside of JavaScript|waits@1 has held/)
    expect(code).toBe(0)
  })
})

describe("the markers", () => {
  const dead = () => spawnSync(process.execPath, ["-e", ""]).pid!
  const strike = (data: string, file: string, started: number, more: Partial<Marker> = {}) => writeMarker(join(directoryOf(data), `${started}-1.json`), { pid: dead(), started, culprit: { plugin: "foo", file, files: { [file]: hashOf(file) }, deed: "ended the process", at: started }, ...more })
  const made = () => {
    const base = temporary()
    const file = join(base, "foo.ts")
    writeFileSync(file, "one")
    return { data: join(base, "data"), file }
  }

  it("are private", () => {
    const { data, file } = made()
    strike(data, file, 1)
    expect([directoryOf(data), join(directoryOf(data), "1-1.json")].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o600])
  })

  it("are two for quarantine; one, or one of a process that lives, is none", () => {
    const { data, file } = made()
    expect(quarantined(data)).toEqual([])
    strike(data, file, 1)
    strike(data, file, 2, { pid: process.ppid })
    expect(quarantined(data)).toEqual([])
    strike(data, file, 3)
    expect(quarantined(data)).toMatchObject([{ id: "foo", file, files: [file] }])
  })

  it("with this process's id from an earlier start are of the dead", () => {
    const { data, file } = made()
    strike(data, file, 1, { pid: process.pid })
    strike(data, file, 2, { pid: process.pid })
    expect(quarantined(data)).toHaveLength(1)
    strike(data, file, 3, { pid: process.pid, started: Math.round(performance.timeOrigin) })
    expect(acquit(data, new Set([file]))).toBe(true)
    expect(readdirSync(directoryOf(data))).toEqual(["3-1.json"])
  })

  it("end with other bytes, a pardon, or a clean end; what counts no more is cleared away", () => {
    for (const end of [(data: string, file: string) => writeFileSync(file, "two"), (data: string) => lift(data, "foo"), (data: string, file: string) => acquit(data, new Set([file]))]) {
      const { data, file } = made()
      for (const started of [1, 2]) strike(data, file, started)
      writeMarker(join(directoryOf(data), "3-1.json"), { pid: dead(), started: 3 })
      expect(quarantined(data)).toHaveLength(1)
      end(data, file)
      expect(quarantined(data)).toEqual([])
      tidy(data)
      expect(readdirSync(directoryOf(data))).toEqual([])
    }
  })

  it("that are damaged are passed over", () => {
    const { data, file } = made()
    for (const started of [1, 2]) strike(data, file, started)
    for (const [n, text] of ["", "{", "null", "[]", '{"pid":"x"}', '{"pid":1,"started":1,"culprit":5}'].entries()) writeFileSync(join(directoryOf(data), `9${n}-1.json`), text)
    expect(quarantined(data)).toHaveLength(1)
  })
})
