/** What killed the process twice is left out of the third start, and comes back when it is another; nobody is blamed for a kill while idle. */
import { readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { acquit, directoryOf, lift, quarantined, tidy, writeMarker, type Marker } from "../../plugins/lib/quarantine.ts"
import { calm, dead, Home, listening, spin } from "../fixtures/guarded-home.ts"

const standing = (said: any[], id: string) => said.find(({ plugins }) => plugins).plugins.find((plugin: { id: string }) => plugin.id === id)

describe("quarantine (L26)", () => {
  it("leaves a plugin that was on the CPU at two unclean ends in a row out of the third start, until its bytes are others", async () => {
    const home = new Home({ spin, calm })
    for (const deaths of [1, 2]) {
      const { signal, stderr, said } = await home.live({ event: "law.go" })
      expect(standing(said, "spin").status).toBe("live")
      expect(signal).toBe("SIGKILL")
      expect(stderr).toMatch(new RegExp(`^graft: spin@1 has held everything up for [\\d.]+ s: go at ${home.path("spin")}:4: while \\(true\\)`, "m"))
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
    writeFileSync(join(directoryOf(home.data), `4-${dead}.json.new`), "{")
    expect(quarantined(home.data)).toHaveLength(1)
    end(home)
    expect(quarantined(home.data)).toEqual([])
    tidy(home.data)
    expect(readdirSync(directoryOf(home.data))).toEqual([])
  })

  it("that are damaged are passed over", () => {
    const home = new Home({ calm })
    home.strike("calm")
    home.strike("calm")
    for (const [n, text] of ["", "{", "null", "[]", '{"pid":"x"}', '{"pid":1,"started":1,"culprit":5}', `{"pid":${dead},"started":1,"culprit":{"plugin":"a","file":"b","deed":"c","files":null}}`].entries()) writeFileSync(join(directoryOf(home.data), `9${n}-1.json`), text)
    expect(quarantined(home.data)).toHaveLength(1)
  })
})
