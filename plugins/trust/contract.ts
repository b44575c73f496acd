import type { Notify } from "graft"

/** `content`: this digest at this real path, for good. `directory`: whatever of this project lies below its directory, until the process ends. */
export interface TrustAsk { id: string; location: string; plugin: string; realpath: string; digest: string; files: string[] }
export type TrustAnswer = "content" | "directory" | "no"

/** Errors: `trust.unknown` (no such question is open), `trust.unwritable`, `trust.busy` (the file of what was agreed to). */
export interface Trust {
  /** Asks that wait for a person. */
  pending(): Promise<TrustAsk[]>
  answer(id: string, answer: TrustAnswer): Promise<void>
  /** Trusts a project's directory for this process (`--trust`), or for good. */
  allow(location: string, options?: { remember?: boolean }): Promise<void>
  revoke(location: string): Promise<void>
  /** May settings of this project that widen what may happen be honoured? */
  allowed(location: string): Promise<boolean>
}

declare module "graft" {
  interface Services { trust: Trust }
  interface Events {
    "trust.asked": Notify<TrustAsk>
    /** `void`: the question fell away; the file changed, nobody is left to answer, or it was answered elsewhere. */
    "trust.answered": Notify<{ id: string; answer: TrustAnswer | "void" }>
    /** What `allowed` says of an open project is otherwise now. */
    "trust.granted": Notify<{ location: string }>
    "trust.revoked": Notify<{ location: string }>
  }
}
