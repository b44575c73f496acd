/** `graft`: the plain conversation. It opens, it goes on across every reload, it leaves the terminal as it was. */
import { homedir } from "node:os"
import { join } from "node:path"
import { locationOf, messageOf, type Graft } from "graft"
import { paths } from "../../lib/paths.ts"
import type { Session } from "../../session/contract.ts"
import { parse, usageOf, type Options } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { setFlags } from "../flags.ts"
import { loadHistory } from "../history.ts"
import { cautions, comeUp, demoNotice, notices } from "../notices.ts"
import type { Screen, Talk } from "../screen.ts"
import { pickSession } from "../resume.ts"
import { titleOf, wantedAgent, wantedSession } from "../session.ts"
import { Conversation, type Away, type Place } from "./conversation.ts"
import { Drawn } from "./drawn.ts"
import { emptyLine } from "./editor.ts"
import { addFace } from "./face.ts"
import { Plain } from "./plain.ts"
import { lastWords } from "./recall.ts"

const OPTIONS = {
  model: { type: "string", short: "m", value: "provider/id", about: "the model (graft models lists them)" },
  agent: { type: "string", short: "a", value: "name", about: "who works, e.g. plan (graft agents lists them)" },
  continue: { type: "boolean", short: "c", about: "go on with the latest session of this project" },
  session: { type: "string", short: "s", value: "id", about: "go on with this session" },
  resume: { type: "boolean", about: "choose one of the recent sessions" },
  allow: { type: "string", multiple: true, value: "rule", about: "allow an action beforehand (repeatable)" },
  "allow-everything": { type: "boolean", about: "ask about nothing: any command, any file, only where all of it may be lost" },
  deny: { type: "string", multiple: true, value: "rule", about: "deny one (repeatable)" },
  trust: { type: "boolean", about: "run the plugins of this project, this time" },
  offline: { type: "boolean", about: "no connection but to the chosen provider" },
} as const satisfies Options
type Flags = ReturnType<typeof parse<typeof OPTIONS>>["values"]

export const chat = (graft: Graft<Away>, screen: Screen): Work => ({
  usage: usageOf("graft [chat] [options]", OPTIONS, "Lines that come through a pipe are prompts, one after the other.\nIn the conversation /help says what can be typed."),
  async run(argv, terminal) {
    const { values } = parse(argv, OPTIONS)
    const first = screen.talk === undefined
    const old = first ? await oldSession(graft, values, terminal) : screen.talk!.session === undefined ? undefined : await graft.session.get(screen.talk!.session)
    if (first && values.resume && !old) return terminal.err("no session was chosen\n"), EXIT.done
    const directory = old?.directory ?? terminal.directory
    const location = old?.location ?? locationOf(directory)
    const talk = (screen.talk ??= newTalk(graft, values, terminal))
    // Whoever may be asked is there before anything is.
    if (first) addFace(graft, talk)
    if (first) await setFlags(graft, values, location)
    using project = await graft.at(location)
    const place = { graft, project, location, directory, interactive: terminal.interactive }
    const conversation = new Conversation(place, screen, (hearer) => (terminal.cursor && terminal.interactive ? new Drawn(terminal, talk, historyFile(graft), hearer) : new Plain(terminal, talk, hearer)))
    let last = true
    try {
      if (first) await greet(place, conversation, values, old)
      const leave = () => conversation.leave()
      if (terminal.signal.aborted) leave()
      else terminal.signal.addEventListener("abort", leave, { once: true })
      const left = await conversation.run()
      return left || terminal.signal.aborted ? EXIT.interrupted : EXIT.done
    } catch (error) {
      last = !graft.retiring.aborted
      throw error
    } finally {
      conversation.close(last)
      if (last && talk.session && terminal.interactive) terminal.err(terminal.paint("dim", `graft --continue goes on with this session, ${talk.session}\n`))
    }
  },
})

const historyFile = (graft: Graft<Away>): string => join(paths(graft.kernel.host.dataDir).data, "history")

const newTalk = (graft: Graft<Away>, { model, agent }: Flags, { interactive }: Terminal): Talk => ({
  answers: interactive, cursor: 0, since: 0, line: emptyLine(), history: interactive ? loadHistory(historyFile(graft)) : [], ...(model && { model }), ...(agent && { agent }),
})

/** The one that this plugin left when it was away, or the one that is asked for. */
async function oldSession(graft: Graft<Away>, flags: Flags, terminal: Terminal): Promise<Session | undefined> {
  const away = graft.state.value.session
  if (away !== undefined) return graft.session.get(away)
  const location = locationOf(terminal.directory)
  const picked = flags.resume ? await pickSession(graft, terminal, location) : undefined
  return flags.resume && !picked ? undefined : wantedSession(graft, location, { ...flags, ...(picked && { session: picked.id }) })
}

async function greet({ graft, project, location, directory, interactive }: Place, conversation: Conversation, flags: Flags, old: Session | undefined): Promise<void> {
  await comeUp(graft)
  // Without a model there is still a conversation: one may be had in the next moment.
  const agent = await wantedAgent(project, flags.agent ?? old?.agent)
  const model = await project.model.resolve(old?.model ?? flags.model ?? agent?.model).catch(messageOf)
  conversation.line(`graft ${graft.kernel.version} · ${typeof model === "string" ? "no model" : model.ref}${agent ? ` · ${agent.name}` : ""} · ${directory.replace(homedir(), "~")} · /help`, "bold")
  const about = typeof model === "string" ? [model] : demoNotice(model, flags.model)
  for (const notice of [...about, ...(await notices(graft, location, interactive)), ...(await cautions(project))]) conversation.line(notice, "yellow")
  // What dead processes left in this project is taken up where a person can see it.
  if (interactive) void project.runner.discover().then((found) => {
    const left = found.filter((id) => id !== old?.id)
    if (left.length > 0) conversation.line(`taken up, because the process that ran it died: ${left.join(", ")} (/sessions shows them)`, "yellow")
  }).catch((error: unknown) => graft.log.warn("what dead processes left was not taken up:", error))
  if (!old) return
  conversation.line(`going on with ${old.id}: ${titleOf(old)}`, "dim")
  for (const { text, style } of await lastWords(graft, old.id)) conversation.line(text, style)
  await conversation.open(old.id)
}
