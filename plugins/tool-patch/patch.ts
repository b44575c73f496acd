/** `patch`: several files changed as one, or none. */
import * as v from "valibot"
import type { Graft } from "graft"
import { unifiedDiff } from "../lib/diffs.ts"
import { versionOf } from "../lib/text.ts"
import { readWholeFile } from "../lib/textfile.ts"
import type { ToolDefinition } from "../tool/contract.ts"
import type { Made } from "./made.ts"

const input = v.object({ patch: v.pipe(v.string(), v.nonEmpty("a patch"), v.maxLength(1_000_000), v.description("The patch")) })
type Input = v.InferOutput<typeof input>

/** Versions before and after, as they were when the call began. */
const Plan = v.object({ files: v.array(v.object({ path: v.string(), before: v.optional(v.string()), after: v.optional(v.string()) })) })

/** How often somebody else may be faster before it is said. */
const TRIES = 5
/** Characters of all diffs together. */
const MOST_DIFF = 100_000

/** Loaded by the first call. */
async function read(patch: string, directory: string) {
  const [{ parsePatch }, work] = await Promise.all([import("./parse.ts"), import("./made.ts")])
  return { ...work, all: await work.located(parsePatch(patch), directory) }
}

export const makePatch = (graft: Graft): ToolDefinition<typeof input> => ({
  name: "patch",
  description: `Changes several text files at once: all of them, or none. The patch is a unified diff, or:
*** Begin Patch
*** Add File: path
+each line of the new file
*** Update File: path
*** Move to: new path (only to move it)
@@ a line above, where the place would not be clear
 line that stays
-line that goes
+line that comes
*** Delete File: path
*** End Patch
Give three lines around each change: a hunk that fits in several places is refused. Paths are absolute or relative to the working directory.`,
  input,
  effects: ["write"],
  recovery: "probe",
  async permission({ patch }, { directory }) {
    const { all, asksOf } = await read(patch, directory)
    return (await Promise.all(all.map(asksOf))).flat()
  },
  async plan({ patch }: Input, { directory }) {
    const { all, madeOf, changesOf } = await read(patch, directory)
    return { files: changesOf(await madeOf(all)).map(({ path, bytes, expect }) => ({ path, ...(expect !== undefined && { before: expect }), ...(bytes && { after: versionOf(bytes) }) })) }
  },
  async probe(_, { plan }) {
    const planned = v.safeParse(Plan, plan)
    if (!planned.success) return "unknown"
    await graft.file.recovered()
    const { files } = planned.output
    const now = await Promise.all(files.map(async ({ path }) => (await readWholeFile(path))?.version))
    if (files.every(({ after }, n) => now[n] === after)) return "done"
    return files.every(({ before }, n) => now[n] === before) ? "not-done" : "unknown"
  },
  async execute({ patch }, context) {
    const { all, asksOf, madeOf, changesOf, diffOf } = await read(patch, context.directory)
    for (const one of all) for (const ask of await asksOf(one)) await context.permit(ask)
    for (let tries = 1; ; tries++) {
      const made = await madeOf(all)
      const refusal = await changedSince(graft, context.session, made)
      if (refusal) return { output: refusal, failed: true }
      try {
        await graft.file.change({ session: context.session, files: changesOf(made) })
        return told(made, await Promise.all(made.map(diffOf)))
      } catch (error) {
        // Somebody else was faster: it is made anew on what they left.
        if ((error as { code?: unknown }).code !== "file.changed" || tries === TRIES) throw error
      }
    }
  },
})

/** What this session has read and somebody else has changed since is shown first. */
async function changedSince(graft: Graft, session: string, made: readonly Made[]): Promise<string | undefined> {
  const changes: string[] = []
  for (const { place, before } of made) {
    const seen = before && (await graft.file.lastSeen(session, place.real))
    if (!seen || seen.version === before.version) continue
    const text = before.decoded?.text
    await graft.file.saw({ session, path: place.real, version: before.version, ...(text !== undefined && { text }) })
    changes.push(seen.text === undefined || text === undefined ? `${place.path} (read it again)` : await unifiedDiff(place.path, seen.text, text))
  }
  return changes.length === 0 ? undefined : `nothing was changed: somebody else has changed what was read before:\n${changes.join("\n")}\nIf the patch still is right, make it again`
}

function told(made: readonly Made[], changes: readonly (string | undefined)[]) {
  const lines = made.map(({ section, place, to, tier }) => `${{ add: "added", update: to ? "moved" : "changed", delete: "deleted" }[section.kind]} ${place.path}${to ? ` to ${to.path}` : ""}${tier === "exact" ? "" : ` (matched but for ${tier})`}`)
  const diffs = changes.filter((diff) => diff !== undefined).join("\n")
  const diff = diffs.length <= MOST_DIFF ? diffs : `${diffs.slice(0, MOST_DIFF)}\n… ${diffs.length - MOST_DIFF} more characters`
  return {
    output: lines.join("\n"),
    title: made.length === 1 ? made[0]!.section.path : `${made.length} files`,
    metadata: { files: made.map(({ place, to, before, after }) => ({ path: place.real, ...(to && { to: to.real }), ...(before && { before: before.version }), ...(after && { after: after.version }) })), diff },
  }
}
