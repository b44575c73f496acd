import type { Notify } from "graft"

/** One way to format files, the first that a file's project uses. */
export interface Formatter {
  name: string
  /** Of files, with the dot: ".ts". */
  extensions: readonly string[]
  /** `$FILE` stands for the file. The text comes on stdin, and the formatted one is expected on stdout. Or what makes it of the directory where a mark was found. */
  command: readonly string[] | ((at: { directory: string }) => readonly string[] | Promise<readonly string[]>)
  env?: Readonly<Record<string, string>>
  /** It rewrites `$FILE`, which is a copy beside the file, and what it prints is no text. */
  rewrites?: boolean
  /** Files, or `file#text`, that say that a project uses it: beside the file, or above it up to the project's directory. Default: none are needed. */
  marks?: readonly string[]
  /** It reads nothing of the project that could run as code; else it runs only in a project that is trusted. */
  harmless?: boolean
}
/** `enabled`: false where the config says so. */
export interface FormatterInfo { name: string; extensions: readonly string[]; enabled: boolean; owner: string }

/** What became of a file. `by` is absent where nobody formats such files here; `problem` where one should have, and did not. */
export interface Formatted { by?: string; version: string; /** What the formatter changed; absent where nothing. */ diff?: string; problem?: string }

/** Formatters of a project. They run by themselves after a tool changed a file. */
export interface Formatters {
  register(formatter: Formatter): () => void
  list(): Promise<FormatterInfo[]>
  /** `path`: the real path of a file in the project; `version` as it is expected there: another one is left alone. Bounded to ten seconds. */
  format(file: { path: string; version: string; session: string }): Promise<Formatted>
}

declare module "graft" {
  interface Services { formatter: Formatters }
  interface Slots { formatter: Formatter }
  interface Events {
    "formatter.added": Notify<{ formatter: FormatterInfo }>
    "formatter.updated": Notify<{ formatter: FormatterInfo }>
    "formatter.removed": Notify<{ name: string }>
  }
}
