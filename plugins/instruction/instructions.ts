/** The service `instruction`: the texts for a directory, and the facts that they came, changed or went. */
import { dirname } from "node:path"
import type { Graft } from "graft"
import { foreignInstructions, switchedOff } from "../lib/foreign-places.ts"
import { paths } from "../lib/paths.ts"
import type { Instruction, InstructionFile } from "./contract.ts"
import { foreignTexts, instructionsAt, placesFor, type Cache, type Instructions } from "./files.ts"
import { Named } from "./named.ts"
import { newsFor, textOf, textsFor, type Sessions } from "./session.ts"

/** Characters that all instructions together may add to a request. */
const MOST_IN_ALL = 256 * 1024

/** What was last told of, by file, and which of them the config names; it survives a reload, so that a reload tells nothing. */
export interface Told { files: Record<string, InstructionFile>; named: string[] }

export interface Instructing extends Instruction { /** The config says something else. */ forget(): void }

export function makeInstruction(graft: Graft<Told>, sessions: Sessions): Instructing {
  const cache: Cache = new Map()
  const foreignFiles = new Set(foreignInstructions().map(({ path }) => path))
  const config = paths(graft.kernel.host.dataDir).config
  let texts: Promise<import("./texts.ts").Texts> | undefined
  const named = new Named(graft, () => (texts ??= import("./texts.ts").then(({ Texts }) => new Texts(graft, () => void look(graft.location!)))))

  /** The user's first, then what the user wrote for other agents, what the config names, then from the project's top down: the nearest count most. */
  async function look(directory: string): Promise<Instructions[]> {
    const more = await named.current()
    const places = placesFor(config, graft.location!, directory)
    const [users, ...found] = places.map((place) => instructionsAt(cache, graft.location!, place))
    const others = foreignTexts(cache, users, await switchedOff(graft))
    const own = new Set([users, ...others, ...found].map((read) => read?.file))
    const all = [users, ...others, ...more.filter(({ file }) => !own.has(file)), ...found].filter((read) => read !== undefined)
    tell(new Set(places.map(({ at }) => at)), all, more.map(({ file }) => file))
    return all.filter((file) => file.text !== "")
  }

  /** Compares the places that were looked at with what was told of them. */
  function tell(places: Set<string>, found: Instructions[], more: string[]): void {
    const { files, named: before } = graft.state.value
    const changed = found.filter(({ file, hash }) => files[file]?.hash !== hash)
    const gone = Object.keys(files).filter((file) => (places.has(dirname(file)) || before.includes(file) || foreignFiles.has(file)) && !found.some((read) => read.file === file))
    if (changed.length === 0 && gone.length === 0 && before.join("\n") === more.join("\n")) return
    for (const read of changed) {
      if (read.problem) graft.log.warn(read.problem)
      graft.emit(files[read.file] ? "instruction.updated" : "instruction.added", factOf(read))
    }
    for (const file of gone) graft.emit("instruction.removed", { file })
    graft.state.update((draft) => {
      for (const read of changed) draft.files[read.file] = factOf(read)
      for (const file of gone) delete draft.files[file]
      draft.named = more
    })
  }

  /** The nearest count most: where all are too much, the farthest are left out. */
  function fitting(all: Instructions[]): Instructions[] {
    let left = MOST_IN_ALL
    const kept = all.findLastIndex(({ text }) => (left -= text.length) < 0)
    return all.slice(kept + 1)
  }

  return {
    forget: () => named.forget(),
    async system(directory, session) {
      const now = fitting(await look(directory))
      return session === undefined ? now.map(textOf) : [...textsFor(sessions, session, directory, now)]
    },
    news: async (directory, session) => newsFor(sessions, session, fitting(await look(directory))),
    list: async (directory) => (await look(directory)).map(factOf),
  }
}

const factOf = ({ file, bytes, hash, scope }: Instructions): InstructionFile => ({ file, bytes, hash, scope })
