/** `graft why model <id> [field]`: who set a value, and what it was before. */
import type { Graft } from "graft"
import { choose, parse, UsageError, usageOf } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp } from "../notices.ts"

export const why = (graft: Graft): Work => ({
  usage: usageOf("graft why model <provider/id> [field]", {}, "e.g. graft why model anthropic/claude-sonnet-4 limits.context"),
  async run(argv, terminal) {
    const { positionals: [noun, ref, field] } = parse(argv, {})
    choose(noun, ["model"], "thing to explain")
    if (!ref) throw new UsageError("say which model, e.g. graft why model demo/demo")
    using project = await graft.at(terminal.directory)
    await comeUp(graft)
    const facts = await project.model.why(ref, field)
    for (const { field: name, value, history } of facts) {
      terminal.out(`${terminal.paint("bold", name)} = ${JSON.stringify(value)}\n`)
      for (const [index, { by, value: set }] of history.entries()) terminal.out(`  ${index === history.length - 1 ? "→" : " "} ${JSON.stringify(set)}  ${terminal.paint("dim", `by ${by}`)}\n`)
    }
    if (facts.length === 0) {
      const model = await project.model.get(ref)
      const provider = model && (await project.model.providers()).find(({ id }) => id === model.provider)
      terminal.err(model ? `${ref} is listed by ${provider?.name ?? model.provider}, which says ${field === undefined ? "nothing more of it" : `nothing of its ${field}`}\n` : `there is no model ${ref}; graft models --all lists what is known\n`)
    }
    return facts.length ? EXIT.done : EXIT.failed
  },
})
