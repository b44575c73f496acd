/** A plugin for opencode as a plugin of Graft: each function that its file exports is called, and the hooks it gives are attached. */
import type { Definition } from "graft"
import { makeClient } from "./client.ts"
import type { Hooks, PluginInput } from "./contract.ts"
import { attach } from "./hooks.ts"
import { makeShell } from "./shell.ts"

type Plugin = (input: PluginInput, options?: unknown) => Hooks | undefined | Promise<Hooks | undefined>

export function define(exports: Record<string, unknown>, file: string): Definition {
  const plugins = pluginsIn(exports)
  if (plugins.length === 0) throw new Error(`${file}: it exports no function, so it is no plugin for opencode`)
  return {
    per: "location",
    async setup(graft) {
      const directory = graft.location!
      // Their first step may run programs and wait for them, as it may there; only what is written for Graft has to give way at once.
      await undefined
      for (const plugin of plugins) {
        const hooks = await plugin({
          client: makeClient(graft, directory), project: { id: directory, worktree: directory, time: { created: 0 } }, directory, worktree: directory,
          // There is no server of opencode: who asks it is refused at once.
          serverUrl: new URL("http://127.0.0.1:0"), $: makeShell(directory),
        }, graft.options)
        if (hooks) await attach(graft, hooks, directory)
      }
    },
  }
}

/** All functions, each once; or modules of the newer shape `{ id, server }`. */
function pluginsIn(exports: Record<string, unknown>): Plugin[] {
  const found = Object.values(exports).flatMap((value): Plugin[] => {
    if (typeof value === "function") return /^class\s/.test(Function.prototype.toString.call(value)) ? [] : [value as Plugin]
    const { server } = (value ?? {}) as { server?: unknown }
    return typeof value === "object" && typeof server === "function" ? [server as Plugin] : []
  })
  return [...new Set(found)]
}
