import type { Notify } from "graft"

/** `content`: this digest at this real path. `directory`: whatever is below this directory, until the process ends. */
export interface TrustAsk { id: string; location: string; plugin: string; realpath: string; digest: string; files: string[] }
export type TrustAnswer = "content" | "directory" | "no"

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
  interface Events { "trust.asked": Notify<TrustAsk>; "trust.answered": Notify<{ id: string; answer: TrustAnswer }> }
}
