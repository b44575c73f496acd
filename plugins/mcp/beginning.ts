/**
 * What is there of this plugin until it is needed: nearly nothing. The rest is read, loaded and started when a person opens
 * a conversation, the first request is on its way, or somebody asks; a start pays for none of it.
 */
import type { Graft } from "graft"
import type { Mcp } from "./contract.ts"
import type { McpOptions } from "./section.ts"
import type { McpState, Servers } from "./servers.ts"

export interface Beginning {
  /** In setup: what stands is taken over, so that its tools are there from the commit on. */
  takeOver(): Promise<void>
  begin(): Promise<void>
  /** Something that says which servers there are to be may have changed. */
  look(): Promise<void>
  /** Somebody has logged in to something. */
  loggedIn(integration: string): void
  /** What the servers say of themselves goes along with a request. */
  instruct(request: Parameters<Servers["instruct"]>[0]): void
  readonly service: Mcp
}

export function makeBeginning(graft: Graft<McpState, McpOptions>): Beginning {
  let opened: Promise<Servers> | undefined
  let there: Servers | undefined
  const open = () => (opened ??= import("./servers.ts").then(({ openServers }) => openServers(graft)).then((servers) => (there = servers)).catch((error: unknown) => {
    opened = undefined
    throw error
  }))
  const begun = async () => {
    if (!graft.state.value.begun) graft.state.update((state) => { state.begun = true })
    const servers = await open()
    await servers.start()
    return servers
  }
  return {
    async takeOver() {
      if (!graft.state.value.begun) return
      await open()
      graft.fork(async () => void (await begun()))
    },
    begin: async () => void (await begun()),
    look: async () => { if (graft.state.value.begun) await (await begun()).look() },
    loggedIn: (integration) => there?.loggedIn(integration),
    instruct: (request) => there?.instruct(request),
    service: {
      list: async (options) => (await begun()).list(options),
      restart: async (name) => (await begun()).restart(name),
      logs: async (name) => (await begun()).logs(name),
      login: async (name) => (await begun()).login(name),
    },
  }
}
