/** `graft config migrate`: what other agents' files say, as a change of Graft's own; shown first, and written on a yes. */
import { homedir } from "node:os"
import type { Graft } from "graft"
import type { Conversion, Fate, Step } from "../../../convert/contract.ts"
import { unifiedDiff } from "../../../lib/diffs.ts"
import type { Terminal } from "../../contract.ts"
import { EXIT } from "../../dispatch.ts"

export interface Wanted { from?: string; write: boolean; yes: boolean; credentials: boolean; json: boolean }

export async function migrate(graft: Graft, terminal: Terminal, location: string, { from, write, yes, credentials, json }: Wanted): Promise<number> {
  const question = { location, ...(from !== undefined && { from }) }
  if (credentials) return adopt(graft, terminal, question, yes)
  const { conversions, neighbours, steps } = await graft.convert.plan(question)
  if (json) return terminal.out(`${JSON.stringify({ conversions, neighbours, steps }, null, 2)}\n`), EXIT.done
  for (const conversion of conversions) say(terminal, conversion)
  for (const { agent, path, reason, reader } of neighbours) terminal.out(`${terminal.paint("bold", home(path))}  ${agent}${terminal.paint(reader ? "dim" : "yellow", reader ? `  is read where it is, by ${reader}` : `  has no home: ${reason}`)}\n`)
  if (conversions.length + neighbours.length === 0) return terminal.err(`no files of ${from ?? "other agents"} were found\n`), EXIT.done
  for (const step of steps) terminal.out(`${await diffOf(terminal, step)}\n`)
  const keys = (await graft.convert.credentials(question)).filter(({ reason }) => reason === undefined).length
  if (keys > 0) terminal.err(`${keys === 1 ? "one key" : `${keys} keys`} can be taken over as well: graft config migrate --credentials\n`)
  if (steps.length === 0) return terminal.err("your own files say all of it already\n"), EXIT.done
  if (!write && !(await agreed(terminal, "Write it?", yes))) return terminal.err("nothing was written (it holds where it is; --write writes it)\n"), EXIT.done
  for (const file of await graft.convert.migrate(question)) terminal.out(`${home(file)} was written\n`)
  return EXIT.done
}

/** Each by itself, on a yes. */
async function adopt(graft: Graft, terminal: Terminal, question: { from?: string; location: string }, yes: boolean): Promise<number> {
  const found = await graft.convert.credentials(question)
  if (found.length === 0) return terminal.err("no keys of other agents were found\n"), EXIT.done
  for (const credential of found) {
    const what = `${credential.provider} (${credential.kind}) of ${credential.agent}, ${home(credential.file)}`
    if (credential.reason !== undefined) terminal.out(`${what} ${credential.reason}\n`)
    else if (await agreed(terminal, `Take over the key of ${what}?`, yes)) {
      await graft.convert.adopt(credential)
      terminal.out(`${what} is taken over\n`)
    } else terminal.out(`${what} stays where it is (--yes takes it over)\n`)
  }
  return EXIT.done
}

const agreed = async (terminal: Terminal, question: string, yes: boolean): Promise<boolean> => yes || (terminal.interactive && /^y(es)?$/i.test((await terminal.ask(`${question} [y/N] `))?.trim() ?? ""))

function say(terminal: Terminal, { agent, file, layer, fates, broken }: Conversion): void {
  terminal.out(`${terminal.paint("bold", home(file))}  ${agent}, ${layer === "user" ? "yours" : "this project's"}\n`)
  if (broken) return terminal.out(`  ${terminal.paint("red", `:${broken.line}  ${broken.message}; nothing of it holds`)}\n`)
  for (const fate of fates) terminal.out(`  ${line(terminal, fate)}\n`)
}

function line(terminal: Terminal, { from, line: at, to, reason, reader, implied }: Fate): string {
  const place = terminal.paint("dim", `:${at}`)
  if (to) return `${place}  ${from} → ${to.join(", ")}${reason ? terminal.paint("yellow", `  (${reason})`) : ""}`
  const why = reader ? `is read by ${reader}: ` : implied ? "needs no home: " : "has no home: "
  return `${place}  ${from}${terminal.paint(reader || implied ? "dim" : "yellow", `  ${why}${reason ?? ""}`)}`
}

async function diffOf(terminal: Terminal, { file, before, after }: Step): Promise<string> {
  const diff = (await unifiedDiff(home(file), before, after)).replace(SECRET, (whole, name: string, value: string) => (/\{(?:env|file):/.test(value) ? whole : `${name}"••••"`))
  return diff.split("\n").map((each) => (each.startsWith("+") ? terminal.paint("green", each) : each.startsWith("-") ? terminal.paint("red", each) : each)).join("\n")
}

/** It is written as it is, and not shown. */
const SECRET = /("[^"\n]*(?:key|token|secret|password|authorization|cookie)"\s*:\s*)"((?:[^"\\\n]|\\.)+)"/gi

const home = (file: string): string => (file.startsWith(`${homedir()}/`) ? `~${file.slice(homedir().length)}` : file)
