/** The service: gathers the rules of every layer, lets hooks answer, and puts to a person what is left to ask. */
import { homedir } from "node:os"
import type { Graft } from "graft"
import { locate } from "../lib/confine.ts"
import { askId, type AskState, type Asks, type End } from "./asks.ts"
import type { Answer, PendingAsk, Permission, PermissionAsk, Reply, Verdict } from "./contract.ts"
import { judge, writesOf } from "./judge.ts"
import { resolved } from "./places.ts"
import { defaultRules, parseRule, type Effect, type Rule, type RuleLayer } from "./rules.ts"
import type { SavedAnswers } from "./saved.ts"

const answerOf = (reply: Reply, verdict: Verdict): Answer => (reply === "deny" ? { allowed: false, verdict, because: "denied" } : { allowed: true, verdict })

/** `permission.unknown`: no such ask is open. `permission.reply`: that is no answer. */
export class PermissionError extends Error {
  readonly code: "permission.unknown" | "permission.reply"
  constructor(code: PermissionError["code"], message: string) {
    super(message)
    this.code = code
  }
}

const EFFECTS: readonly Effect[] = ["deny", "ask", "allow"]
const REPLIES: readonly Reply[] = ["once", "always", "deny"]

export function makeGate(graft: Graft<AskState>, location: string, asks: Asks, saved: SavedAnswers): Permission {
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
    const answers = await saved.rules(location)
    return [...(await configured()), ...answers.flatMap((text) => parseRule(text, "allow", "saved", "saved") ?? []), ...defaultRules]
  }

  /** Where the files that a command line writes really lie. What cannot be told is taken as it is written. */
  async function realWrites(ask: PermissionAsk): Promise<(path: string) => string> {
    if (ask.action !== "bash") return (path) => path
    const real = new Map(await Promise.all(writesOf(ask, location).map(async (path) => [path, await locate(path, location).then((place) => place.real, () => path)] as const)))
    return (path) => real.get(path) ?? path
  }

  async function evaluate(ask: PermissionAsk): Promise<Verdict> {
    const verdict = judge(ask, (await rules()).flatMap((rule) => resolved(rule, location)), location, await realWrites(ask))
    if (verdict.effect === "deny") return verdict
    const hooked = await graft.decide("permission.evaluate", ask)
    return hooked ? { ...hooked, ...(hooked.effect === "ask" ? { suggest: hooked.suggest ?? verdict.suggest } : {}) } : verdict
  }

  /** An answer for good may settle other questions that are open. */
  async function settleOthers(): Promise<void> {
    for (const ask of asks.list()) {
      if ((await evaluate(ask)).effect !== "allow") continue
      if (asks.end(ask.id, "once")) graft.emit("permission.replied", { id: ask.id, reply: "once", session: ask.session })
    }
  }

  return {
    evaluate,
    async request(ask, wait): Promise<Answer> {
      const verdict = await evaluate(ask)
      const id = askId(ask)
      const known = verdict.effect === "ask" ? wait?.known?.(id) : undefined
      if (known) return answerOf(known, verdict)
      if (verdict.effect !== "ask" || !someoneAnswers()) {
        asks.drop(id)
        if (verdict.effect === "allow") return { allowed: true, verdict }
        return { allowed: false, verdict, because: verdict.effect === "deny" ? "denied" : "unanswered" }
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
      if (end === "interrupted") graft.emit("permission.replied", { id, reply: "interrupted", session: ask.session })
      if (end === "interrupted" || end === "unanswered") return { allowed: false, verdict, because: end }
      await wait?.replied?.(id, end)
      return answerOf(end, verdict)
    },
    async pending() { return asks.list() },
    async reply(id, reply) {
      if (!REPLIES.includes(reply)) throw new PermissionError("permission.reply", `"${String(reply)}" is no answer: ${REPLIES.join(", ")} are`)
      const ask = asks.get(id)
      if (ask && ask.reply === undefined && reply === "always" && ask.rule) await saved.add(location, ask.rule)
      if (!ask || !asks.end(id, reply)) throw new PermissionError("permission.unknown", `no question "${id}" is open; it may have been answered or interrupted`)
      graft.emit("permission.replied", { id, reply, session: ask.session })
      if (reply === "always") await settleOthers()
    },
    async rules() { return (await rules()).map(({ effect, text, source }) => ({ effect, rule: text, source })) },
    async forget(rule) { return saved.remove(location, rule) },
  }
}
