/** `providers.<id>` of the config, with its references resolved. Only for the moment of use: what it gives may hold a secret. */
import type { Graft } from "graft"

export interface ProviderSettings {
  url?: string
  key?: string
  headers: Record<string, string>
  /** Fields that are added to every request's body. */
  body?: Record<string, unknown>
  /** The other texts of the entry: region, project, profile, resource, version. */
  more: Record<string, string>
}
/** What an entry says beside its way in; nothing in it is secret. */
const MORE = ["region", "project", "profile", "resource", "version"] as const

/** Throws `config.variable` where a reference leads nowhere. */
export async function providerSettings({ config, location }: Pick<Graft, "config" | "location">, id: string): Promise<ProviderSettings> {
  const block = blockOf(await config.get("providers", location), id)
  const expand = async (value: unknown): Promise<string | undefined> => (typeof value === "string" && value !== "" ? config.expand(value, location) : undefined)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(isRecord(block.headers) ? block.headers : {})) {
    const text = await expand(value)
    if (text !== undefined) headers[name.toLowerCase()] = text
  }
  const more: Record<string, string> = {}
  for (const name of MORE) {
    const text = await expand(block[name])
    if (text !== undefined) more[name] = text
  }
  const [url, key] = [await expand(block.url), await expand(block.key)]
  return { headers, more, ...(isRecord(block.body) && { body: block.body }), ...(url !== undefined && { url: withoutSlash(url) }), ...(key !== undefined && { key }) }
}

/** One entry of the `providers` tree; an empty one where there is none. */
export function blockOf(providers: unknown, id: string): Record<string, unknown> {
  const block = isRecord(providers) && Object.hasOwn(providers, id) ? providers[id] : undefined
  return isRecord(block) ? block : {}
}

export const withoutSlash = (url: string): string => url.replace(/\/+$/, "")
export const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)
