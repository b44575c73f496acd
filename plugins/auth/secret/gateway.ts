/**
 * A company's gateway: what it writes at `/.well-known/graft` says how one logs in, and which integrations are reached
 * through it. It is fetched bounded and without a credential, and remembered for an hour.
 */
import * as v from "valibot"
import { messageOf } from "graft"
import { webJson } from "../../lib/web-json.ts"
import type { Gateway, KeyMethod, OAuthMethod } from "../contract.ts"
import { AuthError } from "../errors.ts"
import { isOwn } from "../oauth/requests.ts"

const FRESH = 3_600_000
const MOST = 64

const Text = v.pipe(v.string(), v.nonEmpty(), v.maxLength(2_000))
const Document = v.object({
  version: v.literal(1),
  name: v.optional(Text),
  auth: v.variant("kind", [
    v.object({ kind: v.literal("key"), label: v.optional(Text), url: v.optional(Text) }),
    v.object({ kind: v.literal("oauth"), label: v.optional(Text), flow: v.optional(v.picklist(["code", "device"])), issuer: v.optional(Text), endpoints: v.optional(v.object({ authorize: v.optional(Text), token: v.optional(Text), device: v.optional(Text), register: v.optional(Text) })), client: v.optional(v.object({ id: Text })), scopes: v.optional(v.array(Text)) }),
  ]),
  providers: v.pipe(v.record(v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]*$/i)), v.object({ url: Text, headers: v.optional(v.record(v.string(), Text)) })), v.check((providers) => Object.keys(providers).length <= MOST, `at most ${MOST} providers`)),
})
type Document = v.InferOutput<typeof Document>
export interface Way { url: string; headers: Readonly<Record<string, string>> }

const known = new Map<string, { at: number; document: Document }>()

/** Where a gateway is, however it was typed: only its origin counts, and only HTTPS, but for this machine. */
export function originOf(text: string): string {
  const url = URL.parse(text.includes("://") ? text : `https://${text}`)
  if (!url || (url.protocol !== "https:" && !isOwn(url)) || url.username !== "") throw new AuthError("auth.gateway", "a gateway is an address such as https://ai.example.com")
  return url.origin
}

export async function gatewayAt(text: string): Promise<Gateway> {
  const url = originOf(text)
  const { name, auth, providers } = await documentOf(url)
  const provider = `gateway:${new URL(url).host}`
  const label = auth.label ?? name ?? new URL(url).host
  const { issuer, endpoints, ...rest } = auth.kind === "oauth" ? auth : { issuer: undefined, endpoints: undefined }
  const method: KeyMethod | OAuthMethod = auth.kind === "key"
    ? { id: `${provider}.key`, provider, kind: "key", label, env: [], ...(auth.url && { url: auth.url }) }
    : { ...rest, id: `${provider}.oauth`, provider, kind: "oauth", label, env: [], ...(endpoints ? { endpoints } : { issuer: issuer ?? url }) }
  return { url, provider, name: name ?? new URL(url).host, method, providers: Object.keys(providers).sort() }
}

export async function wayTo(url: string, provider: string): Promise<Way> {
  const { providers } = await documentOf(url)
  if (!Object.hasOwn(providers, provider)) throw new AuthError("auth.gateway", `${url} does not offer ${provider} any more: run graft auth logout ${provider}`)
  const { url: there, headers = {} } = providers[provider]!
  return { url: there, headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])) }
}

/** What it said may be old. */
export const forget = (url: string): boolean => known.delete(url)

async function documentOf(url: string): Promise<Document> {
  const found = known.get(url)
  if (found && performance.now() - found.at < FRESH) return found.document
  const address = `${url}/.well-known/graft`
  const said = await webJson(address, { signal: AbortSignal.timeout(20_000), headers: {}, trusted: true }).catch((error: unknown) => { throw new AuthError("auth.gateway", `${address} cannot be read: ${messageOf(error)}`) })
  const parsed = v.safeParse(Document, said)
  if (!parsed.success) throw new AuthError("auth.gateway", `${address} is no description of a gateway: ${v.getDotPath(parsed.issues[0]) ?? "it"}: ${parsed.issues[0].message}`)
  for (const [provider, way] of Object.entries(parsed.output.providers)) if (!isSafe(way.url)) throw new AuthError("auth.gateway", `${address}: providers.${provider}.url is no https address`)
  if (known.size > MOST) known.clear()
  known.set(url, { at: performance.now(), document: parsed.output })
  return parsed.output
}

function isSafe(address: string): boolean {
  const url = URL.parse(address)
  return url !== null && (url.protocol === "https:" || isOwn(url))
}
