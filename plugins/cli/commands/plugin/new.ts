/** `graft plugin new`. */
import { dirname, join, resolve } from "node:path"
import { locationOf } from "graft"
import { paths } from "../../../lib/paths.ts"
import { choose } from "../../arguments.ts"
import type { Asked } from "./plugin.ts"
import { EXIT } from "../../dispatch.ts"
import { scaffold, TEMPLATES } from "./scaffold.ts"

export async function create({ graft, terminal, id, values }: Asked): Promise<number> {
  const template = choose(values.template ?? "tool", TEMPLATES, "template")
  const user = join(paths(graft.kernel.host.dataDir).config, "plugins")
  const directory = values.project ? join(locationOf(terminal.directory), ".graft", "plugins") : user
  const builtIn = graft.kernel.roots().find(({ kind }) => kind === "built-in")?.dir ?? resolve(import.meta.dirname, "../../..")
  const { file, types } = scaffold(directory, id, template, dirname(builtIn), values.project ? [user] : [])
  terminal.out(`${file}\n`)
  if (types) terminal.err(`${types}  (types for your editor)\n`)
  terminal.err(values.project ? "It runs once this project is trusted (graft trust allow), and is then live at each save.\n" : "It is live now in every running graft, and at each save; graft plugin logs shows what it says.\n")
  return EXIT.done
}
