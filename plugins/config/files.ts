/** Where the layers lie: what ships beside the built-ins, what the machine's keeper says, the user's own, and each project's. */
import { existsSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import type { Control } from "graft"
import { paths } from "../lib/paths.ts"

export interface Files { default: string; managed: string; user: string }

export function filesOf({ roots, host }: Control): Files {
  const beside = roots().filter(({ kind }) => kind === "built-in").map(({ dir }) => join(dir, "..", "config", "default.jsonc")).find((file) => existsSync(file))
  return {
    default: beside ?? fileURLToPath(new URL("../../config/default.jsonc", import.meta.url)),
    managed: process.env.GRAFT_MANAGED_CONFIG || join(machine(process.platform), "config.jsonc"),
    user: join(paths(host.dataDir).config, "config.jsonc"),
  }
}

/** Where only the keeper of the machine writes. */
function machine(platform: NodeJS.Platform): string {
  if (platform === "darwin") return "/Library/Application Support/graft"
  return platform === "win32" ? join(process.env.ProgramData ?? "C:\\ProgramData", "graft") : "/etc/graft"
}

/** The one that is written. */
export const projectFile = (location: string): string => join(location, ".graft", "config.jsonc")

/** From the repository's top down to the project, so the nearest last. */
export const projectFiles = (location: string): string[] => directoriesOf(location).flatMap((directory) => [join(directory, "graft.jsonc"), projectFile(directory)])

/** The directories between a repository's top and a project in it; the project alone where there is no repository. */
function directoriesOf(location: string): string[] {
  const found: string[] = []
  for (let at = location; ; at = dirname(at)) {
    found.unshift(at)
    if (existsSync(join(at, ".git"))) return found
    if (at === dirname(at)) return [location]
  }
}

/** The file that GRAFT_CONFIG names, of the layer of the environment. */
export const environmentFile = (env: NodeJS.ProcessEnv): string | undefined => (env.GRAFT_CONFIG ? resolve(env.GRAFT_CONFIG) : undefined)
