import type { Notify } from "graft"

export interface InstructionFile { file: string; bytes: number; hash: string; scope: "user" | "project" | "directory" }
export interface Instruction {
  /** Texts for the system prompt, farthest first: the user's AGENTS.md, what the config names, then each AGENTS.md from the project's top down to `directory`. Byte-stable while the files are; of a session as it was first told them, so that what stands behind them stays cached. */
  system(directory: string, session?: string): Promise<string[]>
  /** What is otherwise than this session was told, for the end of its conversation; once. */
  news(directory: string, session: string): Promise<string | undefined>
  list(directory: string): Promise<InstructionFile[]>
}

declare module "graft" {
  interface Services { instruction: Instruction }
  interface Events {
    "instruction.added": Notify<InstructionFile>
    "instruction.updated": Notify<InstructionFile>
    "instruction.removed": Notify<{ file: string }>
  }
}
