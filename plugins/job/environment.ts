/** The environment of a command: what this process has, nobody to answer, and what the project's plugins say. It is asked for when the command starts, so that no secret of it stands in the log. */
import type { Graft } from "graft"
import { confined, scriptOf, UNATTENDED } from "../lib/shell.ts"
import type { Start } from "../tool-bash/contract.ts"
import { JobError } from "./errors.ts"

export async function environmentOf(graft: Graft, session: string, command: string, directory: string, own: Record<string, string> = {}): Promise<Record<string, string | undefined>> {
  const known = await graft.session.get(session)
  if (!known) throw new JobError("job.session", `there is no session "${session}"`)
  using project = await graft.at(known.location)
  const { value } = await project.mutate("shell.env", { command, directory, env: UNATTENDED })
  return { ...process.env, ...value.env, ...own }
}

/** The shell with a command, inside the walls of the session's project. */
export async function confinedOf(graft: Graft, session: string, command: string, directory: string): Promise<Start> {
  const known = await graft.session.get(session)
  if (!known) throw new JobError("job.session", `there is no session "${session}"`)
  using project = await graft.at(known.location)
  return confined(project.all("wall"), scriptOf(command), directory)
}
