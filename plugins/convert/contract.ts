/** One word of another program's file: where it went, or why it goes nowhere. Paths are dotted; `to` are paths of Graft's config. */
export interface Fate {
  from: string
  line: number
  to?: string[]
  /** Why it has no home, or what is otherwise than it was meant. */
  reason?: string
  /** The plugin that reads it where it is. */
  reader?: string
  /** It needs no home: it says nothing that is not so anyway. */
  implied?: true
}
/** What becomes of one file; `broken`: why nothing does. */
export interface Conversion { agent: string; file: string; layer: "user" | "project"; fates: Fate[]; broken?: { line: number; message: string } }

/** One file of Graft's that would change. */
export interface Step { file: string; layer: "user" | "project"; before: string; after: string; paths: string[] }
/** What else lies in the others' directories: a file or directory, and what becomes of it. */
export interface Neighbour { agent: string; path: string; layer: "user" | "project"; reason: string; /** The plugin that reads it where it is. */ reader?: string }
export interface Plan { conversions: Conversion[]; neighbours: Neighbour[]; steps: Step[] }

/** A key that another program keeps; never the secret. `provider` is the integration in Graft. `reason`: why it cannot be taken over. */
export interface ForeignCredential { agent: string; file: string; provider: string; kind: string; reason?: string }

export interface Question { /** Only this agent's files. */ from?: string; location?: string }

/** Errors: `convert.agent` (no such agent is known), and those of `config.set` and `auth.set`. */
export interface Convert {
  agents(): Promise<string[]>
  /** What would be written so that Graft's own files say what the others say now; nothing is. */
  plan(question?: Question): Promise<Plan>
  /** Writes it, and gives the files that changed. */
  migrate(question?: Question): Promise<string[]>
  credentials(question?: Question): Promise<ForeignCredential[]>
  /** Hands one of them to `auth`. */
  adopt(credential: ForeignCredential): Promise<void>
}

declare module "graft" {
  interface Services { convert: Convert }
}
