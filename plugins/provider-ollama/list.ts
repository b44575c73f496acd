/**
 * What Ollama has, those that are loaded first. How long a context is depends on how a model is loaded, so it is known of
 * one that is, or whose file says so; what it was trained for says nothing of that, but of a model that runs elsewhere.
 */
import { asking, definite, numberIn, textIn, type Connection, type Listed } from "../lib/model-listing.ts"
import { isRecord } from "../lib/provider-settings.ts"

/** Models that are asked about one by one; more are listed by their name. */
const MOST = 128
const AT_ONCE = 8

export async function list({ url, headers }: Connection, signal: AbortSignal): Promise<Listed[]> {
  const ask = asking(headers, signal)
  const names = rowsIn(await ask(`${url}/api/tags`)).flatMap((row) => textIn(row, "model") ?? textIn(row, "name") ?? [])
  const loaded = new Map(rowsIn(await ask(`${url}/api/ps`).catch(() => undefined)).map((row) => [textIn(row, "model") ?? textIn(row, "name"), numberIn(row, "context_length")]))
  const found: Listed[][] = []
  for (let at = 0; at < names.length; at += AT_ONCE) {
    found.push(...await Promise.all(names.slice(at, at + AT_ONCE).map(async (id) => described(id, at < MOST ? await ask(`${url}/api/show`, { model: id }).catch(() => undefined) : undefined, loaded.get(id)))))
  }
  return found.flat().sort((a, b) => Number(loaded.has(b.id)) - Number(loaded.has(a.id)))
}

function described(id: string, shown: unknown, loaded: number | undefined): Listed[] {
  const about = isRecord(shown) ? shown : {}
  const abilities = Array.isArray(about.capabilities) ? about.capabilities : undefined
  if (abilities && !abilities.includes("completion")) return []
  const written = Number(/^num_ctx\s+(\d+)/m.exec(textIn(about, "parameters") ?? "")?.[1] ?? Number.NaN)
  const elsewhere = textIn(about, "remote_host") !== undefined
  const [context, source] = loaded !== undefined ? [loaded, "loaded"] : written > 0 ? [written, "num_ctx"] : elsewhere ? [trained(about.model_info), "trained"] : []
  return [definite({
    id, context, source: context === undefined ? undefined : source,
    images: abilities?.includes("vision") ? true : undefined,
    tools: abilities?.includes("tools"), reasoning: abilities?.includes("thinking"),
  })]
}

function trained(info: unknown): number | undefined {
  const key = isRecord(info) ? Object.keys(info).find((name) => name.endsWith(".context_length")) : undefined
  return key === undefined ? undefined : numberIn(info as Record<string, unknown>, key)
}

const rowsIn = (answer: unknown): Record<string, unknown>[] => {
  if (!isRecord(answer) || !Array.isArray(answer.models)) throw Object.assign(new Error("it does not answer as Ollama does"), { code: "listing.answer" })
  return answer.models.filter(isRecord)
}
