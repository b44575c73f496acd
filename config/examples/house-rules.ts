/**
 * Two hooks, with options: each request says what this house expects, and some commands are never run. Options stand in
 * the config under the plugin's id, `"plugins": { "house-rules": { "say": "…", "never": ["…"] } }`; change them, and this
 * plugin alone is reloaded.
 */
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({
  say: v.optional(v.string(), "Prefer small changes, and say what you did not check."),
  never: v.optional(v.array(v.string()), ["git push --force"]),
})

export default definePlugin({
  options: Options,
  setup(graft) {
    const { say, never } = graft.options

    // A draft of the request: if this threw, the draft would be thrown away and the request go out as it was.
    graft.on("turn.request", (draft) => { draft.system.push(say) })

    // Before a tool runs its input can be changed, or a verdict set: { deny }, { ask } or { answer }.
    graft.on("tool.before", (draft) => {
      const { command } = (draft.input ?? {}) as { command?: string }
      const rule = draft.name === "bash" ? never.find((forbidden) => command?.includes(forbidden)) : undefined
      if (rule) draft.verdict = { deny: `the house rules never run "${rule}"` }
    })
  },
})
