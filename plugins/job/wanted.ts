/** What may be asked for, checked where it comes in: callers are plugins, and clients of the socket, who may send anything. */
import { isAbsolute } from "node:path"
import type { JobRequest } from "./contract.ts"
import { JobError } from "./errors.ts"

const MOST_COMMAND = 128_000
const MOST_PROMPT = 1024 * 1024
const MOST_TITLE = 500
const DELIVERIES = ["steer", "queue", "inform"]

const refuse = (problem: string): never => { throw new JobError("job.invalid", problem) }
const isText = (value: unknown, most: number): value is string => typeof value === "string" && value.trim() !== "" && !value.includes("\0") && Buffer.byteLength(value) <= most
const optional = (value: unknown, name: string): void => { if (value !== undefined && !isText(value, MOST_TITLE)) refuse(`a job's ${name} is a text`) }

export function wantedRequest(request: JobRequest): JobRequest {
  const { id, spec, title, delivery, onInterrupt } = request
  if (id !== undefined && !/^job_[A-Za-z0-9]{8,60}$/.test(String(id))) refuse('a job\'s id is "job_" and 8 to 60 letters and digits')
  if (!isText(title, MOST_COMMAND)) refuse("a job needs a title")
  if (!DELIVERIES.includes(delivery)) refuse(`a job's delivery is ${DELIVERIES.join(", ")}`)
  if (onInterrupt !== undefined && onInterrupt !== "keep" && onInterrupt !== "cancel") refuse("what an interrupt does to a job is keep or cancel")
  if (typeof spec !== "object" || spec === null || !isText(spec.directory, 4_096) || !isAbsolute(spec.directory)) refuse("a job's directory is an absolute path")
  switch (spec.kind) {
    case "shell":
      if (!isText(spec.command, MOST_COMMAND)) refuse(`a job's command is a text of at most ${MOST_COMMAND} bytes: write a longer script to a file, and run that`)
      if (spec.env !== undefined && !Object.values(spec.env).every((value) => typeof value === "string" && !value.includes("\0"))) refuse("a job's environment holds texts")
      break
    case "subagent":
      if (!isText(spec.prompt, MOST_PROMPT)) refuse(`a subagent's prompt is a text of at most ${MOST_PROMPT} bytes`)
      for (const name of ["agent", "model", "title"] as const) optional(spec[name], name)
      break
    default: refuse("a job is a shell command or a subagent")
  }
  return { ...request, title: title.slice(0, MOST_TITLE).toWellFormed() }
}
