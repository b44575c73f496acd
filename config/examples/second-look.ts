/**
 * Another strategy of the loop: work that changed files is not done when the model says so. It is asked to look at its own
 * changes once more, and only then the session is left in peace.
 */
import { definePlugin } from "graft"

const CHANGES = new Set(["write", "edit", "patch"])
const ASK = "Look once more at every file that you changed: read it, and fix what is wrong. If all is right, say so in one line."

export default definePlugin({
  setup(graft) {
    const changed = new Set<string>()
    const looking = new Set<string>()
    graft.on("tool.called", ({ session, data }) => { if (CHANGES.has(data.name)) changed.add(session) })
    graft.on("session.idle", async ({ session, state }) => {
      const [worked, looked] = [changed.delete(session), looking.delete(session)]
      // A look that changes something more is not looked at again.
      if (state !== "done" || !worked || looked) return
      looking.add(session)
      await graft.session.prompt({ session, text: ASK, delivery: "queue" })
    })
  },
})
