/** `instructions` in the config: more places where instructions stand. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

export const Places = v.pipe(v.array(v.pipe(v.string(), v.nonEmpty("a path, a pattern or a URL"))), v.maxLength(50))

export const section: ConfigSection = {
  id: "instructions",
  schema: Places,
  description: 'More instructions: paths and patterns of files, relative to the project ("docs/*.md", "~/rules.md"), and URLs of texts, which are fetched in the background.',
  live: "next-turn",
  safe: false,
}
