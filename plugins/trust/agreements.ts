/**
 * What was agreed to for good: one private JSON file, shared by every process of this home. A file that cannot be read,
 * or that others could have written, says nothing; when the next agreement is written, it is kept beside.
 */
import { readFile, stat, writeFile } from "node:fs/promises"
import * as v from "valibot"
import { RewriteError, rewrite } from "../lib/rewrite.ts"
import { TrustError } from "./errors.ts"

/** `contents`: by real path the digests that were agreed to, the newest last: a file that goes back to what it was is not asked about again. */
const Project = v.object({ directory: v.optional(v.boolean()), contents: v.record(v.string(), v.array(v.string())) })
const File = v.object({ version: v.literal(1), projects: v.record(v.string(), Project) })

export type Project = Readonly<v.InferOutput<typeof Project>>
/** By the project's real path. */
export type Projects = Readonly<Record<string, Project>>

const MOST_PROJECTS = 1_000
const MOST_PATHS = 200
const MOST_DIGESTS = 16

export const projectIn = (projects: Projects, location: string): Project | undefined => (Object.hasOwn(projects, location) ? projects[location] : undefined)

export const agreesTo = (project: Project | undefined, realpath: string, digest: string): boolean =>
  project !== undefined && Object.hasOwn(project.contents, realpath) && project.contents[realpath]!.includes(digest)

/** The oldest go first, so that neither the file nor the memory grows for ever. */
export function withContent(projects: Projects, location: string, realpath: string, digest: string): Projects {
  const project = projectIn(projects, location) ?? { contents: {} }
  const { [realpath]: digests = [], ...others } = project.contents
  const newest = [...digests.filter((each) => each !== digest), digest].slice(-MOST_DIGESTS)
  return withProject(projects, location, { ...project, contents: { ...Object.fromEntries(Object.entries(others).slice(1 - MOST_PATHS)), [realpath]: newest } })
}

export function withoutContent(projects: Projects, location: string, realpath: string, digest: string): Projects {
  const project = projectIn(projects, location)
  if (!agreesTo(project, realpath, digest)) return projects
  return withProject(projects, location, { ...project, contents: { ...project!.contents, [realpath]: project!.contents[realpath]!.filter((each) => each !== digest) } })
}

export function withProject(projects: Projects, location: string, project: Project | undefined): Projects {
  if (!project && !Object.hasOwn(projects, location)) return projects
  const { [location]: _, ...others } = projects
  return project ? { ...Object.fromEntries(Object.entries(others).slice(1 - MOST_PROJECTS)), [location]: project } : others
}

export class Agreements {
  readonly file: string
  readonly #warn: (message: string) => void
  #warned = ""

  constructor(file: string, warn: (message: string) => void) {
    this.file = file
    this.#warn = warn
  }

  async read(): Promise<Projects> {
    return (await this.#look()).projects ?? {}
  }

  /** Reads what is there now, edits it, writes it, unless it is the same. */
  async change(edit: (projects: Projects) => Projects): Promise<void> {
    try {
      await rewrite(this.file, async (text) => {
        const { projects } = await this.#look()
        const before = projects ?? {}
        const next = edit(before)
        if (next === before) return undefined
        if (!projects && text !== undefined) await writeFile(`${this.file}.broken`, text, { mode: 0o600 })
        return `${JSON.stringify({ version: 1, projects: next }, null, 2)}\n`
      }, { mode: 0o600 })
    } catch (error) {
      throw error instanceof RewriteError ? new TrustError(error.code === "rewrite.busy" ? "trust.busy" : "trust.unwritable", error.message) : error
    }
  }

  /** Without projects: the file is not believed. */
  async #look(): Promise<{ projects?: Projects }> {
    try {
      const { mode } = await stat(this.file)
      if (process.platform !== "win32" && (mode & 0o022) !== 0) return this.#distrust(`could have been written by others (mode ${(mode & 0o777).toString(8).padStart(4, "0")})`)
      return { projects: v.parse(File, JSON.parse(await readFile(this.file, "utf8"))).projects }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return code === "ENOENT" || code === "ENOTDIR" ? { projects: {} } : this.#distrust(code === undefined ? `is damaged (${message.split("\n")[0]})` : `cannot be read (${code})`)
    }
  }

  #distrust(why: string): { projects?: Projects } {
    if (this.#warned !== why) this.#warn(`${this.file} ${why}: nothing in it counts as agreed to. It stays as it is until something is agreed to, and is then kept beside as .broken`)
    this.#warned = why
    return {}
  }
}
