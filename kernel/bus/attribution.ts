/** Who is running: every handler, setup, timer, fork and service method is entered here, so that any fault finds its owner. */
import { AsyncLocalStorage } from "node:async_hooks"

export interface Owner { fault(kind: "throw" | "timeout" | "rejection" | "teardown", during: string, error: unknown): void }

const owners = new AsyncLocalStorage<Owner>()
/** The mutates and decides that are being awaited, outermost first. */
const chains = new AsyncLocalStorage<readonly string[]>()

export const owner = (): Owner | undefined => owners.getStore()
export const chain = (): readonly string[] => chains.getStore() ?? []
export const runAs = <T>(who: Owner, work: () => T): T => owners.run(who, work)
export const runInChain = <T>(who: Owner, event: string, work: () => T): T => chains.run([...chain(), event], () => owners.run(who, work))
