import type { Notify } from "graft"

/** A prompt that somebody wrote down: `/name arguments` in a conversation becomes its text. */
export interface Command { name: string; description: string; /** What it takes, for people, e.g. "[branch]". */ hint?: string; file: string; scope: "built-in" | "user" | "project"; body: string }

/** Errors: `command.denied` (a shell line in it may not run; `rule` names what would allow it), `command.failed` (one could not be run). */
export interface Commands {
  list(): Promise<Command[]>
  /** The prompt that `/name arguments` stands for; undefined where the text is no command. */
  expand(text: string, context: { directory: string; session?: string; signal?: AbortSignal }): Promise<string | undefined>
}

declare module "graft" {
  interface Services { command: Commands }
  interface Events {
    "command.added": Notify<{ command: Omit<Command, "body"> }>
    "command.updated": Notify<{ command: Omit<Command, "body"> }>
    "command.removed": Notify<{ name: string }>
  }
}
