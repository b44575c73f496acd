/** Where a program stands that a project uses: in the project itself first, then on the PATH; and what says that it uses it. Nothing is ever fetched. */
import { constants } from "node:fs"
import { access, open, stat } from "node:fs/promises"
import { delimiter, dirname, isAbsolute, join } from "node:path"
import { inside } from "./confine.ts"

/** `ofProject`: the project brings it along, so that running it is running the project's code. */
export interface Found { path: string; ofProject: boolean }

const IN_PROJECT = ["node_modules/.bin", ".venv/bin", "venv/bin", "vendor/bin"]
/** Directories above a file that are looked at. */
const DEEPEST = 64
/** Bytes of a file in which a word is looked for. */
const MOST_READ = 256 * 1024

/** From the directory of a file up to the project's; only that of the project for a file elsewhere. */
export function directoriesAbove(file: string, location: string): string[] {
  const found: string[] = []
  for (let at = dirname(file); inside(location, at) && found.length < DEEPEST; at = dirname(at)) {
    found.push(at)
    if (at === location) return found
  }
  return [location]
}

/** The nearest directory in which one of these stands. `name#text`: a file of this name that holds this text. */
export async function nearestWith(marks: readonly string[], directories: readonly string[]): Promise<string | undefined> {
  for (const directory of directories) for (const mark of marks) if (await stands(directory, mark)) return directory
  return undefined
}

async function stands(directory: string, mark: string): Promise<boolean> {
  const at = mark.indexOf("#")
  const file = join(directory, at < 0 ? mark : mark.slice(0, at))
  if (at < 0) return stat(file).then(() => true, () => false)
  try {
    await using opened = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    if (!(await opened.stat()).isFile()) return false
    const buffer = Buffer.alloc(MOST_READ)
    const { bytesRead } = await opened.read(buffer, 0, MOST_READ, 0)
    return buffer.toString("utf8", 0, bytesRead).includes(mark.slice(at + 1))
  } catch {
    return false
  }
}

export async function findProgram(name: string, directories: readonly string[], location: string): Promise<Found | undefined> {
  if (isAbsolute(name)) return (await isProgram(name)) ? { path: name, ofProject: inside(location, name) } : undefined
  if (name.includes("/")) return (await isProgram(join(location, name))) ? { path: join(location, name), ofProject: true } : undefined
  for (const directory of directories) for (const bin of IN_PROJECT) {
    const path = join(directory, bin, name)
    if (await isProgram(path)) return { path, ofProject: true }
  }
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    if (isAbsolute(directory) && (await isProgram(join(directory, name)))) return { path: join(directory, name), ofProject: inside(location, directory) }
  }
  return undefined
}

const isProgram = async (path: string): Promise<boolean> => stat(path).then((status) => status.isFile() && access(path, constants.X_OK).then(() => true, () => false), () => false)
