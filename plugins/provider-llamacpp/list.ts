/** The model that llama.cpp's server runs, with the context of one of its slots. What else answers at its port is not llama.cpp. */
import { asking, definite, numberIn, textIn, type Connection, type Listed } from "../lib/model-listing.ts"
import { isRecord } from "../lib/provider-settings.ts"

export async function list({ url, headers }: Connection, signal: AbortSignal): Promise<Listed[]> {
  const ask = asking(headers, signal)
  const [answer, props] = [await ask(`${url}/v1/models`), await ask(`${url}/props`).catch(() => undefined)]
  const rows = isRecord(answer) && Array.isArray(answer.data) ? answer.data.filter(isRecord) : []
  const running = isRecord(props) && isRecord(props.default_generation_settings) ? numberIn(props.default_generation_settings, "n_ctx") : undefined
  if (running === undefined && !rows.some(({ owned_by }) => owned_by === "llamacpp")) throw Object.assign(new Error("it does not answer as llama.cpp does"), { code: "listing.answer" })
  const sees = isRecord(props) && isRecord(props.modalities) && props.modalities.vision === true
  return rows.flatMap((row) => {
    const id = textIn(row, "id")
    return id === undefined ? [] : [definite({ id, context: running, source: running === undefined ? undefined : "loaded", images: sees ? true : undefined })]
  })
}
