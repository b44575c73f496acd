/** The files of a project, to look at: confined to it, links and all, and bounded. */
import { lstat, opendir } from "node:fs/promises"
import { join, relative } from "node:path"
import * as v from "valibot"
import { locationOf } from "graft"
import { inDirectory, inside, locate, openReal } from "../../../lib/confine.ts"
import { ignoring, ripgrep } from "../../../lib/ripgrep.ts"
import type { Route, RouteCall } from "../../contract.ts"
import { define } from "../call.ts"
import { ApiError, codes } from "../errors.ts"
import { Limit, Line, Offset, some } from "./fields.ts"

const MOST_ENTRIES = 10_000
const MOST_READ = 1_048_576
const MOST_FOUND = 1_000
const FIND = { deadline: 10_000, bytes: 64 * 1_048_576 }

const Path = v.pipe(Line, v.description("Relative to the directory of the request, or absolute; within the project."))
const Entry = v.object({ name: v.string(), kind: v.picklist(["file", "directory", "link", "other"]), size: v.optional(v.number()) })
const REFUSALS = codes("server.outside", "confine.path", "confine.missing", "confine.moved", "confine.loop", "confine.refused")

export const files = (): Route[] => [
  define({
    id: "files.list", method: "GET", path: "/files", summary: "What a directory holds, by name",
    input: v.strictObject({ path: v.optional(Path), limit: Limit(MOST_ENTRIES) }),
    output: v.object({ path: v.string(), entries: v.array(Entry), total: v.number() }), errors: { ...REFUSALS, ...codes("server.kind") },
    async handler({ path = ".", limit = 1_000 }, call) {
      const { real, shown } = await within(path, call)
      await using opened = await openReal(real)
      if (!(await opened.stat()).isDirectory()) throw new ApiError("server.kind", 400, `${shown} is no directory`, { field: "path" })
      return { path: shown, ...(await entriesOf(real, limit)) }
    },
  }),
  define({
    id: "files.read", method: "GET", path: "/files/content", summary: "A file, or a part of it",
    description: "Text as it is; what is no UTF-8 as base64. `next`: where to go on; absent at the end.",
    input: v.strictObject({ path: Path, after: Offset, limit: Limit(MOST_READ) }),
    output: v.object({ path: v.string(), size: v.number(), modified: v.number(), encoding: v.picklist(["utf-8", "base64"]), content: v.string(), next: v.optional(v.number()) }),
    errors: { ...REFUSALS, ...codes("server.kind") },
    async handler({ path, after = 0, limit = MOST_READ }, call) {
      const { real, shown } = await within(path, call)
      await using file = await openReal(real)
      const status = await file.stat()
      if (!status.isFile()) throw new ApiError("server.kind", 400, `${shown} is no regular file`, { field: "path" })
      const buffer = Buffer.alloc(Math.min(limit, Math.max(0, status.size - after)))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, after)
      const { text, used } = textOf(buffer.subarray(0, bytesRead))
      const next = after + used
      return { path: shown, size: status.size, modified: Math.round(status.mtimeMs), encoding: text === undefined ? "base64" as const : "utf-8" as const, content: text ?? buffer.toString("base64", 0, bytesRead), ...(next < status.size && bytesRead > 0 && { next }) }
    },
  }),
  define({
    id: "files.find", method: "GET", path: "/files/find", summary: "Files by words of their path; without what .gitignore names",
    input: v.strictObject({ text: v.optional(v.pipe(v.string(), v.maxLength(500)), ""), limit: Limit(MOST_FOUND) }),
    output: v.object({ paths: v.array(v.string()), partial: some(v.string(), "Why the search ended early.") }), errors: REFUSALS,
    async handler({ text, limit = 100 }, call) {
      const words = text.toLowerCase().split(/\s+/).filter(Boolean)
      const location = locationOf(call.directory)
      const paths: string[] = []
      const { partial } = await inDirectory(location, (directory) => ripgrep({
        arguments: ["--files", ...ignoring(location, location)], target: "./", directory, separator: "\0", ...FIND, signal: call.signal,
        take(record) {
          const path = record.slice(2)
          if (words.every((word) => path.toLowerCase().includes(word)) && paths.push(path) >= MOST_FOUND) return `stopped after ${MOST_FOUND} files`
        },
      }))
      paths.sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
      return { paths: paths.slice(0, limit), ...(partial !== undefined && { partial }) }
    },
  }),
]

/** Where a path really leads, if that is in the project. */
async function within(path: string, { directory }: RouteCall): Promise<{ real: string; shown: string }> {
  const location = locationOf(directory)
  const { real } = await locate(path, directory)
  if (!inside(location, real)) throw new ApiError("server.outside", 403, `${path} is not within the project ${location}`, { field: "path" })
  return { real, shown: relative(location, real) || "." }
}

async function entriesOf(real: string, limit: number): Promise<{ entries: v.InferOutput<typeof Entry>[]; total: number }> {
  return inDirectory(real, async (directory) => {
    const names: string[] = []
    for await (const { name } of await opendir(directory)) if (names.push(name) >= MOST_ENTRIES) break
    const entries = await Promise.all(names.sort().slice(0, limit).map(async (name) => {
      const status = await lstat(join(directory, name)).catch(() => undefined)
      const kind = status?.isFile() ? "file" as const : status?.isDirectory() ? "directory" as const : status?.isSymbolicLink() ? "link" as const : "other" as const
      return { name, kind, ...(kind === "file" && { size: status!.size }) }
    }))
    return { entries, total: names.length }
  })
}

/** A part may end within a character: that one belongs to the next part. */
function textOf(bytes: Buffer): { text: string | undefined; used: number } {
  if (bytes.includes(0)) return { text: undefined, used: bytes.length }
  for (let cut = 0; cut < 4 && cut <= bytes.length; cut++) {
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, bytes.length - cut)), used: bytes.length - cut }
    } catch {}
  }
  return { text: undefined, used: bytes.length }
}
