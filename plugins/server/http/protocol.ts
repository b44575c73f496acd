/** What a client and a server agree on before anything else. */

/** Of HTTP and its streams; only a change that old clients would not understand is a new one. */
export const PROTOCOL = 1
export const PROTOCOL_HEADER = "x-graft-protocol"
export const VERSION_HEADER = "x-graft-version"

/** Negative: the first is older. A release is newer than what came before it (`1.0.0-rc.1`). */
export function compareVersions(one: string, other: string): number {
  const parts = (version: string) => {
    const [release = "", before] = version.split("+")[0]!.split(/-(.*)/s)
    return [...release.split(".").map(Number), before === undefined || before === "" ? 1 : 0]
  }
  const [a, b] = [parts(one), parts(other)]
  for (let i = 0; i < Math.max(a.length, b.length); i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) - (b[i] ?? 0)
  return 0
}
