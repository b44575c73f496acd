/**
 * GET, for what a model asks for: bounded in bytes (as they come and as they unpack), in time and in redirects, and never
 * to an address of this machine or its network unless that was allowed. The address that is judged is the one that is
 * connected to: the name is looked up once, by the connection itself.
 */
import { lookup as resolve, type LookupAddress, type LookupOptions } from "node:dns"
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http"
import { BlockList, isIP } from "node:net"
import type { Transform } from "node:stream"
import { messageOf } from "graft"
import { followEnvironment } from "./network.ts"

export interface WebGet {
  signal: AbortSignal
  /** Of the body as it unpacks; what is beyond is not read. */
  most: number
  /** For all of it, redirects included. */
  milliseconds: number
  accept?: string
  headers?: Record<string, string>
  /** Asked before another host is followed to; throws when it may not be. */
  follow(from: URL, to: URL): void | Promise<void>
  /** May an address of this machine or its network be connected to? */
  isAllowed(host: string): boolean
}
export interface WebAnswer { url: string; status: number; media: string; charset: string; body: Buffer; /** The body went on beyond `most`. */ cut: boolean }

/** `web.url`, `web.private` (an address of this machine or its network), `web.redirects`, `web.deadline`, `web.network`. */
export class WebError extends Error {
  readonly code: `web.${"url" | "private" | "redirects" | "deadline" | "network"}`
  constructor(code: WebError["code"], message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

const MOST_REDIRECTS = 5
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** A URL that may be asked for. */
export function webUrl(text: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base?.href) : undefined
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) throw new WebError("web.url", `"${text}" is no http or https URL`)
  if (url.username || url.password) throw new WebError("web.url", "a URL with a name or password in it is not asked for")
  url.hash = ""
  return url
}

export async function webGet(from: URL, { milliseconds, ...get }: WebGet): Promise<WebAnswer> {
  const deadline = AbortSignal.timeout(milliseconds)
  const signal = AbortSignal.any([get.signal, deadline])
  try {
    let url = from
    for (let hops = 0; ; hops++) {
      const response = await request(url, { ...get, signal })
      const location = REDIRECTS.has(response.statusCode!) ? response.headers.location : undefined
      if (location === undefined) return await answerOf(url, response, get.most, signal)
      response.destroy()
      if (hops === MOST_REDIRECTS) throw new WebError("web.redirects", `${from.href} redirects more than ${MOST_REDIRECTS} times`)
      const to = webUrl(location, url)
      if (to.host !== url.host || (url.protocol === "https:" && to.protocol === "http:")) await get.follow(url, to)
      url = to
    }
  } catch (error) {
    if (get.signal.aborted) throw get.signal.reason
    if (deadline.aborted) throw new WebError("web.deadline", `${from.host} did not answer in full within ${milliseconds / 1_000} s`, error)
    if (error instanceof WebError || !(error instanceof Error) || !isOfNetwork(error)) throw error
    throw new WebError("web.network", `${from.host} cannot be reached: ${messageOf(error)}`, error)
  }
}

const isOfNetwork = (error: Error): boolean => "syscall" in error || ["ECONNRESET", "EPROTO", "HPE_INVALID_CONSTANT"].some((code) => (error as { code?: string }).code === code) || /^(ERR_SSL|ERR_TLS|CERT_|HPE_|Z_|ERR__ERROR_FORMAT|DEPTH_ZERO|UNABLE_TO|SELF_SIGNED)/.test((error as { code?: string }).code ?? "")

async function request(url: URL, { signal, accept = "*/*", headers, isAllowed }: Pick<WebGet, "accept" | "headers" | "isAllowed"> & { signal: AbortSignal }): Promise<IncomingMessage> {
  followEnvironment(url.href)
  const host = url.hostname.replace(/^\[|\]$/g, "")
  if (isIP(host) && isPrivate(host) && !isAllowed(host)) throw refused(host, host)
  const { request: ask } = url.protocol === "https:" ? await import("node:https") : await import("node:http")
  const options: RequestOptions = {
    signal, method: "GET", lookup: guarded(host, isAllowed),
    headers: { accept, "accept-encoding": "gzip, deflate, br", "user-agent": "graft", ...headers },
  }
  return await new Promise((resolved, reject) => {
    const asked: ClientRequest = ask(url, options, resolved)
    asked.once("error", reject)
    asked.end()
  })
}

type Found = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void

/** The system's lookup, without what may not be connected to. Another name is a proxy's, which the user chose. */
const guarded = (host: string, isAllowed: WebGet["isAllowed"]) => (name: string, options: LookupOptions, found: Found): void => {
  if (name !== host) return resolve(name, options, found)
  resolve(name, { ...options, all: true }, (error, addresses) => {
    if (error) return found(error, "")
    const open = isAllowed(host) ? addresses : addresses.filter(({ address }) => !isPrivate(address))
    if (open.length === 0) return found(refused(host, addresses[0]?.address ?? "nothing"), "")
    if (options.all) return found(null, open)
    found(null, open[0]!.address, open[0]!.family)
  })
}

const refused = (host: string, address: string): WebError =>
  new WebError("web.private", `${host === address ? host : `${host} (${address})`} is an address of this machine or its network; such a host is reached only where web.private of the config names it`)

/** What the registries of special-purpose addresses set aside (RFC 6890 and its successors). */
const SPECIAL: readonly [string, number][] = [
  ["0.0.0.0", 8], ["10.0.0.0", 8], ["100.64.0.0", 10], ["127.0.0.0", 8], ["169.254.0.0", 16], ["172.16.0.0", 12], ["192.0.0.0", 24], ["192.0.2.0", 24],
  ["192.168.0.0", 16], ["198.18.0.0", 15], ["198.51.100.0", 24], ["203.0.113.0", 24], ["224.0.0.0", 4], ["240.0.0.0", 4],
  ["::", 96], ["64:ff9b::", 96], ["64:ff9b:1::", 48], ["100::", 64], ["2001::", 32], ["2001:db8::", 32], ["2002::", 16], ["fc00::", 7], ["fe80::", 10], ["fec0::", 10], ["ff00::", 8],
]
const special = new BlockList()
for (const [network, prefix] of SPECIAL) special.addSubnet(network, prefix, network.includes(":") ? "ipv6" : "ipv4")

/** BlockList reads an IPv4 address that is written as IPv6 (`::ffff:10.0.0.1`) by the rules of IPv4. */
export const isPrivate = (address: string): boolean => special.check(address, isIP(address) === 6 ? "ipv6" : "ipv4")

async function answerOf(url: URL, response: IncomingMessage, most: number, signal: AbortSignal): Promise<WebAnswer> {
  const [media = "", ...parameters] = (response.headers["content-type"] ?? "").split(";").map((word) => word.trim().toLowerCase())
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice(8).replace(/^"|"$/g, "") ?? "utf-8"
  const chunks: Buffer[] = []
  let left = most
  const unpacked = await unpack(response)
  const stop = () => unpacked.destroy(signal.reason as Error)
  signal.addEventListener("abort", stop, { once: true })
  try {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, left))
      if ((left -= chunk.length) < 0) break
    }
  } finally {
    signal.removeEventListener("abort", stop)
    response.destroy()
  }
  return { url: url.href, status: response.statusCode!, media, charset, body: Buffer.concat(chunks), cut: left < 0 }
}

/** As it was before it was packed; it unpacks as it is read, so a bomb costs no more than `most`. */
async function unpack(response: IncomingMessage): Promise<IncomingMessage | Transform> {
  const encoding = response.headers["content-encoding"]?.trim().toLowerCase() ?? "identity"
  if (encoding === "identity" || encoding === "") return response
  const { createBrotliDecompress, createGunzip, createInflate } = await import("node:zlib")
  const made = { gzip: createGunzip, "x-gzip": createGunzip, deflate: createInflate, br: createBrotliDecompress }[encoding]
  if (!made) throw new WebError("web.network", `the answer is packed as "${encoding}", which was not asked for`)
  const unpacked = made()
  response.once("error", (error) => unpacked.destroy(error))
  return response.pipe(unpacked)
}
