/** Hooks: change a request before it is sent, answer or refuse a tool call, hear what happens. Save this file and it is live. */
import { definePlugin } from "graft"

export default definePlugin({
  setup(graft) {
    // mutate: a draft of the request. If this throws, the draft is thrown away and the request goes out as it was.
    graft.on("turn.request", (draft) => {
      draft.system.push("Answer in one short paragraph.")
    })

    // mutate: before a tool runs, its input can be changed, or a verdict set: { deny }, { ask } or { answer }.
    graft.on("tool.before", (draft) => {
      if (draft.name === "bash" && JSON.stringify(draft.input).includes("rm -rf")) draft.verdict = { deny: "NAME does not let anything be deleted that way" }
    })

    // notify: facts, told after they happened.
    graft.on("model.added", ({ model }) => graft.log.info(`new model: ${model.ref}`))
  },
})
