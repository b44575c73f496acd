/** The rule that "always" saves: wide enough to be worth it, no wider than what was seen. Pure. */
import { homedir } from "node:os"
import { dirname, isAbsolute } from "node:path"
import { inside } from "../lib/confine.ts"
import { readCommand } from "./command.ts"
import type { PermissionAsk } from "./contract.ts"
import { exactly } from "./pattern.ts"
import { defaultRules, matches, SHELL } from "./rules.ts"

/** Programs whose first word after the name says what they do, or names what they run. */
const SUBCOMMANDS = new Set(["git", "npm", "pnpm", "yarn", "bun", "cargo", "go", "docker", "kubectl", "gh", "pip", "uv", "make", "deno", "dotnet", "terraform", "brew", "apt", "systemctl", "npx", "pnpx", "bunx", "uvx", "node", "tsx", "python", "python3", "ruby", "perl", "php", "sh", "bash"])
/** Verbs that say nothing without the word after them. */
const NAMING = new Set(["run", "exec", "compose", "x", "dlx", "tool"])
/** Programs each of whose uses is a decision of its own. */
const GRAVE = new Set(["rm", "rmdir", "mv", "cp", "ln", "dd", "tee", "truncate", "shred", "install", "chmod", "chown", "chgrp", "kill", "pkill", "killall", "curl", "wget", "ssh", "scp", "sftp", "rsync", "nc", "mount", "umount", "reboot", "shutdown"])

/** Actions on a directory. */
const LISTING = new Set(["ls", "glob", "grep"])

export function suggest(ask: PermissionAsk, location: string): string {
  const { action, resource } = ask
  if (action === SHELL) return `${action}:${commandPattern(ask) ?? exactly(resource.trim())}`
  if (resource === "") return action
  const exact = `${action}:${exactly(resource)}`
  if (!isAbsolute(resource) || defaultRules.some((rule) => rule.effect === "ask" && matches(rule, ask, location))) return exact
  if (inside(location, resource)) return action
  const directory = LISTING.has(action) ? resource : action === "read" ? dirname(resource) : undefined
  return directory === undefined || inside(directory, homedir()) ? exact : `${action}:${exactly(directory)}/*`
}

/** A program with what it does; undefined where only the very line says enough. */
function commandPattern(ask: PermissionAsk): string | undefined {
  const { commands: [command, ...others], writes, unclear } = readCommand(ask.resource)
  if (!command || others.length > 0 || writes.length > 0 || unclear || command.head !== 0 || GRAVE.has(command.name)) return undefined
  if (!SUBCOMMANDS.has(command.name)) return `${exactly(command.words[0]!)} *`
  const verbs = command.words.slice(1, NAMING.has(command.words[1] ?? "") ? 3 : 2)
  const plain = verbs.length > 0 && verbs.every((verb) => /^[\w@.][\w@./:-]*$/.test(verb)) && !NAMING.has(verbs.at(-1)!)
  return plain ? `${exactly([command.words[0]!, ...verbs].join(" "))} *` : undefined
}
