/** `grep`: lines that match a regular expression, by ripgrep. */
import * as v from "valibot"
import { inDirectory, linkDetail, locate, openReal, type Place } from "../lib/confine.ts"
import type { ToolDefinition } from "../tool/contract.ts"
import { search, type Found, type Search } from "./ripgrep.ts"

const MAX_MATCHES = 200
const DEADLINE = 20_000

const input = v.object({
  pattern: v.pipe(v.string(), v.nonEmpty("a pattern"), v.maxLength(10_000), v.description("Regular expression in Rust's syntax; with literal: the text itself")),
  path: v.optional(v.pipe(v.string(), v.description("File or directory. Default: the working directory")), "."),
  glob: v.optional(v.pipe(v.string(), v.maxLength(1_000), v.description('Only files whose path matches, e.g. "*.ts" or "!*.test.ts"'))),
  literal: v.optional(v.boolean(), false),
  ignoreCase: v.optional(v.boolean(), false),
  context: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(20), v.description("Lines around each match")), 0),
})

const askFor = (place: Place) => ({ action: "grep", resource: place.real, ...linkDetail(place) })

export const grep: ToolDefinition<typeof input> = {
  name: "grep",
  description: `Searches the contents of files; hidden files too, but not what .gitignore names, node_modules, .git, .env files or binary files; follows no links. At most ${MAX_MATCHES} matches.`,
  input,
  effects: ["read"],
  permission: async ({ path }, { directory }) => askFor(await locate(path, directory)),
  async execute({ path, ...wanted }, context) {
    const place = await locate(path, context.directory)
    await context.permit(askFor(place))
    const options = { ...wanted, matches: MAX_MATCHES, deadline: DEADLINE, signal: context.signal }
    const found = await searchAt(place, options)
    if (found.error) return { output: `the search failed: ${found.error}`, failed: true }
    const matches = found.lines.filter((line) => line.match).length
    return { output: render(found, path), title: `${wanted.pattern} (${matches}${found.partial ? "+" : ""})`, metadata: { path: place.real, matches } }
  },
}

/** ripgrep starts inside the very directory that was judged, or reads the very file. */
async function searchAt(place: Place, options: Omit<Search, "directory" | "file">): Promise<Found> {
  await using target = await openReal(place.real)
  const status = await target.stat()
  if (status.isFile()) return await search({ ...options, file: target.fd })
  if (!status.isDirectory()) return { lines: [], error: `${place.path} is neither a file nor a directory` }
  return inDirectory(place.real, (directory) => search({ ...options, directory }))
}

function render(found: Found, path: string): string {
  const out: string[] = []
  let current: string | undefined
  let last = 0
  const around = found.lines.some(({ match }) => !match)
  for (const line of found.lines) {
    if (line.path !== current) {
      out.push(...(current === undefined ? [] : [""]), `${line.path || path}:`)
      current = line.path
    } else if (line.number > last + 1 && around) out.push("  …")
    out.push(`  ${line.number}${line.match ? ":" : "-"} ${line.text}`)
    last = line.number
  }
  if (out.length === 0) out.push("nothing matches")
  if (found.partial) out.push(`(the search was ${found.partial}: there may be more)`)
  return out.join("\n")
}
