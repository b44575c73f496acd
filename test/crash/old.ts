/** A home as it was after the first step of each schema, with something in it: so opening it means a backup and every later step. */
import { join } from "node:path"
import { createKernel } from "../../kernel/index.ts"
import { MIGRATIONS } from "../../plugins/session/tables.ts"

export async function makeOld(home: string, cache: string): Promise<void> {
  const kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], only: ["store", "eventlog"], dataDir: home, cacheDir: cache })
  await kernel.start()
  await kernel.settled()
  const { eventlog, store } = kernel.graft
  await eventlog.append({ aggregate: "catalog", create: "catalog", actor: "user", events: [{ type: "config.changed", data: {} }] })
  await store.migrate("session", MIGRATIONS.slice(0, 1))
  await kernel.close()
}
