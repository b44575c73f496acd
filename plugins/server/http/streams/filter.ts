/** Which of all that is told a client wants: names, `noun.*` or all, of everywhere or of one project. */
import type { Subscribe, Told } from "../../contract.ts"

/** What is told so often that it comes only to who names it; it is not kept for who comes back. */
const FLEETING: ReadonlySet<string> = new Set(["message.part.delta", "tool.input.delta", "tool.progress"])
/** Names that one client may list, and the length of each. */
const MOST_NAMES = 100
const LONGEST_NAME = 200

export interface Filter { readonly events?: readonly string[]; readonly location?: string }

export const isFleeting = (event: string): boolean => FLEETING.has(event)

const matches = (pattern: string, event: string): boolean => pattern === "*" || pattern === event || (pattern.endsWith(".*") && event.startsWith(pattern.slice(0, -1)))

/** As a connection of the socket asks for it: everything, unless names are given. */
export function wants({ events, location }: Subscribe, told: Pick<Told, "event" | "location">): boolean {
  if (location !== undefined && told.location !== undefined && told.location !== location) return false
  return !events || events.some((pattern) => matches(pattern, told.event))
}

/** As the live feed gives it: what is fleeting only to who names it. */
export const wantsFact = (filter: Filter, told: Pick<Told, "event" | "location">): boolean =>
  wants(filter, told) && (!isFleeting(told.event) || filter.events?.some((pattern) => pattern !== "*" && matches(pattern, told.event)) === true)

/** `?events=plugin.*,model.added`, also more than once. Undefined: not as it should be. */
export function namesOf(query: URLSearchParams): readonly string[] | undefined {
  const names = [...new Set(query.getAll("events").flatMap((list) => list.split(",")).map((name) => name.trim()).filter((name) => name !== ""))].sort()
  return names.length <= MOST_NAMES && names.every((name) => name.length <= LONGEST_NAME && /^(\*|[\w.-]+(\.\*)?)$/.test(name)) ? names : undefined
}
