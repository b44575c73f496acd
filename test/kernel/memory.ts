/** The garbage collector on request, and what is alive after it. */
import { queryObjects, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

export function collect(): void {
  gc()
  gc()
}

/** Bytes in use when nothing that can be freed is left. */
export function heap(): number {
  collect()
  return process.memoryUsage().heapUsed
}

/** How many objects of a class are alive. */
export const alive = (constructor: abstract new (...args: never[]) => object): number => queryObjects(constructor as never, { format: "count" }) as unknown as number
