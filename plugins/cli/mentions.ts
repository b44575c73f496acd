/** What a prompt brings along: files that are named in it (`@path`), and those that are named beside it. */
import { statSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"

/** `@src/main.ts` or `@"a name with spaces"`, at the beginning or behind a space. Only what is a file: an address of mail or a decorator is none. */
export function mentioned(text: string, directory: string): string[] {
  const names = [...text.matchAll(/(?:^|[\s(])@(?:"([^"\n]+)"|(\S+))/g)].map(([, quoted, plain]) => quoted ?? plain!)
  return [...new Set(names.flatMap((name) => fileOf(name, directory) ?? fileOf(name.replace(/[.,;:!?)\]}'"]+$/, ""), directory) ?? []))]
}

/** As sessions want it: relative to where the person is, not to where the session works. */
export const attachable = (source: string, directory: string): string => (/^(data|https?|file):/i.test(source) ? source : absolute(source, directory))

const absolute = (path: string, directory: string): string => (path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : resolve(directory, path))

function fileOf(name: string, directory: string): string | undefined {
  if (name === "" || name.includes("\0")) return undefined
  const path = absolute(name, directory)
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ? path : undefined
  } catch {
    return undefined
  }
}
