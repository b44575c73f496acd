/** `graft docs [topic]`: the papers that lie beside what they describe. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Graft } from "graft"
import { near } from "../../lib/near.ts"
import { parse, UsageError, usageOf } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { table } from "../table.ts"

export const docs = (graft: Graft): Work => ({
  usage: usageOf("graft docs [topic]", {}, "Without a topic it lists them."),
  async run(argv, terminal) {
    const { positionals: [topic] } = parse(argv, {})
    const topics = find(graft)
    if (topic === undefined) return terminal.out(table([...topics].map(([name, file]) => [name, titleOf(file)]), terminal.interactive ? terminal.columns : undefined)), EXIT.done
    const file = topics.get(topic.toLowerCase())
    if (file) return terminal.out(readFileSync(file, "utf8")), EXIT.done
    const best = near(topic, topics.keys())
    throw new UsageError(`there is no guide "${topic}"${best.length ? `; did you mean ${best.join(", ")}?` : "; graft docs lists them"}`)
  },
})

/** By topic: every README of a plugin, in the order of the roots, and what stands beside the built-ins. */
function find(graft: Graft): Map<string, string> {
  const found = new Map<string, string>()
  const add = (topic: string, file: string) => { if (existsSync(file)) found.set(topic, file) }
  const roots = graft.kernel.roots()
  const builtIn = roots.find(({ kind }) => kind === "built-in")
  if (builtIn) {
    const home = dirname(builtIn.dir)
    for (const [topic, file] of [["graft", "README.md"], ["architecture", "ARCHITECTURE.md"], ["security", "SECURITY.md"], ["changes", "CHANGELOG.md"], ["kernel", "kernel/README.md"], ["plugins", "plugins/README.md"], ["events", "plugins/EVENTS.md"], ["settings", "config/README.md"], ["examples", "config/examples/README.md"]] as const) add(topic, join(home, file))
  }
  for (const { dir } of roots) if (existsSync(dir)) for (const name of readdirSync(dir).sort()) add(name, join(dir, name, "README.md"))
  return found
}

/** The first words of prose. */
function titleOf(file: string): string {
  const line = readFileSync(file, "utf8").split("\n").find((each) => each.trim() !== "" && !each.startsWith("#"))
  return line?.trim() ?? ""
}
