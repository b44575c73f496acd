import type { Mutate } from "graft"

/** A process that is about to start. `walls`: what confines it, as the model is told where it fails. */
export interface Start { program: string; args: readonly string[]; directory: string; walls: readonly string[] }

/** Something that every command of a model, or of a command file, is started in, jobs included; of several, the later ones go around the earlier. Who throws is heeded: the command does not start. */
export interface Wall { id: string; confine(start: Start): Promise<Start> }

declare module "graft" {
  interface Slots { wall: Wall }
  interface Events {
    /** The environment of a command that is about to start. */
    "shell.env": Mutate<{ command: string; directory: string; env: Record<string, string> }>
  }
}
