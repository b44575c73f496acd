/** `packages` in the config. A project's file cannot name any: what it names would be installed by whoever looks at it. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

export const section: ConfigSection = {
  id: "packages",
  schema: v.array(v.pipe(v.string(), v.nonEmpty("say which package"))),
  description: "Published plugins, as npm names them: `name`, `name@^1.2`, a folder, a tarball, a git URL. What is missing is installed in the background; their options stand in `plugins`, by their ids. `graft plugin add` writes this.",
  live: "now",
}
