/** `graft models`: what can be asked here, by which provider, and why not. */
import type { Graft } from "graft"
import type { Model } from "../../model/contract.ts"
import { parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp } from "../notices.ts"
import { table, tokens } from "../table.ts"

const OPTIONS = {
  all: { type: "boolean", short: "a", about: "also those that cannot be used, and why" },
  provider: { type: "string", short: "p", value: "id", about: "of this provider only" },
  json: { type: "boolean", about: "one JSON object a line" },
} as const satisfies Options

const MORE = `The query is looked for in ids, names and families. Providers that can be asked what they have are asked.

graft models test <model>  sends one request, and tells everything that it learned
graft models refresh       asks models.dev what is new`

export const models = (graft: Graft): Work => ({
  usage: usageOf("graft models [query] [options]", OPTIONS, MORE),
  async run(argv, terminal) {
    const { values, positionals } = parse(argv, OPTIONS)
    using project = await graft.at(terminal.directory)
    await comeUp(graft)
    const [verb, wanted, ...rest] = positionals
    if (verb === "refresh" && wanted === undefined) return refresh(project, terminal)
    if (verb === "test" && wanted !== undefined && rest.length === 0) return (await import("./models-test.ts")).testModel(project, terminal, wanted, values.json ?? false)
    if (verb === "test" && wanted === undefined) throw new UsageError("say which model: graft models test provider/model")
    const text = positionals.join(" ")
    const query = { ...(text && { text }), ...(values.provider && { provider: values.provider }) }
    const found = await project.model.list({ ...query, all: values.all ?? false, seek: true })
    if (values.json) for (const model of found) terminal.out(`${JSON.stringify(model)}\n`)
    else terminal.out(table(found.map(rowOf), terminal.interactive ? terminal.columns : undefined))
    const more = values.all || values.json ? [] : await project.model.list({ ...query, all: true })
    if (found.length > 0 && more.length > found.length) terminal.err(terminal.paint("dim", `${more.length - found.length} more are known and not ready: graft models --all${text ? ` ${text}` : ""} says what each lacks\n`))
    if (found.length > 0) return EXIT.done
    terminal.err(more.length ? `none is ready; ${more.length} would be with a key: graft models --all${text ? ` ${text}` : ""} says what is missing\n` : `no model${text ? ` for "${text}"` : ""}\n`)
    return EXIT.failed
  },
})

async function refresh(project: Graft, terminal: Terminal): Promise<number> {
  const outcome = await project.model.refresh()
  terminal.out(outcome === "updated" ? "the catalogue is a newer one now\n" : "nothing is new\n")
  return EXIT.done
}

function rowOf({ ref, name, limits, cost, usable, reason }: Model): string[] {
  const price = cost?.input === undefined && cost?.output === undefined ? "" : `$${cost.input ?? "?"} / $${cost.output ?? "?"} per M`
  const context = limits?.context === undefined ? "" : `${tokens(limits.context)} context${limits.source ? ` (${limits.source})` : ""}`
  return [ref, name === ref || ref.endsWith(`/${name}`) ? "" : name, context, price, usable ? "" : `not ready: ${reason ?? "unknown"}`]
}
