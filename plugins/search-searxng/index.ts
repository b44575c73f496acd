/** A SearXNG instance of the user's as an engine of `websearch`, while the config names one. */
import { definePlugin } from "graft"
import { presence } from "../lib/presence.ts"
import { searxng, section, type Settings } from "./searxng.ts"

export default definePlugin({
  per: "location",
  needs: ["config"],
  async setup(graft) {
    graft.add("configSection", section)
    const url = async () => (await graft.config.get<Settings>("searxng", graft.location))?.url
    const look = presence(graft, async () => (await url()) !== undefined, () => graft.add("searchEngine", searxng(url)))
    graft.on("config.changed", ({ paths }) => (paths.some((path) => path.split(".")[0] === "searxng") ? look() : undefined))
    await look()
  },
})
