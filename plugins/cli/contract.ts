import type { Notify } from "graft"

/** A command of `graft <name>`. The exit code is the answer: 0 done, 1 failed, 2 usage, 3 needs permission, 130 interrupted. */
export interface Subcommand { name: string; summary: string; usage: string; run(argv: readonly string[], terminal: Terminal): Promise<number> }

/** What a command may do with the terminal. `color` and `cursor` are false for pipes, NO_COLOR, --no-color and TERM=dumb. */
export interface Terminal { out(text: string): void; err(text: string): void; readonly color: boolean; readonly cursor: boolean; readonly interactive: boolean; readonly columns: number; readonly directory: string; readonly signal: AbortSignal }

export interface Cli {
  main(argv: readonly string[]): Promise<number>
}

declare module "graft" {
  interface Services { cli: Cli }
  interface Slots { subcommand: Subcommand }
  interface Events { "cli.started": Notify<{ command: string; interactive: boolean }> }
}
