/**
 * A web-search provider: with one row the tool `websearch` is there, and asks this engine. It wants an address that takes
 * `?q=` and answers `{ results: [{ title, link, snippet }] }`: `"plugins": { "search-engine": { "url": "https://…" } }`.
 */
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({ url: v.optional(v.pipe(v.string(), v.url())) })
const Answer = v.object({ results: v.array(v.object({ title: v.string(), link: v.string(), snippet: v.optional(v.string(), "") })) })

export default definePlugin({
  options: Options,
  setup(graft) {
    const { url } = graft.options
    // Without an address there is nobody to ask, and so no tool.
    if (url === undefined) return
    graft.searchEngine.register({
      id: "my-search",
      async search(query, { limit, signal }) {
        const response = await fetch(`${url}?q=${encodeURIComponent(query)}`, { signal })
        if (!response.ok) throw Object.assign(new Error(`${url} answered ${response.status}`), { code: "search.failed" })
        const { results } = v.parse(Answer, await response.json())
        return results.slice(0, limit).map(({ title, link, snippet }) => ({ title, url: link, text: snippet }))
      },
    })
  },
})
