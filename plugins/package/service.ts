/** The service `package`: what people ask for, written into the config and then done; one thing at a time. */
import type { Graft } from "graft"
import type { Installed, Packages } from "./contract.ts"
import { PackageError } from "./errors.ts"
import { specOf, type Shelf } from "./shelf.ts"

export function servicesOf(graft: Graft, shelf: Shelf): { service: Packages; follow(): Promise<void> } {
  let busy: Promise<unknown> = Promise.resolve()
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const next = busy.then(work, work)
    busy = next.catch(() => {})
    return next
  }
  /** Not a project's: a config that came with somebody's code does not install anything. */
  const named = async (): Promise<string[]> => {
    const value = await graft.config.get<unknown>("packages").catch(() => undefined)
    return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : []
  }
  const write = async (specs: readonly string[]): Promise<void> => void (await graft.config.set("packages", specs.length > 0 ? specs : undefined, { layer: "user" }))
  let followed = ""

  return {
    /** Once for each state of the config: what failed is tried again when that changes, or when it is asked for. */
    follow: () => alone(async () => {
      const specs = await named()
      const state = JSON.stringify(specs)
      if (state === followed) return
      followed = state
      await shelf.follow(specs)
    }),
    service: {
      list: () => shelf.list(),
      add: (text, options = {}) => alone(async () => {
        const spec = specOf(text, process.cwd())
        const { before, ...installed } = await shelf.put(spec, options)
        const others = (await named()).filter((each) => each !== spec && each !== before)
        await write([...others, spec])
        return installed
      }),
      update: (name, options = {}) => alone(async () => {
        const all = await shelf.list()
        const wanted = name === undefined ? all : all.filter((each) => each.name === name || each.spec === name)
        if (name !== undefined && wanted.length === 0) throw new PackageError("package.unknown", `no package "${name}" is installed: graft plugin list shows what is`)
        const changed: Installed[] = []
        for (const { spec, version, linked } of wanted) {
          const { before: _, ...installed } = await shelf.put(spec, { replace: true, ...options })
          if (linked || installed.package.version !== version || name !== undefined) changed.push(installed)
        }
        return changed
      }),
      remove: (name) => alone(async () => {
        const { package: removed, spec } = await shelf.remove(name)
        await write((await named()).filter((each) => each !== spec))
        return removed
      }),
      check: (version) => shelf.unfit(version),
    },
  }
}
