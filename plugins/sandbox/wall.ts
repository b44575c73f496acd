/** The wall around commands: settings and system in, a confined command out; where it is required and cannot be kept, none. */
import { homedir } from "node:os"
import { resolve } from "node:path"
import { messageOf, type Graft } from "graft"
import { paths } from "../lib/paths.ts"
import type { Caution } from "../permission/contract.ts"
import type { Wall } from "../tool-bash/contract.ts"
import { argumentsOf, findBubblewrap, realOf, temporaryOf, type Found } from "./bubblewrap.ts"
import type { Sandbox, SandboxState } from "./contract.ts"
import { wantedOf } from "./section.ts"

/** What was found; looked for again a while after there was none. */
export interface Detection { found?: Promise<Found>; at: number }
const AGAIN = 30_000

/** `sandbox.missing`: it is required, and there is none. `sandbox.setting`: what the config says cannot be kept. No command runs then. */
export class SandboxError extends Error {
  readonly code: "sandbox.missing" | "sandbox.setting"
  constructor(code: SandboxError["code"], message: string) {
    super(message)
    this.code = code
  }
}

export function makeWall(graft: Graft, location: string, detection: Detection): Sandbox & { wall: Wall; caution: Caution } {
  async function detect(): Promise<Found> {
    const known = await detection.found
    if (known && ("program" in known || Date.now() - detection.at < AGAIN)) return known
    detection.at = Date.now()
    return (detection.found = findBubblewrap())
  }

  /** Whoever asked for a wall in words that are not understood gets no command without one. */
  async function settings() {
    const wrong = (await graft.config.warnings(location)).find(({ path }) => path === "sandbox" || path.startsWith("sandbox."))
    if (wrong) throw new SandboxError("sandbox.setting", `"${wrong.path}" in the config${wrong.file ? ` (${wrong.file}${wrong.line ? `:${wrong.line}` : ""})` : ""}: ${wrong.message}`)
    const wanted = wantedOf(await graft.config.get("sandbox", location))
    const { mode, network } = wanted
    if (mode !== "off" && Array.isArray(network)) throw new SandboxError("sandbox.setting", `"sandbox.network" cannot be a list of hosts yet: what a program connects to is not seen from outside. Say "off", or "on"`)
    return { mode, network: network === "off" ? ("off" as const) : ("on" as const), write: wanted.write.map((path) => realOf(resolve(location, path.replace(/^~(?=\/|$)/, homedir()))) ?? missing(path)) }
  }

  async function look(): Promise<SandboxState & { program?: string; write: readonly string[] }> {
    const { mode, network, write } = await settings()
    const base = { mode, network, write, writable: [location, "/tmp", ...write] }
    if (mode === "off") return { ...base, state: "off" }
    const found = await detect()
    return "program" in found ? { ...base, state: "on", program: found.program } : { ...base, state: "missing", reason: found.reason }
  }

  async function state(): Promise<SandboxState> {
    try {
      const { mode, state: is, reason, network, writable } = await look()
      return { mode, state: is, network, writable, ...(reason !== undefined && { reason }) }
    } catch (error) {
      return { mode: "require", state: "refused", reason: messageOf(error), network: "off", writable: [] }
    }
  }

  return {
    state,
    wall: {
      id: "sandbox",
      async confine(start) {
        const { mode, network, program, write, reason } = await look()
        if (program === undefined) {
          if (mode === "require") throw new SandboxError("sandbox.missing", `the config requires a sandbox ("sandbox": "require"), and there is none: ${reason}. No command runs without it`)
          return start
        }
        const { data, cache, logs, run } = paths(graft.kernel.host.dataDir)
        const hidden = [...new Set([data, cache, logs, run].flatMap((path) => realOf(path) ?? []))].filter((path) => path !== location)
        const args = argumentsOf({ project: location, write, hidden, temporary: temporaryOf(location), network: network === "on" }, start.directory)
        return { ...start, program, args: [...args, start.program, ...start.args], walls: [...start.walls, `only the project and /tmp can be written${network === "off" ? ", and there is no network" : ""}`] }
      },
    },
    caution: {
      id: "sandbox",
      async text() {
        const { state: is, reason, mode } = await state()
        if (is === "missing") return mode === "require" ? `there is no sandbox, and the config requires one, so no command runs: ${reason}` : `no sandbox: commands run without one, because ${reason}`
        return is === "refused" ? `no command runs, because of the sandbox's settings: ${reason}` : undefined
      },
    },
  }
}

function missing(path: string): never {
  throw new SandboxError("sandbox.setting", `"sandbox.write" names ${path}, and nothing is there: make it, or take it out`)
}
