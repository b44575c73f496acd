/** The credential of a provider at the moment of use. What auth says of one that cannot be had is the turn's own failure: of the credential, or of the way to it. */
import type { Graft } from "graft"
import type { AuthMethod, Credential } from "../auth/contract.ts"

/** These may pass by themselves. */
const PASSING = new Set(["auth.unreachable", "auth.busy"])

export async function credentialFor({ auth }: Pick<Graft, "auth">, provider: string, own?: readonly AuthMethod[]): Promise<Credential | undefined> {
  try {
    return await auth.get(provider, own)
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string }
    if (!String(code).startsWith("auth.")) throw error
    const passes = PASSING.has(String(code))
    throw Object.assign(new Error(`${provider}: ${message}`, { cause: error }), { code: passes ? "llm.network" : "llm.auth", retryable: passes })
  }
}
