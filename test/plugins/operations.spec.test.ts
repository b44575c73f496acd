/** Looking into what runs is arithmetic on what the kernel shows: findings, the graph, a profile, and which half is at fault. */
import { globSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import fc from "fast-check"
import type { KernelView, PluginView } from "graft"
import { describe, expect, it, test } from "vitest"
import { halve } from "../../plugins/cli/commands/plugin/bisect.ts"
import { copyOut } from "../../plugins/cli/commands/plugin/eject.ts"
import { summed } from "../../plugins/doctor/profile.ts"
import { asMermaid, asSvg, asText, graphOf } from "../../plugins/lib/graph.ts"
import { findings } from "../../plugins/lib/health.ts"

const PLUGINS = fileURLToPath(new URL("../../plugins", import.meta.url))
const plugin = (id: string, more: Partial<PluginView> = {}): PluginView => ({
  id, realm: "root", status: "live", reason: "", file: `/p/${id}.ts`, root: "built-in", gen: 1, hash: "h", files: [`/p/${id}.ts`], services: [], slots: {}, events: [], needs: [], uses: [],
  calls: 0, errors: 0, crashes: 0, handlerMilliseconds: 0, dropped: 0, pinned: false, generations: [], kept: [], ...more,
})
const view = (...plugins: PluginView[]): KernelView => ({ version: "1", realms: [{ id: "root", leases: 0, services: {}, slots: {}, plugins }] })
const generation = (more: object) => ({ gen: 1, state: "live" as const, leases: 0, hash: "h", since: 0, timers: 0, forks: 0, listeners: 0, rows: 0, cleanups: 0, ...more })

describe("findings", () => {
  it("are none where all is well, or was switched off", () => {
    expect(findings(view(plugin("a", { generations: [generation({})] }), plugin("b", { status: "disabled", reason: "in the config" })), [])).toEqual([])
  })

  it.each<[string, Partial<PluginView>, string, string]>([
    ["what failed, and where", { status: "failed", reason: "boom" }, "failed: /p/a.ts:3: boom", "mend it and save, or graft plugin disable a"],
    ["what waits", { status: "waiting", reason: 'waits for "b": nobody provides "b"' }, 'waits: waits for "b": nobody provides "b"', "graft plugin inspect a"],
    ["what nobody trusted", { status: "refused", reason: "not trusted" }, "was not run: not trusted", "graft trust"],
    ["what crashes", { crashes: 2, errors: 3, calls: 9 }, "2 crashes, 3 errors in 9 calls", "graft plugin logs a"],
    ["who is too slow for its events", { dropped: 4 }, "too slow for what it hears: 4 events were dropped", "graft plugin profile, and graft plugin inspect a"],
    ["whose handlers are slow", { calls: 10, handlerMilliseconds: 3_000 }, "its handlers take 300 ms on average", "graft plugin profile"],
    ["a generation that is held", { generations: [generation({ state: "retiring", since: 1_000_000, leases: 2 })] }, "@1 was replaced 17 min ago and is held by 2 calls", "graft plugin inspect a"],
    ["what takes and does not give back", { generations: [generation({ timers: 1_001 })] }, "@1 has 1001 timers, 0 forks, 0 listeners, 0 cleanups: it takes and does not give back", "graft plugin inspect a"],
    ["what is pinned", { pinned: true }, "is pinned: what is saved is not run", "graft plugin unpin a"],
  ])("%s", (_, more, what, todo) => {
    const journal = [{ at: 0, plugin: "a", realm: "root", gen: 1, cause: "start", outcome: "failed" as const, message: "boom", where: "/p/a.ts:3", times: {} }]
    expect(findings(view(plugin("a", more)), journal, 2_000_000)).toEqual([{ plugin: "a", what, todo }])
  })
})

describe("the graph", () => {
  const shown = view(plugin("store", { services: ["store"] }), plugin("log", { services: ["log"], needs: ["store"] }), plugin("face", { root: "user", uses: ["log"], slots: { subcommand: ["x"] } }), plugin("lost", { status: "waiting", needs: ["gone"] }))

  it("says who needs and who uses whom, and what nobody provides", () => {
    expect(graphOf(shown).edges).toEqual([{ from: "face", to: "log", service: "log", needed: false }, { from: "log", to: "store", service: "store", needed: true }])
    expect(asText(graphOf(shown))).toBe("face  [user]\n  adds     subcommand x\n  uses     log\nlog\n  provides log\n  needs    store\n  used by  face\nlost  (waiting)\nstore\n  provides store\n  used by  log\nlost needs gone, which nobody provides\n")
    expect(asMermaid(graphOf(shown))).toContain("  face -.->|log| log\n  log -->|store| store\n")
  })

  it("of one plugin has its neighbours", () => {
    expect(graphOf(shown, "log").nodes.map(({ id }) => id)).toEqual(["face", "log", "store"])
    expect(graphOf(shown, "store").nodes.map(({ id }) => id)).toEqual(["log", "store"])
  })

  it("is drawn with every box and arrow, circles too", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 20 }), (pairs) => {
      const circle = view(...Array.from({ length: 8 }, (_, n) => plugin(`p${n}`, { services: [`s${n}`], needs: pairs.flatMap(([from, to]) => (from === n && to !== n ? [`s${to}`] : [])) })))
      const graph = graphOf(circle)
      const svg = asSvg(graph)
      expect(svg.match(/<rect/g)).toHaveLength(8)
      expect(svg.match(/<path/g)?.length ?? 0).toBe(graph.edges.length)
    }), { numRuns: 60 })
  })
})

test("a profile gives time to the plugin that is nearest above it, and to nobody while nothing is done", () => {
  const node = (id: number, functionName: string, url: string, children: number[]) => ({ id, callFrame: { functionName, url, lineNumber: 4 }, children })
  const nodes = [node(1, "(root)", "", [2, 3, 5, 7]), node(2, "(idle)", "", []), node(3, "setup", "file:///p/a.ts", [4]), node(4, "parse", "file:///node_modules/x.js", []), node(5, "loop", "node:internal", [6]), node(6, "handler", "/p/b.ts", []), node(7, "(program)", "", [])]
  const { busy, milliseconds, plugins } = summed({ nodes, samples: [2, 3, 4, 5, 6, 7], timeDeltas: [5_000, 1_000, 2_000, 500, 4_000, 500] }, (file) => ({ "/p/a.ts": "a", "/p/b.ts": "b" })[file])
  expect({ busy, milliseconds }).toEqual({ busy: 8, milliseconds: 13 })
  expect(plugins.map(({ plugin, milliseconds }) => [plugin, milliseconds])).toEqual([["b", 4], ["a", 3], ["graft and Node", 1]])
  expect(plugins[1]!.functions).toEqual([{ name: "parse", where: "x.js:5", milliseconds: 2 }, { name: "setup", where: "a.ts:5", milliseconds: 1 }])
})

test("halving finds one culprit in log2 n steps, and two that are at fault only together are both named", async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat(), fc.boolean(), async (n, a, b, pair) => {
    const all = Array.from({ length: n }, (_, i) => `p${i}`)
    const guilty = [...new Set(pair ? [`p${a % n}`, `p${b % n}`] : [`p${a % n}`])]
    let tries = 0
    const { left } = await halve(all, async (without) => (tries++, guilty.some((id) => without.includes(id))), () => tries)
    for (const id of guilty) expect(left).toContain(id)
    if (guilty.length === 1) {
      expect(left).toEqual(guilty)
      expect(tries).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(n)))
    }
  }))
})

test("an ejected plugin is whole: nothing in it leads out by a relative path", () => {
  const directory = mkdtempSync(join(tmpdir(), "graft-eject-"))
  try {
    const ids = readdirSync(PLUGINS).filter((id) => id !== "lib" && id !== "cli" && statSync(join(PLUGINS, id)).isDirectory())
    expect(ids.length).toBeGreaterThan(50)
    for (const id of ids) {
      const target = join(directory, id)
      copyOut(join(PLUGINS, id), target)
      const files = globSync("**/*.ts", { cwd: target, exclude: ["node_modules"] })
      expect(files).toContain("index.ts")
      for (const file of files) {
        for (const [, path] of readFileSync(join(target, file), "utf8").matchAll(/^(?:import|export)[^"]* from "(\.[^"]+)"|import\("(\.[^"]+)"\)/gm)) {
          if (path) expect(join(target, file, "..", path).startsWith(target), `${id}/${file}: ${path}`).toBe(true)
        }
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
