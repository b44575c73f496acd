/** The layer of the environment: GRAFT_CONFIG_MODEL is `model`, GRAFT_CONFIG_CATALOGUE__REFRESH is `catalogue.refresh`. */
import { overlap, type Keys } from "./path.ts"
import { merge, plain, withValue, type Tree } from "./tree.ts"

const PREFIX = "GRAFT_CONFIG_"

export interface Environment { tree: Tree; /** The variable that says most of what stands at the keys. */ variable(keys: Keys): string | undefined }

/** Values are JSON, or else taken as text; an empty one is not set. Names in capitals mean keys in small letters. */
export function fromEnvironment(env: NodeJS.ProcessEnv): Environment {
  const said = Object.keys(env).filter((name) => name.startsWith(PREFIX) && env[name] !== "").sort().flatMap((name) => {
    const keys = name.slice(PREFIX.length).split("__").map((part) => (part === part.toUpperCase() ? part.toLowerCase() : part))
    return keys.includes("") ? [] : [{ name, keys, value: read(env[name]!) }]
  })
  const tree = said.reduce<Tree>((built, { keys, value }) => merge(built, withValue({}, keys, value)) as Tree, {})
  return { tree, variable: (keys) => said.findLast((each) => overlap(each.keys, keys))?.name }
}

function read(text: string): unknown {
  try {
    return plain(JSON.parse(text) as unknown)
  } catch {
    return text
  }
}
