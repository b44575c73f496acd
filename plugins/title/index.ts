/** Titles of sessions: found by a small model when the first work is done, where there is one; else the first words stay. */
import { definePlugin } from "graft"
import { makeNaming } from "./naming.ts"
import { section } from "./section.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.add("configSection", section)
    graft.on("activity.settled", makeNaming(graft).settled)
  },
})
