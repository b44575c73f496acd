/** `bash`: a shell command in the session's directory. */
import * as v from "valibot"
import type { Graft } from "graft"
import type { ToolDefinition } from "../tool/contract.ts"
import { run, type Finished } from "./command.ts"

const SECONDS = 120
const MAX_SECONDS = 600
/** The system takes 128 KiB of one argument (execve(2)); the shell gets a few bytes besides. */
const MAX_COMMAND = 128_000

const input = v.object({
  command: v.pipe(v.string(), v.regex(/\S/, "a command"), v.check((command) => !command.includes("\0"), "a command cannot hold a NUL byte"), v.check((command) => Buffer.byteLength(command) <= MAX_COMMAND, `at most ${MAX_COMMAND} bytes: write a longer script to a file, and run that`)),
  timeout: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_SECONDS), v.description("Seconds until it is stopped")), SECONDS),
  description: v.optional(v.pipe(v.string(), v.description("What it does, in a few words, for the person who looks on"))),
})

/** Nothing may wait for a person at a terminal that is not there: prompts fail, pagers print, editors refuse. */
const UNATTENDED = {
  GIT_TERMINAL_PROMPT: "0", GIT_ASKPASS: "false", SSH_ASKPASS: "false", SSH_ASKPASS_REQUIRE: "never", GIT_PAGER: "cat", PAGER: "cat", MANPAGER: "cat",
  GIT_EDITOR: "false", EDITOR: "false", VISUAL: "false", DEBIAN_FRONTEND: "noninteractive", PIP_NO_INPUT: "1", NO_COLOR: "1", TERM: "dumb",
}

export const makeBash = (graft: Graft): ToolDefinition<typeof input> => ({
  name: "bash",
  description: `Runs a shell command in the working directory and gives its output and exit code. Standard input is empty and nobody can answer prompts. Ends after timeout (default ${SECONDS} s); whatever it left in the background is ended with it.`,
  input,
  effects: ["run"],
  recovery: "unknown",
  limits: { milliseconds: (MAX_SECONDS + 10) * 1_000 },
  permission: ({ command, description }, { directory }) => ({ action: "bash", resource: command, directory, ...(description ? { detail: description } : {}) }),
  async execute({ command, timeout, description }, context) {
    const { directory } = context
    const { value } = await graft.mutate("shell.env", { command, directory, env: UNATTENDED })
    const finished = await run({
      command, directory, env: { ...process.env, ...value.env }, deadline: timeout * 1_000, signal: context.signal,
      progress: (output) => context.progress({ title: description ?? command, output }),
    })
    const { ending, left, bytes } = finished
    const notes = [verdictOf(finished, timeout), ...(left > 0 ? ["processes left in the background were ended"] : [])].filter(Boolean)
    const output = finished.output.trimEnd()
    return {
      output: [...(output ? [output] : []), ...notes.map((note) => `(${note})`)].join("\n"),
      title: description ?? command,
      metadata: { ending: ending.kind, ...(ending.kind === "exit" ? { exit: ending.code } : {}), bytes },
      failed: ending.kind !== "exit" || ending.code !== 0,
    }
  },
})

function verdictOf({ ending, bytes }: Finished, timeout: number): string {
  switch (ending.kind) {
    case "exit": return ending.code === 0 ? "" : `exit code ${ending.code}`
    case "signal": return `ended by ${ending.signal}`
    case "deadline": return `stopped: it ran longer than ${timeout} s; a longer timeout may be given, up to ${MAX_SECONDS}`
    // Whoever interrupted says so.
    case "interrupted": return ""
    case "flood": return `stopped: it wrote more than ${bytes} bytes; send the output to a file, or filter it`
    default: return ending satisfies never
  }
}
