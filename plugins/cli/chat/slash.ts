/** What can be typed with a slash before it. Few: everything else is a command of `graft` in another terminal. */
import type { Graft } from "graft"
import { near } from "../../lib/near.ts"
import { byId } from "../session.ts"
import { ago, oneLine, table } from "../table.ts"
import type { Conversation } from "./conversation.ts"

interface Slash { takes?: string; about: string; run(talk: Conversation, argument: string): void | Promise<void>; complete?(graft: Graft): Promise<string[]> }

/** Sessions that are listed. */
const MOST = 10

const SLASHES: Readonly<Record<string, Slash>> = {
  help: {
    about: "this list",
    run(talk) {
      talk.line(table(Object.entries(SLASHES).map(([name, { takes, about }]) => [`/${name}${takes ? ` ${takes}` : ""}`, about])).trimEnd(), "dim")
      talk.line("Enter sends, also while the model works (it steers); Alt-Enter or \\ and Enter makes a new row; Ctrl-C interrupts, again leaves; Ctrl-D leaves", "dim")
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
      const session = await byId(graft, wanted, location)
      await talk.open(session.id)
      talk.line(`going on with ${session.id}: ${oneLine(session.title || "(untitled)", 60)}`, "dim")
    },
  },
  quit: { about: "leave; what was said is kept", run: (talk) => talk.leave() },
}

const modelOf = async ({ talk, place }: Conversation): Promise<string | undefined> => (talk.session ? (await place.graft.session.get(talk.session))?.model : undefined) ?? talk.model

/** What a typed line does, if it is a command; a path is none. */
export function commandOf(text: string): ((talk: Conversation) => void | Promise<void>) | undefined {
  const [, name, argument = ""] = /^\/([a-z]*)(?:\s+(.*))?$/s.exec(text.trim()) ?? []
  if (name === undefined) return undefined
  const slash = Object.hasOwn(SLASHES, name) ? SLASHES[name] : undefined
  if (slash) return (talk) => slash.run(talk, argument.trim())
  const [best] = near(name, Object.keys(SLASHES))
  return (talk) => talk.line(`there is no /${name}${best ? `; did you mean /${best}?` : "; /help lists what there is"}`, "yellow")
}

export async function completions({ place }: Conversation, text: string): Promise<string[]> {
  const [, name, argument] = /^\/([a-z]*)(?:\s+(\S*))?$/.exec(text) ?? []
  if (name === undefined) return []
  if (argument === undefined) return Object.keys(SLASHES).filter((each) => each.startsWith(name)).map((each) => `/${each}`)
  const values = Object.hasOwn(SLASHES, name) ? ((await SLASHES[name]!.complete?.(place.project)) ?? []) : []
  return values.filter((value) => value.startsWith(argument)).map((value) => `/${name} ${value}`)
}
