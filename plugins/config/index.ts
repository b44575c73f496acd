/** The configuration: layers of JSONC, checked by those who read them, explained, edited, and hot. */
import { definePlugin } from "graft"
import { takeAway, type Roots } from "./feed.ts"
import { filesOf } from "./files.ts"
import { Scopes } from "./scopes.ts"
import { SectionRow, sections, SourceRow } from "./sections.ts"
import { makeConfig } from "./service.ts"
import { emptyState, type ConfigState } from "./state.ts"

export default definePlugin<ConfigState>({
  per: "process",
  state: { version: 1, init: emptyState },
  slots: { configSection: { schema: SectionRow }, configSource: { schema: SourceRow } },
  async setup(graft) {
    const roots = await graft.keep<Roots>("roots", "", () => new Map(), takeAway)
    const scopes = new Scopes(graft, filesOf(graft.kernel), roots)
    graft.add("configSection", sections)
    graft.provide("config", makeConfig(graft, scopes))
    await scopes.prepare()
    scopes.follow()
  },
})
