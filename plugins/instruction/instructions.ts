/** The service `instruction`: the texts for a directory, and the facts that they came, changed or went. */
import { dirname } from "node:path"
import type { Graft } from "graft"
import { paths } from "../lib/paths.ts"
import type { Instruction, InstructionFile } from "./contract.ts"
import { instructionsAt, placesFor, type Cache, type Instructions } from "./files.ts"

/** Characters that all instructions together may add to a request. */
const MOST_IN_ALL = 256 * 1024

/** What was last told of, by file; it survives a reload, so that a reload tells nothing. */
export interface Told { files: Record<string, InstructionFile> }

export function makeInstruction(graft: Graft<Told>): Instruction {
  const cache: Cache = new Map()
  const config = paths(graft.kernel.host.dataDir).config

  function look(directory: string): Instructions[] {
    const places = placesFor(config, graft.location!, directory)
    const found = places.flatMap((place) => instructionsAt(cache, graft.location!, place) ?? [])
    tell(new Set(places.map(({ at }) => at)), found)
    return found.filter((file) => file.text !== "")
  }

  /** Compares the places that were looked at with what was told of them. */
  function tell(places: Set<string>, found: Instructions[]): void {
    const { files } = graft.state.value
    const changed = found.filter(({ file, hash }) => files[file]?.hash !== hash)
    const gone = Object.keys(files).filter((file) => places.has(dirname(file)) && !found.some((read) => read.file === file))
    if (changed.length === 0 && gone.length === 0) return
    for (const read of changed) {
      if (read.problem) graft.log.warn(read.problem)
      graft.emit(files[read.file] ? "instruction.updated" : "instruction.added", factOf(read))
    }
    for (const file of gone) graft.emit("instruction.removed", { file })
    graft.state.update((draft) => {
      for (const read of changed) draft.files[read.file] = factOf(read)
      for (const file of gone) delete draft.files[file]
    })
  }

  /** The nearest count most: where all are too much, the farthest are left out. */
  function fitting(all: Instructions[]): Instructions[] {
    let left = MOST_IN_ALL
    const kept = all.findLastIndex(({ text }) => (left -= text.length) < 0)
    return all.slice(kept + 1)
  }

  return {
    system: async (directory) => fitting(look(directory)).map(({ file, text }) => `Instructions from ${file}:\n\n${text}`),
    list: async (directory) => look(directory).map(factOf),
  }
}

const factOf = ({ file, bytes, hash, scope }: Instructions): InstructionFile => ({ file, bytes, hash, scope })
