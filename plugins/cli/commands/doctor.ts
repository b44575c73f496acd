/** `graft doctor`: what is wrong here, and what to do about it: plugins, config, database. */
import { locationOf, type Graft } from "graft"
import { parse, usageOf } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp, notices } from "../notices.ts"
import { check } from "./db.ts"

export const doctor = (graft: Graft): Work => ({
  usage: usageOf("graft doctor", {}, "Exit code 1 when something is wrong. The database alone: graft db check."),
  async run(argv, terminal) {
    parse(argv, {})
    const location = locationOf(terminal.directory)
    using there = await graft.at(location)
    await comeUp(there)
    const wrong = await notices(there, location)
    terminal.out(`graft ${graft.kernel.version}, Node ${process.versions.node}, ${process.platform} ${process.arch}\n`)
    for (const line of wrong) terminal.out(`${terminal.paint("yellow", "!")}  ${line}\n`)
    const whole = await check({ graft, terminal, json: false })
    return wrong.length === 0 ? whole : EXIT.failed
  },
})
