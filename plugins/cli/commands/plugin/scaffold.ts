/** `graft plugin new`: one file that works as it is, and beside it what an editor needs to know every type in it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { UsageError } from "../../arguments.ts"

export const TEMPLATES = ["tool", "provider", "hook"] as const
export type Template = (typeof TEMPLATES)[number]

/** What a plugin may import without having it; an editor finds their types in the install. */
const PACKAGES = ["valibot", "immer", "effect", "@ai-sdk/provider", "@standard-schema/spec"]

export interface Scaffold { file: string; /** The tsconfig, when it was written now. */ types?: string }

/** `home`: where Graft is installed. `others`: further directories of plugins, whose contracts count as well. */
export function scaffold(directory: string, name: string, template: Template, home: string, others: readonly string[]): Scaffold {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(name)) throw new UsageError(`"${name}" cannot be a plugin's name: lower-case letters, digits and dashes, e.g. my-tool`)
  const file = join(directory, `${name}.ts`)
  const taken = [file, join(directory, name)].find((path) => existsSync(path))
  if (taken) throw new UsageError(`${taken} exists already: choose another name, or edit it`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const source = readFileSync(join(import.meta.dirname, "templates", `${template}.ts`), "utf8")
  writeFileSync(file, source.replaceAll("NAME", name))
  const types = join(directory, "tsconfig.json")
  if (existsSync(types)) return { file }
  writeFileSync(types, tsconfig(home, others.filter((other) => other !== directory)))
  return { file, types }
}

/**
 * Absolute paths, because the directory is bare: "graft" is the kernel's face, contracts come from where they are live.
 * Two contracts of one name that differ would be an error for everybody, so each is named once.
 */
export function tsconfig(home: string, others: readonly string[]): string {
  const modules = packagesOf(home)
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, target: "es2024", module: "esnext", moduleResolution: "bundler", lib: ["es2024", "esnext.disposable", "dom.asynciterable"],
    allowImportingTsExtensions: true, resolveJsonModule: true, types: ["node"], typeRoots: [join(modules, "@types")],
    paths: { graft: [join(home, "kernel", "index.ts")], "graft/contracts/*": [join(home, "plugins", "*", "contract.ts")], ...Object.fromEntries(PACKAGES.flatMap((name) => [[name, [join(modules, name)]], [`${name}/*`, [join(modules, name, "*")]]])) },
  }
  const include = ["**/*.ts", "**/*.tsx", join(home, "plugins", "*", "contract.ts"), ...others.map((other) => join(other, "*", "contract.ts"))]
  return `// Written by "graft plugin new" for your editor; graft itself does not read it. Delete it and make a new plugin to have it written again.\n${JSON.stringify({ compilerOptions: options, include, exclude: ["node_modules"] }, null, 2)}\n`
}

/** The install's packages: its own, or those that it was installed beside. */
function packagesOf(home: string): string {
  for (let at = home; ; at = dirname(at)) {
    const modules = join(at, "node_modules")
    if (existsSync(join(modules, "valibot"))) return modules
    if (at === dirname(at)) return join(home, "node_modules")
  }
}
