/** Claude Code's hooks as Graft has them: what stands in a settings file, what a hook is told, and what came of it. Types only. */

/** What its events are called there. Others are named at load. */
export type HookEvent = "PreToolUse" | "PostToolUse" | "PostToolUseFailure" | "PermissionRequest" | "UserPromptSubmit" | "Stop" | "SubagentStart" | "SubagentStop" | "SessionStart" | "SessionEnd" | "PreCompact" | "PostCompact" | "Notification"

/** `async`: nobody waits for it, and its answer counts for nothing. `allowedEnvVars`: those that may stand in a header. */
export type HookWork =
  | { type: "command"; command: string; async: boolean }
  | { type: "http"; url: string; headers: Readonly<Record<string, string>>; allowedEnvVars: readonly string[] }
  | { type: "prompt"; prompt: string; model?: string }

/** `source`: file:line, as a person reads it. */
export interface Hook { event: HookEvent; matcher: string; work: HookWork; seconds: number; source: string }

/** What every hook is told, as JSON; each event adds its own. */
export interface HookInput { session_id: string; transcript_path: string; cwd: string; permission_mode: string; hook_event_name: HookEvent; [field: string]: unknown }

/** How one hook ended, before anybody knows what it means. */
export type Ran = { kind: "exit"; code: number; stdout: string; stderr: string } | { kind: "verdict"; ok: boolean; reason: string } | { kind: "failed"; why: string }

export type Behaviour = "allow" | "ask" | "deny"

/** What one hook, or all of one event together, want. */
export interface Answer {
  /** The event is held back, for this reason. */
  block?: string
  permission?: { behaviour: Behaviour; reason: string; source: string }
  updatedInput?: Record<string, unknown>
  /** In the place of what a server's tool gave. */
  updatedOutput?: string
  /** For the model. */
  context: readonly string[]
  /** All work ends, and a person is told why. */
  stop?: string
  /** For a person. */
  messages: readonly string[]
  /** It was no answer; nothing is held back by that. */
  problem?: string
}
