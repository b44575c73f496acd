/** Which models the config names for a turn, in order: the agent's, else those of everybody; one, or a list of which the next speaks where one fails. */
import type { Graft } from "graft"

export type Purpose = "default" | "small"

export async function namedInConfig(graft: Pick<Graft, "config" | "location">, purpose: Purpose, agent?: string): Promise<string[]> {
  const read = (path: string): Promise<unknown> => graft.config.get<unknown>(path, graft.location).catch(() => undefined)
  const models = purpose === "default" && agent !== undefined ? await read("models") : undefined
  const agents = isRecord(models) && isRecord(models.agents) ? models.agents : {}
  const own = agent !== undefined && Object.hasOwn(agents, agent) ? textsIn(agents[agent]) : []
  return resolved(graft, own.length > 0 ? own : textsIn(await read(purpose === "small" ? "small_model" : "model")))
}

/** `{env:X}` in a name. One that leads nowhere is passed over where another is named, and is said where none is. */
async function resolved({ config, location }: Pick<Graft, "config" | "location">, refs: readonly string[]): Promise<string[]> {
  const found = await Promise.allSettled(refs.map((ref) => (ref.includes("{") ? config.expand(ref, location) : ref)))
  const named = found.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []))
  const [first] = found.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []))
  if (named.length === 0 && first !== undefined) throw first
  return named
}

/** Only another program's file names it: a wish, which must not stand in the way where it cannot be met. */
export async function isHearsay({ config, location }: Pick<Graft, "config" | "location">, purpose: Purpose): Promise<boolean> {
  try {
    return (await config.explain(purpose === "small" ? "small_model" : "model", location)).winner?.from !== undefined
  } catch {
    return false
  }
}

const textsIn = (value: unknown): string[] => [value].flat().filter((each): each is string => typeof each === "string" && each !== "")
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)
