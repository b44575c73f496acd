/** What was made ahead of the built-ins runs exactly as long as the disk has the bytes that it was made from. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createKernel, type EmbeddedKernel } from "graft"
import { expect, it, onTestFinished } from "vitest"
import { keyOf, PARAMETERS, servicesIn, transform } from "../../kernel/loader/compile.ts"
import { sha256 } from "../../kernel/loader/files.ts"
import { Shipped, type Source } from "../../kernel/loader/shipped.ts"
import { plugin } from "./harness.ts"

const SOURCES: Record<string, string> = {
  "a/index.ts": plugin(`    graft.provide("a", { way: async () => [way, (await import("./late.ts")).late, name, sep.length].join(" ") })`, { head: `import { sep } from "node:path"\nimport { name } from "packed"\nimport { way } from "../lib/way.ts"` }),
  "a/late.ts": `import { way } from "../lib/way.ts"\nexport const late: string = way\n`,
  "b/index.ts": plugin(`    graft.provide("b", { way: async () => "made by b" })`),
  "lib/way.ts": `export const way: string = "disk"\n`,
}
const UNCHANGED = "made made packed.cjs 1"

class House {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), "graft-shipped-")))
  readonly stamps = join(this.dir, "cache/stamps.json")

  constructor() {
    for (const [path, text] of Object.entries(SOURCES)) this.write(path, text)
    onTestFinished(() => rmSync(this.dir, { recursive: true, force: true }))
  }

  path(name: string): string { return join(this.dir, "plugins", name) }

  /** Long ago, so that it is believed at once. */
  write(name: string, text: string, time = 1_000): void {
    mkdirSync(dirname(this.path(name)), { recursive: true })
    writeFileSync(this.path(name), text)
    utimesSync(this.path(name), time, time)
  }

  async edit(kernel: EmbeddedKernel, name: string, from: string, to: string): Promise<void> {
    writeFileSync(this.path(name), readFileSync(this.path(name), "utf8").replace(from, to))
    await kernel.reconcile()
  }

  async start(): Promise<{ kernel: EmbeddedKernel; shipped: Shipped; a: { way(): Promise<string> } }> {
    const shipped = this.#made()
    const kernel = createKernel({ config: {}, roots: [{ dir: join(this.dir, "plugins"), kind: "built-in" }], shipped: { compiled: shipped, packages: { packed: "packed.cjs" } } })
    onTestFinished(() => kernel.close())
    await kernel.start()
    return { kernel, shipped, a: kernel.use("a" as never) }
  }

  /** As the build makes it; what was made says so. */
  #made(): Shipped {
    const paths = Object.keys(SOURCES)
    const sources = Object.entries(SOURCES).map(([path, text]): Source => {
      const { code, deps, dynamicDeps } = transform(path, text, false)
      const links = Object.fromEntries([...deps, ...dynamicDeps].filter((name) => name.startsWith(".")).map((name) => [name, paths.indexOf(join(dirname(path), name))]))
      const run = new Function(...PARAMETERS, `"use strict";${code.replace(`"disk"`, `"made"`)}`) as () => void
      return { path, hash: sha256(text), key: keyOf(path, sha256(text), false), links, provides: servicesIn(text), waits: false, compiled: { code: "", format: "esm", deps, dynamicDeps, maps: [], shipped: { run, file: "made.cjs", from: 0, to: 0 } } }
    })
    const texts = join(this.dir, "texts.json")
    writeFileSync(texts, JSON.stringify(Object.fromEntries(Object.values(SOURCES).map((text) => [sha256(text), text]))))
    return new Shipped({ sources, texts, stamps: this.stamps, load: (file) => ({ name: file }), import: (name) => import(name) as Promise<Record<string, unknown>> })
  }
}

it("runs with its helpers, lazy ones and bundled packages, while every byte is as it was", async () => {
  const { kernel, a } = await new House().start()
  expect(await a.way()).toBe(UNCHANGED)
  expect(kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "a")!.files).toHaveLength(3)
})

it("gives way to the disk for whoever has a changed file in its closure, and for nobody else", async () => {
  const house = new House()
  const { kernel, a } = await house.start()
  await house.edit(kernel, "lib/way.ts", "disk", "edited")
  expect(await a.way()).toBe("edited edited packed.cjs 1")
  expect(kernel.inspect().realms[0]!.plugins.map(({ id, gen }) => [id, gen])).toEqual([["a", 2], ["b", 1]])
  await house.edit(kernel, "lib/way.ts", "edited", "disk")
  expect(await a.way()).toBe(UNCHANGED)
})

it("is what a lazy import gives, though the disk has something else by then", async () => {
  const house = new House()
  const { a } = await house.start()
  writeFileSync(house.path("a/late.ts"), "export const late = 'too late'\n")
  expect(await a.way()).toBe(UNCHANGED)
})

it("comes back with an undo, from the sources that were kept beside it", async () => {
  const house = new House()
  const { kernel, a } = await house.start()
  await house.edit(kernel, "lib/way.ts", "disk", "edited")
  await kernel.undo("a")
  expect(await a.way()).toBe(UNCHANGED)
})

it("believes an earlier process of a file that looks as it did then, and of no other", async () => {
  const house = new House()
  const saved = SOURCES["lib/way.ts"]!.replace("disk", "save")
  house.write("lib/way.ts", saved)
  const first = await house.start()
  expect(await first.a.way()).toBe("save save packed.cjs 1")
  first.shipped.keepStamps()
  // A lie that only who does not read the file can take for true.
  writeFileSync(house.stamps, readFileSync(house.stamps, "utf8").replace(sha256(saved), sha256(SOURCES["lib/way.ts"]!)))
  expect(await (await house.start()).a.way()).toBe(UNCHANGED)
  house.write("lib/way.ts", saved, 2_000)
  expect(await (await house.start()).a.way()).toBe("save save packed.cjs 1")
})
