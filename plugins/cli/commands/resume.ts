/** `graft resume`: a session out of the recent ones, and the conversation goes on. */
import { locationOf, type Graft } from "graft"
import type { Away } from "../chat/conversation.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { recent } from "../resume.ts"
import { numbered } from "../picker.ts"
import { titleOf } from "../session.ts"
import type { Screen } from "../screen.ts"
import { ago, table } from "../table.ts"

const NOTES = `graft resume                choose with the arrow keys or a number
graft resume <id>           this one; the beginning or the end of its id is enough

Options are those of a conversation (graft chat --help). Without a terminal the sessions are listed.`

export const resume = (graft: Graft<Away>, screen: Screen): Work => ({
  usage: `usage: graft resume [id] [options]\n\n${NOTES}`,
  async run(argv, terminal) {
    const { chat } = await import("../chat/chat.ts")
    const [id, ...rest] = argv
    if (id !== undefined && !id.startsWith("-")) return chat(graft, screen).run(["--session", id, ...rest], terminal)
    if (terminal.interactive) return chat(graft, screen).run(["--resume", ...argv], terminal)
    const sessions = await recent(graft, locationOf(terminal.directory))
    const rows = table(sessions.map((session) => [session.id, ago(session.updated), session.status, titleOf(session), session.directory])).trimEnd().split("\n")
    if (sessions.length > 0) terminal.out(`${numbered(rows).join("\n")}\n`)
    else terminal.err("no session yet\n")
    return EXIT.done
  },
})
