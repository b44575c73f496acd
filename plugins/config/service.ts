/** The service `config`: questions are answered from what holds; an edit goes into a file, and holds when it returns. */
import { isDeepStrictEqual } from "node:util"
import { dirname } from "node:path"
import { locationOf, type Graft } from "graft"
import { RewriteError, rewrite } from "../lib/rewrite.ts"
import { check } from "./check.ts"
import type { Config, ConfigWarning, Origin } from "./contract.ts"
import { isDocument, parseDocument } from "../lib/jsonc.ts"
import { edit } from "../lib/jsonc-edit.ts"
import { ConfigError } from "./errors.ts"
import { projectFile } from "./files.ts"
import { formatPath, overlap, parsePath, spell } from "./path.ts"
import { resolveReferences } from "./reference.ts"
import { wholeSchema } from "./schema.ts"
import { judges } from "./scope.ts"
import type { Scopes } from "./scopes.ts"
import { masked } from "./secret.ts"
import { origins, placeOfText, type Sheet } from "./sheet.ts"
import type { ConfigState } from "./state.ts"
import { plain, valueAt, withValue, without, type Keys, type Tree } from "../lib/tree.ts"

/** Milliseconds that the plugins of a project get to come up, when it is opened only to be asked about. */
const PATIENCE = 5_000

export function makeConfig(graft: Graft<ConfigState>, scopes: Scopes): Config {
  const { kernel } = graft
  const place = (location: string | undefined): string | undefined => (location === undefined || kernel.locations().includes(location) ? location : locationOf(location))

  /** Opened, with all who know sections. */
  async function among<T>(location: string | undefined, ask: (location: string | undefined) => Promise<T>): Promise<T> {
    const at = place(location)
    if (at === undefined || kernel.locations().includes(at)) return ask(at)
    using _ = await graft.at(at)
    await kernel.settled(PATIENCE).catch(() => {})
    return ask(at)
  }

  return {
    async get<T>(path: string, location?: string): Promise<T | undefined> {
      const { tree } = await scopes.of(place(location))
      return valueAt(tree, spell(tree, parsePath(path))) as T | undefined
    },
    async expand(text, location) {
      const at = place(location)
      return resolveReferences(text, async () => placeOfText((await scopes.of(at)).sheets, text), at ?? dirname(scopes.files.user), process.env)
    },
    explain: (path, location) => among(location, async (at) => {
      const { tree, sheets } = await scopes.of(at)
      const keys = spell(tree, parsePath(path))
      const { live = "now" } = scopes.boards.sections(at).get(keys[0] ?? "")?.item ?? {}
      const { winner, losers } = await origins(sheets, keys)
      const shown = (origin: Origin): Origin => ({ ...origin, value: masked(keys, origin.value) })
      return { path, value: masked(keys, valueAt(tree, keys)), ...(winner && { winner: shown(winner) }), losers: losers.map(shown), live }
    }),
    warnings: (location) => among(location, async (at): Promise<ConfigWarning[]> => {
      await scopes.of(at)
      if (at !== undefined && scopes.boards.judge(at)) await scopes.change()
      return [...(await scopes.of(at)).warnings]
    }),
    async flags(values) {
      graft.state.update((draft) => { draft.flags = (plain({ ...values }) ?? {}) as Tree })
      await scopes.change()
    },
    files: async (location) => {
      await scopes.look()
      return scopes.list(place(location))
    },
    schema: (location, { write: written = false } = {}) => among(location, async (at) => {
      if (written) await scopes.schemaFile.write()
      return wholeSchema([...scopes.boards.sections(at).values()].map(({ item }) => item))
    }),

    set: (path, value, { layer = "user", location } = {}) => among(location, async (at) => {
      if (layer === "project" && at === undefined) throw new ConfigError("config.location", "say which project: a location is needed to edit a project's config")
      const keys = parsePath(path)
      if (keys.length === 0) throw new ConfigError("config.path", "say which key: the whole file is not replaced")
      const wanted = plain(value)
      if (value !== undefined && wanted === undefined) throw new ConfigError("config.value", `${path}: only what JSON can say can be written`)
      const file = layer === "user" ? scopes.files.user : projectFile(at!)
      await scopes.of(at)
      const line = await write(file, keys, wanted, (tree, target) => refuse(layer, layer === "user" ? undefined : at, file, tree, target, wanted))
      await scopes.look()
      return { file, line }
    }),
  }

  /** What its section would not take is not written; what is only incomplete is. */
  async function refuse(layer: "user" | "project", location: string | undefined, file: string, before: Tree, keys: Keys, value: unknown): Promise<void> {
    const sections = scopes.boards.sections(location)
    if (value === undefined || !sections.has(keys[0]!)) return
    const { sheets } = await scopes.of(location)
    const edited: Sheet = { layer, file, tree: withValue(without(before, keys), keys, value), place: () => ({ file }) }
    const stacked = sheets.some((sheet) => sheet.file === file) ? sheets.map((sheet) => (sheet.file === file ? edited : sheet)) : [...sheets, edited]
    const wrong = check(stacked, judges(sections), false).problems.find((problem) => problem.sheet === edited && !problem.missing && overlap(problem.keys, keys))
    if (wrong) throw new ConfigError("config.value", `"${formatPath(wrong.keys)}": ${wrong.message}; nothing was written`)
  }
}

/** Gives the line on which it stands afterwards. `refuse` throws for what must not be written. */
async function write(file: string, keys: Keys, value: unknown, refuse: (tree: Tree, keys: Keys) => Promise<void>): Promise<number> {
  let line = 1
  try {
    await rewrite(file, async (text = "") => {
      const parsed = await parseDocument(text)
      if (!isDocument(parsed)) throw new ConfigError("config.broken", `${file}:${parsed.line}: ${parsed.message}; repair it first, nothing was written`)
      const target = spell(parsed.tree, keys)
      await refuse(parsed.tree, target)
      const next = await edit(text, parsed.tree, target, value)
      const after = await parseDocument(next)
      if (!isDocument(after) || !isDeepStrictEqual(valueAt(after.tree, target), value)) throw new ConfigError("config.value", `${file}: "${formatPath(keys)}" could not be written in a way that reads the same; edit it by hand`)
      line = await after.line(target)
      return next
    })
  } catch (error) {
    throw error instanceof RewriteError ? new ConfigError(error.code === "rewrite.busy" ? "config.busy" : "config.unwritable", error.message) : error
  }
  return line
}
