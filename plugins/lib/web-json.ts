/** JSON from a service of the web: cut while it comes, by bytes and by time, before any of it is parsed. */
import { webGet, webUrl, type WebGet } from "./webget.ts"

const MOST_BYTES = 2 * 1024 * 1024
const PATIENCE = 20_000

/** `trusted`: the host was chosen by the user, so it may be on this machine; others are never followed to. */
export async function webJson(url: string, { signal, headers, trusted }: Pick<WebGet, "signal" | "headers"> & { trusted: boolean }): Promise<unknown> {
  const answer = await webGet(webUrl(url), {
    signal, headers, most: MOST_BYTES, milliseconds: PATIENCE, accept: "application/json", isAllowed: () => trusted,
    follow: (from, to) => { throw new Error(`${from.host} redirects to ${to.host}; if that is right, write it into the config`) },
  })
  const host = new URL(answer.url).host
  if (answer.cut) throw new Error(`${host} sent more than ${MOST_BYTES} bytes`)
  const text = answer.body.toString("utf8")
  if (answer.status !== 200) throw new Error(`${host} answered ${answer.status}: ${text.replace(/\s+/g, " ").slice(0, 300)}`)
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`${host} answered with something that is not JSON`)
  }
}
