/** Which keychain a secret goes into: what the config says, and on "auto" the system's where it works and this home is the person's own. */
import type { Graft } from "graft"
import type { Keychain } from "../contract.ts"
import { systemKeychain, works } from "./keychain.ts"
import type { AuthSettings } from "../section.ts"
import type { Keychains } from "./vault.ts"

export function keychainsOf(graft: Graft): Keychains {
  let system: Promise<Keychain> | undefined
  const probed = new WeakMap<Keychain, Promise<boolean>>()
  const own = (): Keychain | undefined => [...graft.all("keychain")].at(-1)
  const holding = async () => own() ?? (await (system ??= systemKeychain()))

  return {
    holding,
    async wanted() {
      const store = (await settings(graft))?.store ?? "auto"
      if (store === "file") return undefined
      if (store === "keychain") return { keychain: await holding(), strictly: true }
      // A home that was put elsewhere (a container's, a test's) is to hold all that is its own.
      if (own() === undefined && (graft.kernel.host.dataDir !== undefined || process.env.GRAFT_HOME)) return undefined
      const keychain = await holding().catch(() => undefined)
      if (!keychain) return undefined
      if (!probed.has(keychain)) probed.set(keychain, works(keychain))
      return (await probed.get(keychain)) ? { keychain, strictly: false } : undefined
    },
  }
}

/** A call of a service that nobody provides would wait for it. */
async function settings(graft: Graft): Promise<AuthSettings | undefined> {
  const [root] = graft.kernel.inspect().realms
  return root?.services.config === undefined ? undefined : graft.config.get<AuthSettings>("auth").catch(() => undefined)
}
