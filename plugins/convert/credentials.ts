/** Keys that other agents keep: named to people, and handed to `auth` one by one on a yes. */
import type { Graft } from "graft"
import { foreignKeys, secretOf } from "../lib/foreign-keys.ts"
import type { ForeignCredential, Question } from "./contract.ts"
import { agentsOf, ConvertError } from "./errors.ts"

export async function list({ from }: Question = {}): Promise<ForeignCredential[]> {
  const agents: readonly string[] = agentsOf(from)
  return (await foreignKeys()).filter(({ agent }) => agents.includes(agent))
}

export async function adopt(graft: Graft, { agent, file, provider, reason }: ForeignCredential): Promise<void> {
  const secret = reason === undefined ? await secretOf(agent, file, provider) : undefined
  if (secret === undefined) throw new ConvertError("convert.credential", `${file}: the credential of ${provider} ${reason ?? "is not there any more"}`)
  await graft.auth.set(provider, { kind: "key", secret })
}
