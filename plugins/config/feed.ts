/** What the config says to the kernel: which plugins are off, with which options the others run, and where more of them lie. */
import { isDeepStrictEqual } from "node:util"
import { homedir } from "node:os"
import { dirname, resolve } from "node:path"
import type { Graft, Root } from "graft"
import type { Standing } from "./scope.ts"
import { speaker } from "./sheet.ts"
import { PROCESS, type ConfigState } from "./state.ts"
import { isTree, own, valueAt, type Tree } from "../lib/tree.ts"

/** Directories that were added, by project and path, each with what takes it away again. Kept from generation to generation. */
export type Roots = Map<string, Promise<() => Promise<void>>>

/** `id` is the config's own: it reads the file, so the file cannot switch it off. */
function blocksOf({ tree }: Pick<Standing, "tree">, id: string): Tree {
  const blocks = own(tree, "plugins")
  return isTree(blocks) ? Object.fromEntries(Object.entries(blocks).filter(([plugin, block]) => plugin !== id || block !== false)) : {}
}

/** The directories that a realm adds: the process those of everybody, a project those of its own file. */
async function rootsOf({ tree, sheets }: Standing, location: string | undefined): Promise<Root[]> {
  const said = valueAt(tree, ["plugin_roots"])
  const sheet = speaker(sheets, ["plugin_roots"])
  if (!Array.isArray(said) || !sheet || (location !== undefined && sheet.layer !== "project")) return []
  const { file } = sheet.layer === "env" ? {} : await sheet.place(["plugin_roots"])
  const base = file === undefined ? process.cwd() : dirname(file)
  return said.map((dir) => {
    const path = resolve(base, String(dir).replace(/^~(?=$|\/)/, homedir()))
    return location === undefined ? { dir: path, kind: "user" } : { dir: path, kind: "project", per: "location", location, guarded: true }
  })
}

export class Feed {
  readonly #graft: Graft<ConfigState>
  readonly #roots: Roots

  constructor(graft: Graft<ConfigState>, roots: Roots) {
    this.#graft = graft
    this.#roots = roots
  }

  /** `standings` by realm, the process among them. What the kernel was told before is not told again. */
  blocks(standings: ReadonlyMap<string, Standing>): void {
    const { state, id, kernel } = this.#graft
    const everywhere = blocksOf(standings.get(PROCESS)!, id)
    const wanted = new Map([...standings].map(([scope, standing]) => {
      const blocks = blocksOf(standing, id)
      return [scope, scope !== PROCESS && isDeepStrictEqual(blocks, everywhere) ? {} : blocks] as const
    }))
    for (const scope of Object.keys(state.value.blocks)) if (!wanted.has(scope)) wanted.set(scope, {})
    const changed = [...wanted].filter(([scope, blocks]) => !isDeepStrictEqual(blocks, state.value.blocks[scope] ?? {}))
    if (changed.length === 0) return
    state.update((draft) => { draft.blocks = Object.fromEntries([...wanted].filter(([, blocks]) => Object.keys(blocks).length > 0)) })
    for (const [scope, blocks] of changed) this.#later(kernel.configure(scope === PROCESS ? undefined : scope, blocks))
  }

  async roots(standings: ReadonlyMap<string, Standing>): Promise<void> {
    const wanted = await Promise.all([...standings].map(([scope, standing]) => rootsOf(standing, scope === PROCESS ? undefined : scope)))
    if (!this.#graft.retiring.aborted) this.#adjust(wanted.flat())
  }

  #adjust(wanted: readonly Root[]): void {
    const keyOf = ({ location, dir }: Root) => JSON.stringify([location ?? "", dir])
    const keys = new Set(wanted.map(keyOf))
    for (const [key, remover] of this.#roots) {
      if (keys.has(key)) continue
      this.#roots.delete(key)
      this.#later(remover.then((remove) => remove()))
    }
    for (const root of wanted) {
      const key = keyOf(root)
      if (this.#roots.has(key)) continue
      const added = this.#graft.kernel.addRoot(root)
      this.#roots.set(key, added)
      this.#later(added)
    }
  }

  /** A pass of the kernel may take long, and may be the one that brings this very plugin: nobody waits for it here. */
  #later(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#graft.log.error("the kernel could not follow the config:", error))
  }
}

export const takeAway = async (roots: Roots): Promise<void> => { for (const remover of roots.values()) await (await remover)() }
