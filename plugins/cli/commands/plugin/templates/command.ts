/** A command: `graft NAME` runs it, `graft --help` lists it. Save this file and it is there. */
import { definePlugin } from "graft"

export default definePlugin({
  per: "process",
  setup(graft) {
    graft.subcommand.register({
      name: "NAME",
      summary: "Says what was used in this project, and what it cost",
      usage: "usage: graft NAME",
      // The exit code is the answer: 0 done, 1 failed, 2 usage.
      async run(_words, terminal) {
        const sessions = await graft.session.list({ location: terminal.directory })
        const cost = sessions.reduce((sum, { usage }) => sum + (usage.cost ?? 0), 0)
        terminal.out(`${sessions.length} sessions, $${cost.toFixed(2)}\n`)
        return 0
      },
    })
  },
})
