/** `graft plugin`: what is live, why something is not, and the levers. They act on the newest running instance, if there is one. */
import type { Graft } from "graft"
import { choose, parse, UsageError, usageOf, type Options } from "../../arguments.ts"
import type { Terminal, Work } from "../../contract.ts"
import { disable, enable, reload, undo } from "./levers.ts"
import { create } from "./new.ts"
import { inspect, list, logs } from "./views.ts"

const OPTIONS = {
  json: { type: "boolean", about: "list, inspect, logs: JSON" },
  follow: { type: "boolean", short: "f", about: "logs: go on as lines come" },
  template: { type: "string", short: "t", value: "tool|provider|hook", about: "new: what to start from (tool)" },
  project: { type: "boolean", about: "new: into this project's .graft/plugins instead of yours" },
} as const satisfies Options

export interface Asked { graft: Graft; terminal: Terminal; id: string; values: ReturnType<typeof parse<typeof OPTIONS>>["values"] }
type Verb = (asked: Asked) => Promise<number>

const VERBS: Record<string, { run: Verb; id: "needed" | "optional" | "none" }> = {
  list: { run: list, id: "none" },
  inspect: { run: inspect, id: "needed" },
  logs: { run: logs, id: "optional" },
  new: { run: create, id: "needed" },
  reload: { run: reload, id: "optional" },
  undo: { run: undo, id: "needed" },
  disable: { run: disable, id: "needed" },
  enable: { run: enable, id: "needed" },
}

export const plugin = (graft: Graft): Work => ({
  usage: usageOf("graft plugin <verb> [name] [options]", OPTIONS, `
  list                what is live, and why the rest is not
  inspect <name>      everything about one: its files, services, events, generations, last transactions
  logs [name] [-f]    what plugins wrote, and what failed
  new <name>          a file that works as it is, with types for your editor
  reload [name]       looks at the disk now; says what changed, fails when it failed
  undo <name>         back to the code before the last change, until the file changes again
  disable <name>      in your config, live; enable undoes it`),
  async run(argv, terminal) {
    const { values, positionals: [word = "list", id] } = parse(argv, OPTIONS)
    const verb = VERBS[choose(word, Object.keys(VERBS), "verb")]!
    if (verb.id === "needed" && id === undefined) throw new UsageError(`say which plugin: graft plugin ${word} <name>`)
    return verb.run({ graft, terminal, id: id ?? "", values })
  },
})
