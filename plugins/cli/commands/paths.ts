/** `graft paths`: where everything lies. */
import type { Graft } from "graft"
import { paths as findPaths } from "../../lib/paths.ts"
import { parse, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { table } from "../table.ts"

const OPTIONS = { json: { type: "boolean", about: "one JSON object" } } as const satisfies Options

export const paths = (graft: Graft): Work => ({
  usage: usageOf("graft paths [--json]", OPTIONS, "GRAFT_HOME puts all of it below one directory; else the XDG base directories hold."),
  async run(argv, terminal) {
    const { values } = parse(argv, OPTIONS)
    const found = findPaths(graft.kernel.host.dataDir)
    const plugins = graft.kernel.roots().map(({ dir, kind }) => ({ kind: kind ?? "user", dir }))
    if (values.json) terminal.out(`${JSON.stringify({ ...found, plugins }, null, 2)}\n`)
    else terminal.out(table([...Object.entries(found), ...plugins.map(({ kind, dir }) => ["plugins", `${dir}  (${kind})`])]))
    return EXIT.done
  },
})
