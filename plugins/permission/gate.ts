/** The service: gathers the rules of every layer, lets hooks answer, and puts to a person what is left to ask. */
import { homedir } from "node:os"
import type { Graft } from "graft"
import { locate } from "../lib/confine.ts"
import { askId, type AskState, type Asks, type End } from "./asks.ts"
import type { Answer, Decided, PendingAsk, Permission, PermissionAsk, Reply, Verdict } from "./contract.ts"
import type { Grammar } from "./grammar.ts"
import { resolved } from "./places.ts"
import { defaultRules, parseRule, SHELL, type Effect, type Rule, type RuleLayer } from "./rules.ts"
import { EVERYWHERE, type SavedAnswers } from "./saved.ts"

const answerOf = (reply: Decided, verdict: Verdict, said?: string): Answer => (reply === "deny" ? { allowed: false, verdict, because: "denied", ...(said && { said }) } : { allowed: true, verdict })
/** Characters of a person's reason. */
const MOST_SAID = 2_000

/** `permission.unknown`: no such ask is open. `permission.reply`: that is no answer. */
export class PermissionError extends Error {
  readonly code: "permission.unknown" | "permission.reply"
  constructor(code: PermissionError["code"], message: string) {
    super(message)
    this.code = code
  }
}

const EFFECTS: readonly Effect[] = ["deny", "ask", "allow"]
const REPLIES: readonly Reply[] = ["once", "always", "everywhere", "deny"]

export function makeGate(graft: Graft<AskState>, location: string, asks: Asks, saved: SavedAnswers, grammar: Grammar): Permission {
  // Read by the first question, not by a start.
  let loading: Promise<[typeof import("./judge.ts"), typeof import("./subjects.ts")]> | undefined
  const judging = () => (loading ??= Promise.all([import("./judge.ts"), import("./subjects.ts")]))
  const someoneAnswers = () => [...graft.all("face")].some((face) => face.answers)

  async function configured(): Promise<Rule[]> {
    const found = await Promise.all(EFFECTS.map(async (effect) => {
      const { winner, losers } = await graft.config.explain(`permissions.${effect}`, location)
      return (winner ? [winner, ...losers] : losers).flatMap((origin) => {
        if (origin.layer === "default" || !Array.isArray(origin.value)) return []
        const layer: RuleLayer = origin.layer
        const source = origin.file ? `${origin.file.replace(homedir(), "~")}${origin.line ? `:${origin.line}` : ""}` : layer
        return origin.value.flatMap((text: unknown) => (typeof text === "string" ? (parseRule(text, effect, layer, source) ?? []) : []))
      })
    }))
    return found.flat()
  }

  async function rules(): Promise<Rule[]> {
    const [here, everywhere] = await Promise.all([saved.rules(location), saved.rules(EVERYWHERE)])
    const answers = (texts: readonly string[], source: string) => texts.flatMap((text) => parseRule(text, "allow", "saved", source) ?? [])
    return [...(await configured()), ...answers(here, "saved"), ...answers(everywhere, "saved everywhere"), ...defaultRules]
  }

  async function explained(ask: PermissionAsk) {
    const [{ explain, read }, { pathsOf }] = await judging()
    const line = read(ask, ask.action === SHELL ? await grammar.open().catch((error: unknown) => void graft.log.error("the grammar of the shell could not be loaded, so every command is asked about:", error)) : undefined)
    // Where the files that it names really lie; what cannot be told is taken as it is written.
    const real = new Map(await Promise.all((line ? pathsOf(line, ask.directory ?? location) : []).map(async (path) => [path, await locate(path, location).then((place) => place.real, () => path)] as const)))
    const given = (await rules()).flatMap((rule) => resolved(rule, location))
    const { verdict, parts } = explain(ask, given, location, { line, realOf: (path) => real.get(path) ?? path })
    const hooked = verdict.effect === "deny" ? undefined : await graft.decide("permission.evaluate", ask)
    return { verdict: hooked ? { ...hooked, ...(hooked.effect === "ask" ? { suggest: hooked.suggest ?? verdict.suggest } : {}) } : verdict, parts, ...(line?.unclear !== undefined && { unclear: line.unclear }) }
  }

  const evaluate = async (ask: PermissionAsk): Promise<Verdict> => (await explained(ask)).verdict

  /** Nobody is here: the work ends, unless the config has an answer. */
  async function unattended(verdict: Verdict): Promise<Answer> {
    if ((await graft.config.get("permissions.unattended", location)) !== "deny") return { allowed: false, verdict, because: "unanswered" }
    return { allowed: false, verdict: { effect: "deny", rule: verdict.rule, source: "permissions.unattended", reason: "nobody is here to allow it" }, because: "denied" }
  }

  /** An answer for good may settle other questions that are open. */
  async function settleOthers(): Promise<void> {
    for (const ask of asks.list()) {
      if ((await evaluate(ask)).effect !== "allow") continue
      if (asks.end(ask.id, { reply: "once" })) graft.emit("permission.replied", { id: ask.id, reply: "once", session: ask.session })
    }
  }

  return {
    evaluate,
    explain: explained,
    async request(ask, wait): Promise<Answer> {
      const verdict = await evaluate(ask)
      const id = askId(ask)
      const known = verdict.effect === "ask" ? wait?.known?.(id) : undefined
      if (known) return answerOf(known, verdict)
      if (verdict.effect !== "ask" || !someoneAnswers()) {
        asks.drop(id)
        if (verdict.effect === "allow") return { allowed: true, verdict }
        return verdict.effect === "deny" ? { allowed: false, verdict, because: "denied" } : unattended(verdict)
      }
      const pending: PendingAsk = { ...ask, rule: ask.rule ?? verdict.suggest, id, location, verdict, since: Date.now() }
      if (asks.open(pending)) {
        try {
          await wait?.waiting?.(pending)
        } catch (error) {
          asks.drop(id)
          throw error
        }
        graft.emit("permission.asked", pending)
      }
      const end: End = await asks.wait(id, wait?.signal)
      if (end === "interrupted") {
        graft.emit("permission.replied", { id, reply: "interrupted", session: ask.session })
        return { allowed: false, verdict, because: end }
      }
      if (end === "unanswered") return unattended(verdict)
      await wait?.replied?.(id, end.reply)
      return answerOf(end.reply, verdict, end.said)
    },
    async pending() { return asks.list() },
    async reply(id, reply, said) {
      if (!REPLIES.includes(reply)) throw new PermissionError("permission.reply", `"${String(reply)}" is no answer: ${REPLIES.join(", ")} are`)
      const ask = asks.get(id)
      const forGood = reply === "always" || reply === "everywhere"
      if (ask && ask.answer === undefined && forGood && ask.rule) await saved.add(reply === "always" ? location : EVERYWHERE, ask.rule)
      const why = typeof said === "string" && said.trim() !== "" ? { said: said.trim().slice(0, MOST_SAID) } : {}
      if (!ask || !asks.end(id, { reply: reply === "everywhere" ? "always" : reply, ...why })) throw new PermissionError("permission.unknown", `no question "${id}" is open; it may have been answered or interrupted`)
      graft.emit("permission.replied", { id, reply, session: ask.session })
      if (forGood) await settleOthers()
    },
    async rules() { return (await rules()).map(({ effect, text, source }) => ({ effect, rule: text, source })) },
    async saved() {
      const [here, everywhere] = await Promise.all([saved.rules(location), saved.rules(EVERYWHERE)])
      return [...here.map((rule) => ({ rule, everywhere: false })), ...everywhere.map((rule) => ({ rule, everywhere: true }))]
    },
    async forget(rule) { return (await saved.remove(location, rule)) || saved.remove(EVERYWHERE, rule) },
  }
}
