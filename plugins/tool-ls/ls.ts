/** `ls`: what a directory holds. */
import * as v from "valibot"
import { linkDetail, locate, openReal, type Place } from "../lib/confine.ts"
import { listDirectory } from "../lib/listing.ts"
import type { ToolDefinition } from "../tool/contract.ts"

const MAX_ENTRIES = 1_000
const input = v.object({ path: v.optional(v.pipe(v.string(), v.description("The directory, absolute or relative to the working directory. Default: the working directory")), ".") })

const askFor = (place: Place) => ({ action: "ls", resource: place.real, ...linkDetail(place) })

export const ls: ToolDefinition<typeof input> = {
  name: "ls",
  description: `Lists one directory, sorted by name: directories end with "/", links show where they lead, files show their size in bytes. At most ${MAX_ENTRIES} entries.`,
  input,
  effects: ["read"],
  permission: async ({ path }, { directory }) => askFor(await locate(path, directory)),
  async execute({ path }, context) {
    const place = await locate(path, context.directory)
    await context.permit(askFor(place))
    await using opened = await openReal(place.real)
    if (!(await opened.stat()).isDirectory()) return { output: `${place.path} is not a directory; a file is shown by read`, failed: true }
    const { lines, total, left } = await listDirectory(place.real, MAX_ENTRIES)
    return {
      output: `${lines.join("\n") || "(empty directory)"}${left && `\n… ${left} entries; use glob to narrow them down`}`,
      title: `${path} (${total})`,
      metadata: { path: place.real, entries: total },
    }
  },
}
