/** What opencode lends to the plugins that it loads: its `tool` with zod, and of Bun what has a counterpart here. Made when it is imported; a plugin's own copy would be made for Bun. */
import { createRequire } from "node:module"
import type * as Zod from "zod"
import { bun } from "./bun.ts"
import { makeShell } from "./shell.ts"

const require = createRequire(import.meta.url)
const zod = () => require("zod") as typeof Zod
const plugin = () => {
  const tool = Object.assign((definition: object) => definition, { schema: zod() })
  return { tool, default: tool }
}

export const lent: Readonly<Record<string, Record<string, unknown>>> = {
  get "@opencode-ai/plugin"() { return plugin() },
  get "@opencode-ai/plugin/tool"() { return plugin() },
  get bun() { return { $: makeShell(process.cwd()), ...bun } },
}
