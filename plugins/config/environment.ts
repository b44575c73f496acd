/** The layer of the environment: GRAFT_CONFIG_MODEL is `model`, GRAFT_CONFIG_CATALOGUE__REFRESH is `catalogue.refresh`; GRAFT_CONFIG_CONTENT is a whole config. */
import { isDocument, parseDocument, type Broken, type Document } from "../lib/jsonc.ts"
import { merge, plain, withValue, type Keys, type Tree } from "../lib/tree.ts"
import { overlap } from "./path.ts"

const PREFIX = "GRAFT_CONFIG_"
export const CONTENT = "GRAFT_CONFIG_CONTENT"

export interface Environment { tree: Tree; /** The variable that says most of what stands at the keys. */ variable(keys: Keys): string | undefined }

/** Values are JSON, or else taken as text; an empty one is not set. Names in capitals mean keys in small letters. */
export function fromEnvironment(env: NodeJS.ProcessEnv): Environment {
  const said = Object.keys(env).filter((name) => name.startsWith(PREFIX) && name !== CONTENT && env[name] !== "").sort().flatMap((name) => {
    const keys = name.slice(PREFIX.length).split("__").map((part) => (part === part.toUpperCase() ? part.toLowerCase() : part))
    return keys.includes("") ? [] : [{ name, keys, value: read(env[name]!) }]
  })
  const tree = said.reduce<Tree>((built, { keys, value }) => merge(built, withValue({}, keys, value)) as Tree, {})
  return { tree, variable: (keys) => said.findLast((each) => overlap(each.keys, keys))?.name }
}

/** A whole config in a variable. */
export async function fromContent(env: NodeJS.ProcessEnv): Promise<Document | { broken: Broken } | undefined> {
  const text = env[CONTENT]
  if (!text) return undefined
  const parsed = await parseDocument(text)
  return isDocument(parsed) ? parsed : { broken: parsed }
}

function read(text: string): unknown {
  try {
    return plain(JSON.parse(text) as unknown)
  } catch {
    return text
  }
}
