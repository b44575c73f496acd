/** What vLLM serves, with the context it was started with. What else answers at its port is not vLLM. */
import { asking, definite, numberIn, textIn, type Connection, type Listed } from "../lib/model-listing.ts"
import { isRecord } from "../lib/provider-settings.ts"

export async function list({ url, headers }: Connection, signal: AbortSignal): Promise<Listed[]> {
  const answer = await asking(headers, signal)(`${url}/v1/models`)
  const rows = isRecord(answer) && Array.isArray(answer.data) ? answer.data.filter(isRecord) : []
  const mine = rows.filter((row) => row.owned_by === "vllm" || numberIn(row, "max_model_len") !== undefined)
  if (mine.length === 0) throw Object.assign(new Error("it does not answer as vLLM does"), { code: "listing.answer" })
  return mine.flatMap((row) => {
    const [id, context] = [textIn(row, "id"), numberIn(row, "max_model_len")]
    return id === undefined ? [] : [definite({ id, context, source: context === undefined ? undefined : "loaded" })]
  })
}
