/** The rule that "always" saves: wide enough to be worth it, no wider than what was seen. Pure. */
import { homedir } from "node:os"
import { dirname, isAbsolute } from "node:path"
import { inside } from "../lib/confine.ts"
import type { PermissionAsk } from "./contract.ts"
import { exactly } from "./pattern.ts"
import { defaultRules, matches, SHELL } from "./rules.ts"
import type { SimpleCommand } from "./simple.ts"

/** Programs whose first word after the name says what they do, or names what they run. */
const SUBCOMMANDS = new Set(["git", "npm", "pnpm", "yarn", "bun", "cargo", "go", "docker", "kubectl", "gh", "pip", "uv", "make", "deno", "dotnet", "terraform", "brew", "apt", "systemctl", "npx", "pnpx", "bunx", "uvx", "node", "tsx", "python", "python3", "ruby", "perl", "php", "sh", "bash"])
/** Verbs that say nothing without the word after them. */
const NAMING = new Set(["run", "exec", "compose", "x", "dlx", "tool"])
/** Programs each of whose uses is a decision of its own. */
const GRAVE = new Set(["rm", "rmdir", "mv", "cp", "ln", "dd", "tee", "truncate", "shred", "install", "chmod", "chown", "chgrp", "kill", "pkill", "killall", "curl", "wget", "ssh", "scp", "sftp", "rsync", "nc", "mount", "umount", "reboot", "shutdown"])

/** Actions on a directory. */
const LISTING = new Set(["ls", "glob", "grep"])

/** `command`: for the sake of which alone a shell line is asked about; without it only the very line is meant. */
export function suggest(ask: PermissionAsk, location: string, command?: SimpleCommand): string {
  const { action, resource } = ask
  if (action === SHELL) return `${action}:${(command && commandPattern(command)) ?? exactly(resource.trim())}`
  if (resource === "") return action
  const exact = `${action}:${exactly(resource)}`
  if (!isAbsolute(resource) || defaultRules.some((rule) => rule.effect === "ask" && matches(rule, ask, location))) return exact
  if (inside(location, resource)) return action
  const directory = LISTING.has(action) ? resource : action === "read" ? dirname(resource) : undefined
  return directory === undefined || inside(directory, homedir()) ? exact : `${action}:${exactly(directory)}/*`
}

/** A program with what it does; undefined where only the very line says enough. */
function commandPattern(command: SimpleCommand): string | undefined {
  if (command.head !== 0 || !command.words[0]!.sure || GRAVE.has(command.name)) return undefined
  const words = command.words.map(({ text }) => text)
  if (!SUBCOMMANDS.has(command.name)) return `${exactly(words[0]!)} *`
  const verbs = words.slice(1, NAMING.has(words[1] ?? "") ? 3 : 2)
  const plain = verbs.length > 0 && verbs.every((verb) => /^[\w@.][\w@./:-]*$/.test(verb)) && !NAMING.has(verbs.at(-1)!)
  return plain ? `${exactly([words[0]!, ...verbs].join(" "))} *` : undefined
}
