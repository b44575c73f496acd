/** `bash`: a shell command in the session's directory; or, in the background, a job. */
import * as v from "valibot"
import type { Graft } from "graft"
import { newId } from "../lib/ids.ts"
import { run, verdictOf } from "../lib/command.ts"
import type { Leash } from "../lib/leash.ts"
import { UNATTENDED } from "../lib/shell.ts"
import type { ToolDefinition, ToolResult } from "../tool/contract.ts"

const SECONDS = 120
const MAX_SECONDS = 600
/** The system takes 128 KiB of one argument (execve(2)); the shell gets a few bytes besides. */
const MAX_COMMAND = 128_000

const input = v.object({
  command: v.pipe(v.string(), v.regex(/\S/, "a command"), v.check((command) => !command.includes("\0"), "a command cannot hold a NUL byte"), v.check((command) => Buffer.byteLength(command) <= MAX_COMMAND, `at most ${MAX_COMMAND} bytes: write a longer script to a file, and run that`)),
  timeout: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_SECONDS), v.description("Seconds until it is stopped; nothing in the background is")), SECONDS),
  description: v.optional(v.pipe(v.string(), v.description("What it does, in a few words, for the person who looks on"))),
  background: v.optional(v.pipe(v.boolean(), v.description("Returns at once, and the command goes on as a job: for servers, watchers and long builds. You are told when it ends")), false),
})

export const makeBash = (graft: Graft, leash: Leash): ToolDefinition<typeof input> => ({
  name: "bash",
  description: `Runs a shell command in the working directory and gives its output and exit code. Standard input is empty and nobody can answer prompts. Ends after timeout (default ${SECONDS} s); whatever it left in the background is ended with it: what is to go on runs with background.`,
  input,
  effects: ["run"],
  recovery: "unknown",
  limits: { milliseconds: (MAX_SECONDS + 10) * 1_000 },
  permission: ({ command, description }, { directory }) => ({ action: "bash", resource: command, directory, ...(description ? { detail: description } : {}) }),
  async execute({ command, timeout, description, background }, context) {
    const { directory } = context
    const title = description ?? command
    if (background) return inBackground(command, directory, title)
    const { value } = await graft.mutate("shell.env", { command, directory, env: UNATTENDED })
    const finished = await run({
      command, directory, env: { ...process.env, ...value.env }, deadline: timeout * 1_000, signal: context.signal, leash,
      progress: (output) => context.progress({ title, output }),
    })
    const { ending, left, bytes } = finished
    const notes = [verdictOf(finished, timeout, `; a longer timeout may be given, up to ${MAX_SECONDS}, or background`), ...(left > 0 ? ["processes left in the background were ended"] : [])].filter(Boolean)
    const output = finished.output.trimEnd()
    return {
      output: [...(output ? [output] : []), ...notes.map((note) => `(${note})`)].join("\n"),
      title,
      metadata: { ending: ending.kind, ...(ending.kind === "exit" ? { exit: ending.code } : {}), bytes },
      failed: ending.kind !== "exit" || ending.code !== 0,
    }
  },
})

function inBackground(command: string, directory: string, title: string): ToolResult {
  const id = newId("job")
  return {
    output: `It runs in the background, as the job ${id}. You will be told when it ends; until then the tool job shows its output, waits for it, or cancels it.`,
    title,
    metadata: { job: id },
    job: { id, spec: { kind: "shell", command, directory }, title, delivery: "steer" },
  }
}
