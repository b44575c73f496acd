/** What is installed, in one private file that processes share: for each spec of the config its folder, its plugins, and the digest of its bytes. */
import { createHash } from "node:crypto"
import { lstat, open, readdir, readFile, readlink } from "node:fs/promises"
import { join } from "node:path"
import * as v from "valibot"
import { PrivateFile } from "../lib/privatefile.ts"
import { rewrite } from "../lib/rewrite.ts"
import type { Package } from "./contract.ts"

/** `shape`: for which other host it is written. `folder`: the installation; `root`: the package in it; `digest`: of all files of the package, absent of a folder that is linked. `entries`: paths within the package. */
const Entry = v.object({
  spec: v.string(), name: v.string(), version: v.string(), folder: v.string(), root: v.string(), entries: v.record(v.string(), v.string()), digest: v.optional(v.string()), engines: v.optional(v.string()), scripts: v.optional(v.array(v.string())), shape: v.optional(v.string()),
})
export type Entry = v.InferOutput<typeof Entry>
const Schema = v.object({ version: v.literal(1), packages: v.array(Entry) })

export class Lock {
  readonly path: string
  readonly #file: PrivateFile
  constructor(path: string) {
    this.path = path
    this.#file = new PrivateFile(path)
  }

  /** What cannot be read as it was written is as if nothing were installed: it is installed anew. */
  async read(): Promise<readonly Entry[]> { return entriesIn((await this.#file.read())?.text) }

  async change(edit: (entries: readonly Entry[]) => readonly Entry[]): Promise<void> {
    await rewrite(this.path, (text) => `${JSON.stringify({ version: 1, packages: edit(entriesIn(text)) }, null, 2)}\n`, { mode: 0o600 })
  }
}

function entriesIn(text: string | undefined): readonly Entry[] {
  if (text === undefined) return []
  try {
    return v.parse(Schema, JSON.parse(text)).packages
  } catch {
    return []
  }
}

export const packageOf = ({ spec, name, version, root, entries, digest, engines, scripts }: Entry): Package => ({
  spec, name, version, plugins: Object.fromEntries(Object.entries(entries).map(([id, path]) => [id, join(root, path)])), ...(engines !== undefined && { engines }), ...(digest === undefined && { linked: true as const }), ...(scripts && scripts.length > 0 && { scripts }),
})

const MOST_FILES = 20_000
/** Every file of a package, what it depends on excepted: that one is npm's to keep. */
export async function digestOf(root: string): Promise<string> {
  const hash = createHash("sha256")
  let files = 0
  const walk = async (directory: string, prefix: string): Promise<void> => {
    for (const entry of (await readdir(directory, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name === "node_modules") continue
      const [path, name] = [join(directory, entry.name), `${prefix}${entry.name}`]
      if (++files > MOST_FILES) throw new Error(`${root} has more than ${MOST_FILES} files`)
      if (entry.isDirectory()) await walk(path, `${name}/`)
      else hash.update(`${name}\0${entry.isSymbolicLink() ? await readlink(path) : ""}\0`).update(entry.isFile() ? await readFile(path) : "")
    }
  }
  await walk(root, "")
  return hash.digest("base64url")
}

/** Is it there, as a directory that can be read? */
export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(() => open(path).then((handle) => handle.close().then(() => true)), () => false)
}
