/** `glob`: the files whose path matches a pattern. */
import { isAbsolute } from "node:path"
import * as v from "valibot"
import { linkDetail, locate, type Place } from "../lib/confine.ts"
import { shownName } from "../lib/listing.ts"
import type { ToolDefinition } from "../tool/contract.ts"
import { byAge, findFiles } from "./files.ts"
import { matcher } from "./pattern.ts"

const MAX_RESULTS = 200
const MAX_FILES = 200_000
const DEADLINE = 15_000
/** Beyond this many matches sorting by age would cost more than it tells. */
const MAX_SORTED = 5_000

const input = v.object({
  pattern: v.pipe(v.string(), v.nonEmpty("a pattern"), v.maxLength(1_000), v.description('e.g. "**/*.ts", "src/*.{js,ts}"; relative to path')),
  path: v.optional(v.pipe(v.string(), v.description("Directory to search. Default: the working directory")), "."),
})

const askFor = (place: Place) => ({ action: "glob", resource: place.real, ...linkDetail(place) })

export const glob: ToolDefinition<typeof input> = {
  name: "glob",
  description: `Finds files by their path, latest change first, at most ${MAX_RESULTS}. Leaves out what .gitignore names, node_modules and .git, and follows no links.`,
  input,
  effects: ["read"],
  permission: async ({ path }, { directory }) => askFor(await locate(path, directory)),
  async execute({ pattern, path }, context) {
    if (isAbsolute(pattern) || pattern.startsWith("~") || /(^|[/{,(|])\.\.([/},)|]|$)/.test(pattern)) return { output: `the pattern must stay below its directory: put the directory in "path", and the pattern after it`, failed: true }
    const place = await locate(path, context.directory)
    await context.permit(askFor(place))
    const { paths, partial } = await findFiles({ root: place.real, location: context.location, matches: matcher(pattern), deadline: DEADLINE, entries: MAX_FILES, signal: context.signal })
    const sorted = paths.length <= MAX_SORTED ? await byAge(place.real, paths) : paths.sort()
    const shown = sorted.slice(0, MAX_RESULTS).map(shownName)
    const notes = [...(sorted.length > shown.length ? [`${sorted.length - shown.length} more; use a narrower pattern`] : []), ...(partial ? [`the search was ${partial}: there may be more`] : [])]
    return { output: [shown.join("\n") || "no file matches", ...notes.map((note) => `(${note})`)].join("\n"), title: `${pattern} (${sorted.length})`, metadata: { path: place.real, matches: sorted.length } }
  },
}
