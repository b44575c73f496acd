/** One search at a SearXNG instance, whose JSON answers have to be switched on there (https://docs.searxng.org/dev/search_api.html). */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"
import { webJson } from "../lib/web-json.ts"
import type { SearchEngine } from "../tool-websearch/contract.ts"

export interface Settings { url: string }
export const section: ConfigSection = { id: "searxng", schema: v.strictObject({ url: v.pipe(v.string(), v.url()) }), description: 'A SearXNG instance for web searches, e.g. { "url": "https://searx.example" }.', live: "now", safe: false }

const Answer = v.object({ results: v.array(v.object({ title: v.string(), url: v.string(), content: v.optional(v.nullable(v.string())) })) })

export const searxng = (url: () => Promise<string | undefined>): SearchEngine => ({
  id: "searxng",
  async search(query, { limit, signal }) {
    const base = await url()
    if (base === undefined) throw new Error("the config names no instance any more")
    const answer = await webJson(`${base.replace(/\/+$/, "")}/search?${new URLSearchParams({ q: query, format: "json" })}`, { signal, trusted: true })
    return v.parse(Answer, answer).results.slice(0, limit).map(({ title, url, content }) => ({ title, url, text: content ?? "" }))
  },
})
