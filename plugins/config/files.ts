/** Where the layers lie: what ships beside the built-ins, the user's own, and each project's. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Control } from "graft"
import { paths } from "../lib/paths.ts"

export interface Files { default: string; user: string }

export function filesOf({ roots, host }: Control): Files {
  const beside = roots().filter(({ kind }) => kind === "built-in").map(({ dir }) => join(dir, "..", "config", "default.jsonc")).find((file) => existsSync(file))
  return { default: beside ?? fileURLToPath(new URL("../../config/default.jsonc", import.meta.url)), user: join(paths(host.dataDir).config, "config.jsonc") }
}

export const projectFile = (location: string): string => join(location, ".graft", "config.jsonc")
