/** Skills: SKILL.md files of the user and of the project, and the tool by which a model reads one. */
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { makeShelf, noneTold, rootsFor, type Told } from "../lib/shelf.ts"
import type { Skill } from "./contract.ts"
import { factOf, skillOf } from "./skill.ts"
import { makeSkillTool } from "./tool.ts"

export default definePlugin<Told>({
  per: "location",
  state: { version: 1, init: noneTold },
  async setup(graft) {
    let remove: (() => void) | undefined
    const offer = (skills: readonly Skill[]) => {
      if (graft.retiring.aborted) return
      remove?.()
      remove = skills.length > 0 ? graft.tool.register(makeSkillTool(() => shelf.list(), skills)) : undefined
    }
    const shelf = makeShelf<Skill>(graft, {
      nouns: "skills",
      roots: rootsFor(paths(graft.kernel.host.dataDir).config, graft.location!, "skills", { folders: "SKILL.md" }),
      make: skillOf,
      tell: (what, skill) => graft.emit(what === "added" ? "skill.added" : "skill.updated", { skill: factOf(skill) }),
      gone: (name) => graft.emit("skill.removed", { name }),
      changed: offer,
    })
    graft.provide("skill", { list: async () => [...(await shelf.list())] })
    await shelf.list()
  },
})
