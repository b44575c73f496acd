/** Another way to fold a long conversation: no model, only what the user said. What comes from here is checked: were it no smaller, Graft would fold as usual. */
import { definePlugin } from "graft"

export default definePlugin({
  setup(graft) {
    graft.compactor.register({
      id: "only-what-was-asked",
      fold: ({ messages }) => messages.filter(({ role }) => role === "user").flatMap(({ parts }) => parts.flatMap((part) => (part.kind === "text" ? `- ${part.text}` : []))).join("\n"),
    })
  },
})
