/** `graft graph`: which plugins there are, what each provides and adds, and who needs whom. */
import { writeFileSync } from "node:fs"
import type { Graft } from "graft"
import { asMermaid, asSvg, asText, graphOf } from "../../lib/graph.ts"
import { choose, parse, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { inspection } from "../remote.ts"
import { known, whereOf } from "./plugin/views.ts"

const OPTIONS = {
  format: { type: "string", short: "f", value: "text|mermaid|svg|json", about: "how it is drawn (text)" },
  output: { type: "string", short: "o", value: "file", about: "into a file instead of the terminal" },
} as const satisfies Options
const DRAW = { text: asText, mermaid: asMermaid, svg: asSvg, json: (graph: object) => `${JSON.stringify(graph, null, 2)}\n` }

export const graph = (graft: Graft): Work => ({
  usage: usageOf("graft graph [plugin] [options]", OPTIONS, "Of one plugin: what it needs, and who needs it. In the newest running instance, if there is one."),
  async run(argv, terminal) {
    const { values, positionals: [plugin] } = parse(argv, OPTIONS)
    const draw = DRAW[choose(values.format ?? "text", Object.keys(DRAW) as (keyof typeof DRAW)[], "format")]
    using kernel = await inspection(graft, terminal.directory)
    if (plugin !== undefined) await known(kernel, plugin)
    const drawn = draw(graphOf(await kernel.inspect(), plugin))
    if (values.output === undefined) terminal.out(drawn)
    else writeFileSync(values.output, drawn)
    terminal.err(terminal.paint("dim", `${whereOf(kernel)}\n`))
    return EXIT.done
  },
})
