import type { Notify } from "graft"

/** A prompt that somebody wrote down: `/name arguments` in a conversation becomes its text. One that a plugin brings has no `file` and no `body`: both are empty. */
export interface Command { name: string; description: string; /** What it takes, for people, e.g. "[branch]". */ hint?: string; file: string; scope: "built-in" | "user" | "project"; body: string }

/** A command that a plugin brings. `given`: what was typed behind the name. A file of the same name comes before it. */
export interface CommandRow { name: string; description: string; hint?: string; expand(given: string, context: { directory: string; session?: string; signal?: AbortSignal }): Promise<string> }

/** Errors: `command.denied` (a shell line in it may not run; `rule` names what would allow it), `command.failed` (one could not be run, or a plugin's command failed). */
export interface Commands {
  register(command: CommandRow): () => void
  list(): Promise<Command[]>
  /** The prompt that `/name arguments` stands for; undefined where the text is no command. */
  expand(text: string, context: { directory: string; session?: string; signal?: AbortSignal }): Promise<string | undefined>
}

declare module "graft" {
  interface Services { command: Commands }
  interface Slots { command: CommandRow }
  interface Events {
    "command.added": Notify<{ command: Omit<Command, "body"> }>
    "command.updated": Notify<{ command: Omit<Command, "body"> }>
    "command.removed": Notify<{ name: string }>
  }
}
