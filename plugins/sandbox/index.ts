/** A wall of the operating system around the commands of a model. Nothing is looked for before somebody asks. */
import { definePlugin } from "graft"
import { section } from "./section.ts"
import { makeWall, type Detection } from "./wall.ts"

export default definePlugin({
  per: "location",
  needs: ["config"],
  async setup(graft) {
    const detection = await graft.keep<Detection>("bubblewrap", "system", () => ({ at: 0 }), () => {})
    const { wall, caution, ...sandbox } = makeWall(graft, graft.location!, detection)
    graft.add("configSection", section)
    graft.add("wall", wall)
    graft.add("caution", caution)
    graft.provide("sandbox", sandbox)
  },
})
