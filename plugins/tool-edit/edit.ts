/** `edit`: one piece of a file for another, where the piece is found for certain. */
import * as v from "valibot"
import type { Graft } from "graft"
import { linkDetail, locate, type Place } from "../lib/confine.ts"
import { unifiedDiff } from "../lib/diffs.ts"
import { nearestText } from "../lib/nearest.ts"
import { encode, uniformNewline, versionOf } from "../lib/text.ts"
import { readTextFile, type TextFile } from "../lib/textfile.ts"
import type { ToolDefinition } from "../tool/contract.ts"
import { apply, findPlaces, lineNumbers, MOST_PLACES } from "./match.ts"

const input = v.object({
  path: v.pipe(v.string(), v.nonEmpty("a path"), v.description("The file, absolute or relative to the working directory")),
  oldText: v.pipe(v.string(), v.nonEmpty("the text to replace"), v.description("The text as it stands in the file, with enough around it to be the only such place")),
  newText: v.pipe(v.string(), v.description("What comes in its place")),
  all: v.optional(v.pipe(v.boolean(), v.description("Every place, not only one")), false),
})
/** Versions before and after, as they were when the call began. */
const Plan = v.object({ before: v.string(), after: v.string() })
type Input = v.InferOutput<typeof input>

/** How often somebody else may be faster before it is said. */
const TRIES = 100

/** `edit.missing`, `edit.none`, `edit.ambiguous`, `edit.same`, `edit.encoding`: nothing was changed. */
export class EditError extends Error {
  readonly code: `edit.${"missing" | "none" | "ambiguous" | "same" | "encoding"}`
  constructor(code: EditError["code"], message: string) {
    super(message)
    this.code = code
  }
}

interface Edited { text: string; bytes: Buffer; places: number; tier: string }

/** The changed file, or why there is none; pure. A file whose lines all end alike is compared and changed without regard to how. */
export function edited(path: string, file: TextFile, { oldText, newText, all }: Omit<Input, "path">): Edited {
  if (oldText === newText) throw new EditError("edit.same", "oldText and newText are the same")
  const newline = uniformNewline(file.text)
  const plain = (text: string) => (newline ? text.replaceAll("\r\n", "\n") : text)
  const before = plain(file.text)
  const { tier, places } = findPlaces(before, plain(oldText), plain(newText), all)
  if (places.length === 0) {
    const near = nearestText(before, oldText)
    throw new EditError("edit.none", `oldText is not in ${path}; nothing was changed. ${near ? `The nearest text there is:\n${near}` : "Nothing there is like it"}`)
  }
  if (places.length > 1 && !all) throw new EditError("edit.ambiguous", `oldText is in ${path} ${places.length < MOST_PLACES ? "" : "at least "}${places.length} times (lines ${lineNumbers(before, places).join(", ")}${places.length > 10 ? ", …" : ""}); nothing was changed. Add the lines around it, or set all`)
  const after = apply(before, places)
  const text = newline === "\r\n" ? after.replaceAll("\n", "\r\n") : after
  const bytes = encode(text, file.encoding)
  if (!bytes) throw new EditError("edit.encoding", `${path} is encoded as ${file.encoding}, which lacks a character of newText; nothing was changed`)
  return { text, bytes, places: places.length, tier }
}

async function current(place: Place): Promise<TextFile> {
  const file = await readTextFile(place.real)
  if (!file) throw new EditError("edit.missing", `${place.path} does not exist; use write to make it`)
  return file
}

async function askFor(place: Place, wanted: Input) {
  const change = await current(place).then((file) => unifiedDiff(place.path, file.text, edited(place.path, file, wanted).text), () => undefined)
  return { action: "edit", resource: place.real, detail: [linkDetail(place).detail, change].filter(Boolean).join("\n") || undefined }
}

export const makeEdit = (graft: Graft): ToolDefinition<typeof input> => ({
  name: "edit",
  description: "Replaces a piece of a text file. oldText must stand there exactly once (or set all); differences in line ends, spaces at line ends and uniform indentation are forgiven.",
  input,
  effects: ["write"],
  recovery: "probe",
  permission: async (wanted: Input, { directory }) => askFor(await locate(wanted.path, directory), wanted),
  async plan(wanted: Input, { directory }) {
    const place = await locate(wanted.path, directory)
    const file = await current(place)
    return { before: file.version, after: versionOf(edited(place.path, file, wanted).bytes) }
  },
  async probe({ path }: Input, { directory, plan }) {
    const planned = v.safeParse(Plan, plan)
    if (!planned.success) return "unknown"
    const version = (await readTextFile((await locate(path, directory)).real))?.version
    return version === planned.output.after ? "done" : version === planned.output.before ? "not-done" : "unknown"
  },
  async execute(wanted, context) {
    const place = await locate(wanted.path, context.directory)
    await context.permit({ action: "edit", resource: place.real, ...linkDetail(place) })
    for (let tries = 1; ; tries++) {
      const file = await current(place)
      const { text, bytes, places, tier } = edited(place.path, file, wanted)
      try {
        const { version } = await graft.file.replace({ session: context.session, path: place.real, bytes, text, expect: file.version })
        return {
          output: `edited ${place.path}${places > 1 ? ` in ${places} places` : ""}${tier === "exact" ? "" : ` (matched but for ${tier})`}`,
          title: wanted.path,
          metadata: { path: place.real, before: file.version, after: version, diff: await unifiedDiff(place.path, file.text, text) },
        }
      } catch (error) {
        // Another edit of the same file was faster: this one is made anew on what it left.
        if ((error as { code?: unknown }).code !== "file.changed" || tries === TRIES) throw error
      }
    }
  },
})
