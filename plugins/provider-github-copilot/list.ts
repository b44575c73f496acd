/** What a subscription has: its chat models, those that its owner switched on. */
import { asking, definite, numberIn, textIn, type Listed } from "../lib/model-listing.ts"
import { isRecord } from "../lib/provider-settings.ts"
import type { Connection } from "../lib/vendor.ts"
import { sessionOf } from "./session.ts"

export async function list(connection: Connection, signal: AbortSignal): Promise<Listed[]> {
  const { url, headers } = await sessionOf(connection)
  const answer = await asking(headers, signal)(`${url}/models`)
  if (!isRecord(answer) || !Array.isArray(answer.data)) throw new Error(`${url}/models gave no list of models`)
  return answer.data.filter(isRecord).flatMap((row) => {
    const id = textIn(row, "id")
    const about = isRecord(row.capabilities) ? row.capabilities : {}
    const [limits, supports] = [about.limits, about.supports].map((value) => (isRecord(value) ? value : {})) as [Record<string, unknown>, Record<string, unknown>]
    if (id === undefined || (about.type !== undefined && about.type !== "chat") || (isRecord(row.policy) && row.policy.state === "disabled")) return []
    return [definite({
      id, name: textIn(row, "name"),
      context: numberIn(limits, "max_context_window_tokens"), output: numberIn(limits, "max_output_tokens"),
      images: supports.vision === true ? true : undefined,
      tools: typeof supports.tool_calls === "boolean" ? supports.tool_calls : undefined,
    })]
  })
}
