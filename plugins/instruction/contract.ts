import type { Notify } from "graft"

export interface InstructionFile { file: string; bytes: number; hash: string; scope: "user" | "project" | "directory" }
export interface Instruction {
  /** Texts for the system prompt, farthest first: the user's AGENTS.md, then each AGENTS.md from the project's top down to `directory`. Byte-stable while the files are. */
  system(directory: string): Promise<string[]>
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
