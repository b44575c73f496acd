/** Making a plugin live, and taking it out: one file, put there in one step; one that does not come up is taken away again. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join, parse } from "node:path"
import type { Graft, PluginView } from "graft"
import type { ToolResult } from "../tool/contract.ts"
import type { Places } from "./places.ts"

/** How a file says that the agent wrote it. */
export const MARK = "// Written by the agent, with its tool `plugin`; yours as soon as this line is gone."
/** Milliseconds that it may take to come up. */
const PATIENCE = 15_000

interface Written { name: string; source: string; directory: string; notes: readonly string[] }

export async function install(graft: Graft, { name, source, directory, notes }: Written): Promise<ToolResult> {
  const file = join(directory, `${name}.ts`)
  const before = existsSync(file) ? readFileSync(file, "utf8") : undefined
  const since = graft.kernel.journal(name).at(-1)?.at ?? 0
  put(file, source, directory)
  const view = await arrival(graft, name, file)
  const why = graft.kernel.journal(name).findLast(({ outcome, at }) => outcome === "failed" && at > since)
  const add = notes.length > 0 ? `\n${notes.join("\n")}` : ""
  if (!why && view?.status === "live" && view.file === file) return { output: `${name}@${view.gen} is live: ${gives(view)}. From the next turn on it is there. File: ${file}${add}`, title: name }
  if (!why && view?.status === "refused") return { output: `${file} is written, and runs once its owner has trusted it: ${view.reason} (graft trust allow)${add}`, title: name }
  // What was there before is there again.
  if (before === undefined) rmSync(file)
  else put(file, before, directory)
  await arrival(graft, name, file)
  return { output: `it did not come up, and was taken away again: ${why?.message ?? view?.reason ?? "no transaction took it"}${why?.frame ? `\n${why.frame}` : ""}`, title: name, failed: true }
}

export async function remove(graft: Graft, places: Places, name: string): Promise<ToolResult> {
  const own = ownPlugins(places).find(({ id }) => id === name)
  if (!own) return { output: `you have written no plugin "${name}"${ownPlugins(places).length > 0 ? `; yours are ${ownPlugins(places).map(({ id }) => id).join(", ")}` : ""}`, failed: true }
  rmSync(own.file)
  await arrival(graft, name, own.file)
  return { output: `${name} is gone, with exactly what it added`, title: name }
}

export function ownPlugins({ user, project }: Places): { id: string; file: string }[] {
  return [user, project].flatMap((directory) => (existsSync(directory) ? readdirSync(directory).sort() : []).filter((name) => name.endsWith(".ts")).map((name) => ({ id: parse(name).name, file: join(directory, name) })).filter(({ file }) => readFileSync(file, "utf8").startsWith(MARK)))
}

function put(file: string, text: string, directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const beside = join(directory, `.${parse(file).name}.${process.pid}`)
  writeFileSync(beside, text, { mode: 0o600 })
  renameSync(beside, file)
}

/** Ends when the kernel has made up its mind about this file. */
async function arrival(graft: Graft, id: string, file: string): Promise<PluginView | undefined> {
  // For whom it is, is known only once it was evaluated: the pass is over before a project's realm has it.
  const mind = async () => (await graft.kernel.reconcile([file]), await graft.kernel.settled(PATIENCE))
  await Promise.race([mind().catch(() => {}), new Promise<void>((resolve) => void setTimeout(resolve, PATIENCE).unref())])
  const views = graft.kernel.inspect().realms.flatMap(({ plugins }) => plugins).filter((view) => view.id === id)
  return views.find(({ status }) => status === "live") ?? views[0]
}

const gives = ({ services, slots, events }: PluginView): string => [...services.map((service) => `service ${service}`), ...Object.entries(slots).map(([slot, keys]) => `${slot} ${keys.join(", ")}`), ...events.map((event) => `listens to ${event}`)].join("; ").slice(0, 400) || "it adds nothing"
