/** `graft config`: what holds, where it stands, and a way to change it that keeps the file's comments. */
import { locationOf, type Graft } from "graft"
import type { Origin } from "../../config/contract.ts"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp, sayWarning } from "../notices.ts"

const OPTIONS = { project: { type: "boolean", about: "write the project's config instead of the user's" } } as const satisfies Options

export const config = (graft: Graft): Work => ({
  usage: usageOf("graft config explain|get|set|unset <path> [value] | check | schema", OPTIONS, 'A value is JSON, or else taken as text: graft config set model "demo/demo". check says what is wrong with the files; schema prints\ntheir JSON Schema, for an editor.\nLayers: defaults < user < project < environment < flags.'),
  async run(argv, terminal) {
    const { values, positionals: [verb, path, value] } = parse(argv, OPTIONS)
    const action = choose(verb, ["explain", "get", "set", "unset", "check", "schema"], "action")
    const location = locationOf(terminal.directory)
    if (action === "schema") return terminal.out(`${JSON.stringify(await graft.config.schema(location), null, 2)}\n`), EXIT.done
    if (action === "check") {
      using _project = await graft.at(location)
      await comeUp(graft)
      const warnings = await graft.config.warnings(location)
      for (const warning of warnings) terminal.out(`${sayWarning(warning)}\n`)
      return warnings.length > 0 ? EXIT.failed : (terminal.err("nothing is wrong\n"), EXIT.done)
    }
    if (!path) throw new UsageError(`say which path: graft config ${action} <path>`)
    if (action === "set" || action === "unset") {
      if (action === "set" && value === undefined) throw new UsageError(`say which value: graft config set ${path} <value>`)
      const { file, line } = await graft.config.set(path, value === undefined ? undefined : read(value), { layer: values.project ? "project" : "user", location })
      terminal.out(`${file}:${line}\n`)
      return EXIT.done
    }
    const { value: holds, winner, losers, live } = await graft.config.explain(path, location)
    if (action === "get") {
      if (holds === undefined) return terminal.err(`${path} is not set\n`), EXIT.failed
      terminal.out(`${typeof holds === "string" ? holds : JSON.stringify(holds, null, 2)}\n`)
      return EXIT.done
    }
    terminal.out(`${terminal.paint("bold", path)} = ${JSON.stringify(holds)}\n`)
    if (winner) terminal.out(`  → ${origin(winner)}\n`)
    for (const loser of losers) terminal.out(`    ${origin(loser)}\n`)
    // What an untrusted project may not set is no origin; that is said here.
    for (const warning of await graft.config.warnings(location)) if (warning.path === path || warning.path.startsWith(`${path}.`) || path.startsWith(`${warning.path}.`)) terminal.out(`  ! ${sayWarning(warning)}\n`)
    terminal.out(terminal.paint("dim", `  a change takes hold ${{ now: "at once", "next-turn": "at the next turn", restart: "at the next start" }[live]}\n`))
    return EXIT.done
  },
})

const origin = ({ layer, file, line, value }: Origin): string => `${JSON.stringify(value)}  ${layer}${file ? `  ${file}${line ? `:${line}` : ""}` : ""}`

function read(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
