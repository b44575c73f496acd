/** The reference is true: the page of events is what the sources say now, and the table of plugins is what a kernel runs. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { createKernel } from "graft"
import { describeEvents, eventsPage, PAGE } from "../scripts/generate-events.ts"

const plugins = fileURLToPath(new URL("../plugins/", import.meta.url))

describe("plugins/EVENTS.md", () => {
  it("is what its script makes of the sources now", async () => {
    expect(readFileSync(PAGE, "utf8"), "run node scripts/generate-events.ts").toBe(await eventsPage())
  })

  it("has every declaration, and knows who raises it", async () => {
    const events = await describeEvents()
    const declared = ["../kernel/vocabulary.ts", ...readdirSync(plugins).map((id) => `${id}/contract.ts`)].filter((file) => existsSync(join(plugins, file)))
      .flatMap((file) => [...readFileSync(join(plugins, file), "utf8").matchAll(/(?<=[\s{;])"([a-z]+(?:\.[a-z]+)+)":/g)].map(([, event]) => event!))
    expect(events.map(({ event }) => event).sort()).toEqual(declared.sort())
    expect(events.filter(({ by }) => by.length === 0).map(({ event }) => event)).toEqual([])
  })
})

describe("plugins/README.md", () => {
  interface Line { id: string; link: string; per: string; provides: string[]; owns: string }
  const lines = readFileSync(join(plugins, "README.md"), "utf8").split("\n").filter((line) => line.startsWith("| [")).map((line): Line => {
    const [name = "", per = "", provides = "", owns = ""] = line.split("|").slice(1).map((cell) => cell.trim())
    const [, id = "", link = ""] = /^\[(.+)\]\((.+)\)$/.exec(name) ?? []
    return { id, link, per, provides: [...provides.matchAll(/`(\w+)`/g)].map(([, service]) => service!).sort(), owns }
  })
  const folders = readdirSync(plugins, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== "lib").map(({ name }) => name)

  it("lists every folder once, with a link that leads somewhere and a line about it", () => {
    expect(lines.map(({ id }) => id).sort()).toEqual(folders.sort())
    expect(lines.filter(({ link, owns }) => !existsSync(join(plugins, link)) || owns === "").map(({ id }) => id)).toEqual([])
  })

  it("says whom each is for and what it provides, as a running kernel does", async () => {
    const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-reference-")))
    mkdirSync(join(base, "project", ".git"), { recursive: true })
    const kernel = createKernel({ roots: [{ dir: plugins, kind: "built-in" }], dataDir: join(base, "home") })
    try {
      await kernel.start()
      using _project = await kernel.child(join(base, "project"))
      await kernel.settled()
      const live = kernel.inspect().realms.flatMap((realm) => realm.plugins.map(({ id, status, reason, services }) => ({ id, per: realm.location === undefined ? "process" : "location", provides: [...services].sort(), status, reason })))
      expect(live.filter(({ status }) => status !== "live")).toEqual([])
      expect(live.map(({ id, per, provides }) => ({ id, per, provides })).sort(byId)).toEqual(lines.map(({ id, per, provides }) => ({ id, per, provides })).sort(byId))
    } finally {
      await kernel.close()
      rmSync(base, { recursive: true, force: true })
    }
  })
})

const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1)
