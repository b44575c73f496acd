import type { Notify } from "graft"

/** Plugins that were published, as they are installed. `spec`: what the config names (`name@range`, a folder, a tarball, a git URL). */
export interface Package {
  spec: string
  name: string
  version: string
  /** Its own plugins: id → file. */
  plugins: Record<string, string>
  /** Range of Graft's versions that it was made for; absent: it does not say. */
  engines?: string
  /** A folder of yours, used where it lies, and live at each save. */
  linked?: true
  /** Packages below it that wanted to run a script at their installation, and were not let. */
  scripts?: readonly string[]
}
/** `from` is the version before, where there was one. */
export interface Installed { package: Package; from?: string }
/** An installed package, or a plugin file, that would not be loaded by a version of Graft. */
export interface Unfit { name: string; engines: string; what: "package" | "plugin" }

/**
 * Errors: `package.spec` (cannot be understood), `package.install` (npm's own words), `package.manifest` (it has no plugin, or
 * names a file that is not there), `package.engines`, `package.taken` (an id that is a built-in's or another package's),
 * `package.unknown`.
 */
export interface Packages {
  list(): Promise<Package[]>
  /** Installs it, and names it in your config. Nothing changes where it fails. `scripts`: its installation may run what it wants; `replace`: it may take a built-in's place. */
  add(spec: string, options?: { scripts?: boolean; replace?: boolean; signal?: AbortSignal }): Promise<Installed>
  /** By name or spec, or all: to the newest that each range allows. Gives those that changed. */
  update(name?: string, options?: { signal?: AbortSignal }): Promise<Installed[]>
  remove(name: string): Promise<Package>
  /** What would not run on a version of Graft. */
  check(version: string): Promise<Unfit[]>
}

declare module "graft" {
  interface Services { package: Packages }
  interface Events {
    "package.added": Notify<{ package: Package }>
    "package.updated": Notify<{ package: Package; from: string }>
    "package.removed": Notify<{ package: Package }>
    /** What the config names could not be installed. */
    "package.failed": Notify<{ spec: string; code: string; message: string }>
  }
}
