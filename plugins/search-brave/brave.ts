/** One search at Brave: what is sent, and what its answer says. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"
import { webJson } from "../lib/web-json.ts"
import type { SearchEngine } from "../tool-websearch/contract.ts"

const URL = "https://api.search.brave.com/res/v1/web/search"

export interface Settings { url?: string }
export const section: ConfigSection = { id: "brave", schema: v.strictObject({ url: v.optional(v.pipe(v.string(), v.url())) }), description: "Brave's search: another URL for it, e.g. a proxy's.", live: "now", safe: false }

const Answer = v.object({ web: v.optional(v.object({ results: v.array(v.object({ title: v.string(), url: v.string(), description: v.optional(v.string(), "") })) })) })

export const brave = ({ key, settings }: { key(): Promise<string | undefined>; settings(): Promise<Settings> }): SearchEngine => ({
  id: "brave",
  async search(query, { limit, signal }) {
    const [secret, { url }] = await Promise.all([key(), settings()])
    if (secret === undefined) throw new Error("its key is gone")
    const answer = await webJson(`${url ?? URL}?${new URLSearchParams({ q: query, count: String(limit) })}`, { signal, headers: { "x-subscription-token": secret }, trusted: url !== undefined })
    return (v.parse(Answer, answer).web?.results ?? []).map(({ title, url, description }) => ({ title, url, text: description }))
  },
})
