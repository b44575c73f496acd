/** The face that plugins import as "graft". Inside a plugin, `graft` is that plugin's own instance. */
import type { Graft } from "./instance.ts"
import { KernelError } from "./errors.ts"

export * from "./vocabulary.ts"
export * from "./instance.ts"
export * from "./control.ts"
export { KernelError, Moved, Unavailable, messageOf, type KernelErrorCode } from "./errors.ts"
export { systemClock, type Clock } from "./clock.ts"
export { locationOf } from "./registry/realm.ts"
export { createKernel, VERSION, type EmbeddedKernel, type KernelOptions } from "./kernel.ts"

/** Each plugin sees its own instance under this name; outside of one, make a kernel and use `kernel.graft`. */
export const graft: Graft = new Proxy(Object.create(null) as Graft, {
  get(_, name) {
    if (typeof name === "symbol" || name === "then") return undefined
    throw new KernelError("NotLive", `graft.${name}: this code was not loaded by a kernel; use createKernel().graft`)
  },
})
