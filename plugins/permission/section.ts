/** `permissions` in the config. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const Rules = v.optional(v.array(v.pipe(v.string(), v.regex(/^\s*[\w.*-]+(:[\s\S]+|\s*)$/, 'a rule is "action" or "action:pattern", e.g. "bash:git *"'))))

export const section: ConfigSection = {
  id: "permissions",
  schema: v.strictObject({ allow: Rules, ask: Rules, deny: Rules, unattended: v.optional(v.picklist(["stop", "deny"])) }),
  description: 'What may happen: rules "action[:pattern]", e.g. "edit", "bash:git *", "read:~/notes/*". Deny beats everything; else the nearest of flag, env, saved, project, user decides, and in one of them the longer pattern. "unattended": where nobody can answer, an ask ends the work ("stop", the default), or is denied, and the work goes on ("deny").',
  live: "now",
  safe: false,
}
