/** Who is running: every handler, setup, timer, fork and service method is entered here, so that any fault finds its owner. */
import { AsyncLocalStorage } from "node:async_hooks"

export interface Owner { fault(kind: "throw" | "timeout" | "rejection" | "teardown", during: string, error: unknown): void }

const owners = new AsyncLocalStorage<Owner>()
/** The mutates and decides that are being awaited, outermost first. */
const chains = new AsyncLocalStorage<readonly string[]>()

export const chain = (): readonly string[] => chains.getStore() ?? []
export const runAs = <T>(who: Owner, work: () => T): T => owners.run(who, work)
export const runInChain = <T>(event: string, work: () => T): T => chains.run([...chain(), event], work)

/** A fault that nobody awaits belongs to who was running; one that is nobody's ends the process, as Node would. */
export function contain(): () => void {
  const caught = (kind: "rejection" | "throw", during: string) => (error: unknown) => {
    const culprit = owners.getStore()
    if (culprit) return culprit.fault(kind, during, error)
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exit(1)
  }
  const [rejection, exception] = [caught("rejection", "an unhandled rejection"), caught("throw", "an uncaught exception")]
  process.on("unhandledRejection", rejection).on("uncaughtException", exception)
  return () => void process.off("unhandledRejection", rejection).off("uncaughtException", exception)
}
