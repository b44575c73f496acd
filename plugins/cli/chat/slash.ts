/** What can be typed with a slash before it. Few: everything else is a command of `graft` in another terminal. */
import type { Graft } from "graft"
import { near } from "../../lib/near.ts"
import { toldOf } from "../reverted.ts"
import { byId } from "../session.ts"
import { ago, oneLine, table } from "../table.ts"
import type { Conversation } from "./conversation.ts"

interface Slash { takes?: string; about: string; run(talk: Conversation, argument: string): void | Promise<void>; complete?(graft: Graft): Promise<string[]> }

/** Sessions that are listed. */
const MOST = 10

const SLASHES: Readonly<Record<string, Slash>> = {
  help: {
    about: "this list",
    async run(talk) {
      talk.line(table(Object.entries(SLASHES).map(([name, { takes, about }]) => [`/${name}${takes ? ` ${takes}` : ""}`, about])).trimEnd(), "dim")
      const own = await commandsOf(talk.place.project)
      if (own.length > 0) talk.line(`and the commands that are kept in files:\n${table(own.map(({ name, hint, description }) => [`/${name}${hint ? ` ${hint}` : ""}`, oneLine(description, 80)])).trimEnd()}`, "dim")
      talk.line("!command runs it here and shows the model with your next prompt; Enter sends, also while the model works (it steers); Alt-Enter or \\ and Enter makes a new row; Ctrl-C interrupts, again leaves; Ctrl-D leaves", "dim")
    },
  },
  model: {
    takes: "[provider/id]", about: "say or change the model",
    complete: async (project) => (await project.model.list()).map(({ ref }) => ref),
    async run(talk, wanted) {
      const { graft, project } = talk.place
      if (!wanted) {
        const model = await project.model.resolve(await modelOf(talk))
        return talk.line(`${model.ref}  ${model.name}; graft models lists the others`, "dim")
      }
      const { ref } = await project.model.resolve(wanted)
      talk.talk.model = ref
      if (talk.talk.session) await graft.session.update(talk.talk.session, { model: ref })
      talk.line(`from the next turn on: ${ref}`, "dim")
    },
  },
  agent: {
    takes: "[name]", about: "say or change who works",
    complete: async (project) => (await project.agent.list()).map(({ name }) => name),
    async run(talk, wanted) {
      const { graft, project } = talk.place
      const { session } = talk.talk
      if (!wanted) {
        const agents = (await project.agent.list()).filter(({ mode }) => mode !== "subagent")
        const now = (session ? (await graft.session.get(session))?.agent : undefined) ?? talk.talk.agent
        return talk.line(table(agents.map(({ name, description }) => [`${name === now ? "*" : " "} ${name}`, oneLine(description, 80)])).trimEnd(), "dim")
      }
      const { name } = await project.agent.get(wanted)
      talk.talk.agent = name
      if (session) await graft.session.update(session, { agent: name })
      talk.line(`from the next prompt on: ${name}`, "dim")
    },
  },
  new: {
    about: "a new session",
    run(talk) {
      if (talk.busy) return talk.line("interrupt what runs first (Ctrl-C)", "yellow")
      talk.forget()
      talk.line("a new session", "dim")
    },
  },
  sessions: {
    takes: "[id]", about: "list those of this project, or go on with one",
    async run(talk, wanted) {
      const { graft, location } = talk.place
      if (!wanted) {
        const found = await graft.session.list({ location, limit: MOST })
        return talk.line(found.length ? table(found.map(({ id, updated, title }) => [`${id === talk.talk.session ? "*" : " "} ${id}`, ago(updated), oneLine(title || "(untitled)", 60)])).trimEnd() : "no session yet", "dim")
      }
      if (talk.busy) return talk.line("interrupt what runs first (Ctrl-C)", "yellow")
      const session = await byId(graft, wanted)
      if (session.location !== location) return talk.line(`${session.id} is of another project: graft resume ${session.id} goes on with it there`, "yellow")
      await talk.open(session.id)
      talk.line(`going on with ${session.id}: ${oneLine(session.title || "(untitled)", 60)}`, "dim")
    },
  },
  undo: {
    about: "take back your last prompt and its answer, and what was done to files since",
    async run(talk) {
      const { graft } = talk.place
      const { session } = talk.talk
      if (talk.busy) return talk.line("interrupt what runs first (Ctrl-C)", "yellow")
      if (session === undefined) return talk.line("nothing was said yet", "yellow")
      const { message, files, kept, unable } = await graft.session.revert(session, { files: true })
      const told = toldOf("put back", files, kept, unable).trimEnd()
      if (told !== "") talk.line(told, "dim")
      talk.line(`taken back from ${message} on; /redo brings it back, until you go on`, "dim")
    },
  },
  redo: {
    about: "bring back what was taken back",
    async run(talk) {
      const { graft } = talk.place
      const { session } = talk.talk
      if (session === undefined) return talk.line("nothing was said yet", "yellow")
      const { files, kept, unable } = await graft.session.restore(session)
      const told = toldOf("brought back", files, kept, unable).trimEnd()
      if (told !== "") talk.line(told, "dim")
      talk.line("all that was taken back is there again", "dim")
    },
  },
  compact: {
    takes: "[what to keep]", about: "fold what was said so far into a summary",
    run: (talk, wanted) => (talk.talk.session === undefined ? talk.line("nothing was said yet", "yellow") : talk.compact(wanted === "" ? undefined : wanted)),
  },
  again: {
    about: "one more attempt, also at a request that may have been sent",
    run: (talk) => (talk.talk.session === undefined ? talk.line("nothing was said yet", "yellow") : talk.again()),
  },
  quit: { about: "leave; what was said is kept", run: (talk) => talk.leave() },
}

const modelOf = async ({ talk, place }: Conversation): Promise<string | undefined> => (talk.session ? (await place.graft.session.get(talk.session))?.model : undefined) ?? talk.model

const commandsOf = (project: Graft) => project.command.list().catch(() => [])

/** What a typed line does, if it is a command of this conversation. */
export function commandOf(text: string): ((talk: Conversation) => void | Promise<void>) | undefined {
  const [, name, argument = ""] = /^\/([a-z]+)(?:\s+(.*))?$/s.exec(text.trim()) ?? []
  const slash = name !== undefined && Object.hasOwn(SLASHES, name) ? SLASHES[name] : undefined
  return slash && ((talk) => slash.run(talk, argument.trim()))
}

/** Why a line that looks like a command is none; undefined where it does not, as a path does not. */
export async function noCommand(text: string, project: Graft): Promise<string | undefined> {
  const [, name] = /^\/([\w.-]*)(?:\s|$)/.exec(text.trim()) ?? []
  if (name === undefined) return undefined
  const [best] = near(name, [...Object.keys(SLASHES), ...(await commandsOf(project)).map((command) => command.name)])
  return `there is no /${name}${best ? `; did you mean /${best}?` : "; /help lists what there is"}`
}

export async function completions({ place }: Conversation, text: string): Promise<string[]> {
  const [, name, argument] = /^\/([\w./-]*)(?:\s+(\S*))?$/.exec(text) ?? []
  if (name === undefined) return []
  if (argument === undefined) return [...Object.keys(SLASHES), ...(await commandsOf(place.project)).map((command) => command.name)].filter((each) => each.startsWith(name)).map((each) => `/${each}`)
  const values = Object.hasOwn(SLASHES, name) ? ((await SLASHES[name]!.complete?.(place.project)) ?? []) : []
  return values.filter((value) => value.startsWith(argument)).map((value) => `/${name} ${value}`)
}
