/** Instructions are the user's, then the project's from its top down to the session's directory, and their changes are told once. */
import { execFileSync } from "node:child_process"
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { createKernel } from "graft"
import { expect, test } from "vitest"
import { paths } from "../../plugins/lib/paths.ts"

async function project() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "graft-instruction-")))
  const [home, directory] = [join(root, "home"), join(root, "project")]
  const config = paths(home).config
  for (const path of [config, join(directory, ".git"), join(directory, "a", "b")]) mkdirSync(path, { recursive: true })
  const plugins = join(root, "plugins")
  for (const id of ["instruction", "lib"]) cpSync(fileURLToPath(new URL(`../../plugins/${id}`, import.meta.url)), join(plugins, id), { recursive: true })
  const kernel = createKernel({ roots: [{ dir: plugins, kind: "built-in" }], only: ["instruction"], dataDir: home })
  await kernel.start()
  const told: string[] = []
  for (const event of ["instruction.added", "instruction.updated", "instruction.removed"] as const) kernel.on(event, ({ file }) => void told.push(`${event} ${file.slice(root.length + 1)}`))
  const instance = await kernel.child(directory)
  return {
    root, config, directory, plugins, kernel,
    system: (at = directory) => instance.instruction.system(at),
    list: (at = directory) => instance.instruction.list(at),
    told: async () => (await kernel.settled(), told.splice(0)),
    async [Symbol.asyncDispose]() {
      instance[Symbol.dispose]()
      await kernel.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

test("farthest first, from the user down to the directory; CLAUDE.md only where there is no AGENTS.md", async () => {
  await using p = await project()
  writeFileSync(join(p.config, "AGENTS.md"), "the user's\n")
  writeFileSync(join(p.directory, "CLAUDE.md"), "the project's")
  writeFileSync(join(p.directory, "a", "AGENTS.md"), "the directory's")
  writeFileSync(join(p.directory, "a", "CLAUDE.md"), "not read")
  const bodies = (texts: string[]) => texts.map((text) => text.split("\n\n")[1])
  expect(bodies(await p.system())).toEqual(["the user's", "the project's"])
  expect(bodies(await p.system(join(p.directory, "a", "b")))).toEqual(["the user's", "the project's", "the directory's"])
  expect((await p.system())[1]).toBe(`Instructions from ${join(p.directory, "CLAUDE.md")}:\n\nthe project's`)
  expect(await p.list(join(p.directory, "a"))).toMatchObject([{ scope: "user" }, { scope: "project", bytes: 13 }, { scope: "directory" }])
})

test("each real change is told once, and a reload tells nothing", async () => {
  await using p = await project()
  const file = join(p.directory, "AGENTS.md")
  writeFileSync(file, "one")
  await p.system()
  await p.system()
  expect(await p.told()).toEqual(["instruction.added project/AGENTS.md"])
  writeFileSync(file, "another")
  expect((await p.system())[0]).toContain("another")
  expect(await p.told()).toEqual(["instruction.updated project/AGENTS.md"])
  appendFileSync(join(p.plugins, "instruction", "files.ts"), "// edited")
  await p.kernel.reconcile([join(p.plugins, "instruction", "files.ts")])
  expect(p.kernel.journal().filter((entry) => entry.plugin === "instruction" && entry.outcome === "committed")).toHaveLength(2)
  await p.system()
  expect(await p.told()).toEqual([])
  rmSync(file)
  expect(await p.system()).toEqual([])
  expect(await p.told()).toEqual(["instruction.removed project/AGENTS.md"])
})

test("a link out of the project is not read, and a long file is cut", async () => {
  await using p = await project()
  writeFileSync(join(p.root, "secret"), "a secret of the user")
  symlinkSync(join(p.root, "secret"), join(p.directory, "AGENTS.md"))
  expect(await p.system()).toEqual([])
  writeFileSync(join(p.directory, "a", "AGENTS.md"), "é".repeat(64 * 1024))
  const [text] = await p.system(join(p.directory, "a"))
  expect(text).toHaveLength(`Instructions from ${join(p.directory, "a", "AGENTS.md")}:\n\n`.length + 32 * 1024)
  symlinkSync(join(p.directory, "a", "AGENTS.md"), join(p.directory, "a", "b", "AGENTS.md"))
  expect(await p.system(join(p.directory, "a", "b"))).toHaveLength(2)
})

test("nothing that lies there stops a turn: links in a circle, a pipe, binary and endless files are left out, and said once", async () => {
  await using p = await project()
  const deep = join(p.directory, "a", "b")
  symlinkSync("AGENTS.md", join(p.directory, "AGENTS.md"))
  execFileSync("mkfifo", [join(p.directory, "a", "AGENTS.md")])
  writeFileSync(join(deep, "AGENTS.md"), Buffer.from([1, 0, 2]))
  for (let n = 0; n < 2; n++) expect(await p.system(deep)).toEqual([])
  expect(p.kernel.logs("instruction").map(({ text }) => text)).toEqual([expect.stringMatching(/AGENTS.md cannot be read: ELOOP/), expect.stringMatching(/b\/AGENTS.md is a binary file/)])
  rmSync(join(deep, "AGENTS.md"))
  writeFileSync(join(deep, "AGENTS.md"), "short")
  truncateSync(join(deep, "AGENTS.md"), 4 * 1024 ** 3)
  expect(await p.system(deep)).toEqual([])
  rmSync(join(deep, "AGENTS.md"))
  writeFileSync(join(deep, "AGENTS.md"), "readable again")
  expect(await p.system(deep)).toHaveLength(1)
})

test("a directory whose name begins with dots is inside; where all are too much, the nearest stay", async () => {
  await using p = await project()
  const names = ["..odd", "1", "2", "3", "4", "5"]
  let at = p.directory
  for (const name of names) {
    at = join(at, name)
    mkdirSync(at)
    writeFileSync(join(at, "AGENTS.md"), name.repeat(60_000 / name.length))
  }
  expect((await p.system(join(p.directory, "..odd"))).map((text) => text.length > 60_000)).toEqual([true])
  expect((await p.system(at)).map((text) => text.at(-1))).toEqual(["2", "3", "4", "5"])
})
