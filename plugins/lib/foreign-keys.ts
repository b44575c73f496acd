/** The files in which other agents keep keys: what is in them, without the secrets; and one secret, for whoever is to keep it from now on. */
import { readFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { isTree } from "./tree.ts"

export interface ForeignKey { agent: string; file: string; provider: string; kind: string; /** Why it is not taken over. */ reason?: string }
interface Kept extends ForeignKey { secret?: string }

const MOST = 1_048_576
const LOGIN = "is a login, which belongs to the program that made it: graft auth login"

/** None where there is no file; one that cannot be read holds none. */
export const foreignKeys = async (): Promise<ForeignKey[]> => (await all()).map(({ agent, file, provider, kind, reason }) => ({ agent, file, provider, kind, ...(reason !== undefined && { reason }) }))

export const secretOf = async (agent: string, file: string, provider: string): Promise<string | undefined> => (await all()).find((kept) => kept.agent === agent && kept.file === file && kept.provider === provider)?.secret

async function all(): Promise<Kept[]> {
  const { env } = process
  const home = homedir()
  const files: [agent: string, file: string, read: (tree: Readonly<Record<string, unknown>>) => Omit<Kept, "agent" | "file">[]][] = [
    ["opencode", join(env.XDG_DATA_HOME || join(home, ".local", "share"), "opencode", "auth.json"), byProvider],
    ["pi", join(env.PI_CODING_AGENT_DIR || join(home, ".pi", "agent"), "auth.json"), byProvider],
    ["codex", join(env.CODEX_HOME || join(home, ".codex"), "auth.json"), ofCodex],
    ["claude", join(env.CLAUDE_CONFIG_DIR || join(home, ".claude"), ".credentials.json"), () => [{ provider: "anthropic", kind: "oauth", reason: LOGIN }]],
  ]
  const found = await Promise.all(files.map(async ([agent, file, read]) => {
    const tree = await treeOf(file)
    return tree ? read(tree).map((kept): Kept => ({ agent, file, ...kept })) : []
  }))
  return found.flat()
}

async function treeOf(file: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const text = await readFile(file, "utf8")
    const tree: unknown = text.length > MOST ? undefined : JSON.parse(text)
    return isTree(tree) ? tree : undefined
  } catch {
    return undefined
  }
}

/** `{ "<provider>": { "type": "api" | "api_key" | "oauth" | "wellknown", "key": … } }` */
function byProvider(tree: Readonly<Record<string, unknown>>): Omit<Kept, "agent" | "file">[] {
  return Object.entries(tree).flatMap(([provider, entry]) => {
    const block = isTree(entry) ? entry : {}
    const kind = typeof block.type === "string" ? block.type : "unknown"
    if ((kind === "api" || kind === "api_key") && typeof block.key === "string" && block.key.trim() !== "") {
      if (!/^[a-z0-9][a-z0-9._-]*$/i.test(provider)) return [{ provider, kind, reason: "belongs to no provider that could be named here" }]
      return [{ provider, kind: "key", ...(/^[!$]/.test(block.key) ? { reason: "is a command or a variable: graft auth login" } : { secret: block.key.trim() }) }]
    }
    return [{ provider, kind, reason: kind === "oauth" ? LOGIN : kind === "wellknown" ? "is a company's gateway: graft auth login" : "is of a kind that is not known here" }]
  })
}

function ofCodex(tree: Readonly<Record<string, unknown>>): Omit<Kept, "agent" | "file">[] {
  const key = tree.OPENAI_API_KEY
  return [
    ...(typeof key === "string" && key.trim() !== "" ? [{ provider: "openai", kind: "key", secret: key.trim() }] : []),
    ...(isTree(tree.tokens) ? [{ provider: "chatgpt", kind: "oauth", reason: LOGIN }] : []),
  ]
}
