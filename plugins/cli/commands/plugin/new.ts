/** `graft plugin new`. */
import { locationOf } from "graft"
import { choose } from "../../arguments.ts"
import type { Asked } from "./plugin.ts"
import { EXIT } from "../../dispatch.ts"
import { homeOf, otherRoots, pluginsFor } from "./places.ts"
import { scaffold, TEMPLATES } from "./scaffold.ts"

export async function create({ graft, terminal, id, values }: Asked): Promise<number> {
  const template = choose(values.template ?? "tool", TEMPLATES, "template")
  const directory = pluginsFor(graft, values.project ? locationOf(terminal.directory) : undefined)
  const { file, test, types } = scaffold(directory, id, template, homeOf(graft), otherRoots(graft))
  terminal.out(`${file}\n`)
  terminal.err(`${test}  (its first test)\n${types.map((path) => `${path}  (types for your editor)\n`).join("")}\n`)
  terminal.err(values.project ? "It runs once this project is trusted (graft trust allow), and is then live at each save.\n" : "It is live now in every running graft, and at each save.\n")
  terminal.err(`${NEXT[template].replaceAll("NAME", id)}\n  graft plugin dev ${id}    what each save does, as you save\n  graft plugin test ${id}   its test, and the laws that every plugin keeps\n`)
  return EXIT.done
}

const NEXT: Record<(typeof TEMPLATES)[number], string> = {
  tool: '  graft run --allow NAME \'use NAME {"sides": 6}\'   the demo model calls it',
  provider: '  graft run --model NAME/echo "hello"   it answers',
  hook: '  graft run "hello"   the request has one line more',
  command: "  graft NAME   runs it",
  agent: '  graft run "/NAME"   it answers as this agent would',
}
