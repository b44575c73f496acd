/** `grep`: lines that match a regular expression, by ripgrep. */
import { join } from "node:path"
import * as v from "valibot"
import type { Graft } from "graft"
import { inDirectory, inside, linkDetail, locate, openReal, type Place } from "../lib/confine.ts"
import { shownName } from "../lib/listing.ts"
import { ignoring } from "../lib/ripgrep.ts"
import type { ToolContext, ToolDefinition } from "../tool/contract.ts"
import { search, type Found, type Search } from "./search.ts"

const MAX_MATCHES = 200
const DEADLINE = 20_000

const text = (most: number) => v.pipe(v.string(), v.maxLength(most), v.check((given) => !given.includes("\0"), "no NUL character"))
const input = v.object({
  pattern: v.pipe(text(10_000), v.nonEmpty("a pattern"), v.description("Regular expression in Rust's syntax; with literal: the text itself")),
  path: v.optional(v.pipe(v.string(), v.description("File or directory. Default: the working directory")), "."),
  glob: v.optional(v.pipe(text(1_000), v.description('Only files whose path matches, e.g. "*.ts" or "!*.test.ts"'))),
  literal: v.optional(v.boolean(), false),
  ignoreCase: v.optional(v.boolean(), false),
  context: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(20), v.description("Lines around each match")), 0),
})

const askFor = (place: Place) => ({ action: "grep", resource: place.real, ...linkDetail(place) })

export const makeGrep = (graft: Graft): ToolDefinition<typeof input> => ({
  name: "grep",
  description: `Searches the contents of files; hidden files too, but not what .gitignore names, node_modules, .git, .env files or binary files; follows no links. At most ${MAX_MATCHES} matches.`,
  input,
  effects: ["read"],
  permission: async ({ path }, { directory }) => askFor(await locate(path, directory)),
  async execute({ path, ...wanted }, context) {
    const place = await locate(path, context.directory)
    await context.permit(askFor(place))
    const found = await searchAt(graft, place, context, { ...wanted, matches: MAX_MATCHES, deadline: DEADLINE, signal: context.signal })
    if (found.error !== undefined) return { output: `the search failed: ${found.error}`, failed: true }
    const matches = found.lines.filter((line) => line.match).length
    return { output: render(found, path), title: `${wanted.pattern} (${matches}${found.partial ? "+" : ""})`, metadata: { path: place.real, matches } }
  },
})

/** `hidden`: files with matches that may not be read. */
interface Shown extends Found { hidden: number }

/** ripgrep starts inside the very directory that was judged, or reads the very file. */
async function searchAt(graft: Graft, place: Place, { location }: ToolContext, options: Omit<Search, "directory" | "file">): Promise<Shown> {
  await using target = await openReal(place.real)
  const status = await target.stat()
  if (status.isFile()) return (await mayShow(graft, place.real, true)) ? { ...(await search({ ...options, file: target.fd })), hidden: 0 } : { lines: [], hidden: 1 }
  if (!status.isDirectory()) return { lines: [], hidden: 0, error: `${place.path} is neither a file nor a directory` }
  const found = await inDirectory(place.real, (directory) => search({ ...options, directory, options: ignoring(location, place.real) }))
  const paths = [...new Set(found.lines.map((line) => line.path))]
  const allowed = new Set((await Promise.all(paths.map(async (path) => ((await isWithin(place, path)) && (await mayShow(graft, join(place.real, path), false)) ? path : undefined)))).filter((path) => path !== undefined))
  return { ...found, lines: found.lines.filter((line) => allowed.has(line.path)), hidden: paths.length - allowed.size }
}

/** A link that took the place of a directory during the search leads nowhere. */
const isWithin = ({ real }: Place, path: string): Promise<boolean> => locate(join(real, path), real).then((place) => inside(real, place.real), () => false)

/** To see a line is to read the file: what is denied, or asked about by a rule of its own, is not shown along with the rest. */
async function mayShow(graft: Graft, file: string, named: boolean): Promise<boolean> {
  const { effect, rule } = await graft.permission.evaluate({ action: "read", resource: file })
  return effect === "allow" || (effect === "ask" && (named || !rule.includes(":")))
}

function render(found: Shown, path: string): string {
  const out: string[] = []
  let current: string | undefined
  let last = 0
  const around = found.lines.some(({ match }) => !match)
  for (const line of found.lines) {
    if (line.path !== current) {
      out.push(...(current === undefined ? [] : [""]), `${shownName(line.path || path)}:`)
      current = line.path
    } else if (line.number > last + 1 && around) out.push("  …")
    out.push(`  ${line.number}${line.match ? ":" : "-"} ${line.text}`)
    last = line.number
  }
  if (out.length === 0) out.push("nothing matches")
  if (found.hidden > 0) out.push(`(${found.hidden} ${found.hidden === 1 ? "file is" : "files are"} not shown: reading ${found.hidden === 1 ? "it" : "them"} needs permission, or is denied)`)
  if (found.partial) out.push(`(the search was ${found.partial}: there may be more)`)
  return out.join("\n")
}
