/** `read`: a file's lines, a directory's entries, or the rest of an output that was too long. */
import type { FileHandle } from "node:fs/promises"
import { basename, dirname } from "node:path"
import * as v from "valibot"
import type { Graft } from "graft"
import { explain, inside, linkDetail, locate, openReal, type Place } from "../lib/confine.ts"
import { listDirectory } from "../lib/listing.ts"
import { near } from "../lib/near.ts"
import { decode, versionOf } from "../lib/text.ts"
import { readUpTo } from "../lib/textfile.ts"
import type { ToolContext, ToolDefinition, ToolResult } from "../tool/contract.ts"
import { mediaIn, MOST_MEDIA, shownMedia } from "./shown.ts"
import type { Rules } from "./rules.ts"
import { LineSplitter, Window } from "./window.ts"

const MAX_LINES = 2_000
const MAX_BYTES = 48 * 1024
const MAX_ENTRIES = 1_000
/** Up to here a file is read at once, its encoding known and its version remembered; beyond, it is streamed. */
const WHOLE = 4 * 1024 * 1024

const input = v.object({
  path: v.pipe(v.string(), v.nonEmpty("a path"), v.description("A file or directory, absolute or relative to the working directory; or blob:<id> of an output that was cut")),
  offset: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.description("First line, counted from 1")), 1),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_LINES), v.description("Number of lines")), MAX_LINES),
})
type Input = v.InferOutput<typeof input>

const BLOB = /^blob:([0-9a-f]{64})$/
const askFor = (place: Place) => ({ action: "read", resource: place.real, ...linkDetail(place) })

export const makeRead = (graft: Graft, rules: Rules): ToolDefinition<typeof input> => ({
  name: "read",
  description: `Reads a text file: each line with its number and a tab before it. At most ${MAX_LINES} lines at once; go on with offset. Of a directory it lists the entries; an image (PNG, JPEG, GIF, WebP) or a PDF it shows.`,
  input,
  effects: ["read"],
  permission: async ({ path }, { directory }) => (BLOB.test(path) ? undefined : askFor(await locate(path, directory))),
  async execute(wanted, context) {
    const blob = BLOB.exec(wanted.path)
    if (blob) return readBlob(graft, blob[1]!, wanted)
    const place = await locate(wanted.path, context.directory)
    await context.permit(askFor(place))
    await using file = await openReal(place.real).catch(async (error: unknown) => { throw await withSuggestions(error, place, context) })
    const status = await file.stat()
    if (status.isDirectory()) return rules.beside(context, place.real, await readDirectory(wanted.path, place))
    if (!status.isFile()) return failed(`${place.path} is a pipe, socket or device; only files and directories are read`)
    try {
      const bytes = status.size > WHOLE ? undefined : await readUpTo(file, WHOLE)
      const shown = await (bytes ? readWhole(graft, bytes, wanted, place, context) : readLong(file, wanted, status.size > WHOLE ? `${status.size} bytes` : "without a size", place, context))
      return await rules.beside(context, dirname(place.real), shown)
    } catch (error) {
      throw explain(error, place.path)
    }
  },
})

type Shown = Exclude<ToolResult, string>
const failed = (output: string): Shown => ({ output, failed: true })

async function readDirectory(path: string, place: Place): Promise<Shown> {
  const { lines, total, left } = await listDirectory(place.real, MAX_ENTRIES)
  return { output: `${place.path} is a directory:\n${lines.join("\n") || "(empty)"}${left && `\n… ${left}`}`, title: `${path} (${total})` }
}

async function readWhole(graft: Graft, bytes: Buffer, wanted: Input, place: Place, context: ToolContext): Promise<Shown> {
  const media = mediaIn(bytes)
  if (media) {
    await graft.file.saw({ session: context.session, path: place.real, version: versionOf(bytes) })
    return shownMedia(bytes, media, wanted.path, context.signal)
  }
  const decoded = decode(bytes)
  if (!decoded) return failed(`${place.path} is a binary file (${bytes.length} bytes); read shows text, images and PDFs. To look inside, use bash with file, xxd or strings`)
  await graft.file.saw({ session: context.session, path: place.real, version: versionOf(bytes), text: decoded.text })
  const note = decoded.encoding === "utf-8" || decoded.encoding === "utf-8-bom" ? "" : `\n(the file is encoded as ${decoded.encoding})`
  return { output: show(decoded.text, wanted) + note, title: wanted.path, metadata: { path: place.real, version: versionOf(bytes) } }
}

function show(text: string, { offset, limit }: Input): string {
  const window = new Window({ offset, limit, bytes: MAX_BYTES })
  const splitter = new LineSplitter((line, cut) => window.add(line, cut))
  splitter.push(text)
  splitter.end()
  return window.render(true)
}

/** In bounded memory, and no further than the last line that is shown. */
async function readLong(file: FileHandle, wanted: Input, size: string, place: Place, context: ToolContext): Promise<Shown> {
  const window = new Window({ offset: wanted.offset, limit: wanted.limit, bytes: MAX_BYTES })
  const splitter = new LineSplitter((line, cut) => window.add(line, cut))
  const decoder = new TextDecoder()
  const chunk = Buffer.alloc(256 * 1024)
  let at = 0
  while (!window.full && !context.signal.aborted) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) break
    const bytes = chunk.subarray(0, bytesRead)
    const media = at === 0 ? mediaIn(bytes) : undefined
    if (media) {
      const whole = await readUpTo(file, MOST_MEDIA)
      return whole ? shownMedia(whole, media, wanted.path, context.signal) : failed(`${place.path} is ${media} of ${size}; up to ${MOST_MEDIA} bytes are shown`)
    }
    if (at === 0 && bytes.includes(0)) return failed(`${place.path} is a binary file (${size}); read shows text, images and PDFs`)
    at += bytesRead
    splitter.push(decoder.decode(bytes, { stream: true }))
  }
  if (!window.full) splitter.end()
  return { output: `${window.render(false)}\n(a large file: ${size})`, title: wanted.path }
}

async function readBlob(graft: Graft, id: string, wanted: Input): Promise<Shown> {
  const bytes = await graft.store.getBlob(id)
  if (!bytes) return failed(`there is no kept output ${id}`)
  return { output: show(Buffer.from(bytes).toString("utf8"), wanted), title: `output ${id.slice(0, 8)}` }
}

/** A missing file: what is near its name, in the directory that does exist. */
async function withSuggestions(error: unknown, place: Place, context: ToolContext): Promise<unknown> {
  const directory = dirname(place.real)
  if ((error as { code?: unknown }).code !== "confine.missing" || !inside(context.location, directory)) return error
  try {
    const { lines } = await listDirectory(directory, 2_000)
    const names = near(basename(place.real), lines.map((line) => line.replace(/(\/| {2}.*| -> .*)$/, "")))
    if (names.length > 0) return Object.assign(error as Error, { message: `${place.path}: no such file. Did you mean ${names.map((name) => `${dirname(place.path)}/${name}`).join(" or ")}?` })
  } catch {
    return error
  }
  return error
}
