/** Which files a call changed, as tools that change files say it in their metadata: `{ path, after }` (`to`, where it was moved), or several as `files`. */
import * as v from "valibot"

/** `path`: the real one. `after`: the version that was written; a file that is gone has none. */
export interface Changed { path: string; after: string }

/** Files of one call that are looked at. */
const MOST = 50

const One = v.looseObject({ path: v.string(), to: v.optional(v.string()), after: v.string() })

export function changesOf(metadata: unknown): Changed[] {
  const { files } = (metadata ?? {}) as { files?: unknown }
  const said = Array.isArray(files) ? files.slice(0, MOST) : [metadata]
  return said.flatMap((each) => {
    const parsed = v.safeParse(One, each)
    return parsed.success ? { path: parsed.output.to ?? parsed.output.path, after: parsed.output.after } : []
  })
}
