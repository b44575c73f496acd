/** What may happen here: rules from every layer, hooks, saved answers, and a person for the rest. */
import { join } from "node:path"
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { Asks, type AskState } from "./asks.ts"
import { everythingAllowed } from "./caution.ts"
import { makeGate } from "./gate.ts"
import { lazyGrammar } from "./grammar.ts"
import { SavedAnswers } from "./saved.ts"
import { section } from "./section.ts"

export default definePlugin<AskState>({
  per: "location",
  needs: ["config"],
  state: { version: 1, init: () => ({ pending: {} }) },
  async setup(graft) {
    // 12 MB from the first shell line on; who edits this plugin does not load it again.
    const grammar = await graft.keep("grammar", "bash", lazyGrammar, (kept) => kept.close())
    const asks = new Asks(graft.state, graft.retiring)
    const saved = new SavedAnswers(join(paths(graft.kernel.host.dataDir).data, "permissions.json"), (message) => graft.log.warn(message))
    graft.add("configSection", section)
    graft.provide("permission", makeGate(graft, graft.location!, asks, saved, grammar))
    graft.add("caution", everythingAllowed(graft))
    graft.all("face").onChange(() => { if (![...graft.all("face")].some((face) => face.answers)) asks.abandon() })
  },
})
