/** The eye on the disk: plugins are compared when their files change, and whoever asked hears of its own. */
import { definePlugin } from "graft"
import { Lookout, type WatchState } from "./lookout.ts"
import { Row } from "./row.ts"

export default definePlugin<WatchState>({
  per: "process",
  state: { version: 1, init: () => ({ awake: false, warned: false }) },
  slots: { watched: { schema: Row } },
  async setup(graft) {
    const lookout = new Lookout(graft)
    await lookout.takeOver()
    graft.on("llm.requested", () => lookout.wake())
    graft.on("server.listening", () => lookout.wake())
    graft.on("cli.started", ({ interactive }) => { if (interactive) lookout.wake() })
    graft.on("location.opened", ({ location }) => lookout.follow(location))
    graft.on("location.closed", ({ location }) => lookout.unfollow(location))
    for (const event of ["plugin.loaded", "plugin.reloaded", "plugin.reverted", "plugin.failed", "plugin.waiting", "plugin.removed"] as const) graft.on(event, () => lookout.lookSoon())
    graft.all("watched").onChange(() => lookout.ask())
  },
})
