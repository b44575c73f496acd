/** The system's keychain: macOS' own, Windows' credentials, the Secret Service of a Linux desktop. Loaded when a secret goes in or out. */
import { randomBytes } from "node:crypto"
import type { Keychain } from "../contract.ts"

const SERVICE = "graft"
/** ms; it may ask a person to unlock it. */
const PATIENCE = 60_000

export async function systemKeychain(): Promise<Keychain> {
  const { AsyncEntry } = await import("@napi-rs/keyring")
  // Without this name Linux falls back to the kernel's keyring, which forgets everything at a restart.
  const entry = (account: string) => new AsyncEntry(SERVICE, account, { linux: { store: "secret-service" } })
  const soon = () => AbortSignal.timeout(PATIENCE)
  return {
    id: "keychain",
    get: async (account) => (await entry(account).getPassword(soon())) ?? undefined,
    set: async (account, secret) => entry(account).setPassword(secret, soon()),
    delete: async (account) => void (await entry(account).deletePassword(soon())),
  }
}

/** Whether it gives back what was put into it. */
export async function works(keychain: Keychain): Promise<boolean> {
  const [account, secret] = [`probe-${randomBytes(6).toString("hex")}`, randomBytes(6).toString("hex")]
  try {
    await keychain.set(account, secret)
    const found = await keychain.get(account)
    await keychain.delete(account)
    return found === secret
  } catch {
    return false
  }
}
