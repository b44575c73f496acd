/** The plugins: what is live, what happened to it, and the levers. */
import * as v from "valibot"
import { locationOf, type Graft, type PluginView } from "graft"
import { JournalEntry, LogEntry, Plugin } from "../../../lib/wire/setup.ts"
import type { Route } from "../../contract.ts"
import { define } from "../call.ts"
import { codes, missing } from "../errors.ts"
import { ById, Id, Limit, Line, some } from "./fields.ts"

const KNOWN = codes("plugin.unknown")

export const plugins = (graft: Graft): Route[] => {
  const views = async (open: () => Promise<unknown>): Promise<PluginView[]> => {
    await open()
    return graft.kernel.inspect().realms.flatMap((realm) => realm.plugins)
  }
  const known = async (id: string, open: () => Promise<unknown>) => {
    const found = (await views(open)).filter((plugin) => plugin.id === id)
    return found.length > 0 ? found : missing("plugin.unknown", `there is no plugin ${id}`)
  }

  return [
    define({ id: "plugins.list", method: "GET", path: "/plugins", summary: "Every plugin, in every realm that is open", output: v.array(Plugin), handler: (_, { project }) => views(project) }),
    define({ id: "plugins.journal", method: "GET", path: "/plugins/journal", summary: "The last transactions, oldest first", input: v.strictObject({ plugin: some(Id), limit: Limit(1_000) }), output: v.array(JournalEntry), handler: async ({ plugin, limit = 1_000 }) => graft.kernel.journal(plugin).slice(-limit) }),
    define({ id: "plugins.logs", method: "GET", path: "/plugins/logs", summary: "The last lines that plugins logged, oldest first", input: v.strictObject({ plugin: some(Id), limit: Limit(1_000) }), output: v.array(LogEntry), handler: async ({ plugin, limit = 1_000 }) => graft.kernel.logs(plugin).slice(-limit) }),
    define({ id: "plugins.inspect", method: "GET", path: "/plugins/:id", summary: "One plugin, in each realm that has it", input: ById, output: v.array(Plugin), errors: KNOWN, handler: ({ id }, { project }) => known(id, project) }),
    define({ id: "plugins.enable", method: "POST", path: "/plugins/:id/enable", summary: "Lets it come up", input: ById, errors: codes("plugin.unknown", "Refused"), async handler({ id }, { project }) { await known(id, project); await graft.kernel.enable(id) } }),
    define({ id: "plugins.disable", method: "POST", path: "/plugins/:id/disable", summary: "Takes it down, until it is enabled or the process ends", input: v.strictObject({ id: Id, reason: some(Line) }), errors: codes("plugin.unknown", "Refused"), async handler({ id, reason }, { project }) { await known(id, project); await graft.kernel.disable(id, reason) } }),
    define({ id: "plugins.undo", method: "POST", path: "/plugins/:id/undo", summary: "Back to the last good version before the live one", input: v.strictObject({ id: Id, reason: some(Line) }), errors: codes("plugin.unknown", "Refused"), async handler({ id, reason }, { project, directory }) { const here = (await known(id, project)).some(({ realm }) => realm === locationOf(directory)); await graft.kernel.undo(id, reason, here ? directory : undefined) } }),
    define({ id: "plugins.pin", method: "POST", path: "/plugins/:id/pin", summary: "Ignores changes on disk of it, or no longer", input: v.strictObject({ id: Id, pinned: v.boolean() }), errors: KNOWN, async handler({ id, pinned }, { project }) { await known(id, project); graft.kernel.pin(id, pinned) } }),
  ]
}
