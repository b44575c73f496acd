/** `graft plugin reload`, `undo`, `pin`, `unpin`, `disable` and `enable`: each says what came of it, and fails when it did. */
import type { Graft, PluginView } from "graft"
import { paths } from "../../../lib/paths.ts"
import { lift } from "../../../lib/quarantine.ts"
import type { Asked } from "./plugin.ts"
import type { Terminal } from "../../contract.ts"
import { EXIT } from "../../dispatch.ts"
import { known, pluginsOf, whereOf } from "./views.ts"
import { inspection } from "../../remote.ts"
import { oneLine } from "../../table.ts"

const keyOf = ({ id, realm }: PluginView): string => `${id} ${realm}`

export async function reload({ graft, terminal, id }: Asked): Promise<number> {
  using kernel = await inspection(graft, terminal.directory)
  const before = new Map((await (id ? known(kernel, id) : pluginsOf(kernel))).map((plugin) => [keyOf(plugin), plugin]))
  const since = (await kernel.journal()).at(-1)?.at ?? 0
  await kernel.reconcile([...before.values()].flatMap(({ files }) => files))
  const after = (await pluginsOf(kernel)).filter((plugin) => !id || plugin.id === id)
  const failed = (await kernel.journal(id || undefined)).filter((entry) => entry.at > since && entry.outcome === "failed")
  let said = 0
  for (const plugin of after) {
    const old = before.get(keyOf(plugin))
    if (old?.gen === plugin.gen && old.status === plugin.status && !id) continue
    said++
    terminal.out(`${plugin.id}: ${old?.gen === plugin.gen ? `unchanged, @${plugin.gen} ${plugin.status}` : `@${old?.gen ?? 0} → @${plugin.gen} ${plugin.status}`}${plugin.reason ? `: ${oneLine(plugin.reason, 300)}` : ""}\n`)
  }
  for (const { plugin, where, message, frame } of failed) terminal.err(`${terminal.paint("red", `${plugin} failed`)}${where ? ` at ${where}` : ""}: ${oneLine(message ?? "", 300)}\n${frame ? `${frame}\n` : ""}`)
  if (said === 0 && failed.length === 0) terminal.out("nothing had changed\n")
  terminal.err(terminal.paint("dim", `${whereOf(kernel)}\n`))
  return failed.length > 0 || after.some(({ status }) => id !== "" && status === "failed") ? EXIT.failed : EXIT.done
}

export async function undo({ graft, terminal, id }: Asked): Promise<number> {
  using kernel = await inspection(graft, terminal.directory)
  if (!kernel.remote) return terminal.err("no instance is running: what runs next starts from the files as they are\n"), EXIT.failed
  const [before] = await known(kernel, id)
  const closures = new Set((await kernel.journal(id)).filter(({ outcome }) => outcome === "committed").map(({ hash }) => hash))
  if (closures.size < 2) return terminal.err(`${id} has not changed since the start: there is nothing to undo (graft plugin disable ${id} takes it out)\n`), EXIT.failed
  await kernel.undo(id)
  const [after] = await known(kernel, id)
  terminal.out(`${id}: @${before!.gen} → @${after!.gen}, the code before the last change; the file on disk is as it was, and is read again when it changes\n`)
  return EXIT.done
}

export const pin = (asked: Asked): Promise<number> => hold(asked, true)
export const unpin = (asked: Asked): Promise<number> => hold(asked, false)

async function hold({ graft, terminal, id }: Asked, pinned: boolean): Promise<number> {
  using kernel = await inspection(graft, terminal.directory)
  if (!kernel.remote) return terminal.err("no instance is running: there is nothing to hold\n"), EXIT.failed
  await known(kernel, id)
  await kernel.pin(id, pinned)
  const [{ gen }] = (await known(kernel, id)) as [PluginView]
  terminal.out(pinned ? `${id}@${gen} is pinned: what is saved is not run until graft plugin unpin ${id}, or until the instance ends\n` : `${id}@${gen} is not pinned: it is what its file says\n`)
  return EXIT.done
}

export const disable = ({ graft, terminal, id }: Asked): Promise<number> => set(graft, terminal, id, false)
export const enable = ({ graft, terminal, id }: Asked): Promise<number> => set(graft, terminal, id, true)

/** In the user's config, so that it holds for what runs now (the config is hot) and for what runs next. */
async function set(graft: Graft, terminal: Terminal, id: string, on: boolean): Promise<number> {
  const pardoned = on && lift(paths(graft.kernel.host.dataDir).data, id)
  if (pardoned) terminal.out(`${id} is let in again: what was held against it is forgotten\n`)
  {
    using kernel = await inspection(graft, terminal.directory)
    if (!on) await known(kernel, id)
  }
  const path = `plugins.${id}`
  const { winner } = await graft.config.explain(path)
  const layers = winner?.value !== null && typeof winner?.value === "object" ? winner : undefined
  if (on && winner?.value !== false) {
    if (!pardoned) terminal.out(`${id} is not disabled\n`)
    return EXIT.done
  }
  if (!on && layers?.layer === "user") {
    terminal.err(`${path} has options in ${layers.file}:${layers.line}, which "false" in its place would delete: comment them out there and write false\n`)
    return EXIT.failed
  }
  const { file, line } = await graft.config.set(path, on ? undefined : false, { layer: "user" })
  terminal.out(`${id} is ${on ? "enabled" : "disabled"}: ${file}:${line}\n`)
  return EXIT.done
}
