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
    if (topic === undefined) return terminal.out(table([...topics].map(([name, page]) => [name, titleOf(page)]), terminal.interactive ? terminal.columns : undefined)), EXIT.done
    const page = topics.get(topic.toLowerCase())
    if (page) return terminal.out(textOf(page)), EXIT.done
    const best = near(topic, topics.keys())
    throw new UsageError(`there is no guide "${topic}"${best.length ? `; did you mean ${best.join(", ")}?` : "; graft docs lists them"}`)
  },
})

/** `section`: of a longer paper only what stands below this heading. */
interface Page { file: string; section?: string }

const EXAMPLES = "config/examples/README.md"
const KERNEL = "kernel/README.md"
const PLUGINS = "plugins/README.md"
/** What an author of plugins reads, where it stands beside what it describes. */
const GUIDES: Readonly<Record<string, readonly [file: string, section: string]>> = {
  first: [EXAMPLES, "Your first plugin in five minutes"], tools: [EXAMPLES, "Tools"], providers: [EXAMPLES, "Providers"], hooks: [PLUGINS, "Hooks and drafts"], facts: [PLUGINS, "Facts"],
  services: [KERNEL, "Services and slots"], state: [KERNEL, "State and kept resources"], testing: [EXAMPLES, "Testing"], publishing: [EXAMPLES, "Publishing"], "from-opencode": [EXAMPLES, "Coming from opencode"], "from-pi": [EXAMPLES, "Coming from pi"],
}

/** By topic: every README of a plugin, in the order of the roots, and what stands beside the built-ins. */
function find(graft: Graft): Map<string, Page> {
  const found = new Map<string, Page>()
  const add = (topic: string, file: string, section?: string) => { if (existsSync(file)) found.set(topic, { file, ...(section && { section }) }) }
  const roots = graft.kernel.roots()
  const builtIn = roots.find(({ kind }) => kind === "built-in")
  if (builtIn) {
    const home = dirname(builtIn.dir)
    for (const [topic, file] of [["graft", "README.md"], ["architecture", "ARCHITECTURE.md"], ["security", "SECURITY.md"], ["changes", "CHANGELOG.md"], ["kernel", KERNEL], ["plugins", PLUGINS], ["events", "plugins/EVENTS.md"], ["settings", "config/README.md"], ["examples", EXAMPLES]] as const) add(topic, join(home, file))
    for (const [topic, [file, section]] of Object.entries(GUIDES)) add(topic, join(home, file), section)
  }
  for (const { dir } of roots) if (existsSync(dir)) for (const name of readdirSync(dir).sort()) add(name, join(dir, name, "README.md"))
  return found
}

function textOf({ file, section }: Page): string {
  const text = readFileSync(file, "utf8")
  if (section === undefined) return text
  const [, body = ""] = text.split(`\n## ${section}\n`)
  return `# ${section}\n${body.split(/\n## /)[0]!.trimEnd()}\n`
}

/** The first words of prose; of a section its name. */
function titleOf(page: Page): string {
  if (page.section !== undefined) return page.section
  const line = textOf(page).split("\n").find((each) => each.trim() !== "" && !each.startsWith("#"))
  return line?.trim() ?? ""
}
