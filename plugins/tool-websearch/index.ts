/** The tool `websearch`, there as long as an engine is. */
import { definePlugin } from "graft"
import { presence } from "../lib/presence.ts"
import { makeWebsearch } from "./websearch.ts"

export default definePlugin({
  per: "location",
  async setup(graft) {
    const engines = graft.all("searchEngine")
    const look = presence(graft, () => engines.rows().length > 0, () => graft.tool.register(makeWebsearch(graft)))
    engines.onChange(() => void look())
    await look()
  },
})
