/** Who lets everything happen is told so at every start, and where it is said. */
import type { Graft } from "graft"
import type { Caution } from "./contract.ts"

const EVERYTHING: Readonly<Record<string, string>> = { "*": "everything is", "*:*": "everything is", bash: "every command is", "bash:*": "every command is" }

export const everythingAllowed = (graft: Graft): Caution => ({
  id: "permission",
  async text() {
    const allowed = (await graft.permission.rules()).filter(({ effect, rule }) => effect === "allow" && Object.hasOwn(EVERYTHING, rule.trim()))
    const [widest] = allowed.sort((a, b) => a.rule.length - b.rule.length)
    return widest && `${EVERYTHING[widest.rule.trim()]!} allowed without a question, by the rule "${widest.rule}" (${widest.source}); what is denied stays denied`
  },
})
