/** `graft db`: is the database whole, how large is it, what may go, a copy of it. Others may work meanwhile. */
import { resolve } from "node:path"
import type { Graft } from "graft"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { ago, count, oneLine, table } from "../table.ts"

const OPTIONS = {
  "dry-run": { type: "boolean", about: "prune: only say what would go" },
  json: { type: "boolean", about: "one JSON object" },
} as const satisfies Options

export const db = (graft: Graft): Work => ({
  usage: usageOf("graft db check|backup <file>|prune|stats [options]", OPTIONS, `
  check           reads everything, changes nothing; exit code 1 when something is wrong
  backup <file>   a copy as of now; nothing is overwritten
  prune           removes what "retention" in your config lets go, and blobs that nothing refers to
  stats           where the bytes are`),
  async run(argv, terminal) {
    const { values, positionals: [word, file, ...more] } = parse(argv, OPTIONS)
    const verb = choose(word, ["check", "backup", "prune", "stats"], "verb")
    if (more.length > 0 || (file !== undefined && verb !== "backup")) throw new UsageError(`graft db ${verb} takes ${verb === "backup" ? "one file" : "no file"}`)
    if (values["dry-run"] && verb !== "prune") throw new UsageError("--dry-run is for prune")
    const asked = { graft, terminal, json: values.json === true }
    if (verb === "check") return check(asked)
    if (verb === "stats") return stats(asked)
    if (verb === "prune") return prune({ ...asked, dryRun: values["dry-run"] === true })
    if (file === undefined) throw new UsageError("say where to: graft db backup <file>")
    const made = await graft.doctor.backup(resolve(terminal.directory, file))
    terminal.out(asked.json ? `${JSON.stringify(made)}\n` : `${made.file}  ${bytes(made.bytes)}\n`)
    return EXIT.done
  },
})

interface Asked { graft: Graft; terminal: Terminal; json: boolean }

export async function check({ graft, terminal, json }: Asked): Promise<number> {
  const found = await graft.doctor.check({ signal: terminal.signal })
  const { file, events, aggregates, blobs, problems, more } = found
  const bad = problems.length + more
  if (json) terminal.out(`${JSON.stringify(found)}\n`)
  else {
    for (const { law, where, what } of problems) terminal.out(`${terminal.paint("red", law)}  ${where}: ${oneLine(what, 300)}\n`)
    if (more > 0) terminal.out(`and ${count(more)} more\n`)
    terminal.out(`${file}: ${count(aggregates)} logs, ${count(events)} events, ${count(blobs)} blobs: ${bad === 0 ? "all is well" : `${count(bad)} problems. Keep a copy (graft db backup <file>) before anything else`}\n`)
  }
  return bad === 0 ? EXIT.done : EXIT.failed
}

async function prune({ graft, terminal, json, dryRun }: Asked & { dryRun: boolean }): Promise<number> {
  const pruned = await graft.doctor.prune({ dryRun, signal: terminal.signal })
  const { sessions, blobs, kept, freed } = pruned
  if (json) terminal.out(`${JSON.stringify(pruned)}\n`)
  else {
    terminal.out(table(sessions.map(({ id, title, updated }) => [`  ${id}`, ago(updated), oneLine(title || "(untitled)", 60)])))
    for (const { id, reason } of kept) terminal.err(`  ${id} stays: ${oneLine(reason, 300)}\n`)
    const what = `${count(sessions.length)} sessions and ${count(blobs.count)} blobs (${bytes(blobs.bytes)})`
    terminal.out(dryRun ? `would remove ${what}\n` : `removed ${what}; ${bytes(freed ?? 0)} given back\n`)
    if (sessions.length === 0 && (await graft.config.get("retention")) === undefined) terminal.err('sessions stay until your config says otherwise, e.g. "retention": { "days": 90 }\n')
  }
  return kept.length === 0 ? EXIT.done : EXIT.failed
}

async function stats({ graft, terminal, json }: Asked): Promise<number> {
  const found = await graft.doctor.stats()
  if (json) return terminal.out(`${JSON.stringify(found)}\n`), EXIT.done
  const { file, bytes: size, free, wal, blobs, tables, events, aggregates, text, ratio } = found
  terminal.out(table([
    ["database", bytes(size), file], ["free in it", bytes(free), "graft db prune gives it back"], ["beside it", bytes(wal), "-wal"], ["blobs", bytes(blobs.bytes), count(blobs.count)],
    ["said", bytes(text), ratio === undefined ? "nothing yet" : `in ${count(aggregates)} logs; the database is ${ratio.toFixed(1)} times that`],
  ]))
  terminal.out(`\ntables\n${table(tables.map(({ name, bytes: held, rows }) => [`  ${name}`, bytes(held), `${count(rows)} rows`]))}`)
  terminal.out(`\nevents\n${table(events.map(({ type, count: n, bytes: held }) => [`  ${type}`, bytes(held), count(n)]))}`)
  return EXIT.done
}

const bytes = (value: number): string => (value < 1_024 ? `${value} B` : value < 1_048_576 ? `${(value / 1_024).toFixed(1)} KB` : value < 1_073_741_824 ? `${(value / 1_048_576).toFixed(1)} MB` : `${(value / 1_073_741_824).toFixed(2)} GB`)
