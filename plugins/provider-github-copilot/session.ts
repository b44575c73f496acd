/**
 * What Copilot is spoken to with: a token of GitHub's is exchanged for one of half an hour, which names the account's own
 * endpoint. One exchange at a time; a token that GitHub does not exchange is tried as it is.
 */
import { providerFetch } from "../lib/provider-fetch.ts"
import { isRecord, withoutSlash } from "../lib/provider-settings.ts"
import type { Connection } from "../lib/vendor.ts"

export interface CopilotSession { url: string; headers: Record<string, string> }

const GITHUB = "https://api.github.com"
const COPILOT = "https://api.githubcopilot.com"
const DEADLINE = 10_000
/** ms before the end. */
const RENEW_BEFORE = 60_000
/** Which kinds of clients there are is Copilot's list; this is the one of those that bring models of their own choice. */
const CLIENT = { "copilot-integration-id": "vscode-chat", "editor-version": "graft/1", "editor-plugin-version": "graft/1", "openai-intent": "conversation-edits" }

let known: { from: string; until: number; session: Promise<CopilotSession> } | undefined

export function sessionOf(connection: Connection): Promise<CopilotSession> {
  const from = JSON.stringify([connection.key, connection.url, connection.headers])
  if (known?.from !== from || Date.now() > known.until) {
    const mine = { from, until: Infinity, session: exchange(connection).then(({ until, session }) => { mine.until = until; return session }) }
    mine.session.catch(() => { if (known === mine) known = undefined })
    known = mine
  }
  return known.session
}

async function exchange({ key, url, headers }: Connection): Promise<{ until: number; session: CopilotSession }> {
  const as = (token: string, endpoint: string) => ({ url: url ?? endpoint, headers: { ...CLIENT, authorization: `Bearer ${token}`, ...headers } })
  const github = process.env.GITHUB_API_URL || GITHUB
  const response = await providerFetch(`${withoutSlash(github)}/copilot_internal/v2/token`, { headers: { ...CLIENT, accept: "application/json", authorization: `token ${key}` }, signal: AbortSignal.timeout(DEADLINE) })
  if (response.status === 401) throw Object.assign(new Error("github-copilot: GitHub refused the token; run `graft auth login github-copilot`"), { code: "llm.auth", status: 401 })
  const answer: unknown = response.ok ? await response.json() : undefined
  if (!isRecord(answer) || typeof answer.token !== "string") return { until: Date.now() + RENEW_BEFORE, session: as(key, COPILOT) }
  const endpoint = isRecord(answer.endpoints) && typeof answer.endpoints.api === "string" ? withoutSlash(answer.endpoints.api) : COPILOT
  return { until: Number(answer.expires_at) * 1_000 - RENEW_BEFORE || Date.now() + RENEW_BEFORE, session: as(answer.token, endpoint) }
}
