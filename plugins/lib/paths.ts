/**
 * Where things live, in one place: config, data, cache, logs and sockets. Linux follows the XDG base directories;
 * macOS and Windows use their own customs (untested until somebody tests them).
 */
import { homedir, tmpdir } from "node:os"
import { createHash } from "node:crypto"
import { join } from "node:path"

export interface Paths {
  /** config.jsonc, plugins/, AGENTS.md */
  config: string
  /** graft.db, blobs/, auth.json, trust.json */
  data: string
  cache: string
  logs: string
  /** One socket per running instance. */
  run: string
}

/** `dataDir` (or GRAFT_HOME) puts everything below one directory. */
export function paths(dataDir?: string, env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): Paths {
  const home = dataDir ?? env.GRAFT_HOME
  if (home) return { config: join(home, "config"), data: join(home, "data"), cache: join(home, "cache"), logs: join(home, "logs"), run: socketDirectory(join(home, "run")) }
  const user = env.HOME || homedir()
  if (platform === "darwin") {
    const library = join(user, "Library")
    return { config: join(library, "Application Support", "graft"), data: join(library, "Application Support", "graft", "data"), cache: join(library, "Caches", "graft"), logs: join(library, "Logs", "graft"), run: socketDirectory(join(library, "Caches", "graft", "run")) }
  }
  if (platform === "win32") {
    const local = env.LOCALAPPDATA ?? join(user, "AppData", "Local")
    return { config: join(env.APPDATA ?? join(user, "AppData", "Roaming"), "graft"), data: join(local, "graft", "data"), cache: join(local, "graft", "cache"), logs: join(local, "graft", "logs"), run: join(local, "graft", "run") }
  }
  const data = join(absolute(env.XDG_DATA_HOME) ?? join(user, ".local", "share"), "graft")
  return {
    config: join(absolute(env.XDG_CONFIG_HOME) ?? join(user, ".config"), "graft"),
    data,
    cache: join(absolute(env.XDG_CACHE_HOME) ?? join(user, ".cache"), "graft"),
    logs: join(absolute(env.XDG_STATE_HOME) ?? join(user, ".local", "state"), "graft"),
    run: socketDirectory(absolute(env.XDG_RUNTIME_DIR) ? join(env.XDG_RUNTIME_DIR!, "graft") : join(data, "run")),
  }
}

/** The XDG specification: a relative path is invalid and must be ignored. */
const absolute = (path: string | undefined): string | undefined => (path?.startsWith("/") ? path : undefined)

/** A Unix socket's path may have 107 bytes (sun_path); a longer directory is replaced by a short private one named by its hash. */
function socketDirectory(wanted: string): string {
  if (Buffer.byteLength(wanted) <= 80) return wanted
  return join(tmpdir(), `graft-${process.getuid?.() ?? "user"}-${createHash("sha256").update(wanted).digest("hex").slice(0, 12)}`)
}
