/** The kernel as data, for people and for policy; and what a wait comes down to. */
import type { PluginView, RealmView } from "./control.ts"
import type { Unit } from "./loader/unit.ts"
import type { Realm } from "./registry/realm.ts"

export function viewRealm(realm: Realm): RealmView {
  const generations = realm.live()
  return {
    id: realm.id, location: realm.location, leases: realm.leases.size,
    services: Object.fromEntries(generations.flatMap((generation) => [...generation.services.keys()].map((service) => [service, generation.name]))),
    slots: Object.fromEntries(realm.table.slotNames().map((slot) => [slot, realm.table.rows(slot).filter((row) => row.generation.realm === realm).map((row) => row.key)])),
    plugins: [...realm.units.values()].filter((unit) => unit.id !== "host" && matters(unit)).sort((a, b) => (a.id < b.id ? -1 : 1)).map(viewUnit),
  }
}

/** Is it live, wanted, or still serving somebody? Otherwise it is only remembered. */
function matters(unit: Unit): boolean {
  return unit.live !== undefined || unit.busy || unit.kernel.wants.candidates(unit).length > 0 || [...unit.retiring].some(({ leases }) => leases > 0)
}

function viewUnit(unit: Unit): PluginView {
  const { live, counters, dropped, status, reason, pinned } = unit
  return {
    id: unit.id, realm: unit.realm.id, status, reason, pinned, ...counters, dropped,
    gen: live?.gen ?? 0, hash: live?.evaluation.hash ?? "", file: live?.evaluation.entry ?? [...unit.failures.keys()][0], root: unit.candidate?.kind === "host" ? undefined : unit.candidate?.kind,
    files: [...(live?.evaluation.files.keys() ?? [])], services: [...(live?.services.keys() ?? [])], events: [...new Set(live?.listeners.map(({ event }) => event))],
    needs: [...(live?.observed ?? unit.waitsFor)], uses: [...(live?.used ?? [])], slots: Object.fromEntries([...(live?.rows ?? [])].map(([slot, rows]) => [slot, [...rows.keys()]])), kept: unit.kept.names(),
    generations: [...(live ? [live] : []), ...unit.retiring].map((generation) => ({
      gen: generation.gen, state: generation.state, leases: generation.leases, hash: generation.evaluation.hash, since: generation.since,
      timers: generation.timers.size, forks: generation.forks.size, listeners: generation.listeners.length, rows: generation.allRows().length, cleanups: generation.cleanups,
    })),
  }
}

/** The path of a wait to its end; a circle is said as one. */
export function whyWaiting(unit: Unit, root: Realm): string {
  const path = [unit]
  const services: string[] = []
  for (let at = unit; ; ) {
    const service = at.waitsFor[0]!
    services.push(service)
    const waits = `waits for "${services.join('" → "')}"`
    const next = [...unit.realm.units.values(), ...root.units.values()].find((other) => !other.live && other.offers.has(service))
    if (!next) return `${waits}: nobody provides "${service}"`
    if (path.includes(next)) return `waits in a circle: ${[...path.slice(path.indexOf(next)), next].map(({ id }) => id).join(" → ")}`
    if (!next.waitsFor.length) return `${waits} of ${next.id}, which is ${next.status}: ${next.reason}`
    path.push((at = next))
  }
}
