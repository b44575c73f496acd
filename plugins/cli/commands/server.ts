/** `graft server`: what others need to speak to this home over HTTP. */
import type { Graft } from "graft"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp } from "../notices.ts"

const OPTIONS = { rotate: { type: "boolean", about: "token: a new one; the old one is refused at once, by what runs too" } } as const satisfies Options

export const server = (graft: Graft): Work => ({
  usage: usageOf("graft server openapi | token [--rotate]", OPTIONS, "openapi prints the OpenAPI 3.1 document of all routes, those of this project's plugins too; token the token that every\nrequest carries (authorization: Bearer …). graft serve serves; GET /docs there is the document as a page."),
  async run(argv, terminal) {
    const { values, positionals: [verb, ...more] } = parse(argv, OPTIONS)
    const action = choose(verb, ["openapi", "token"], "action")
    if (more.length > 0) throw new UsageError(`graft server ${action} takes nothing more`)
    if (action === "token") {
      terminal.out(`${await graft.server.token({ rotate: values.rotate === true })}\n`)
      return EXIT.done
    }
    if (values.rotate) throw new UsageError("--rotate goes with graft server token")
    using _project = await graft.at(terminal.directory)
    await comeUp(graft)
    terminal.out(`${JSON.stringify(await graft.server.document(terminal.directory), null, 2)}\n`)
    return EXIT.done
  },
})
