/**
 * Late-bound handles. A handle is one stable object for a consumer; each call finds the provider of that moment,
 * runs in the provider's attribution, and leases its generation until the promise or the stream has ended.
 */
import { KernelError, Unavailable } from "../errors.ts"
import type { Generation } from "../loader/generation.ts"
import { failing, hybrid, serve } from "./lease.ts"
import type { Kernel } from "../kernel.ts"
import { once } from "./once.ts"
import type { Realm } from "./realm.ts"

/** What a handle asks of the kernel when nobody provides a service right now. */
type Pending = Pick<Kernel, "arrival" | "perLocation">

type Method = (...args: unknown[]) => unknown

export function makeHandle(consumer: Generation, realm: Realm, service: string, pending: Pending, register: (item: unknown) => unknown): object {
  const methods = new Map<string, Method>([["register", register as Method]])
  const make = (name: string) => makeMethod(consumer, realm, service, name, pending)
  return new Proxy(Object.create(null) as object, {
    get(_, name) {
      // An awaited or inspected handle is no promise and has no symbols.
      if (typeof name === "symbol" || name === "then") return undefined
      return once(methods, name, make)
    },
    set: () => { throw new KernelError("Invalid", `${service}: a service is replaced by providing it, not by assignment`) },
  })
}

function makeMethod(consumer: Generation, realm: Realm, service: string, method: string, pending: Pending): Method {
  const during = `${service}.${method}`
  consumer.used.add(service)
  const invoke = (provider: Generation, implementation: object, args: unknown[]): unknown => {
    const work = (implementation as Record<string, unknown>)[method] as Method | undefined
    if (typeof work !== "function") return failing(new KernelError("Invalid", `"${service}" of ${provider.name} has no method "${method}"`))
    return serve(provider, during, () => work.apply(implementation, args), () => call(...args))
  }
  const call: Method = (...args) => {
    const own = consumer.state === "staged" && consumer.realm === realm ? consumer.services.get(service) : undefined
    if (own) return invoke(consumer, own, args)
    if (consumer.state === "staged") consumer.observed.add(service)
    const provided = realm.table.service(service)
    if (provided) return invoke(provided.generation, provided.implementation, args)
    if (realm.parent === undefined && pending.perLocation(service)) return failing(new KernelError("NeedsLocation", `"${service}" is a project's: using p = await graft.at(directory), then p.${during}(…)`))
    if (consumer.state === "staged") consumer.unavailable ??= service
    // Setup and cleanup wait for nobody.
    if (consumer.state === "staged" || consumer.state === "closed") return failing(new Unavailable(service))
    return hybrid(pending.arrival(realm, service).then(() => call(...args)))
  }
  return call
}
