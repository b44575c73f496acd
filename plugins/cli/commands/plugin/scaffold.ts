/** `graft plugin new`: one file that works as it is, a first test of it, and beside them what an editor needs to know every type. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { keepTypings } from "../../../lib/typings.ts"
import { UsageError } from "../../arguments.ts"

export const TEMPLATES = ["tool", "provider", "hook", "command", "agent"] as const
export type Template = (typeof TEMPLATES)[number]

export interface Scaffold { file: string; test: string; /** What was written for the editor just now. */ types: string[] }

/** `home`: where Graft is installed. `others`: further directories of plugins, whose contracts count as well. */
export function scaffold(directory: string, name: string, template: Template, home: string, others: readonly string[]): Scaffold {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(name)) throw new UsageError(`"${name}" cannot be a plugin's name: lower-case letters, digits and dashes, e.g. my-tool`)
  if (name === "host" || name === "test") throw new UsageError(`"${name}" cannot be a plugin's name: ${name === "host" ? "the program itself is called so" : "the tests of your plugins lie in a folder of that name"}`)
  const [file, test] = [join(directory, `${name}.ts`), join(directory, "test", `${name}.test.ts`)]
  const taken = [file, join(directory, name), test].find((path) => existsSync(path))
  if (taken) throw new UsageError(`${taken} exists already: choose another name, or edit it`)
  if (existsSync(join(home, "plugins", name, "index.ts"))) throw new UsageError(`"${name}" is a built-in plugin, whose place a file of that name would take: choose another name`)
  const { written } = keepTypings(directory, home, others)
  const texts = join(import.meta.dirname, "templates")
  const fill = (text: string) => readFileSync(join(texts, text), "utf8").replaceAll("NAME", name)
  mkdirSync(dirname(test), { recursive: true })
  // The plugin last: it is live once it is there.
  writeFileSync(test, fill(`${template}.test`))
  writeFileSync(file, fill(`${template}.ts`), { flag: "wx" })
  return { file, test, types: written }
}
