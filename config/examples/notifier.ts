/** A notifier: when work ends, a program of yours says so. Its last argument is the message: `"command": ["notify-send", "Graft"]`. */
import { execFile } from "node:child_process"
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({ command: v.optional(v.pipe(v.array(v.string()), v.minLength(1)), ["notify-send", "Graft"]) })

export default definePlugin({
  options: Options,
  setup(graft) {
    const [program, ...words] = graft.options.command
    graft.on("session.idle", async ({ session, state, reason }) => {
      const { title = session, parent } = (await graft.session.get(session)) ?? {}
      // What a session began for itself is no news.
      if (parent !== undefined) return
      execFile(program!, [...words, `${title}: ${state}${reason ? `, ${reason}` : ""}`], { timeout: 10_000, signal: graft.signal }, (error) => {
        if (error) graft.log.warn(`${program} did not work: ${error.message.split("\n")[0]}`)
      })
    })
  },
})
