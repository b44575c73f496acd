/** Conversion: what other agents' files say counts in place, and can be written into Graft's own. */
import { definePlugin } from "graft"
import { section, sources } from "./section.ts"
import { makeConvert } from "./service.ts"

export default definePlugin({
  per: "process",
  setup(graft) {
    graft.add("configSection", section)
    graft.add("configSource", sources)
    graft.provide("convert", makeConvert(graft))
  },
})
