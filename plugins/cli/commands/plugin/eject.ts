/** `graft plugin eject`: a copy of a built-in in your own directory, which takes the built-in's place; with the helpers that it uses, so that it stands alone. */
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join, relative, resolve, sep } from "node:path"
import { pathToFileURL } from "node:url"
import { locationOf } from "graft"
import { paths } from "../../../lib/paths.ts"
import { packagesOf } from "../../../lib/typings.ts"
import { UsageError } from "../../arguments.ts"
import { EXIT } from "../../dispatch.ts"
import { inspection } from "../../remote.ts"
import type { Asked } from "./plugin.ts"
import { known } from "./views.ts"

export async function eject({ graft, terminal, id, values }: Asked): Promise<number> {
  using kernel = await inspection(graft, terminal.directory)
  const [plugin] = await known(kernel, id)
  if (plugin!.root !== "built-in" || !plugin!.file) throw new UsageError(`${id} is no built-in: it is yours already, at ${plugin!.file ?? "no file"}`)
  const directory = values.project ? join(locationOf(terminal.directory), ".graft", "plugins") : join(paths(graft.kernel.host.dataDir).config, "plugins")
  const target = join(directory, id)
  const taken = [target, `${target}.ts`].find((path) => existsSync(path))
  if (taken) throw new UsageError(`${taken} exists already: it has taken the place of the built-in`)
  copyOut(dirname(plugin!.file), target)
  await kernel.reconcile([])
  await kernel.settled()
  const now = (await known(kernel, id)).find(({ file }) => inside(file, target))
  if (values.project) terminal.err("It runs once this project is trusted (graft trust allow).\n")
  else if (now?.status !== "live") {
    const why = now?.reason || (await kernel.journal(id)).findLast(({ outcome }) => outcome === "failed")?.message || "the built-in stayed"
    rmSync(target, { recursive: true, force: true })
    await kernel.reconcile([])
    terminal.err(`${id} cannot stand alone, so the copy was taken away again: ${why}\n`)
    return EXIT.failed
  }
  terminal.out(`${target}\n`)
  terminal.err(`${values.project ? "" : `${id}@${now!.gen} runs from there now, and at each save. `}Delete the directory to have the built-in back.\n`)
  return EXIT.done
}

/** Paths as the kernel has them, which are real ones. */
function inside(file: string | undefined, directory: string): boolean {
  return file !== undefined && realpathSync(file).startsWith(realpathSync(directory) + sep)
}

/** Everything of a plugin's folder and what it uses of `lib`; all at once, for whoever watches the directory. */
export function copyOut(source: string, target: string): void {
  const [home, building] = [dirname(source), join(dirname(target), `.${process.pid}.eject`)]
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 })
  try {
    cpSync(source, building, { recursive: true, filter: (path) => path === source || !/(^|[\\/])(\.|README\.md$|contract\.ts$)/.test(relative(source, path)) })
    const helpers = new Set<string>()
    const place = (file: string): string => (file.startsWith(join(home, "lib") + sep) ? join(building, "lib", relative(join(home, "lib"), file)) : join(building, relative(source, file)))
    const copy = (file: string): void => {
      writeFileSync(place(file), rewritten(readFileSync(file, "utf8"), file, (path) => {
        if (dirname(path) !== home && path.endsWith(`${sep}contract.ts`)) return `graft/contracts/${dirname(relative(home, path)).split(sep)[0]}`
        if (path.startsWith(join(home, "lib") + sep) && !helpers.has(path)) {
          helpers.add(path)
          mkdirSync(dirname(place(path)), { recursive: true })
          copy(path)
        }
        const from = relative(dirname(place(file)), place(path)).replaceAll(sep, "/")
        return from.startsWith(".") ? from : `./${from}`
      }))
    }
    for (const file of sourcesIn(source)) copy(file)
    symlinkSync(packagesOf(dirname(home)), join(building, "node_modules"), "junction")
    renameSync(building, target)
  } catch (error) {
    rmSync(building, { recursive: true, force: true })
    throw error
  }
}

/** Its imports by where they lead now; what it reads beside itself, or finds packages from, stays where it is. */
function rewritten(text: string, file: string, specifier: (path: string) => string): string {
  return text
    .replaceAll(/(\bfrom\s+|\bimport\(\s*|^import\s+)"(\.{1,2}\/[^"]+)"/gm, (_, before: string, path: string) => `${before}"${specifier(resolve(dirname(file), path))}"`)
    .replaceAll(/new URL\("(\.\.\/[^"]+)", import\.meta\.url\)/g, (_, path: string) => `new URL(${JSON.stringify(pathToFileURL(resolve(dirname(file), path)).href)})`)
    .replaceAll("createRequire(import.meta.url)", `createRequire(${JSON.stringify(pathToFileURL(file).href)})`)
}

const sourcesIn = (directory: string): string[] =>
  globSync("**/*.ts", { cwd: directory }).filter((path) => path !== "contract.ts").map((path) => join(directory, path)).filter((path) => statSync(path).isFile())
