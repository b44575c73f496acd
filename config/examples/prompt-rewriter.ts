/** A prompt rewriter: your short words become long ones right before a request is sent. What you typed stays as it is in the session. */
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({ words: v.optional(v.record(v.string(), v.string()), { ":t": "Run the tests, and fix what fails.", ":c": "Commit what you did, with a message that says why." }) })

export default definePlugin({
  options: Options,
  setup(graft) {
    const { words } = graft.options
    graft.on("turn.request", (draft) => {
      for (const message of draft.messages) {
        if (message.role !== "user") continue
        for (const part of message.content) {
          if (part.type === "text") part.text = part.text.split(/(\s+)/).map((word) => (Object.hasOwn(words, word) ? words[word]! : word)).join("")
        }
      }
    })
  },
})
