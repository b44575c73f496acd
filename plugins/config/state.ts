/** What outlives a reload of this plugin. By realm where it says so: a location, or "" for the process. */
import type { Tree } from "../lib/tree.ts"

export interface Told { readonly tree: Tree; readonly known: readonly string[] }

export interface ConfigState {
  flags: Tree
  /** Good texts by file. */
  texts: Readonly<Record<string, string>>
  /** What was told to hold. */
  told: Readonly<Record<string, Told>>
  warned: readonly string[]
  /** Locations in which every plugin had come up. */
  complete: readonly string[]
  /** What the kernel was told of plugins. */
  blocks: Readonly<Record<string, Tree>>
}

export const emptyState = (): ConfigState => ({ flags: {}, texts: {}, told: {}, warned: [], complete: [], blocks: {} })

export const PROCESS = ""
