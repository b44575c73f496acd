/** The kernel as data, for people and for policy. */
import type { PluginView, RealmView } from "./control.ts"
import type { Unit } from "./loader/unit.ts"
import type { Realm } from "./registry/realm.ts"

export function viewRealm(realm: Realm): RealmView {
  const generations = realm.live()
  return {
    id: realm.id, location: realm.location, leases: realm.leases,
    services: Object.fromEntries(generations.flatMap((generation) => [...generation.services.keys()].map((service) => [service, generation.name]))),
    slots: Object.fromEntries(realm.table.slotNames().map((slot) => [slot, realm.table.rows(slot).filter((row) => row.generation.realm === realm).map((row) => row.key)])),
    plugins: [...realm.units.values()].filter((unit) => unit.id !== "host" && matters(unit)).sort((a, b) => (a.id < b.id ? -1 : 1)).map(viewUnit),
  }
}

/** Is it live, wanted, or still serving somebody? Otherwise it is only remembered. */
function matters(unit: Unit): boolean {
  return unit.live !== undefined || unit.busy || unit.kernel.wants.candidates(unit).length > 0 || unit.retiring.some(({ generation }) => generation.leases > 0)
}

function viewUnit(unit: Unit): PluginView {
  const { live, calls, errors, crashes, handlerMilliseconds, dropped, status, reason, pinned } = unit
  return {
    id: unit.id, realm: unit.realm.id, status, reason, pinned, calls, errors, crashes, handlerMilliseconds, dropped,
    gen: live?.gen ?? 0, hash: live?.evaluation.hash ?? "", file: live?.evaluation.entry ?? [...unit.failures.keys()][0], root: unit.candidate?.kind === "host" ? undefined : unit.candidate?.kind,
    files: [...(live?.evaluation.files.keys() ?? [])], services: [...(live?.services.keys() ?? [])], events: [...new Set(live?.listeners.map(({ event }) => event))],
    needs: [...(live?.observed ?? unit.waitsFor)], slots: Object.fromEntries([...(live?.rows ?? [])].map(([slot, rows]) => [slot, [...rows.keys()]])), kept: unit.kept.names(),
    generations: [...(live ? [live] : []), ...unit.retiring.map(({ generation }) => generation)].map((generation) => ({
      gen: generation.gen, state: generation.state, leases: generation.leases, hash: generation.evaluation.hash, since: generation.since,
      timers: generation.timers.size, forks: generation.forks.size, listeners: generation.listeners.length, rows: generation.allRows().length, cleanups: generation.cleanups,
    })),
  }
}
