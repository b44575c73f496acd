/** An audit log: one JSON line for each call of a tool and for what came of it, in a file that only you can read. */
import { appendFile, mkdir } from "node:fs/promises"
import { homedir } from "node:os"
import { dirname, join } from "node:path"
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({ file: v.optional(v.string(), join(homedir(), ".graft-audit.jsonl")) })

export default definePlugin({
  options: Options,
  setup(graft) {
    const { file } = graft.options
    // One after the other, so that lines stand in the order in which things happened.
    let written = mkdir(dirname(file), { recursive: true }).then(() => {})
    const write = (line: object) => (written = written.then(() => appendFile(file, `${JSON.stringify(line)}\n`, { mode: 0o600 })))

    // Facts are told after they were written to the session's own log: nothing here can hold anything up.
    graft.on("tool.called", ({ session, created, data }) => write({ at: new Date(created).toISOString(), session, call: data.call, tool: data.name, input: data.input }))
    graft.on("tool.settled", ({ session, created, data }) => write({ at: new Date(created).toISOString(), session, call: data.call, outcome: data.outcome }))
    return () => written
  },
})
