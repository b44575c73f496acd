/** Which shell runs a command line, and in which surroundings. */
import { existsSync } from "node:fs"
import type { Board } from "graft"
import type { Start, Wall } from "../tool-bash/contract.ts"

export const SHELL = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"].find((path) => existsSync(path)) ?? "/bin/sh"

/** Nothing may wait for a person at a terminal that is not there: prompts fail, pagers print, editors refuse. */
export const UNATTENDED = {
  GIT_TERMINAL_PROMPT: "0", GIT_ASKPASS: "false", SSH_ASKPASS: "false", SSH_ASKPASS_REQUIRE: "never", GIT_PAGER: "cat", PAGER: "cat", MANPAGER: "cat",
  GIT_EDITOR: "false", EDITOR: "false", VISUAL: "false", DEBIAN_FRONTEND: "noninteractive", PIP_NO_INPUT: "1", NO_COLOR: "1", TERM: "dumb",
}

/** The script of a command line. One pipe for both streams keeps their order; the second holds only what the shell says of a line it cannot parse. */
export const scriptOf = (command: string): string => `exec 2>&1; ${command}`

/** The same, and the directory in which it ends is written to descriptor 3, moved to where scripts do not look for one; by bash only. */
export const tellingScriptOf = (command: string): string => (SHELL.endsWith("/bash") ? `exec 2>&1 19>&3 3>&-; trap 'pwd -P >&19' EXIT; ${command}` : scriptOf(command))

/** The shell with a script, inside every wall that stands here. */
export async function confined(walls: Board<Wall>, script: string, directory: string): Promise<Start> {
  let start: Start = { program: SHELL, args: ["-c", script], directory, walls: [] }
  for (const wall of walls.rows()) start = await wall.run(() => wall.item.confine(start))
  return start
}

/** Bytes that a command may write before it is stopped. */
export const FLOOD = 64 * 1024 * 1024
