/** A sheet as an agent: Graft's own keys, and those of other agents' files. */
import type { Sheet } from "../lib/sheets.ts"
import { mayUse as isOffered } from "../lib/tool-names.ts"
import type { Agent } from "./contract.ts"

/** Tools that other agents have under other names. */
const SAME_TOOL: Readonly<Record<string, string>> = { multiedit: "edit", notebookedit: "edit", todowrite: "todo", todoread: "todo", agent: "task", list: "ls", apply_patch: "patch" }
const MODES = ["primary", "subagent", "all"] as const

/** opencode's modes are chosen by a person. */
const ITS_MODES = /[\\/]\.?opencode[\\/]modes?[\\/]/

export function agentOf({ name: file, file: path, scope, front, body }: Sheet): Agent {
  const { name = file, description = "", model, mode = ITS_MODES.test(path) ? "primary" : "all", tools, permission, turns, steps = turns, maxSteps = steps } = front
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) throw new Error(`"name" is letters, digits, ".", "_" and "-", at most 64 of them`)
  if (typeof description !== "string") throw new Error('"description" is a text')
  if (!MODES.includes(mode as Agent["mode"])) throw new Error(`"mode" is ${MODES.map((each) => `"${each}"`).join(", ")}`)
  if (maxSteps !== undefined && (typeof maxSteps !== "number" || !Number.isInteger(maxSteps) || maxSteps < 1 || maxSteps > 1_000)) throw new Error('"turns" is a whole number from 1 to 1000')
  if (model !== undefined && typeof model !== "string") throw new Error('"model" is a text, "provider/id"')
  return {
    name, description: description.replace(/\s+/g, " ").trim(), prompt: body, tools: [...toolsOf(tools), ...deniedBy(permission)], mode: mode as Agent["mode"], file: path, scope,
    // Names of another agent's models, or "as it is": the session's counts.
    ...(typeof model === "string" && model.includes("/") && { model: model.trim().replace("#", ":") }), ...(maxSteps !== undefined && { turns: maxSteps as number }),
  }
}

/** A list, a line with commas, or an object of yes and no. */
function toolsOf(tools: unknown): string[] {
  if (tools === undefined || tools === null) return []
  if (typeof tools === "string") return tools.split(",").map(toolOf).filter((tool) => tool !== "")
  if (Array.isArray(tools) && tools.every((tool) => typeof tool === "string")) return tools.map(toolOf)
  if (typeof tools === "object" && !Array.isArray(tools) && Object.values(tools).every((yes) => typeof yes === "boolean")) return Object.entries(tools).map(([tool, yes]) => `${yes ? "" : "!"}${toolOf(tool)}`)
  throw new Error('"tools" is a list of names, e.g. [read, grep, "!bash"]')
}

/** None where the file says that it is not to count. */
export const agentIn = (sheet: Sheet): Agent | undefined => (sheet.front.disable === true ? undefined : agentOf(sheet))

/** opencode's rules of one agent: what it is denied as a whole it has not, so that it may do no more here than there. */
function deniedBy(permission: unknown): string[] {
  if (permission === "deny") return ["!*"]
  if (typeof permission !== "object" || permission === null) return []
  return Object.entries(permission).flatMap(([action, effect]: [string, unknown]) => {
    const whole = typeof effect === "object" && effect !== null ? (effect as Readonly<Record<string, unknown>>)["*"] : effect
    if (whole !== "deny") return []
    return (action === "edit" ? ["edit", "write", "patch"] : [toolOf(action)]).map((tool) => `!${tool}`)
  })
}

/** `Bash(git *)` of other agents is a permission; here the tool is what is meant. */
function toolOf(written: string): string {
  const [, no = "", name = ""] = /^(!?)([^(]*)/.exec(written.trim())!
  const lower = name.trim().toLowerCase()
  return no + (SAME_TOOL[lower] ?? lower)
}

export const mayUse = ({ tools }: Pick<Agent, "tools">, tool: string): boolean => isOffered(tools, tool)

export const factOf = ({ prompt: _prompt, ...fact }: Agent): Omit<Agent, "prompt"> => fact
