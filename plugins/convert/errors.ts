/** What can be refused. */
import { AGENTS, type Agent } from "./places.ts"

/** `convert.agent`: the files of no such agent are read. `convert.broken`: a file of ours must be repaired first. `convert.credential`: it is not there, or cannot be taken over. */
export class ConvertError extends Error {
  readonly code: "convert.agent" | "convert.broken" | "convert.credential"
  constructor(code: ConvertError["code"], message: string) {
    super(message)
    this.code = code
  }
}

/** One, or all. */
export function agentsOf(from: string | undefined): readonly Agent[] {
  const found = AGENTS.filter((agent) => from === undefined || agent === from)
  if (found.length === 0) throw new ConvertError("convert.agent", `the files of "${from}" are not read; those of ${AGENTS.join(", ")} are`)
  return found
}
