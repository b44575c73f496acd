/** What is not to be shown: values that keys of their kind hold. A reference to a secret is none. Pure. */
import type { ConfigChange } from "./contract.ts"
import { refers } from "./reference.ts"
import { isTree, type Keys } from "../lib/tree.ts"

const SECRET = /(?:^|[^a-z])(?:api)?(?:key|token|secret|password|passwd|credentials?|authorization|cookie)$/i
/** `apiKey`, `API_KEY`, `x-api-key` alike. */
const isSecret = (key: string): boolean => SECRET.test(key.replace(/([a-z\d])([A-Z])/g, "$1_$2"))

/** A value as people may see it; `keys` lead to it. */
export function masked(keys: Keys, value: unknown): unknown {
  if (isTree(value)) return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, masked([...keys, key], each)]))
  if (Array.isArray(value)) return value.map((each: unknown) => masked(keys, each))
  return typeof value === "string" && value !== "" && isSecret(keys.at(-1) ?? "") && !refers(value) ? veiled(value) : value
}

/** Its end tells one from another; of a short one even that would tell too much. */
const veiled = (secret: string): string => `••••${secret.length > 12 ? secret.slice(-4) : ""}`

export function changeOf(path: string, keys: Keys, before: unknown, after: unknown): ConfigChange {
  return { path, ...(before !== undefined && { before: masked(keys, before) }), ...(after !== undefined && { after: masked(keys, after) }) }
}
