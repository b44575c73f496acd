/** `graft plugin add`, `update` and `remove`: published plugins, by npm's names, and folders of yours. */
import { relative } from "node:path"
import type { Installed } from "../../../package/contract.ts"
import { UsageError } from "../../arguments.ts"
import { EXIT } from "../../dispatch.ts"
import { oneLine } from "../../table.ts"
import type { Asked } from "./plugin.ts"
import type { Terminal } from "../../contract.ts"

export async function add({ graft, terminal, id, values }: Asked): Promise<number> {
  if (/^(\.{1,2}([\\/]|$))/.test(id) && relative(process.cwd(), terminal.directory) !== "") throw new UsageError(`say the whole path of ${id}`)
  terminal.err(terminal.paint("dim", `installing ${oneLine(id)} …\n`))
  const installed = await graft.package.add(id, { ...(values.scripts && { scripts: true }), ...(values.replace && { replace: true }), signal: terminal.signal })
  say(terminal, installed)
  for (const name of Object.keys(installed.package.plugins)) {
    const view = graft.kernel.inspect().realms.flatMap(({ plugins }) => plugins).find((plugin) => plugin.id === name && plugin.root === "package")
    if (view && view.status !== "live") terminal.err(`${terminal.paint("yellow", "!")} ${name} ${view.status}: ${oneLine(view.reason, 300)}\n`)
  }
  terminal.err(terminal.paint("dim", `Options go into "plugins": { "${Object.keys(installed.package.plugins)[0]}": { … } } in your config; graft plugin remove ${installed.package.name} takes it away.\n`))
  return EXIT.done
}

export async function update({ graft, terminal, id }: Asked): Promise<number> {
  const changed = await graft.package.update(id || undefined, { signal: terminal.signal })
  for (const each of changed) say(terminal, each)
  if (changed.length === 0) terminal.out("all packages are the newest that their ranges allow\n")
  return EXIT.done
}

export async function remove({ graft, terminal, id }: Asked): Promise<number> {
  const { name, version, plugins } = await graft.package.remove(id)
  terminal.out(`${name}@${version} is removed${idsOf(plugins)}\n`)
  return EXIT.done
}

function say(terminal: Terminal, { package: { name, version, plugins, linked, scripts = [] }, from }: Installed): void {
  terminal.out(`${terminal.paint("bold", name)} ${from !== undefined && from !== version ? `${from} → ${version}` : version}${linked ? ", used where it lies" : ""}${idsOf(plugins)}\n`)
  if (scripts.length > 0) terminal.err(`${terminal.paint("yellow", "!")} ${scripts.join(", ")} wanted to run a script at the installation, and ${scripts.length === 1 ? "was" : "were"} not let: graft plugin add … --scripts, if you trust ${scripts.length === 1 ? "it" : "them"}\n`)
}

const idsOf = (plugins: Record<string, string>): string => `: ${Object.keys(plugins).join(", ")}`
