/** How one logs in: with GitHub's device flow, at github.com or at a company's own GitHub (GITHUB_API_URL). */
import type { OAuthMethod } from "../auth/contract.ts"
import { withoutSlash } from "../lib/provider-settings.ts"

/** Copilot takes only clients that it knows; this is the one of its own editor plugins. */
const CLIENT = "Iv1.b507a08c87ecfe98"

export function deviceLogin(env: NodeJS.ProcessEnv = process.env): OAuthMethod {
  const web = webOf(env.GITHUB_API_URL || "https://api.github.com")
  return {
    id: "github-copilot.device", provider: "github-copilot", kind: "oauth", flow: "device", label: "GitHub login, with a code", env: [],
    endpoints: { device: `${web}/login/device/code`, token: `${web}/login/oauth/access_token` }, client: { id: CLIENT }, scopes: ["read:user"],
  }
}

/** api.github.com → github.com, ghe.example/api/v3 → ghe.example. */
export const webOf = (api: string): string => withoutSlash(api).replace(/\/api\/v3$/, "").replace("://api.", "://")
