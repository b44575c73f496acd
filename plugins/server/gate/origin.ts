/**
 * Whose page is asking, and by what name: a name that is not ours is a DNS answer somebody made up (rebinding), a foreign
 * origin is a page that borrows its visitor's reach. Pure.
 */

/** The host without its port, lower-case; undefined where it is none. */
export function hostnameOf(host: string | undefined): string | undefined {
  const [, name, port] = /^(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(?::(\d{1,5}))?$/i.exec(host ?? "") ?? []
  return name === undefined || Number(port ?? 0) > 65_535 ? undefined : name.toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "")
}

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "::1"])

/** Loopback, the very address that the request came in on (no name, so nobody can rebind it), or a name that the config knows. */
export function isOurs(host: string | undefined, address: string | undefined, names: readonly string[]): boolean {
  const name = hostnameOf(host)
  if (name === undefined) return false
  return LOOPBACK.has(name) || name === address?.toLowerCase().replace(/^::ffff:/, "") || names.some((each) => each.toLowerCase() === name)
}

/** The page that this host itself serves. */
export const isSame = (origin: string, host: string | undefined): boolean => origin.toLowerCase() === `http://${host?.toLowerCase()}`

/** An entry is an origin, or one with any port: `http://localhost:*`. */
export const isGranted = (origin: string, granted: readonly string[]): boolean => granted.some((each) => (each.endsWith(":*") ? withoutPort(origin) === each.slice(0, -2).toLowerCase() : origin.toLowerCase() === each.toLowerCase()))

const withoutPort = (origin: string): string => origin.toLowerCase().replace(/:\d{1,5}$/, "")
