/** `graft doctor`: what is wrong here, and what to do about it: config, plugins (what a running instance has seen of them, too), models, database. */
import { locationOf, type Graft } from "graft"
import { findings } from "../../lib/health.ts"
import { parse, usageOf } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp, sayWarning } from "../notices.ts"
import { inspection } from "../remote.ts"
import { oneLine } from "../table.ts"
import { check } from "./db.ts"
import { whereOf } from "./plugin/views.ts"

export const doctor = (graft: Graft): Work => ({
  usage: usageOf("graft doctor", {}, "Exit code 1 when something is wrong. The database alone: graft db check."),
  async run(argv, terminal) {
    parse(argv, {})
    const location = locationOf(terminal.directory)
    using there = await graft.at(location)
    await comeUp(there)
    terminal.out(`graft ${graft.kernel.version}, Node ${process.versions.node}, ${process.platform} ${process.arch}\n`)
    using kernel = await inspection(graft, location)
    terminal.out(terminal.paint("dim", `${whereOf(kernel)}\n`))
    const plugins = findings(await kernel.inspect(), await kernel.journal()).map(({ plugin, what, todo }) => `plugin ${plugin}: ${oneLine(what, 300)}  ${terminal.paint("dim", `→ ${todo}`)}`)
    const config = (await there.config.warnings(location)).map(sayWarning)
    const wrong = [...config, ...plugins]
    for (const line of wrong) terminal.out(`${terminal.paint("yellow", "!")}  ${line}\n`)
    for (const line of await hints(there)) terminal.out(terminal.paint("dim", `   ${line}\n`))
    const whole = await check({ graft, terminal, json: false })
    return wrong.length === 0 ? whole : EXIT.failed
  },
})

/** What is not wrong, and yet not what a person would want: is there anybody to speak with but the demo? */
async function hints(there: Graft): Promise<string[]> {
  const providers = await there.model.providers()
  if (providers.some(({ id, ready }) => ready && id !== "demo")) return []
  return [`no model but the demo can be used  → graft auth login, or set a key (${providers.filter(({ id }) => id !== "demo").slice(0, 4).map(({ id }) => id).join(", ")} …); graft models --all says why each cannot`]
}
