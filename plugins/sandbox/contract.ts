/** How a command of a model is confined. */
export type SandboxMode = "off" | "auto" | "require"

/** `on`: commands are confined. `off`: nobody asked for it. `missing`: it is wanted, and this system has none. `refused`: its settings cannot be kept; no command runs. */
export interface SandboxState { mode: SandboxMode; state: "on" | "off" | "missing" | "refused"; /** Of `missing` and `refused`. */ reason?: string; network: "on" | "off"; /** Real paths that can be written. */ writable: string[] }

export interface Sandbox {
  state(): Promise<SandboxState>
}

declare module "graft" {
  interface Services { sandbox: Sandbox }
}
