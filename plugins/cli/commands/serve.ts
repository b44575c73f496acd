/** `graft serve`: this process serves its home over HTTP, for every project, until it is ended or a newer one takes over. */
import type { Graft } from "graft"
import { isLoopback } from "../../lib/loopback.ts"
import { parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { orMoved } from "../moved.ts"
import { comeUp } from "../notices.ts"

const OPTIONS = {
  port: { type: "string", short: "p", value: "number", about: "where it listens (default 4747, or server.http.port; 0: any that is free)" },
  host: { type: "string", value: "address", about: "on which address (default 127.0.0.1, this machine alone)" },
} as const satisfies Options

const NOTES = `
One instance serves a home: a second one says where the first is, and a newer release takes over from an older one, which
ends what it works on. Clients on this machine find it, and its token, by themselves (graft run --attach); for others
"graft server token" prints it. Ctrl-C and SIGTERM let what runs come to its end; a second one ends at once.`

export const serve = (graft: Graft): Work => ({
  usage: usageOf("graft serve [options]", OPTIONS, NOTES),
  async run(argv, terminal) {
    const { values, positionals } = parse(argv, OPTIONS)
    if (positionals.length > 0) throw new UsageError("graft serve takes options only")
    const port = values.port === undefined ? undefined : Number(values.port)
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) throw new UsageError(`--port is a number from 0 to 65535, not "${values.port}"`)
    await comeUp(graft)
    const known = await graft.server.serving()
    const { url, host } = known ?? (await graft.server.serve({ ...(port !== undefined && { port }), ...(values.host !== undefined && { host: values.host }) }))
    if (!known) {
      terminal.out(`${url}\n`)
      terminal.err(terminal.paint("dim", `serving this home; graft run --attach works here, graft server token prints the token\n`))
      if (!isLoopback(host)) terminal.err(terminal.paint("yellow", `${host} can be reached from other machines, unencrypted: whoever learns the token can do all that you can\n`))
    }
    const asked = new Promise<void>((resolve) => {
      if (terminal.signal.aborted) resolve()
      terminal.signal.addEventListener("abort", () => resolve(), { once: true })
    })
    await orMoved(graft, Promise.race([asked, graft.server.drained()]))
    if (terminal.signal.aborted) {
      terminal.err(terminal.paint("dim", "taking nothing new; what runs comes to its end\n"))
      await orMoved(graft, graft.server.drain())
    } else terminal.err(terminal.paint("dim", "another instance has taken over\n"))
    return EXIT.done
  },
})
