/** What a patch makes of the files that there are: each with its bytes before and after, or everything that is wrong with it. */
import { basename, dirname } from "node:path"
import { linkDetail, locate, type Place } from "../lib/confine.ts"
import { unifiedDiff } from "../lib/diffs.ts"
import { listDirectory } from "../lib/listing.ts"
import { near } from "../lib/near.ts"
import { encode, uniformNewline, versionOf } from "../lib/text.ts"
import { readWholeFile, type WholeFile } from "../lib/textfile.ts"
import type { PermissionAsk } from "../permission/contract.ts"
import type { FileChange } from "../tool/contract.ts"
import { patched, type Tier } from "./place.ts"
import { PatchError, type Hunk, type Section } from "./section.ts"

export interface Located { section: Section; place: Place; /** Where it moves. */ to?: Place }
/** `before` and `after` absent: nothing is there. */
export interface Made extends Located { before?: WholeFile; after?: { bytes: Uint8Array; text?: string; version: string }; tier: Tier }

const MOST_PROBLEMS = 10
const PREVIEW = 2_000

/** Where each section leads; no file twice. */
export async function located(sections: readonly Section[], directory: string): Promise<Located[]> {
  const all = await Promise.all(sections.map(async (section): Promise<Located> => ({
    section, place: await locate(section.path, directory), ...(section.kind === "update" && section.to !== undefined && { to: await locate(section.to, directory) }),
  })))
  const seen = new Set<string>()
  for (const { real } of all.flatMap(({ place, to }) => (to ? [place, to] : [place]))) {
    if (seen.has(real)) throw new PatchError("patch.syntax", `${real} stands in the patch twice: put all of one file's hunks in one section`)
    seen.add(real)
  }
  return all
}

/** Everything that is wrong is told at once. */
export async function madeOf(all: readonly Located[]): Promise<Made[]> {
  const results = await Promise.all(all.map((one) => make(one).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))))
  const problems = results.filter((result) => result instanceof Error)
  const [first] = problems
  if (!first) return results as Made[]
  const told = problems.slice(0, MOST_PROBLEMS).map(({ message }) => message)
  if (problems.length > told.length) told.push(`… and ${problems.length - told.length} more`)
  throw new PatchError(first instanceof PatchError ? first.code : "patch.refused", `nothing was changed.\n${told.join("\n")}`)
}

export async function make(one: Located): Promise<Made> {
  const { section, place, to } = one
  const before = await readWholeFile(place.real)
  if (section.kind === "add") {
    if (before) throw new PatchError("patch.exists", `${place.path} exists already: update it, or use write`)
    return { ...one, after: withVersion(Buffer.from(section.content, "utf8"), section.content), tier: "exact" }
  }
  if (!before) throw new PatchError("patch.missing", `${place.path} does not exist${await nearby(place)}`)
  if (to && (await readWholeFile(to.real))) throw new PatchError("patch.exists", `${to.path} exists already: ${place.path} cannot be moved there`)
  if (section.kind === "update" && section.hunks.length === 0) return { ...one, before, after: { ...before, ...(before.decoded && { text: before.decoded.text }) }, tier: "exact" }
  const { text, tier } = section.hunks === undefined ? { text: "", tier: "exact" as const } : changed(place.path, before, section.hunks)
  if (section.kind === "delete") {
    if (text !== "") throw new PatchError("patch.none", `${place.path} holds more than the patch takes away: read it, and delete it with all its lines`)
    return { ...one, before, tier }
  }
  if (text === before.decoded!.text && !to) throw new PatchError("patch.same", `${place.path}: the patch changes nothing in it`)
  const bytes = encode(text, before.decoded!.encoding)
  if (!bytes) throw new PatchError("patch.encoding", `${place.path} is encoded as ${before.decoded!.encoding}, which lacks a character of the patch`)
  return { ...one, before, after: withVersion(bytes, text), tier }
}

const withVersion = (bytes: Uint8Array, text: string) => ({ bytes, text, version: versionOf(bytes) })

/** Where all lines of a file end alike, how they end is not the patch's business. */
function changed(path: string, { decoded }: WholeFile, hunks: readonly Hunk[]): { text: string; tier: Tier } {
  if (!decoded) throw new PatchError("patch.refused", `${path} is a binary file; it is left alone`)
  if (uniformNewline(decoded.text) !== "\r\n") return patched(path, decoded.text, hunks)
  const plain = hunks.map((hunk) => ({ ...hunk, lines: hunk.lines.map(({ sign, text }) => ({ sign, text: text.replace(/\r$/, "") })) }))
  const { text, tier } = patched(path, decoded.text.replaceAll("\r\n", "\n"), plain)
  return { text: text.replaceAll("\n", "\r\n"), tier }
}

async function nearby({ path, real }: Place): Promise<string> {
  const { lines } = await listDirectory(dirname(real), 2_000).catch(() => ({ lines: [] as string[] }))
  const names = near(basename(real), lines.map((line) => line.replace(/(\/| {2}.*| -> .*)$/, "")))
  return names.length === 0 ? "" : `. Did you mean ${names.map((name) => `${dirname(path)}/${name}`).join(" or ")}?`
}

export const changesOf = (all: readonly Made[]): FileChange[] => all.flatMap(({ section, place, to, before, after }): FileChange[] => {
  const content = after && { bytes: after.bytes, ...(after.text !== undefined && { text: after.text }) }
  if (to) return [{ path: to.real, ...content, like: place.real }, { path: place.real, expect: before!.version }]
  return [{ path: place.real, ...content, ...(before && { expect: before.version }), ...(section.kind === "add" && section.mode !== undefined && { mode: section.mode }) }]
})

/** Each file, with what becomes of it; where that cannot be told, the work itself says why. */
export async function asksOf(one: Located): Promise<PermissionAsk[]> {
  const { section, place, to } = one
  const diff = await make(one).then(diffOf, () => undefined)
  const ask = (action: "edit" | "write", at: Place, what?: string): PermissionAsk => ({ action, resource: at.real, detail: [linkDetail(at).detail, what].filter(Boolean).join("\n") || undefined })
  if (section.kind === "add") return [ask("write", place, `new file, ${section.content.split("\n").length - 1} lines:\n${preview(section.content)}`)]
  if (section.kind === "delete") return [ask("edit", place, `deletes ${place.path}${diff === undefined ? "" : `:\n${diff}`}`)]
  return [ask("edit", place, [to && `moves ${place.path} to ${to.path}`, diff].filter(Boolean).join(":\n")), ...(to ? [ask("write", to, `moved from ${place.path}`)] : [])]
}

const preview = (text: string): string => (text.length > PREVIEW ? `${text.slice(0, PREVIEW)}\n…` : text)

/** Empty for what is only moved. */
export async function diffOf({ place, to, before, after }: Made): Promise<string | undefined> {
  const [from, into] = [before?.decoded?.text ?? "", after?.text ?? ""]
  if (from === into) return undefined
  return unifiedDiff(to?.path ?? place.path, from, into)
}
