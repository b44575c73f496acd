/** `bash`: a shell command where the one before it ended; or, in the background, a job. */
import { relative } from "node:path"
import * as v from "valibot"
import type { Graft } from "graft"
import { newId } from "../lib/ids.ts"
import { run, verdictOf } from "../lib/command.ts"
import type { Leash } from "../lib/leash.ts"
import { inside } from "../lib/confine.ts"
import { confined, tellingScriptOf, UNATTENDED } from "../lib/shell.ts"
import type { ToolDefinition, ToolResult } from "../tool/contract.ts"
import type { Directories } from "./directories.ts"

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

export function makeBash(graft: Graft, leash: Leash, directories: Directories): ToolDefinition<typeof input> {
  /** Where a call was allowed to start is where it starts, whatever another call does meanwhile. */
  const judged = new WeakMap<object, string>()
  return {
    name: "bash",
    description: `Runs a shell command and gives its output and exit code. It starts where the one before it ended (cd is kept; variables are not). Standard input is empty and nobody can answer prompts. Ends after timeout (default ${SECONDS} s); whatever it left in the background is ended with it: what is to go on runs with background.`,
    input,
    effects: ["run"],
    recovery: "unknown",
    limits: { milliseconds: (MAX_SECONDS + 10) * 1_000 },
    permission(call, { session, directory: base }) {
      const directory = directories.of(session, base)
      judged.set(call, directory)
      const detail = [call.description, directory === base ? undefined : `in ${shown(base, directory)}`].filter(Boolean).join(", ")
      return { action: "bash", resource: call.command, directory, ...(detail && { detail }) }
    },
    async execute(call, context) {
      const { command, timeout, description, background } = call
      const { session, directory: base } = context
      const directory = judged.get(call) ?? directories.of(session, base)
      const title = description ?? command
      if (background) return inBackground(command, directory, title)
      const { value } = await graft.mutate("shell.env", { command, directory, env: UNATTENDED })
      const start = await confined(graft.all("wall"), tellingScriptOf(command), directory)
      const finished = await run({
        command, start, directory, env: { ...process.env, ...value.env }, deadline: timeout * 1_000, signal: context.signal, leash,
        progress: (output) => context.progress({ title, output }),
      })
      const { ending, left, bytes } = finished
      const failed = ending.kind !== "exit" || ending.code !== 0
      const to = finished.told.trimEnd().split("\n").at(-1) ?? ""
      const moved = directories.moved(session, base, directory, to)
      const notes = [
        verdictOf(finished, timeout, `; a longer timeout may be given, up to ${MAX_SECONDS}, or background`),
        // Inside a sandbox all of them end with the first, and are seen dying.
        left > 0 && start.walls.length === 0 ? "processes left in the background were ended" : "",
        moved ? `the working directory is now ${shown(base, to)}` : "",
        ...(failed ? start.walls.map((wall) => `it ran in a sandbox: ${wall}`) : []),
      ].filter(Boolean)
      const output = finished.output.trimEnd()
      return {
        output: [...(output ? [output] : []), ...notes.map((note) => `(${note})`)].join("\n"),
        title,
        metadata: { ending: ending.kind, ...(ending.kind === "exit" ? { exit: ending.code } : {}), bytes, directory: moved ? to : directory, ...(start.walls.length > 0 && { sandbox: true }) },
        failed,
      }
    },
  }
}

/** As the model writes it. */
const shown = (base: string, directory: string): string => (inside(base, directory) ? relative(base, directory) || base : directory)

function inBackground(command: string, directory: string, title: string): ToolResult {
  const id = newId("job")
  return {
    output: `It runs in the background, as the job ${id}. You will be told when it ends; until then the tool job shows its output, waits for it, or cancels it.`,
    title,
    metadata: { job: id },
    job: { id, spec: { kind: "shell", command, directory }, title, delivery: "steer" },
  }
}
