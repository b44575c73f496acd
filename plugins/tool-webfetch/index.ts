/** The tool `webfetch`, and where it may go. */
import { definePlugin } from "graft"
import { section } from "./section.ts"
import { makeWebfetch } from "./webfetch.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.add("configSection", section)
    graft.tool.register(makeWebfetch(graft))
  },
})
