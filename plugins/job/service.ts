/** The service as it is registered: its code is loaded by the first call, and at a start only where something is not over. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import type { Graft } from "graft"
import { paths } from "../lib/paths.ts"
import type { Jobs } from "./contract.ts"
import type { Running } from "./typed.ts"

interface Loaded extends Jobs { recover(): Promise<void>; removed(session: string): void }

export function makeService(graft: Graft, running: Running): Jobs & { recover(): Promise<void>; removed(session: string): void } {
  const root = join(paths(graft.kernel.host.dataDir).data, "jobs")
  let loaded: Promise<Loaded> | undefined
  const load = () => (loaded ??= assemble(graft, root, running))
  return {
    opening: async (...given) => (await load()).opening(...given),
    start: async (...given) => (await load()).start(...given),
    open: async (...given) => (await load()).open(...given),
    list: async (...given) => (await load()).list(...given),
    get: async (...given) => (await load()).get(...given),
    tail: async (...given) => (await load()).tail(...given),
    wait: async (...given) => (await load()).wait(...given),
    cancel: async (...given) => (await load()).cancel(...given),
    shell: async (...given) => (await load()).shell(...given),
    async recover() { if (namesIn(root).length > 0) await (await load()).recover() },
    removed: (session) => void loaded?.then((jobs) => jobs.removed(session)),
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

async function assemble(graft: Graft, root: string, running: Running): Promise<Loaded> {
  const [{ makeJobs }, { Keeper }, { makeCommandWork }, { makeSubagentWork }, { makeTyped }, { getJob }] = await Promise.all([
    import("./jobs.ts"), import("./keeper.ts"), import("./command.ts"), import("./subagent.ts"), import("./typed.ts"), import("./rows.ts"),
  ])
  const keeper = new Keeper(graft, root, { shell: makeCommandWork(graft, root), subagent: makeSubagentWork(graft) })
  const typed = makeTyped(graft, keeper, running)
  return {
    ...makeJobs(graft, keeper), shell: typed.shell,
    removed: (session) => keeper.removed(session),
    async recover() {
      for (const id of await keeper.announced()) {
        try {
          if (await getJob(graft.store, id)) await keeper.adopt(id)
          else if (!(await typed.recover(id))) await keeper.clear(id)
        } catch (error) {
          graft.log.error(`what became of ${id} could not be told, and is looked at again at the next start:`, error)
        }
      }
    },
  }
}
