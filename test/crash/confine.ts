/** Files are read and changed by random names while another process plants links that lead out: not a byte of what lies outside is read or changed. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { inside, locate, openReal } from "../../plugins/lib/confine.ts"
import { readTextFile } from "../../plugins/lib/textfile.ts"
import { filesOf } from "../fixtures/files.ts"
import { chance } from "./matrix.ts"

const DIRECTORIES = ["a", "a/b", "a/b/c", "d"]
const NAMES = ["f", "g", "h"]
const FILES = DIRECTORIES.flatMap((directory) => NAMES.map((name) => `${directory}/${name}`))
/** What stays: beside what is raced for, links that are always there. */
const LINKS: [string, string][] = [["in", "a/b"], ["out", "../outside/a"], ["file", "../outside/a/f"], ["loop", "loop"], ["dangling", "../outside/new"]]
const SECRET = "SECRET"

export interface Confinement { tries: number; done: number; refused: number; wrong: string[] }

export async function confinement(seed: number, tries: number): Promise<Confinement> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-confine-")))
  const [project, outside, parked, home] = ["project", "outside", "parked", "home"].map((name) => join(base, name)) as [string, string, string, string]
  for (const directory of [...DIRECTORIES.flatMap((name) => [join(project, name), join(outside, name)]), parked]) mkdirSync(directory, { recursive: true })
  for (const name of FILES) {
    writeFileSync(join(project, name), "mine")
    writeFileSync(join(outside, name), SECRET)
    // A link that replaces `a/f` may lead to `f`, too.
    writeFileSync(join(outside, name.split("/").at(-1)!), SECRET)
  }
  for (const [name, to] of LINKS) symlinkSync(to.startsWith("..") ? join(project, to) : to, join(project, name))
  const before = fingerprint(outside)
  const next = chance(seed)
  const pick = <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)]!
  const names = [...FILES, ...DIRECTORIES.map((name) => `${name}/new/deep`), "in/f", "out/f", "file", "loop", "dangling", "a/../d/f", "a/b/../../out/g"]
  const racer = spawn(process.execPath, [join(import.meta.dirname, "../fixtures/link-racer.ts"), JSON.stringify({ seed, project, outside, parked, names: ["a", "a/b", "a/b/c", "d", "a/f", "d/g", "a/b/c/h"] })], { stdio: ["ignore", "ignore", "inherit", "ipc"] })
  const files = filesOf(home)
  const result: Confinement = { tries, done: 0, refused: 0, wrong: [] }
  try {
    await once(racer, "message")
    for (let n = 0; n < tries; n++) {
      const name = pick(names)
      try {
        const { real } = await locate(name, project)
        // Here a person is asked, and says no.
        if (!inside(project, real)) { result.refused++; continue }
        switch (pick(["read", "text", "replace", "change"] as const)) {
          case "read": {
            await using file = await openReal(real)
            if ((await file.stat()).isFile() && (await file.readFile("utf8")).includes(SECRET)) result.wrong.push(`try ${n}: ${name} was read from outside`)
            break
          }
          case "text":
            if ((await readTextFile(real))?.text.includes(SECRET)) result.wrong.push(`try ${n}: ${name} was read from outside`)
            break
          case "replace": {
            const current = await readTextFile(real)
            await files.replace({ session: "s", path: real, bytes: Buffer.from(`mine ${n}`), ...(current && { expect: current.version }) })
            break
          }
          case "change": {
            const current = await readTextFile(real)
            await files.change({ session: "s", files: [{ path: real, bytes: Buffer.from(`mine ${n}`), ...(current && { expect: current.version }) }, { path: join(dirname(real), `made-${n % 5}`), bytes: Buffer.from("mine") }] })
            break
          }
        }
        result.done++
      } catch (error) {
        // Whatever is refused is refused by a name of its own.
        if (!/^(confine|file|textfile)\./.test(String((error as { code?: unknown }).code))) result.wrong.push(`try ${n}: ${name}: ${String(error)}`)
        result.refused++
      }
    }
  } finally {
    racer.kill("SIGKILL")
    await once(racer, "exit")
  }
  const after = fingerprint(outside)
  if (after !== before) result.wrong.push(`what lies outside is not as it was:\n${before}\n${after}`)
  rmSync(base, { recursive: true, force: true })
  return result
}

const fingerprint = (directory: string): string => (readdirSync(directory, { recursive: true }) as string[]).sort().map((name) => {
  const status = statSync(join(directory, name))
  return `${name} ${status.isFile() ? `${status.ino} ${status.mtimeMs} ${readFileSync(join(directory, name), "utf8")}` : ""}`
}).join("\n")
