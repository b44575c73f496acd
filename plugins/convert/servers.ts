/** MCP servers as three programs write them down. Pure. */
import type { Keys } from "../lib/tree.ts"
import { amount, count, text, yesNo, type Moving } from "./moving.ts"

/** What can be the name of a server here. */
const NAME = /^[\w .@/:-]{1,64}$/
const LONGEST = 3_600

function named(moving: Moving, name: string, from: Keys): boolean {
  if (NAME.test(name) && !(name in Object.prototype)) return true
  moving.leave(from, "a server's name is letters, digits, spaces and . _ - @ / :, at most 64 of them")
  return false
}
const seconds = (milliseconds: number): number => Math.min(LONGEST, Math.max(1, Math.ceil(milliseconds / 1_000)))

/** `${NAME}` and `${env:NAME}` stand for a variable there. */
export const referring = (value: string): string => value.replace(/\$\{(?:env:)?([A-Za-z_]\w*)(:-[^{}]*)?\}/g, "{env:$1$2}")

/** `{ command, args, env }` or `{ type: "http", url, headers }`: Claude, and most who write .mcp.json. */
export function takeClaudeServers(moving: Moving, from: Keys): void {
  for (const [name, at, block] of moving.entries(from)) {
    if (!named(moving, name, at)) continue
    const to = ["mcp", name]
    const below = block as Record<string, unknown> | null
    if (typeof block !== "object" || block === null || Array.isArray(block)) { moving.leave(at, "an object is expected"); continue }
    const remote = typeof below!.url === "string" || typeof below!.httpUrl === "string" || typeof below!.serverUrl === "string"
    if (remote) for (const key of ["url", "httpUrl", "serverUrl"]) moving.move([...at, key], [...to, "url"], text, referring)
    else commandLine(moving, at, to, referring)
    if (remote && below!.command !== undefined) for (const key of ["command", "args"]) moving.leave([...at, key], "the server has a URL, which counts")
    moving.map([...at, "env"], [...to, "env"], referring)
    moving.move([...at, "cwd"], [...to, "cwd"], text, referring)
    moving.map([...at, "headers"], [...to, "headers"], referring)
    moving.move([...at, "disabled"], [...to, "enabled"], yesNo, (disabled) => !disabled)
    moving.move([...at, "enabled"], [...to, "enabled"], yesNo)
    moving.move([...at, "timeout"], [...to, "timeout"], count, seconds)
    moving.imply([...at, "type"], 'a "command" or a "url" says it')
    moving.imply([...at, "transport"], 'a "command" or a "url" says it')
    for (const key of ["alwaysAllow", "autoApprove"]) for (const [tool, keys] of moving.texts([...at, key])) moving.push(["permissions", "allow"], `mcp:${name}/${tool}`, keys)
    moving.leave([...at, "oauth"], "Graft finds out how to log in by itself")
    moving.leave([...at, "headersHelper"], "headers are texts with {env:X} or {file:x} in them")
  }
}

/** `{ type: "local", command: [], environment }` or `{ type: "remote", url }`, directly or below `servers`. */
export function takeOpencodeServers(moving: Moving, from: Keys): void {
  for (const [name, at, block] of moving.entries(from)) {
    const direct = typeof block === "object" && block !== null && (["type", "command", "url", "enabled"] as const).some((key) => { const value = (block as Record<string, unknown>)[key]; return value !== undefined && (typeof value !== "object" || value === null || Array.isArray(value)) })
    if (name === "servers" && !direct && from.length === 1) { takeOpencodeServers(moving, at); continue }
    if (name === "timeout" && !direct && from.length === 1) { moving.leave(at, "each server has its own timeout"); continue }
    if (!named(moving, name, at)) continue
    if (typeof block !== "object" || block === null || Array.isArray(block)) { moving.leave(at, "an object is expected"); continue }
    const to = ["mcp", name]
    const remote = typeof (block as { url?: unknown }).url === "string"
    if (remote) moving.move([...at, "url"], [...to, "url"], text)
    else commandLine(moving, at, to)
    if (remote) moving.leave([...at, "command"], "the server has a URL, which counts")
    for (const key of ["environment", "env"]) moving.map([...at, key], [...to, "env"])
    moving.move([...at, "cwd"], [...to, "cwd"], text)
    moving.map([...at, "headers"], [...to, "headers"])
    moving.move([...at, "enabled"], [...to, "enabled"], yesNo)
    moving.move([...at, "disabled"], [...to, "enabled"], yesNo, (disabled) => !disabled)
    if (typeof (block as { timeout?: unknown }).timeout === "object") {
      moving.move([...at, "timeout", "execution"], [...to, "timeout"], count, seconds)
      for (const key of ["startup", "catalog"]) moving.leave([...at, "timeout", key], "a server that does not come is tried again and again")
    } else moving.move([...at, "timeout"], [...to, "timeout"], count, seconds)
    moving.imply([...at, "type"], 'a "command" or a "url" says it')
    moving.leave([...at, "oauth"], "Graft finds out how to log in by itself")
    moving.leave([...at, "codemode"], "there is no such mode")
  }
}

/** `[mcp_servers.name]` of a config.toml. */
export function takeCodexServers(moving: Moving, from: Keys): void {
  for (const [name, at, block] of moving.entries(from)) {
    if (!named(moving, name, at)) continue
    if (typeof block !== "object" || block === null || Array.isArray(block)) { moving.leave(at, "a table is expected"); continue }
    const to = ["mcp", name]
    const remote = typeof (block as { url?: unknown }).url === "string"
    if (remote) moving.move([...at, "url"], [...to, "url"], text)
    else commandLine(moving, at, to)
    moving.map([...at, "env"], [...to, "env"])
    for (const [variable, keys] of moving.texts([...at, "env_vars"])) moving.put([...to, "env", variable], `{env:${variable}}`, keys)
    moving.move([...at, "cwd"], [...to, "cwd"], text)
    moving.map([...at, "http_headers"], [...to, "headers"])
    moving.map([...at, "env_http_headers"], [...to, "headers"], (variable) => `{env:${variable}}`)
    moving.move([...at, "bearer_token_env_var"], [...to, "headers", "authorization"], text, (variable) => `Bearer {env:${variable}}`)
    moving.move([...at, "bearer_token"], [...to, "headers", "authorization"], text, (token) => `Bearer ${token}`, { secret: true })
    moving.move([...at, "enabled"], [...to, "enabled"], yesNo)
    moving.move([...at, "tool_timeout_sec"], [...to, "timeout"], amount, (most) => Math.min(LONGEST, Math.max(0.1, most)))
    for (const [tool, keys] of moving.texts([...at, "enabled_tools"])) moving.push([...to, "tools"], tool, keys)
    for (const [tool, keys] of moving.texts([...at, "disabled_tools"])) moving.push([...to, "tools"], `!${tool}`, keys)
    for (const key of ["startup_timeout_sec", "startup_timeout_ms"]) moving.leave([...at, key], "a server that does not come is tried again and again")
    for (const key of ["oauth", "scopes", "oauth_resource"]) moving.leave([...at, key], "Graft finds out how to log in by itself")
    for (const key of ["required", "supports_parallel_tool_calls"]) moving.leave([...at, key], "nothing waits for one server here")
  }
}

/** A command in one text or in a list, and its arguments. */
function commandLine(moving: Moving, at: Keys, to: Keys, change: (value: string) => string = (value) => value): void {
  const [first, ...rest] = argsOf(moving, [...at, "command"])
  if (!first) return
  const [line, keys] = first
  const more = [...rest, ...argsOf(moving, [...at, "args"])]
  // A whole line where a list was meant.
  const [command = line, ...words] = more.length === 0 && keys.at(-1) === "command" && !/^[./~].*\s.*\//.test(line) ? line.trim().split(/\s+/) : [line]
  moving.put([...to, "command"], change(command), keys)
  const args = [...words, ...more.map(([arg]) => arg)]
  if (args.length > 0) moving.put([...to, "args"], args.map(change), more[0]?.[1] ?? keys)
  for (const [, place] of more.slice(1)) moving.also(place, [...to, "args"])
}

/** Arguments are often numbers. */
function argsOf(moving: Moving, from: Keys): [string, Keys][] {
  const value = moving.at(...from)
  if (!Array.isArray(value)) return moving.texts(from)
  return value.flatMap((each: unknown, i): [string, Keys][] => {
    const keys = [...from, String(i)]
    if (typeof each === "string" || typeof each === "number" || typeof each === "boolean") return [[String(each), keys]]
    moving.leave(keys, "a text is expected")
    return []
  })
}
