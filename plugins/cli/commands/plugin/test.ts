/**
 * `graft plugin test`: the author's own specs, by Node's runner or by the vitest that the author has, and the laws that
 * every plugin keeps. Exit code 0: all of it held; 1: something did not.
 */
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { basename, dirname, join, relative, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { locationOf } from "graft"
import { keepTypings } from "../../../lib/typings.ts"
import { UsageError } from "../../arguments.ts"
import { EXIT } from "../../dispatch.ts"
import { findPlugin, homeOf, isPluginsDirectory, isTrusted, otherRoots, pluginsFor } from "./places.ts"
import type { Asked } from "./plugin.ts"

const SPEC = /\.(test|spec)\.[cm]?[jt]sx?$/
/** Milliseconds that everything together may take. */
const PATIENCE = 600_000

export async function test({ graft, terminal, id: word }: Asked): Promise<number> {
  using _project = await graft.at(terminal.directory)
  const home = homeOf(graft)
  const location = locationOf(terminal.directory)
  const spec = SPEC.test(word) ? resolve(terminal.directory, word) : undefined
  if (spec !== undefined && !existsSync(spec)) throw new UsageError(`there is no ${spec}`)
  const plugin = spec === undefined && word !== "" ? findPlugin(graft, word, terminal.directory, location) : undefined
  const directory = plugin?.directory ?? (spec === undefined ? whereSpecsAre(terminal.directory, pluginsFor(graft)) : dirname(spec))
  const specs = spec === undefined ? specsIn(directory, plugin?.id) : [spec]
  const ofProject = rootOf(directory) !== pluginsFor(graft) && isInside(word === "" ? location : join(location, ".graft"), directory)
  if (ofProject && !(await isTrusted(graft, location))) throw new UsageError(`${directory} is this project's, and nobody has agreed to its code: graft trust allow, or name a file of yours`)
  if (isPluginsDirectory(graft, rootOf(directory), location)) keepTypings(rootOf(directory), home, otherRoots(graft))
  const hook = pathToFileURL(join(home, "plugins/lib/testing-hook.mjs")).href
  const run = (argv: readonly string[], env: NodeJS.ProcessEnv = {}) => runNode(argv, directory, { ...process.env, ...env }, terminal.signal)
  let failed = 0
  for (const [runner, files] of byRunner(specs)) {
    const vitest = runner === "vitest" ? vitestFor(directory) : undefined
    if (runner === "vitest" && !vitest) {
      terminal.err(`${files.join(", ")}: it imports vitest, which is not installed here: npm install -D vitest, or import from node:test\n`)
      failed++
    } else if (vitest) failed += await run([vitest, "run", "--config", join(home, "plugins/lib/testing-vitest.mjs"), "--root", directory, ...files], { GRAFT_HOME_DIRECTORY: home })
    else failed += await run(["--import", hook, "--test", "--test-force-exit", ...files])
  }
  if (plugin) failed += await run(["--import", hook, join(home, "plugins/lib/testing-laws.mjs"), plugin.file])
  else if (specs.length === 0) terminal.err(`there are no specs (<name>.test.ts) in ${directory}\n`)
  return failed > 0 ? EXIT.failed : EXIT.done
}

const isInside = (outer: string, path: string): boolean => !relative(outer, path).startsWith("..")

/** A directory of plugins, or the folder `test` in one. */
const rootOf = (directory: string): string => (/[\\/]test$/.test(directory) ? dirname(directory) : directory)

const whereSpecsAre = (here: string, user: string): string => (specsIn(here).length > 0 ? here : specsIn(join(here, ".graft", "plugins")).length > 0 ? join(here, ".graft", "plugins") : user)

/** Beside the plugins, in `test/`, and in a plugin's own folder. Of one plugin: those that bear its name, or lie in its folder. */
function specsIn(directory: string, id?: string): string[] {
  const below = (folder: string): string[] => (existsSync(folder) && statSync(folder).isDirectory() ? readdirSync(folder).sort().map((name) => join(folder, name)) : [])
  const near = [directory, join(directory, "test")].flatMap(below).filter((file) => SPEC.test(file) && (id === undefined || basename(file).replace(SPEC, "") === id))
  const inside = (id === undefined ? below(directory) : [join(directory, id)]).flatMap((folder) => [folder, join(folder, "test")].flatMap(below)).filter((file) => SPEC.test(file))
  return [...new Set([...near, ...inside])]
}

function byRunner(specs: readonly string[]): ["node" | "vitest", string[]][] {
  const groups = Object.groupBy(specs, (file) => (/\bfrom\s+["']vitest["']/.test(readFileSync(file, "utf8")) ? "vitest" : "node"))
  return Object.entries(groups) as ["node" | "vitest", string[]][]
}

/** The author's own, or that of a checkout. */
function vitestFor(directory: string): string | undefined {
  for (let at = directory; ; at = dirname(at)) {
    const file = join(at, "node_modules/vitest/vitest.mjs")
    if (existsSync(file)) return file
    if (at === dirname(at)) return undefined
  }
}

/** 0 where it ended well, else 1; what it says is said as it says it. */
function runNode(argv: readonly string[], cwd: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<number> {
  return new Promise((done) => {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...argv], { cwd, env, stdio: ["ignore", "inherit", "inherit"], signal, timeout: PATIENCE })
    child.once("error", () => done(1)).once("exit", (code) => done(code === 0 ? 0 : 1))
  })
}
