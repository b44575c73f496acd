/**
 * Proxies and certificates as the environment names them: HTTPS_PROXY, HTTP_PROXY, NO_PROXY and SSL_CERT_FILE
 * (NODE_EXTRA_CA_CERTS is Node's own). They hold for the whole process, so what was set is remembered there and not in a
 * module, which a reload would forget. Loopback is never sent through a proxy: that is where local model servers are.
 */
import { readFileSync } from "node:fs"

const PROXIES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"] as const
const LOOPBACK = "localhost,127.0.0.1,::1,[::1]"
const SET = Symbol.for("graft.network")

/** `network.proxy`: it is no URL. `network.certificates`: the file cannot be read. `network.node`: this Node cannot do it while it runs. */
export class NetworkError extends Error {
  readonly code: "network.proxy" | "network.certificates" | "network.node"
  constructor(code: NetworkError["code"], message: string) {
    super(message)
    this.code = code
  }
}

/** Called before each request; does something when the environment is not what it was. */
export function followEnvironment(url: string, env: NodeJS.ProcessEnv = process.env): void {
  follow("proxies", PROXIES.map((name) => env[name] ?? "").join("\n").trim(), () => (proxiedBy(env) ? useProxies(env) : undefined))
  // Certificates take 20 ms to read, and plain HTTP has none.
  if (url.startsWith("https:")) follow("certificates", env.SSL_CERT_FILE ?? "", () => trust(certificatesOf(env.SSL_CERT_FILE!)))
}

/** `key` is what a setting was made from; an empty one stands for none. */
function follow(what: "proxies" | "certificates", key: string, apply: () => (() => void) | undefined): void {
  const set = ((globalThis as { [SET]?: Map<string, { key: string; undo?(): void }> })[SET] ??= new Map())
  if ((set.get(what)?.key ?? "") === key) return
  set.get(what)?.undo?.()
  set.delete(what)
  if (key === "") return
  const undo = apply()
  set.set(what, { key, ...(undo && { undo }) })
}

function certificatesOf(file: string): string {
  try {
    return readFileSync(file, "utf8")
  } catch (error) {
    throw new NetworkError("network.certificates", `SSL_CERT_FILE ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function trust(certificates: string): () => void {
  const { getCACertificates, setDefaultCACertificates } = process.getBuiltinModule("node:tls")
  const before = getCACertificates("default")
  setDefaultCACertificates([...before, certificates])
  return () => setDefaultCACertificates(before)
}

/** A proxy's URL may hold a password, so it is not repeated. */
function proxiedBy(env: NodeJS.ProcessEnv): boolean {
  const proxies = [env.https_proxy ?? env.HTTPS_PROXY, env.http_proxy ?? env.HTTP_PROXY].filter((proxy) => proxy !== undefined && proxy !== "")
  if (!proxies.every((proxy) => URL.canParse(proxy!))) throw new NetworkError("network.proxy", "HTTPS_PROXY or HTTP_PROXY is no URL such as http://proxy.example:3128")
  if (proxies.length === 0) return false
  const itself = typeof process.getBuiltinModule("node:http").setGlobalProxyFromEnv === "function"
  if (!itself && env.NODE_USE_ENV_PROXY !== "1") throw new NetworkError("network.node", `a proxy is set, and Node ${process.version} follows it only when it is started with NODE_USE_ENV_PROXY=1`)
  return itself
}

function useProxies(env: NodeJS.ProcessEnv): () => void {
  const direct = [env.no_proxy ?? env.NO_PROXY, LOOPBACK].filter(Boolean).join(",")
  return process.getBuiltinModule("node:http").setGlobalProxyFromEnv({ ...env, NO_PROXY: direct, no_proxy: direct } as NodeJS.ProcessEnv)
}
