/** `graft session`: everything that can be done with a session besides talking in it. */
import { locationOf, type Graft } from "graft"
import type { Session } from "../../../session/contract.ts"
import { choose, parse, UsageError, usageOf, type Options } from "../../arguments.ts"
import type { Terminal, Work } from "../../contract.ts"
import type { Screen } from "../../screen.ts"
import { byId } from "../../session.ts"
import { exportTo, importFrom } from "./carry.ts"
import { search } from "./find.ts"
import { cancel, deliver, inbox } from "./inbox.ts"
import { archive, compact, fork, interrupt, move, remove, rename, restore, resume, revert, unarchive } from "./life.ts"
import { request } from "./request.ts"
import { show } from "./show.ts"

const OPTIONS = {
  json: { type: "boolean", about: "list, show, search, inbox: JSON" },
  all: { type: "boolean", short: "a", about: "list, search: of every project" },
  archived: { type: "boolean", about: "list: those that were put away" },
  limit: { type: "string", short: "n", value: "number", about: "list, search: at most so many" },
  at: { type: "string", value: "message", about: "fork: the last message that is taken over" },
  to: { type: "string", value: "message", about: "revert: the first message that is taken back (the last that you said)" },
  files: { type: "boolean", about: "revert: also what was done to files since" },
  until: { type: "string", value: "event", about: "export: only up to this event" },
  output: { type: "string", short: "o", value: "file", about: "export: into a file" },
  yes: { type: "boolean", short: "y", about: "delete, revert: without a question" },
} as const satisfies Options

const NOTES = `verbs
  list                          the sessions of this project
  show <id>                     where it stands: why it is parked, what waits, what its tools did, what it cost
  rename <id> <title>           archive <id>, unarchive <id> put it away and bring it back
  fork <id> [--at message]      a new session with this conversation
  revert <id> [--to message]    takes back the end of the conversation, with --files what was done to files
  restore <id>                  brings back what was taken back, until you go on
  move <id> <directory>         has it work in another directory
  compact <id> [instructions]   folds the older part into a summary
  resume <id>                   makes another attempt at what is open; interrupt <id> ends what runs
  request <id> <attempt>        what was sent to the provider, byte for byte
  search <words>                what was said, and titles
  export <id>                   JSON lines, with everything; import <file|-> reads them
  inbox <id>                    what waits; cancel <id> <input>, deliver <id> <input> <steer|queue>
  delete <id>                   all of it, and of the sessions that it began

The beginning or the end of an id is enough.`

/** `rest`: what stands behind the id. */
export interface Asked { graft: Graft; screen: Screen; terminal: Terminal; location: string; session: Session; rest: string[]; values: ReturnType<typeof parse<typeof OPTIONS>>["values"] }
type Verb = (asked: Asked) => Promise<number>

/** Those that mean one session, and those that do not. */
const VERBS: Readonly<Record<string, Verb>> = { show, rename, archive, unarchive, fork, revert, restore, move, compact, resume, interrupt, export: exportTo, inbox, cancel, deliver, request, delete: remove }
const OTHERS: Readonly<Record<string, (asked: Omit<Asked, "session">) => Promise<number>>> = { search, import: importFrom }

export const session = (graft: Graft, screen: Screen): Work => ({
  usage: usageOf("graft session <verb> [id] [options]", OPTIONS, NOTES),
  async run(argv, terminal) {
    const { values, positionals: [word = "list", ...rest] } = parse(argv, OPTIONS)
    const verb = choose(word, ["list", ...Object.keys(VERBS), ...Object.keys(OTHERS)], "verb")
    if (verb === "list") return (await import("../sessions.ts")).sessions(graft).run([...["all", "json", "archived"].flatMap((name) => (values[name as "all"] ? [`--${name}`] : [])), ...(values.limit === undefined ? [] : ["--limit", values.limit])], terminal)
    const asked = { graft, screen, terminal, location: locationOf(terminal.directory), values }
    if (Object.hasOwn(OTHERS, verb)) return OTHERS[verb]!({ ...asked, rest })
    const [id, ...more] = rest
    if (id === undefined) throw new UsageError(`say which session: graft session ${verb} <id> (graft sessions lists them)`)
    return VERBS[verb]!({ ...asked, session: await byId(graft, id), rest: more })
  },
})
