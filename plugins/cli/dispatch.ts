/** `graft <command> …`: finds the command, runs it with a terminal, and turns whatever happens into an exit code. */
import { messageOf, Unavailable, type Graft, type Row } from "graft"
import { near } from "../lib/near.ts"
import { UsageError } from "./arguments.ts"
import type { Cli, Subcommand, Terminal } from "./contract.ts"
import { comeUp, whyAbsent } from "./notices.ts"
import type { Screen } from "./screen.ts"
import { table } from "./table.ts"
import { openTerminal } from "./terminal.ts"

export const EXIT = { done: 0, failed: 1, usage: 2, permission: 3, interrupted: 130 } as const

/** Plain words of the whole program, wherever they stand before `--`. */
export function globals(argv: readonly string[]): { argv: string[]; color: boolean; help: boolean; version: boolean } {
  const end = argv.indexOf("--")
  const own = end < 0 ? [...argv] : argv.slice(0, end)
  const first = own.findIndex((word) => !word.startsWith("-"))
  const version = own.slice(0, first < 0 ? own.length : first).some((word) => word === "--version" || word === "-V")
  const rest = own.filter((word) => !["--no-color", "--help", "-h", "--safe", "--safe-mode"].includes(word))
  return { argv: [...rest, ...(end < 0 ? [] : argv.slice(end))], color: !own.includes("--no-color"), help: own.includes("--help") || own.includes("-h"), version }
}

export function makeCli(graft: Graft, screen: Screen): Cli {
  return {
    async main(given) {
      const { argv, color, help, version } = globals(given)
      using terminal = openTerminal({ color, insist: () => process.exit(EXIT.interrupted) })
      screen.terminal = terminal
      try {
        return await dispatch(graft, argv, terminal, { help, version })
      } catch (error) {
        if (graft.retiring.aborted && (error as { code?: unknown }).code === "Moved") throw error
        return explain(absent(graft, error), terminal, argv[0] !== undefined && named(graft, argv[0]) ? `graft ${argv[0]}` : "graft")
      }
    },
  }
}

async function dispatch(graft: Graft, argv: readonly string[], terminal: Terminal, asked: { help: boolean; version: boolean }): Promise<number> {
  if (asked.version) return terminal.out(`graft ${graft.kernel.version}\n`), EXIT.done
  // Options alone are those of a conversation.
  const [name, ...rest] = terminal.interactive && !asked.help && (argv[0]?.startsWith("-") ?? true) ? ["chat", ...argv] : argv
  // What other plugins add is there once they are; what is there already need not wait.
  if (name === undefined || name === "help" || !named(graft, name)) await comeUp(graft)
  // Whoever owns the command is not closed while it runs.
  using commands = graft.all("subcommand").pin()
  if (name === "help" && rest[0] !== undefined) return await help(find(commands.rows, rest[0]), terminal)
  if (name === undefined || name === "help") {
    const wanted = asked.help || name === "help"
    ;(wanted ? terminal.out : terminal.err)(overview(commands.rows))
    return wanted ? EXIT.done : EXIT.usage
  }
  if (name.startsWith("-")) throw new UsageError(`unknown option ${name}; options follow a command (graft run ${name} …)`)
  const command = find(commands.rows, name)
  if (asked.help) return await help(command, terminal)
  const interactive = name === "chat" || (name === "resume" && terminal.interactive)
  // Who opens doors and eyes for a conversation has to be there to hear of it.
  if (interactive) await comeUp(graft)
  graft.emit("cli.started", { command: name, interactive })
  return await command.run(() => command.item.run(rest, terminal))
}

const named = (graft: Graft, name: string): boolean => graft.all("subcommand").rows().some(({ key }) => key === name)

function find(rows: readonly Row<Subcommand>[], name: string): Row<Subcommand> {
  const row = rows.findLast(({ key }) => key === name)
  if (row) return row
  const best = near(name, rows.map(({ key }) => key))
  throw new UsageError(`there is no command "${name}"${name.includes(" ") ? `; to ask something: graft run "${name}"` : best.length ? `; did you mean ${best.map((each) => `"${each}"`).join(" or ")}?` : ""}`)
}

async function help(row: Row<Subcommand>, terminal: Terminal): Promise<number> {
  const { summary, usage } = row.item
  terminal.out(`${summary}\n\n${typeof usage === "string" ? usage : await row.run(usage)}\n`)
  return EXIT.done
}

export function overview(rows: readonly Row<Subcommand>[]): string {
  const commands = [...new Map(rows.map(({ key, item }) => [key, item])).values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  return [
    "graft: a coding agent whose every part can be changed while it runs\n",
    "usage: graft                      a conversation in this directory",
    '       graft run "<prompt>"       one prompt, for scripts',
    "       graft <command> --help     everything about a command\n",
    `${table(commands.map(({ name, summary }) => [`  ${name}`, summary]))}`,
    "  --no-color  plain text      --safe  built-in plugins only      --version\n",
    "exit codes: 0 done, 1 failed, 2 usage, 3 needs permission, 130 interrupted",
  ].join("\n") + "\n"
}

/** What is not there is said with its reason. */
function absent(graft: Graft, error: unknown): unknown {
  return error instanceof Unavailable ? new Error(whyAbsent(graft, error.service), { cause: error }) : error
}

function explain(error: unknown, terminal: Terminal & { interrupted: boolean }, command: string): number {
  if (terminal.interrupted) return EXIT.interrupted
  terminal.err(`${terminal.paint("red", "graft")}: ${messageOf(error)}\n`)
  if (error instanceof UsageError) return terminal.err(`${command} --help tells more\n`), EXIT.usage
  if (process.env.GRAFT_DEBUG && error instanceof Error) terminal.err(`${error.stack ?? ""}\n`)
  return EXIT.failed
}
