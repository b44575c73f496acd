/** Dotted paths: `providers.local.url`; a dot that is part of a key is written `\.`. */
import { ConfigError } from "./errors.ts"
import { formatKeys, isTree, own, type Keys } from "../lib/tree.ts"

/** The empty path is the whole. */
export function parsePath(path: string): string[] {
  if (path === "") return []
  const keys = [...path.matchAll(/(?:^|\.)((?:\\.|[^.\\])*)/gs)].map(([, key]) => key!.replace(/\\(.)/gs, "$1"))
  if (keys.includes("") || formatPath(keys).length < path.length) throw new ConfigError("config.path", `"${path}" is no path: keys are joined by dots, and a dot inside a key is written \\.`)
  return keys
}

export const formatPath = formatKeys

/** Is one the other, or on the way to it? */
export const overlap = (a: Keys, b: Keys): boolean => a.slice(0, b.length).every((key, i) => key === b[i])

/** Whoever writes `models.gpt-4.1.name` means the key "gpt-4.1", if that is what is there. */
export function spell(tree: unknown, keys: Keys): Keys {
  return found(tree, keys) ?? keys
}

function found(tree: unknown, keys: Keys): Keys | undefined {
  if (keys.length === 0) return []
  if (!isTree(tree)) return undefined
  for (let length = 1; length <= keys.length; length++) {
    const key = keys.slice(0, length).join(".")
    if (!Object.hasOwn(tree, key)) continue
    const rest = found(own(tree, key), keys.slice(length))
    if (rest) return [key, ...rest]
  }
  return undefined
}
