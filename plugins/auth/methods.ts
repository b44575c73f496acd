/** The ways to come by credentials, of the process and of every open project; and what the environment holds by them. */
import type { Graft } from "graft"
import type { AuthMethod, Credential } from "./contract.ts"

export async function allMethods(graft: Graft): Promise<AuthMethod[]> {
  const found = new Map([...graft.all("authMethod")].map((method) => [method.id, method]))
  for (const location of graft.kernel.locations()) {
    using there = await graft.at(location)
    for (const method of there.all("authMethod")) found.set(method.id, method)
  }
  return [...found.values()]
}

export function inEnvironment({ provider, kind, env: names }: AuthMethod, env: NodeJS.ProcessEnv): Credential | undefined {
  const name = names.find((candidate) => env[candidate]?.trim())
  return name === undefined ? undefined : { provider, account: "env", kind: "key", secret: env[name]!.trim(), source: "env", name, token: kind === "oauth" }
}
