/** `graft trust`: whether this project's own plugins may run. */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { locationOf, type Graft } from "graft"
import { choose, parse, usageOf } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"

export const trust = (graft: Graft): Work => ({
  usage: usageOf("graft trust [show|allow|revoke]", {}, "A project's plugins (.graft/plugins) are not run, nor even compiled, before you say so. graft run --trust says so once."),
  async run(argv, terminal) {
    const { positionals: [verb = "show"] } = parse(argv, {})
    const action = choose(verb, ["show", "allow", "revoke"], "action")
    const location = locationOf(terminal.directory)
    if (action === "allow") await graft.trust.allow(location, { remember: true })
    if (action === "revoke") await graft.trust.revoke(location)
    const directory = join(location, ".graft", "plugins")
    const files = existsSync(directory) ? readdirSync(directory).filter((name) => !name.startsWith("_") && !name.startsWith(".")) : []
    terminal.out(`${location}: ${(await graft.trust.allowed(location)) ? "trusted" : "not trusted"}\n`)
    for (const file of files) terminal.out(`  ${join(directory, file)}\n`)
    if (files.length === 0) terminal.out("  it brings no plugins\n")
    return EXIT.done
  },
})
