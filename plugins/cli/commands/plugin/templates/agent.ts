/**
 * Who works: what begins with "/NAME" is done by a reviewer, who looks and changes nothing. An agent that needs no code is
 * a Markdown file (`graft docs agent`); this is for one that does.
 */
import { definePlugin } from "graft"

const LOOKS: readonly string[] = ["read", "ls", "glob", "grep"]

export default definePlugin({
  setup(graft) {
    graft.on("turn.request", (draft) => {
      const said = draft.messages.findLast(({ role }) => role === "user")
      if (!JSON.stringify(said?.content ?? "").includes("/NAME")) return
      draft.system.push("You review code. Name what is wrong, with file and line, worst first. Change nothing.")
      draft.tools = draft.tools.filter(({ name }) => LOOKS.includes(name))
    })
  },
})
