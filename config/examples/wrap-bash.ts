/**
 * A tool that wraps another: `check` runs this project's own check by way of `bash`, with its deadline, its permission and
 * its cleaning up, and gives the model only the end of what it says.
 */
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({ command: v.optional(v.string(), "npm test"), lines: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 40) })

export default definePlugin({
  options: Options,
  setup(graft) {
    const { command, lines } = graft.options
    graft.tool.register({
      name: "check",
      description: `Runs this project's check (${command}), and gives its last lines.`,
      input: v.object({}),
      effects: ["run"],
      // Nothing is asked for this tool: the call of bash below is asked about as any other.
      permission: () => undefined,
      async execute(_input, { session, call, directory, signal, progress }) {
        // As a turn calls it: whoever is bash then, with its checks, its hooks and its bounds.
        const tools = await graft.tool.advertise()
        try {
          const { outcome, output } = await tools.settle({ id: `${call}.bash`, name: "bash", input: JSON.stringify({ command }), session, directory }, { signal, progress, started: async () => {} })
          return { title: command, output: output.trimEnd().split("\n").slice(-lines).join("\n"), failed: outcome !== "ok" }
        } finally {
          tools.dispose()
        }
      },
    })
  },
})
