/** Is it there, and which one is it? */
import * as v from "valibot"
import type { Graft } from "graft"
import type { Route } from "../../contract.ts"
import { define } from "../call.ts"

const Health = v.object({
  status: v.literal("ok"),
  version: v.string(),
  pid: v.number(),
  uptime: v.pipe(v.number(), v.description("Milliseconds since the process began.")),
  locations: v.pipe(v.array(v.string()), v.description("Projects that are open.")),
  plugins: v.object({ live: v.number(), failed: v.number() }),
})

export const health = (graft: Graft): Route[] => [
  define({
    id: "health.get", method: "GET", path: "/health", summary: "Is it there, and which one is it?",
    output: Health,
    async handler() {
      const plugins = graft.kernel.inspect().realms.flatMap((realm) => realm.plugins)
      const count = (status: string) => plugins.filter((plugin) => plugin.status === status).length
      return { status: "ok" as const, version: graft.kernel.version, pid: process.pid, uptime: Math.round(process.uptime() * 1_000), locations: graft.kernel.locations(), plugins: { live: count("live"), failed: count("failed") } }
    },
  }),
]
