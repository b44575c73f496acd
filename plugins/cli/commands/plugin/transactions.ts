/** One transaction of a plugin as its author reads it: what came of it, how long each phase took, what it gives now and gave before. */
import type { JournalEntry, PluginView } from "graft"

/** What a plugin gives others, in words that can be compared. */
export const contributions = (view: PluginView | undefined): string[] => (view?.status !== "live" ? [] : [...view.services.map((service) => `service ${service}`), ...Object.entries(view.slots).flatMap(([slot, keys]) => keys.map((key) => `${slot} ${key}`)), ...view.events.map((event) => `on ${event}`), ...view.kept.map((name) => `kept ${name}`)])

export interface Change { added: string[]; removed: string[]; stayed: number }

export function changeOf(before: readonly string[], after: readonly string[]): Change {
  return { added: after.filter((each) => !before.includes(each)), removed: before.filter((each) => !after.includes(each)), stayed: after.filter((each) => before.includes(each)).length }
}

export const sayChange = ({ added, removed, stayed }: Change): string => [...added.map((each) => `+ ${each}`), ...removed.map((each) => `- ${each}`), ...(stayed > 0 ? [`${stayed} as before`] : [])].join("   ")

const PHASES = ["settle", "load", "stage", "commit"] as const

export const sayTimes = ({ times }: Pick<JournalEntry, "times">): string => PHASES.flatMap((phase) => (times[phase] === undefined ? [] : `${phase} ${times[phase] < 10 ? times[phase].toFixed(1) : Math.round(times[phase])}`)).join(" · ").concat(" ms")

/** The first line of it. */
export function sayOutcome({ plugin, gen, outcome, phase, where, message }: JournalEntry, kept: number | undefined): string {
  if (outcome === "committed") return `${plugin}@${gen} is live`
  if (outcome === "failed") return `${plugin} failed in ${phase ?? "load"}${where && !message?.includes(where) ? ` at ${where}` : ""}: ${message ?? ""}${kept ? `\n${plugin}@${kept} goes on` : ""}`
  return `${plugin} ${outcome}${message ? `: ${message}` : ""}`
}
