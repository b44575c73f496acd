/** Who is running: every handler, setup, timer, fork and service method is entered here, so that any fault finds its owner. */
import { AsyncLocalStorage } from "node:async_hooks"

export interface Owner { fault(kind: "throw" | "timeout" | "rejection" | "teardown", during: string, error: unknown): void }
/** `chain` holds the mutates and decides that are being awaited, outermost first. */
interface Attribution { owner: Owner; chain: readonly string[] }

const storage = new AsyncLocalStorage<Attribution>()
const nothing: readonly string[] = []

export const runAs = <T>(owner: Owner, work: () => T): T => storage.run({ owner, chain: storage.getStore()?.chain ?? nothing }, work)
export const runInChain = <T>(owner: Owner, event: string, work: () => T): T => storage.run({ owner, chain: [...chain(), event] }, work)
export const owner = (): Owner | undefined => storage.getStore()?.owner
export const chain = (): readonly string[] => storage.getStore()?.chain ?? nothing
