/** A file-triggered prompt: save this file in the project, and what it says is done, in a session of its own. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({ file: v.optional(v.string(), "PROMPT.md") })

export default definePlugin<{ said: string }, v.InferOutput<typeof Options>>({
  options: Options,
  // What was done already: a file that is saved again with the same words starts nothing.
  state: { version: 1, init: () => ({ said: "" }) },
  setup(graft) {
    const directory = graft.location
    if (directory === undefined) return
    const path = join(directory, graft.options.file)
    // Graft's own eye on the disk: nothing is polled, and a file that is not there yet is noticed when it comes.
    graft.watched.register({ id: graft.id, path })
    graft.on("watch.changed", async ({ paths }) => {
      if (!paths.includes(path)) return
      const text = (await readFile(path, "utf8").catch(() => "")).trim()
      if (text === "" || text === graft.state.value.said) return
      graft.state.update(() => ({ said: text }))
      // What takes its time does not hold up what is told next.
      graft.fork(async () => {
        const { id } = await graft.session.create({ directory, title: `${graft.options.file}: ${text.slice(0, 40)}` })
        await graft.session.prompt({ session: id, text })
      })
    })
  },
})
