/** The agent loop of a project: takes in what was said, asks the model, runs its calls, until nothing is left. */
import { definePlugin } from "graft"
import { makeCoordinator, type Seats } from "./coordinator.ts"
import { section } from "./section.ts"

export default definePlugin({
  per: "location",
  needs: ["session", "eventlog"],
  async setup(graft) {
    const seats = await graft.keep<Seats>("seats", graft.location!, () => new Map(), () => {})
    const project = await graft.keep<{ up: boolean }>("project", graft.location!, () => ({ up: false }), () => {})
    const { adopt, ...runner } = makeCoordinator(graft, seats, project)
    graft.add("configSection", section)
    graft.provide("runner", runner)
    graft.fork(adopt)
  },
})
