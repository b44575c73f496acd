/** The tool `skill`: its description names them all, its answer is one of them. */
import { dirname } from "node:path"
import * as v from "valibot"
import { near } from "../lib/near.ts"
import type { ToolDefinition } from "../tool/contract.ts"
import type { Skill } from "./contract.ts"

/** Characters of all descriptions together; those beyond are named without. */
const MOST = 16_000

const input = v.object({ name: v.pipe(v.string(), v.nonEmpty(), v.description("One of those that are listed")) })

export const makeSkillTool = (list: () => Promise<readonly Skill[]>, known: readonly Skill[]): ToolDefinition<typeof input> => ({
  name: "skill",
  description: `Reads a skill: how something is done here, written down by people. Read the one that fits before you begin.\n${listed(known)}`,
  input,
  effects: ["read"],
  async execute({ name }) {
    const skills = await list()
    const skill = skills.find((each) => each.name === name)
    if (!skill) {
      const [best] = near(name, skills.map((each) => each.name))
      return { output: `there is no skill "${name}"${best ? `; did you mean "${best}"?` : ""}`, failed: true }
    }
    return { output: `${skill.body}\n\n(the files that it speaks of are relative to ${dirname(skill.file)})`, title: name, metadata: { name, file: skill.file } }
  },
})

function listed(skills: readonly Skill[]): string {
  let left = MOST
  return skills.map(({ name, description }) => ((left -= description.length) >= 0 ? `- ${name}: ${description}` : `- ${name}`)).join("\n")
}
