/** The parts of Bun that plugins import and that Node has by another name. */
import { existsSync, globSync } from "node:fs"
import { glob, readFile, stat, writeFile } from "node:fs/promises"
import { isAbsolute, join, matchesGlob, resolve } from "node:path"

interface Scan { cwd?: string; absolute?: boolean; onlyFiles?: boolean }
const asScan = (options: string | Scan = {}): Scan => (typeof options === "string" ? { cwd: options } : options)

class Glob {
  readonly #pattern: string
  constructor(pattern: string) { this.#pattern = pattern }
  match(path: string): boolean { return matchesGlob(path, this.#pattern) }
  async *scan(options?: string | Scan): AsyncGenerator<string> {
    const { cwd = process.cwd(), absolute = false, onlyFiles = true } = asScan(options)
    for await (const entry of glob(this.#pattern, { cwd, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (!onlyFiles || entry.isFile()) yield absolute ? path : path.slice(resolve(cwd).length + 1)
    }
  }
  *scanSync(options?: string | Scan): Generator<string> {
    const { cwd = process.cwd(), absolute = false } = asScan(options)
    for (const path of globSync(this.#pattern, { cwd })) yield absolute ? join(cwd, path) : path
  }
}

const file = (path: string) => ({
  name: path,
  text: () => readFile(path, "utf8"),
  json: async () => JSON.parse(await readFile(path, "utf8")) as unknown,
  arrayBuffer: async () => new Uint8Array(await readFile(path)).buffer,
  bytes: async () => new Uint8Array(await readFile(path)),
  exists: async () => (await stat(path).catch(() => undefined))?.isFile() ?? false,
})

async function write(to: string | { name: string }, data: string | Uint8Array): Promise<number> {
  await writeFile(typeof to === "string" ? to : to.name, data)
  return data.length
}

function which(command: string): string | null {
  if (isAbsolute(command)) return existsSync(command) ? command : null
  return (process.env.PATH ?? "").split(":").map((directory) => join(directory, command)).find((path) => existsSync(path)) ?? null
}

export const bun = { Glob, file, write, which, sleep: (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds)), env: process.env }
