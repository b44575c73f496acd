/** Which files a realm's config is read from, the lowest first: our own, and below those of each layer what other programs keep there. */
import type { Row } from "graft"
import type { Broken, Document } from "../lib/jsonc.ts"
import { isTree, plain, valueAt } from "../lib/tree.ts"
import type { ConfigSource, Layer } from "./contract.ts"
import { environmentFile, projectFiles, type Files } from "./files.ts"
import type { Reader, Wanted } from "./sources.ts"

export interface LayerFile extends Wanted { readonly layer: Layer; readonly from?: string }

/** Bytes of another program's file; some keep more than settings in it. */
const MOST_FOREIGN = 8_388_608

export function layersOf(files: Files, sources: readonly Row<ConfigSource>[], location: string | undefined): LayerFile[] {
  const foreign = (layer: Layer, place?: string) => sources.flatMap((source) => foreignFiles(source, layer, place))
  const environment = environmentFile(process.env)
  return [
    { layer: "default", file: files.default }, { layer: "managed", file: files.managed },
    ...foreign("user"), { layer: "user", file: files.user },
    ...(location === undefined ? [] : [...foreign("project", location), ...projectFiles(location).map((file): LayerFile => ({ layer: "project", file }))]),
    ...(environment === undefined ? [] : [{ layer: "env", file: environment } as const]),
  ]
}

/** `said`: what the config itself says of it. */
export function isOff(from: string, said: unknown): boolean {
  return said === false || valueAt(said, [from]) === false
}

function foreignFiles({ item, run }: Row<ConfigSource>, layer: Layer, location: string | undefined): LayerFile[] {
  try {
    return run(() => item.files(location)).map((file) => ({ layer, from: item.from, file, key: JSON.stringify([item.id, location ?? "", file]), reader: readerOf(item, run, file, location) }))
  } catch {
    // Its owner has been told.
    return []
  }
}

/** A reader that fails is as good as a file that cannot be read. */
const readerOf = (item: ConfigSource, run: Row<ConfigSource>["run"], file: string, location: string | undefined): Reader => ({
  id: item, most: MOST_FOREIGN,
  async parse(text): Promise<Document | Broken> {
    try {
      const reading = await run(() => item.read(text, { file, ...(location !== undefined && { location }) }))
      if ("message" in reading) return reading
      const tree = plain(reading.tree)
      return { text, tree: isTree(tree) ? tree : {}, line: (keys) => reading.line(keys) }
    } catch (error) {
      return { line: 1, message: `it cannot be read as ${item.from}'s: ${error instanceof Error ? error.message : String(error)}` }
    }
  },
})
