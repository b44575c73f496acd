/** The synchronous first leg of plugin code, bounded: a loop in a module body or in setup ends with an error instead of holding the process. */
import { Script } from "node:vm"
import { BOUNDS } from "../clock.ts"
import { KernelError } from "../errors.ts"

const slot = Symbol.for("graft.leg")
const script = new Script(`globalThis[Symbol.for("graft.leg")]()`, { filename: "graft:leg" })

export function leg<T>(what: string, work: () => T): T {
  const holder = globalThis as { [slot]?: () => unknown }
  const outer = holder[slot]
  holder[slot] = work
  try {
    return script.runInThisContext({ timeout: BOUNDS.leg }) as T
  } catch (error) {
    if ((error as { code?: string } | null)?.code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error
    throw new KernelError("Timeout", `${what} ran for ${BOUNDS.leg} ms without giving way: is there an endless loop?`)
  } finally {
    holder[slot] = outer
  }
}
