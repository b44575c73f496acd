/** `write`: a whole file, new or replaced; never over what this session has not seen. */
import * as v from "valibot"
import type { Graft } from "graft"
import { linkDetail, locate, type Place } from "../lib/confine.ts"
import { unifiedDiff } from "../lib/diffs.ts"
import { encode, uniformNewline, versionOf } from "../lib/text.ts"
import { readTextFile, type TextFile } from "../lib/textfile.ts"
import type { ToolDefinition } from "../tool/contract.ts"

/** Versions before and after, as they were when the call began. */
const Plan = v.object({ before: v.optional(v.string()), after: v.string() })

const input = v.object({
  path: v.pipe(v.string(), v.nonEmpty("a path"), v.check((path) => !/[/\\]$/.test(path), "a file: this names a directory"), v.description("The file, absolute or relative to the working directory; missing directories are made")),
  content: v.pipe(v.string(), v.description("All of the new content")),
})
type Input = v.InferOutput<typeof input>

async function askFor(place: Place, content: string) {
  const current = await readTextFile(place.real).catch(() => undefined)
  const change = current ? await unifiedDiff(place.path, current.text, content) : `new file, ${content.split("\n").length} lines:\n${content.slice(0, 2_000)}${content.length > 2_000 ? "\n…" : ""}`
  return { action: "write", resource: place.real, detail: [linkDetail(place).detail, change].filter(Boolean).join("\n") }
}

export const makeWrite = (graft: Graft): ToolDefinition<typeof input> => ({
  name: "write",
  description: "Writes a whole file. An existing file must have been read in this session and not changed since; for a part of a file use edit.",
  input,
  effects: ["write"],
  recovery: "probe",
  permission: async ({ path, content }, { directory }) => askFor(await locate(path, directory), content),
  async plan({ path, content }: Input, { directory }) {
    const current = await readTextFile((await locate(path, directory)).real)
    return { ...(current && { before: current.version }), after: versionOf(bytesOf(content, current).bytes) }
  },
  async probe({ path }: Input, { directory, plan }) {
    const planned = v.safeParse(Plan, plan)
    if (!planned.success) return "unknown"
    const { before, after } = planned.output
    const version = (await readTextFile((await locate(path, directory)).real))?.version
    return version === after ? "done" : version === before ? "not-done" : "unknown"
  },
  async execute({ path, content }, context) {
    const place = await locate(path, context.directory)
    await context.permit({ action: "write", resource: place.real, ...linkDetail(place) })
    const current = await readTextFile(place.real)
    const refusal = current && (await refuse(graft, context.session, place, current, content))
    if (refusal) return { output: refusal, failed: true }
    const { text, bytes, kept } = bytesOf(content, current)
    const { version, created } = await graft.file.replace({ session: context.session, path: place.real, bytes, text, expect: current?.version })
    return {
      output: `${created ? "made" : "wrote"} ${place.path} (${bytes.length} bytes${kept ? "" : `, as UTF-8: ${current!.encoding} lacks a character of it`})`,
      title: path,
      metadata: { path: place.real, before: current?.version, after: version, diff: await unifiedDiff(place.path, current?.text ?? "", text) },
    }
  },
})

function bytesOf(content: string, current: TextFile | undefined): { text: string; bytes: Buffer; kept: boolean } {
  const text = asBefore(content, current)
  const kept = encode(text, current?.encoding ?? "utf-8")
  return { text, bytes: kept ?? encode(text, "utf-8")!, kept: kept !== undefined }
}

/** Where all lines of a file ended in CRLF, they still do: a model reads and writes LF. */
const asBefore = (content: string, current: TextFile | undefined): string =>
  current && uniformNewline(current.text) === "\r\n" && !content.includes("\r\n") ? content.replaceAll("\n", "\r\n") : content

/** Why an existing file may not be replaced; the very same content may always be written again. */
async function refuse(graft: Graft, session: string, place: Place, current: TextFile, content: string): Promise<string | undefined> {
  if (current.text === asBefore(content, current) || current.text === "") return undefined
  const seen = await graft.file.lastSeen(session, place.real)
  if (!seen) return `nothing was written: ${place.path} exists, and this session has not read it. Read it first, then write it, or use edit`
  if (seen.version === current.version) return undefined
  const diff = seen.text === undefined ? "" : `:\n${await unifiedDiff(place.path, seen.text, current.text)}`
  await graft.file.saw({ session, path: place.real, version: current.version, text: current.text })
  return `nothing was written: ${place.path} was changed by somebody else since it was read${diff}\n${diff ? "Take these changes into your version" : "Read it again"}, then write it`
}
