/** What changes a session: each says in a line what is now true. */
import { resolve } from "node:path"
import type { Asked } from "./session.ts"
import { UsageError } from "../../arguments.ts"
import { EXIT } from "../../dispatch.ts"
import { explain } from "../../ending.ts"
import { comeUp } from "../../notices.ts"
import { listed, toldOf } from "../../reverted.ts"
import { titleOf } from "../../session.ts"
import { newView, show } from "../../view.ts"

const done = ({ terminal }: Asked, words: string): number => (terminal.err(`${words}\n`), EXIT.done)

export async function rename(asked: Asked): Promise<number> {
  const title = asked.rest.join(" ").trim()
  if (title === "") throw new UsageError("say how it is to be called: graft session rename <id> <title>")
  await asked.graft.session.update(asked.session.id, { title })
  return done(asked, `${asked.session.id} is called "${title}"`)
}

export async function archive(asked: Asked): Promise<number> {
  await asked.graft.session.update(asked.session.id, { archived: true })
  return done(asked, `${asked.session.id} is put away; graft session unarchive ${asked.session.id} brings it back`)
}

export async function unarchive(asked: Asked): Promise<number> {
  await asked.graft.session.update(asked.session.id, { archived: false })
  return done(asked, `${asked.session.id} is back in the list`)
}

/** The new id goes to stdout: a script goes on with it. */
export async function fork(asked: Asked): Promise<number> {
  const { graft, session, terminal, values } = asked
  const made = await graft.session.fork(session.id, values.at === undefined ? {} : { message: values.at })
  terminal.out(`${made.id}\n`)
  return done(asked, `forked from ${session.id}; graft resume ${made.id} goes on with it`)
}

export async function revert(asked: Asked): Promise<number> {
  const { graft, session, terminal, values } = asked
  await comeUp(graft)
  const options = { ...(values.to !== undefined && { message: values.to }), files: values.files ?? false }
  if (values.files && !values.yes && terminal.interactive) {
    const { files } = await graft.session.revert(session.id, { ...options, preview: true })
    if (files.length > 0) {
      terminal.err(`these files are put back:\n${listed(files)}`)
      if (!/^y(es)?$/i.test((await terminal.ask("go on? [y/N] "))?.trim() ?? "")) return done(asked, "nothing was taken back"), EXIT.failed
    }
  }
  const { message, files, kept, unable } = await graft.session.revert(session.id, options)
  terminal.err(toldOf("put back", files, kept, unable))
  return done(asked, `taken back from ${message} on; graft session restore ${session.id} brings it back, until you go on`)
}

export async function restore(asked: Asked): Promise<number> {
  await comeUp(asked.graft)
  const { files, kept, unable } = await asked.graft.session.restore(asked.session.id)
  asked.terminal.err(toldOf("brought back", files, kept, unable))
  return done(asked, "all that was taken back is there again")
}

export async function move(asked: Asked): Promise<number> {
  const { graft, session, terminal, rest: [directory] } = asked
  if (directory === undefined) throw new UsageError("say where to: graft session move <id> <directory>")
  const wanted = resolve(terminal.directory, directory)
  const moved = await graft.session.move(session.id, wanted)
  return done(asked, moved.directory === session.directory && wanted !== session.directory ? `${session.id} is at work; it moves at its next boundary` : `${session.id} works in ${moved.directory}`)
}

/** What came of it is shown as in a conversation. */
export async function compact(asked: Asked): Promise<number> {
  const { graft, session, terminal, rest } = asked
  await comeUp(graft)
  const instructions = rest.join(" ").trim()
  const { seq } = await graft.session.compact(session.id, instructions === "" ? undefined : instructions)
  const ended = await graft.session.wait(session.id)
  if (ended.state === "failed") throw new Error(explain(ended, "try again", "graft run --continue"))
  const { events } = await graft.eventlog.read({ aggregate: session.id, after: seq, types: ["session.compaction.started", "session.compaction.ended", "session.compaction.failed"] })
  const view = newView(session.id)
  for (const { type, data } of events) for (const { text } of show(view, type, data)) terminal.err(text)
  return events.at(-1)?.type === "session.compaction.ended" ? EXIT.done : EXIT.failed
}

export async function resume({ graft, screen, session, terminal, rest }: Asked): Promise<number> {
  return (await import("../run.ts")).run(graft, screen).run(["--session", session.id, ...rest], terminal)
}

export async function interrupt(asked: Asked): Promise<number> {
  await comeUp(asked.graft)
  await asked.graft.session.interrupt(asked.session.id, "interrupted")
  return done(asked, `${asked.session.id} is not at work`)
}

export async function remove(asked: Asked): Promise<number> {
  const { graft, session, terminal, values } = asked
  const { children } = await graft.session.describe(session.id)
  const all = children.length > 0 ? ` and the ${children.length} session${children.length === 1 ? "" : "s"} that it began` : ""
  if (!values.yes) {
    if (!terminal.interactive) throw new UsageError(`this cannot be undone: say --yes to delete ${session.id}${all}`)
    if (!/^y(es)?$/i.test((await terminal.ask(`delete "${titleOf(session)}"${all} for good? [y/N] `))?.trim() ?? "")) return done(asked, "nothing was deleted"), EXIT.failed
  }
  await graft.session.remove(session.id)
  return done(asked, `${session.id}${all} ${children.length > 0 ? "are" : "is"} gone`)
}
