/**
 * The host: makes the kernel, gives it its plugins, and calls the command line. It is the one thing that is not a plugin
 * and cannot be edited while it runs, so it does next to nothing.
 */
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { createKernel, type EmbeddedKernel, type Root } from "../../kernel/index.ts"
import { Shipped, type Source } from "../../kernel/loader/shipped.ts"
import { paths } from "../lib/paths.ts"
import { quarantined } from "../lib/quarantine.ts"
import { keepLog } from "./logfile.ts"
import type { Launch } from "./main.ts"

/** Milliseconds that plugins get to close. */
const GOODBYE = 5_000
/** Milliseconds after which all that a start runs has run. */
const STARTED = 5_000
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

export async function host(launch: Launch): Promise<number> {
  const { cache, config, data, logs } = paths()
  const compiled = launch.shipped && builtIns(launch.shipped, cache)
  const kernel = createKernel({ roots: rootsOf(launch), cacheDir: join(cache, "compiled"), contain: true, ...(compiled && { shipped: { compiled, packages: launch.shipped!.packages } }), ...(isConfigured(config) && { first: ["config"] }) })
  const closeLog = keepLog(kernel, logs)
  for (const signal of SIGNALS) process.on(signal, () => leaveEarly(signal))
  try {
    // What ended the process twice is left out, until its bytes change or it is pardoned.
    for (const { file, reason } of quarantined(data)) void kernel.graft.kernel.disable(file, reason)
    // What a command needs it waits for; nobody waits for the rest.
    const started = kernel.start()
    setTimeout(() => launch.shipped?.keep(), STARTED).unref()
    started.catch(() => {})
    return await serve(kernel, launch.argv)
  } finally {
    await Promise.race([kernel.close(), new Promise<void>((resolve) => setTimeout(resolve, GOODBYE).unref())])
    compiled?.keepStamps()
    launch.shipped?.keep()
    closeLog()
  }
}

/** May anything say which plugins run, and with which options? Then it is read before any of them. */
const isConfigured = (directory: string): boolean => existsSync(join(directory, "config.jsonc")) || Object.keys(process.env).some((name) => name === "GRAFT_CONFIG" || name === "GRAFT_CONFIG_CONTENT" || name === "GRAFT_MANAGED_CONFIG" || name.startsWith("GRAFT_CONFIG_PLUGINS")) || existsSync("/etc/graft/config.jsonc")

/** By Node, which keeps their machine code from one start to the next. */
function builtIns({ builtIns, texts, ...loader }: NonNullable<Launch["shipped"]>, cache: string): Shipped {
  const stamps = join(cache, "stamps", `${createHash("sha256").update(builtIns).digest("hex").slice(0, 16)}.json`)
  return new Shipped({ ...loader, sources: loader.load(builtIns) as Source[], texts, stamps })
}

function rootsOf({ home, argv, checkout }: Launch): Root[] {
  const builtIn: Root = { dir: join(home, "plugins"), kind: "built-in" }
  const words = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv
  if (words.includes("--safe") || words.includes("--safe-mode")) return [builtIn]
  return [
    builtIn,
    ...(checkout ? [{ dir: join(home, "config/plugins"), kind: "user" } as const] : []),
    { dir: join(paths().config, "plugins"), kind: "user" },
    { dir: join(".graft", "plugins"), kind: "project", per: "location", guarded: true },
  ]
}

/**
 * An edit of the cli itself ends its `main` with `Moved`, and the handle enters it again on the next generation. When
 * there is none (it was deleted, or never came up), a person may bring it back; a script ends.
 */
async function serve(kernel: EmbeddedKernel, argv: readonly string[]): Promise<number> {
  for (;;) {
    try {
      return await kernel.graft.cli.main(argv)
    } catch (error) {
      if (!ABSENT.has((error as { code?: string }).code ?? "")) throw error
      if (isLive(kernel)) continue
      const { reason = "its file is gone" } = kernel.inspect().realms[0]!.plugins.find(({ id }) => id === "cli") ?? {}
      process.stderr.write(`graft: the plugin cli is not live: ${reason}\n`)
      if (!process.stdin.isTTY) return 1
      process.stderr.write("waiting for it to come back; Ctrl-C ends\n")
      await comeBack(kernel)
    }
  }
}

const ABSENT: ReadonlySet<string> = new Set(["Moved", "Unavailable", "Retired", "Timeout"])
const isLive = (kernel: EmbeddedKernel): boolean => kernel.inspect().realms[0]!.services.cli !== undefined

function comeBack(kernel: EmbeddedKernel): Promise<void> {
  return new Promise((resolve) => {
    const look = () => { if (isLive(kernel)) resolve(remove()) }
    const remove = kernel.on("plugin.loaded", look)
    look()
  })
}

/** Before the command line listens for itself, and between two of its generations. */
function leaveEarly(signal: (typeof SIGNALS)[number]): void {
  if (process.listenerCount(signal) === 1) process.exit(130)
}
