/** Policy for code that misbehaves: an edit that keeps throwing is undone, what hangs is named, and what killed the process twice is left out. */
import * as v from "valibot"
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { Probation } from "./probation.ts"
import { Quarantine } from "./quarantine.ts"
import { Watchdog, type GuardOptions, type GuardState } from "./watchdog.ts"

export default definePlugin<GuardState, GuardOptions>({
  per: "process",
  options: v.strictObject({ stall: v.optional(v.pipe(v.number(), v.minValue(100)), 5_000) }),
  state: { version: 1, init: () => ({ working: false, watching: false }) },
  async setup(graft) {
    const { data } = paths(graft.kernel.host.dataDir)
    const probation = new Probation(graft)
    const quarantine = new Quarantine(graft, data)
    const watchdog = new Watchdog(graft, data)
    const begin = () => {
      watchdog.work()
      quarantine.begin()
    }
    await watchdog.takeOver()
    if (graft.state.value.working) quarantine.begin()

    graft.on("llm.requested", begin)
    graft.on("server.listening", begin)
    graft.on("cli.started", ({ interactive }) => { if (interactive) begin() })
    graft.on("kernel.fault", (fault, { at }) => probation.judge(fault, at))
    graft.on("plugin.reloaded", (fact) => probation.begin(fact))
    graft.on("plugin.removed", (fact) => probation.end(fact))
    for (const event of ["plugin.loaded", "plugin.reloaded", "plugin.removed"] as const) graft.on(event, () => watchdog.changed())
    graft.on("watch.changed", () => quarantine.look())
  },
})
