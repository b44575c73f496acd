/** `graft models`: what can be asked here, by which provider, and why not. */
import type { Graft } from "graft"
import type { Model } from "../../model/contract.ts"
import { parse, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp } from "../notices.ts"
import { table, tokens } from "../table.ts"

const OPTIONS = {
  all: { type: "boolean", short: "a", about: "also those whose provider is not ready, and why" },
  provider: { type: "string", short: "p", value: "id", about: "of this provider only" },
  json: { type: "boolean", about: "one JSON object a line" },
} as const satisfies Options

export const models = (graft: Graft): Work => ({
  usage: usageOf("graft models [query] [options]", OPTIONS, "The query is looked for in ids, names and families."),
  async run(argv, terminal) {
    const { values, positionals } = parse(argv, OPTIONS)
    using project = await graft.at(terminal.directory)
    await comeUp(graft)
    const text = positionals.join(" ")
    const found = await project.model.list({ ...(text && { text }), ...(values.provider && { provider: values.provider }), all: values.all ?? false })
    if (values.json) for (const model of found) terminal.out(`${JSON.stringify(model)}\n`)
    else terminal.out(table(found.map(rowOf), terminal.interactive ? terminal.columns : undefined))
    const more = values.all || values.json ? [] : await project.model.list({ ...(text && { text }), ...(values.provider && { provider: values.provider }), all: true })
    if (found.length > 0 && more.length > found.length) terminal.err(terminal.paint("dim", `${more.length - found.length} more are known and not ready: graft models --all${text ? ` ${text}` : ""} says what each lacks\n`))
    if (found.length > 0) return EXIT.done
    terminal.err(more.length ? `none is ready; ${more.length} would be with a key: graft models --all${text ? ` ${text}` : ""} says what is missing\n` : `no model${text ? ` for "${text}"` : ""}\n`)
    return EXIT.failed
  },
})

function rowOf({ ref, name, limits, cost, usable, reason }: Model): string[] {
  const price = cost?.input === undefined && cost?.output === undefined ? "" : `$${cost.input ?? "?"} / $${cost.output ?? "?"} per M`
  return [ref, name === ref || ref.endsWith(`/${name}`) ? "" : name, limits?.context === undefined ? "" : `${tokens(limits.context)} context`, price, usable ? "" : `not ready: ${reason ?? "unknown"}`]
}
