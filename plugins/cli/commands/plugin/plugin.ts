/** `graft plugin`: what is live, why something is not, and the levers. They act on the newest running instance, if there is one. */
import type { Graft } from "graft"
import { choose, parse, UsageError, usageOf, type Options } from "../../arguments.ts"
import type { Terminal, Work } from "../../contract.ts"
import { bisect } from "./bisect.ts"
import { dev } from "./dev.ts"
import { eject } from "./eject.ts"
import { disable, enable, pin, reload, undo, unpin } from "./levers.ts"
import { create } from "./new.ts"
import { add, remove, update } from "./package.ts"
import { profile } from "./profile.ts"
import { test } from "./test.ts"
import { inspect, journal, list, logs } from "./views.ts"

const OPTIONS = {
  json: { type: "boolean", about: "list, inspect, logs, journal, profile: JSON" },
  follow: { type: "boolean", short: "f", about: "logs: go on as lines come" },
  template: { type: "string", short: "t", value: "tool|provider|hook|command|agent", about: "new: what to start from (tool)" },
  scripts: { type: "boolean", about: "add: what it brings may run scripts at its installation" },
  replace: { type: "boolean", about: "add: it may take a built-in's place" },
  probe: { type: "string", value: "command", about: "bisect: exit code 0 means all is well" },
  seconds: { type: "string", value: "n", about: "profile: how long (5)" },
  project: { type: "boolean", about: "new, eject: into this project's .graft/plugins instead of yours" },
} as const satisfies Options

export interface Asked { graft: Graft; terminal: Terminal; id: string; values: ReturnType<typeof parse<typeof OPTIONS>>["values"] }
type Verb = (asked: Asked) => Promise<number>

const VERBS: Record<string, { run: Verb; id: "needed" | "optional" | "none" }> = {
  list: { run: list, id: "none" },
  inspect: { run: inspect, id: "needed" },
  logs: { run: logs, id: "optional" },
  new: { run: create, id: "needed" },
  dev: { run: dev, id: "needed" },
  test: { run: test, id: "optional" },
  reload: { run: reload, id: "optional" },
  journal: { run: journal, id: "optional" },
  undo: { run: undo, id: "needed" },
  pin: { run: pin, id: "needed" },
  unpin: { run: unpin, id: "needed" },
  disable: { run: disable, id: "needed" },
  enable: { run: enable, id: "needed" },
  add: { run: add, id: "needed" },
  update: { run: update, id: "optional" },
  remove: { run: remove, id: "needed" },
  eject: { run: eject, id: "needed" },
  bisect: { run: bisect, id: "none" },
  profile: { run: profile, id: "none" },
}

export const plugin = (graft: Graft): Work => ({
  usage: usageOf("graft plugin <verb> [name] [options]", OPTIONS, `
  list                what is live, and why the rest is not
  inspect <name>      everything about one: its files, services, events, generations, last transactions
  logs [name] [-f]    what plugins wrote, and what failed
  new <name>          a file that works as it is, its first test, and types for your editor
  dev <file>          shows what each save does: its transaction, types, what it logs and breaks
  test [file]         its specs, and the laws that every plugin keeps
  reload [name]       looks at the disk now; says what changed, fails when it failed
  journal [name]      every transaction since the start: what, why, how long
  undo <name>         back to the code before the last change, until the file changes again
  pin <name>          stays as it is, whatever is saved; unpin undoes it
  disable <name>      in your config, live; enable undoes it
  add <package>       a published plugin, as npm names it (name, name@^1, a folder, a tarball, a git URL): live at once
  update [package]    to the newest that its range allows
  remove <package>    and its plugins
  eject <name>        a copy of a built-in in your plugins directory, to make your own; it takes the built-in's place
  bisect --probe C    which of your plugins makes the command C fail: halves them by live disable, without a restart
  profile             where the CPU's time goes, by plugin`),
  async run(argv, terminal) {
    const { values, positionals: [word = "list", id] } = parse(argv, OPTIONS)
    const verb = VERBS[choose(word, Object.keys(VERBS), "verb")]!
    if (verb.id === "needed" && id === undefined) throw new UsageError(`say which plugin: graft plugin ${word} <name>`)
    return verb.run({ graft, terminal, id: id ?? "", values })
  },
})
