/** What holds the process up is named while it does, by a thread that is there only when somebody may; and an edit of the guard changes nothing of that. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel } from "graft"
import { afterAll, describe, expect, it, onTestFinished, vi } from "vitest"
import { calm, Home, listening } from "../fixtures/guarded-home.ts"

describe("the watchdog", () => {
  const base = mkdtempSync(join(tmpdir(), "graft-guard-signs-"))
  afterAll(() => rmSync(base, { recursive: true, force: true }))

  it("is not there while everything is as it was shipped", async () => {
    const home = new Home({})
    const { said, code } = await home.live({})
    expect(said.find(({ kept }) => kept).kept).toEqual([])
    expect([code, home.markers()]).toEqual([0, []])
  })

  it("says when what it named gave way, holds nothing against it then, and keeps no process alive", async () => {
    const home = new Home({ slow: listening(`    while (!existsSync(${JSON.stringify(join(base, "enough"))})) continue`, 'import { existsSync } from "node:fs"') })
    const { said, stderr, code } = await home.live({ event: "law.go", ending: "wait" }, async ({ said, wrote, end }) => {
      await wrote("slow@1")
      await vi.waitFor(() => expect(home.markers().map(({ culprit }) => culprit?.plugin)).toEqual(["slow"]))
      writeFileSync(join(base, "enough"), "")
      await said(({ event, text }) => event === "plugin.logged" && text.startsWith("slow@1"))
      expect(home.markers().map(({ culprit }) => culprit)).toEqual([undefined])
      end()
    })
    expect(stderr).toMatch(/^graft: slow@1 has held everything up for [\d.]+ s: go at .*slow\.ts:4: while/m)
    expect(said.find(({ text }) => text?.startsWith("slow@1"))).toMatchObject({ level: "warn", text: expect.stringMatching(/^slow@1 held everything up for [\d.]+ s: go at .*slow\.ts:4/) })
    expect([code, home.markers(), said.at(-1)!.active]).toEqual([0, [], expect.not.arrayContaining(["MessagePort"])])
  })

  it("says so when it cannot see who it is, and blames nobody", async () => {
    const home = new Home({ waits: listening(`    execFileSync("sh", ["-c", ${JSON.stringify(`while [ ! -e ${join(base, "seen")} ]; do sleep 0.02; done`)}])`, 'import { execFileSync } from "node:child_process"') })
    const { stderr, code } = await home.live({ event: "law.go" }, async ({ wrote }) => {
      await wrote("outside of JavaScript")
      writeFileSync(join(base, "seen"), "")
    })
    expect(stderr).toMatch(/^graft: something outside of JavaScript, such as a program that is waited for, has held everything up for [\d.]+ s$/m)
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
