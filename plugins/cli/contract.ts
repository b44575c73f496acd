import type { Notify } from "graft"

/** A command of `graft <name>`. The exit code is the answer: 0 done, 1 failed, 2 usage, 3 needs permission, 130 interrupted. */
export interface Subcommand { name: string; /** One line. */ summary: string; /** What `graft <name> --help` prints. */ usage: string | (() => Promise<string>); run(argv: readonly string[], terminal: Terminal): Promise<number> }
/** What a command of this plugin is once it is loaded. */
export interface Work { usage: string; run: Subcommand["run"] }

export type Style = "dim" | "bold" | "red" | "green" | "yellow" | "cyan"

/** What a command may do with the terminal. `color` and `cursor` are false for pipes, NO_COLOR, --no-color and TERM=dumb. */
export interface Terminal {
  out(text: string): void
  err(text: string): void
  /** Plain text where there is no color; so no meaning may hang on it alone. */
  paint(style: Style, text: string): string
  /** Puts a question on stderr; undefined when nobody can answer. `secret`: what is typed is not shown. */
  ask(question: string, options?: { secret?: boolean }): Promise<string | undefined>
  readonly input: NodeJS.ReadableStream
  readonly color: boolean
  readonly cursor: boolean
  /** A person sits at both ends. */
  readonly interactive: boolean
  /** stdout and stderr are the same screen. */
  readonly together: boolean
  readonly columns: number
  readonly rows: number
  readonly directory: string
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP, and when nobody reads any more. */
  readonly signal: AbortSignal
  /** Asked at each SIGINT before the signal aborts: true when it was taken. */
  trap(handler: () => boolean): () => void
}

export interface Cli {
  main(argv: readonly string[]): Promise<number>
}

declare module "graft" {
  interface Services { cli: Cli }
  interface Slots { subcommand: Subcommand }
  /** `interactive`: a conversation is open. */
  interface Events { "cli.started": Notify<{ command: string; interactive: boolean }> }
}
