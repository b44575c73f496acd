/** `graft config`: what holds, where it stands, and a way to change it that keeps the file's comments. */
import { dirname, join } from "node:path"
import { locationOf, type Graft } from "graft"
import type { Origin } from "../../config/contract.ts"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp, sayWarning } from "../notices.ts"

const OPTIONS = {
  project: { type: "boolean", about: "set, unset, edit: the project's file instead of the user's" },
  from: { type: "string", value: "agent", about: "migrate: only the files of opencode, claude, codex or pi" },
  write: { type: "boolean", about: "migrate: writes it; schema: writes it beside your config" },
  credentials: { type: "boolean", about: "migrate: the keys that other agents keep, each on a yes" },
  yes: { type: "boolean", short: "y", about: "migrate: says yes" },
  json: { type: "boolean", about: "migrate, files: as data" },
} as const satisfies Options

const NOTES = `A value is JSON, or else taken as text: graft config set model "demo/demo". Secrets are shown masked.
edit opens your editor and then says what is wrong; check does that for all files; files lists them. schema prints the JSON
Schema of a config, for an editor.
migrate shows what the files of other agents say and what becomes of it; they count where they are, and are written into
your own on a yes.
Layers: defaults < managed < user < project < environment < flags; other agents' files lie below your own of a layer.`

export const config = (graft: Graft): Work => ({
  usage: usageOf("graft config explain|get|set|unset <path> [value] | edit | check | files | schema | migrate", OPTIONS, NOTES),
  async run(argv, terminal) {
    const { values, positionals: [verb, path, value] } = parse(argv, OPTIONS)
    const action = choose(verb, ["explain", "get", "set", "unset", "edit", "check", "files", "schema", "migrate"], "action")
    const location = locationOf(terminal.directory)
    if (action === "schema") return schema(graft, terminal, location, values.write === true)
    if (action === "edit") return (await import("./config/edit.ts")).edit(graft, terminal, values.project ? "project" : "user", location)
    if (action === "migrate") {
      using _project = await graft.at(location)
      await comeUp(graft)
      const { from, write = false, yes = false, credentials = false, json = false } = values
      return (await import("./config/migrate.ts")).migrate(graft, terminal, location, { write, yes, credentials, json, ...(from !== undefined && { from }) })
    }
    if (action === "files") {
      const files = await graft.config.files(location)
      if (values.json) return terminal.out(`${JSON.stringify(files, null, 2)}\n`), EXIT.done
      for (const { layer, file, from, there } of files) terminal.out(`${there ? "*" : " "} ${layer.padEnd(8)} ${file}${from ? `  (${from})` : ""}\n`)
      return EXIT.done
    }
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

/** Beside the config it is found by `$schema`, which is added where none is. */
async function schema(graft: Graft, terminal: Terminal, location: string, write: boolean): Promise<number> {
  const made = await graft.config.schema(location, { write })
  if (!write) return terminal.out(`${JSON.stringify(made, null, 2)}\n`), EXIT.done
  const file = (await graft.config.files()).findLast(({ layer, from }) => layer === "user" && from === undefined)!.file
  if ((await graft.config.get("$schema")) === undefined) await graft.config.set("$schema", "./config.schema.json")
  terminal.out(`${join(dirname(file), "config.schema.json")}\n`)
  return EXIT.done
}

const origin = ({ layer, file, line, from, value }: Origin): string => `${JSON.stringify(value)}  ${layer}${file ? `  ${file}${line ? `:${line}` : ""}` : ""}${from ? `  (${from})` : ""}`

function read(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
