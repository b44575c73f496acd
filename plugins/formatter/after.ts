/** After a tool changed files: they are formatted, and the model reads what became of them. */
import { relative } from "node:path"
import { changesOf } from "../lib/changes.ts"
import type { Formatters } from "./contract.ts"

/** Milliseconds after which no further file of one call is begun. */
const PATIENCE = 30_000

interface Call { session: string; output: string; metadata?: Record<string, unknown> }

export async function formatAfter(formatters: Pick<Formatters, "format">, location: string, call: Call): Promise<void> {
  const said: string[] = []
  const until = performance.now() + PATIENCE
  for (const { path, after } of changesOf(call.metadata)) {
    if (performance.now() > until) break
    const { by, version, diff, problem } = await formatters.format({ path, version: after, session: call.session })
    const name = relative(location, path)
    if (problem) said.push(`(${name} is as it was written: ${problem})`)
    if (!diff) continue
    said.push(`${by} then formatted ${name}:\n${diff}`)
    setAfter(call.metadata!, path, version)
  }
  if (said.length > 0) call.output = [call.output, ...said].join("\n")
}

/** Who reads on in the metadata finds the version that is there. */
function setAfter(metadata: Record<string, unknown>, path: string, version: string): void {
  const files = (Array.isArray(metadata.files) ? metadata.files : [metadata]) as Record<string, unknown>[]
  for (const file of files) if ((file.to ?? file.path) === path) file.after = version
}
