/** The plugins: what is live, what happened to it, and the levers. */
import * as v from "valibot"
import { locationOf, type Graft, type PluginView } from "graft"
import { JournalEntry, LogEntry, Plugin } from "../../../lib/wire/setup.ts"
import type { Route } from "../../contract.ts"
import { define, type Call } from "../call.ts"
import { codes, missing } from "../errors.ts"
import { ById, Id, Limit, Line, some } from "./fields.ts"

const KNOWN = codes("plugin.unknown")
const LEVER = codes("plugin.unknown", "Refused")

export const plugins = (graft: Graft): Route[] => {
  /** Those of the process and of the project that is asked about. */
  const views = async ({ project, directory }: Call): Promise<PluginView[]> => {
    await project()
    const location = locationOf(directory)
    return graft.kernel.inspect().realms.filter((realm) => realm.location === undefined || realm.location === location).flatMap((realm) => realm.plugins)
  }
  const known = async (id: string, call: Call) => {
    const found = (await views(call)).filter((plugin) => plugin.id === id)
    return found.length > 0 ? found : missing("plugin.unknown", `there is no plugin ${id}`)
  }

  return [
    define({
      id: "plugins.list", method: "GET", path: "/plugins", summary: "Every plugin, of the process and of the project",
      output: v.array(Plugin),
      handler: (_, call) => views(call),
    }),
    define({
      id: "plugins.journal", method: "GET", path: "/plugins/journal", summary: "The last transactions, oldest first",
      input: v.strictObject({ plugin: some(Id), limit: Limit(1_000) }),
      output: v.array(JournalEntry),
      handler: async ({ plugin, limit = 1_000 }) => graft.kernel.journal(plugin).slice(-limit),
    }),
    define({
      id: "plugins.logs", method: "GET", path: "/plugins/logs", summary: "The last lines that plugins logged, oldest first",
      input: v.strictObject({ plugin: some(Id), limit: Limit(1_000) }),
      output: v.array(LogEntry),
      handler: async ({ plugin, limit = 1_000 }) => graft.kernel.logs(plugin).slice(-limit),
    }),
    define({
      id: "plugins.inspect", method: "GET", path: "/plugins/:id", summary: "One plugin, in each realm that has it",
      input: ById,
      output: v.array(Plugin), errors: KNOWN,
      handler: ({ id }, call) => known(id, call),
    }),
    define({
      id: "plugins.enable", method: "POST", path: "/plugins/:id/enable", summary: "Lets it come up",
      input: ById,
      errors: LEVER,
      async handler({ id }, call) {
        await known(id, call)
        await graft.kernel.enable(id)
      },
    }),
    define({
      id: "plugins.disable", method: "POST", path: "/plugins/:id/disable", summary: "Takes it down, until it is enabled or the process ends",
      input: v.strictObject({ id: Id, reason: some(Line) }),
      errors: LEVER,
      async handler({ id, reason }, call) {
        await known(id, call)
        await graft.kernel.disable(id, reason)
      },
    }),
    define({
      id: "plugins.undo", method: "POST", path: "/plugins/:id/undo", summary: "Back to the last good version before the live one",
      input: v.strictObject({ id: Id, reason: some(Line) }),
      errors: LEVER,
      async handler({ id, reason }, call) {
        const here = (await known(id, call)).some(({ realm }) => realm === locationOf(call.directory))
        await graft.kernel.undo(id, reason, here ? call.directory : undefined)
      },
    }),
    define({
      id: "plugins.pin", method: "POST", path: "/plugins/:id/pin", summary: "Ignores changes on disk of it, or no longer",
      input: v.strictObject({ id: Id, pinned: v.boolean() }),
      errors: KNOWN,
      async handler({ id, pinned }, call) {
        await known(id, call)
        graft.kernel.pin(id, pinned)
      },
    }),
  ]
}
