/**
 * What runs first on the right Node, and the little that needs no kernel. V8's code of all the rest is kept in a private
 * directory, where nobody else may put any.
 */
import { mkdirSync, readFileSync } from "node:fs"
import { enableCompileCache } from "node:module"
import { join } from "node:path"
import type { Loader } from "../../kernel/loader/shipped.ts"
import { paths } from "../lib/paths.ts"

export interface Launch {
  /** Where Graft is installed: the directory that holds plugins/. */
  home: string
  argv: readonly string[]
  /** A checkout has a directory of plugins of its own in config/. */
  checkout: boolean
  /** What the build made ahead; absent when all runs from its sources. */
  shipped?: Loader & { builtIns: string; texts: string; packages: Record<string, string>; keepIn(directory: string): void; keep(): void }
}

/** Gives the exit code. */
export async function main(launch: Launch): Promise<number> {
  const [first] = launch.argv
  if (first === "--version" || first === "-V") {
    const { version } = JSON.parse(readFileSync(join(launch.home, "package.json"), "utf8")) as { version: string }
    process.stdout.write(`graft ${version}\n`)
    return 0
  }
  const code = join(paths().cache, "v8")
  keepCode(code)
  // What one command runs is little of what others do.
  launch.shipped?.keepIn(join(code, `${process.version}-${process.arch}`, first === "run" ? first : (first ?? "-").startsWith("-") ? "chat" : "others"))
  const { host } = await import("./host.ts")
  return host(launch)
}

function keepCode(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    enableCompileCache(directory)
  } catch { /* a read-only home only starts slower */ }
}
