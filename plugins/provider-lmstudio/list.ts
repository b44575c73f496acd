/** What LM Studio has, those that are loaded first; a context is as long as it was loaded with, else as long as the model takes. */
import { asking, definite, numberIn, textIn, type Connection, type Listed } from "../lib/model-listing.ts"
import { isRecord } from "../lib/provider-settings.ts"

export async function list({ url, headers }: Connection, signal: AbortSignal): Promise<Listed[]> {
  const answer = await asking(headers, signal)(`${url}/api/v0/models`)
  if (!isRecord(answer) || !Array.isArray(answer.data)) throw Object.assign(new Error("it does not answer as LM Studio does"), { code: "listing.answer" })
  const rows = answer.data.filter(isRecord).sort((a, b) => Number(b.state === "loaded") - Number(a.state === "loaded"))
  return rows.flatMap((row) => {
    const id = textIn(row, "id")
    if (id === undefined || (row.type !== undefined && row.type !== "llm" && row.type !== "vlm")) return []
    const [loaded, most] = [numberIn(row, "loaded_context_length"), numberIn(row, "max_context_length")]
    return [definite({
      id, context: loaded ?? most, source: loaded !== undefined ? "loaded" : most !== undefined ? "trained" : undefined,
      images: row.type === "vlm" ? true : undefined,
      tools: Array.isArray(row.capabilities) ? row.capabilities.includes("tool_use") : undefined,
    })]
  })
}
