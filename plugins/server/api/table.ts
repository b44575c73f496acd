/** The routes that are live for one request: our own, and those of the plugins that its realm sees. Pure. */
import type { Row } from "graft"
import type { Route } from "../contract.ts"
import { hasBody, namesIn } from "./input.ts"

/** `params`: the names in its path; `body`: what is asked is said in a body; `run` enters the attribution of whoever contributed it. */
export interface Entry { route: Route; noun: string; verb: string; params: readonly string[]; body: boolean; run<R>(work: () => R): R }

const ours = <R>(work: () => R): R => work()

/** One route an id: the last contributor's. One route a place: whose id came first keeps it, and `refused` hears of the other. */
export function tableOf(own: readonly Route[], rows: readonly Row<Route>[], refused: (route: Route, taken: Route) => void): Entry[] {
  const byId = new Map<string, Entry>()
  for (const route of own) byId.set(route.id, entryOf(route, ours))
  for (const row of rows) byId.set(row.item.id, entryOf(row.item, (work) => row.run(work)))
  const byPlace = new Map<string, Entry>()
  for (const entry of byId.values()) {
    const place = placeOf(entry.route)
    const taken = byPlace.get(place)
    if (taken) refused(entry.route, taken.route)
    else byPlace.set(place, entry)
  }
  return [...byPlace.values()]
}

function entryOf(route: Route, run: Entry["run"]): Entry {
  const [noun, verb] = route.id.split(".") as [string, string]
  return { route, noun, verb, params: namesIn(route.path), body: hasBody(route), run }
}

/** What a router cannot tell apart. */
const placeOf = ({ method, path }: Route): string => `${method} ${shapeOf(path)}`
const shapeOf = (path: string): string => path.replace(/:\w+/g, ":")

/** The methods that a path has: what a request of another one is told. */
export function methodsOf(entries: readonly Entry[], path: string): string[] {
  const parts = path.split("/")
  return [...new Set(entries.filter(({ route }) => fits(route.path.split("/"), parts)).map(({ route }) => route.method))].sort()
}

const fits = (wanted: readonly string[], given: readonly string[]): boolean => wanted.length === given.length && wanted.every((part, at) => (part.startsWith(":") ? given[at] !== "" : part === given[at]))
