/** `graft events`: what a running instance says, as it says it, from a second terminal. */
import { locationOf, type Graft } from "graft"
import { parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { eventLine, isBad, QUIET } from "../facts.ts"
import { orMoved } from "../moved.ts"
import { attach } from "../remote.ts"

const OPTIONS = {
  json: { type: "boolean", about: "one JSON object a line" },
  here: { type: "boolean", about: "only what concerns this project, and the process" },
  pid: { type: "string", value: "number", about: "of this instance (default: the newest)" },
} as const satisfies Options

export const events = (graft: Graft): Work => ({
  usage: usageOf("graft events [name | noun.*]… [options]", OPTIONS, "e.g. graft events 'plugin.*' 'model.*'. Unless they are named or --json is given, deltas and the server's own events are left out. Ends when the instance ends, or with Ctrl-C."),
  async run(argv, terminal) {
    const { values, positionals } = parse(argv, OPTIONS)
    const pid = values.pid === undefined ? undefined : Number(values.pid)
    if (pid !== undefined && !Number.isInteger(pid)) throw new UsageError(`--pid is a number, not "${values.pid}"`)
    using remote = await attach(graft, pid)
    if (!remote) {
      terminal.err(pid === undefined ? "no instance is running: open a conversation (graft) in another terminal first\n" : `no instance with pid ${pid} is running\n`)
      return EXIT.failed
    }
    terminal.err(terminal.paint("dim", `following instance ${remote.instance.pid} in ${remote.instance.location}\n`))
    const stop = AbortSignal.any([terminal.signal, graft.retiring])
    const stream = remote.events({ ...(positionals.length && { events: positionals }), ...(values.here && { location: locationOf(terminal.directory) }) }, stop)
    for await (const told of stream) {
      if (values.json) terminal.out(`${JSON.stringify(told)}\n`)
      else if ("gap" in told) terminal.out(`… ${told.gap} events were missed\n`)
      else if (positionals.length > 0 || !QUIET.has(told.event)) {
        const [time, event, words, by] = eventLine(told, told.payload)
        terminal.out(`${terminal.paint("dim", time!)} ${terminal.paint(isBad(told.event) ? "red" : "cyan", event!)} ${words} ${terminal.paint("dim", `(${by})`)}\n`)
      }
    }
    if (graft.retiring.aborted && !terminal.signal.aborted) await orMoved(graft, Promise.resolve())
    if (terminal.signal.aborted) return EXIT.done
    terminal.err("the instance has ended\n")
    return EXIT.done
  },
})
