/** Where the agent's plugins go: to the user, or to one project. */
import { dirname, isAbsolute, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Graft } from "graft"
import { paths } from "../lib/paths.ts"

export interface Places { /** Where Graft is installed. */ home: string; user: string; project: string; /** Where what is not live yet is looked at. */ bench: string; /** Directories whose contracts count. */ others: string[] }

export function placesOf(graft: Graft, location: string): Places {
  const { config, cache } = paths(graft.kernel.host.dataDir)
  const roots = graft.kernel.roots()
  const users = roots.flatMap(({ dir, kind = "user" }) => (kind === "user" && isAbsolute(dir) ? [dir] : []))
  const own = join(config, "plugins")
  const builtIn = roots.find(({ kind }) => kind === "built-in")?.dir ?? fileURLToPath(new URL("..", import.meta.url))
  return { home: dirname(join(builtIn, ".")), user: users.includes(own) ? own : (users.at(-1) ?? own), project: join(location, ".graft", "plugins"), bench: join(cache, "bench"), others: users }
}
