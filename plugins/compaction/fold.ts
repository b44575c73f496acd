/**
 * The service `compaction`. Ways to fold are tried in turn (somebody's own, pruning alone, a model, rules); the first
 * summary that is one, and is smaller than what it stands for, is taken. Why the others were not is said.
 */
import { messageOf, type Graft } from "graft"
import { orStopped } from "../lib/stopped.ts"
import { headed } from "../lib/summary.ts"
import type { Usage } from "../session/contract.ts"
import { failed, openUntil, succeeded, type Breaker } from "./breaker.ts"
import type { Compaction, CompactionWork, Folded } from "./contract.ts"
import { CompactionError } from "./errors.ts"
import { write, writerOf } from "./model.ts"
import { dueBecause, planOf, type Plan } from "./plan.ts"
import { render } from "./render.ts"
import { foldByRules, PRUNED } from "./rules.ts"
import { settingsOf, type Settings } from "./settings.ts"
import { BYTES_A_TOKEN, tokensIn } from "./size.ts"

/** How long one way may take, in ms. */
const LONGEST = 5 * 60_000
/** Ends of a reply that was not whole. */
const CUT = new Set(["length", "content-filter", "error"])

/** What one way came to: a summary, or why there is none. */
interface Attempt { summary?: string; why?: string; usage?: Usage; note?: string }
interface Way { method: Folded["method"]; make(signal: AbortSignal): Attempt | Promise<Attempt> }

export function makeCompaction(graft: Graft<Breaker>): Compaction {
  return {
    due: async (work) => dueBecause(work, await settingsOf(graft)),

    async fold(work) {
      const settings = await settingsOf(graft)
      const plan = planOf(work, settings)
      if (!plan) throw new CompactionError("compaction.nothing", "there is too little to fold: what is recent stays as it is, and before it is next to nothing")
      const notes: string[] = []
      let usage: Usage | undefined
      for (const { method, make } of ways(work, plan, settings)) {
        using ending = deadline(work.signal)
        const made = await make(ending.signal)
        if (work.signal.aborted) throw new CompactionError("compaction.failed", "interrupted")
        usage ??= made.usage
        const note = made.why ?? made.note
        if (note !== undefined) notes.push(note)
        if (made.summary !== undefined) return folded(plan, made.summary, { method, ...(usage && { usage }), ...(notes.length > 0 && { note: notes.join("; ") }) })
      }
      throw new CompactionError("compaction.larger", `no summary is smaller than the ${plan.tokens} tokens that it would stand for${notes.length > 0 ? `: ${notes.join("; ")}` : ""}`)
    },
  }

  /** Each is made only when those before it came to nothing. */
  function* ways(work: CompactionWork, plan: Plan, settings: Settings): Generator<Way> {
    if (graft.all("compactor").rows().length > 0) yield { method: "fold", make: (signal) => byCompactor(work, plan, signal) }
    if (work.reason !== "manual") yield { method: "fold", make: () => pruned(plan) }
    yield { method: "model", make: (signal) => byModel(work, plan, settings, signal) }
    yield { method: "fold", make: () => byRules(plan) }
  }

  async function byCompactor(work: CompactionWork, plan: Plan, signal: AbortSignal): Promise<Attempt> {
    using rows = graft.all("compactor").pin()
    const row = rows.rows.at(-1)
    if (!row) return {}
    const by = `the compactor "${row.key}" of ${row.owner}`
    try {
      const summary = await orStopped(row.run(async () => row.item.fold({ ...work, messages: plan.folded, signal })), signal)
      return { ...checked(summary ?? "", plan, by), note: `made by ${by}` }
    } catch (error) {
      return { why: told(`${by} failed: ${messageOf(error)}`) }
    }
  }

  async function byModel(work: CompactionWork, plan: Plan, settings: Settings, signal: AbortSignal): Promise<Attempt> {
    const until = openUntil(graft.state.value, work.session, Date.now())
    if (until !== undefined) return { why: `made without a model, which failed several times in a row and is asked again after ${clock(until)}` }
    const attempt = await written(work, plan, settings, signal)
    if (attempt.summary !== undefined) graft.state.update((breaker) => succeeded(breaker, work.session))
    else if (!work.signal.aborted) graft.state.update((breaker) => failed(breaker, work.session, Date.now()))
    return attempt
  }

  async function written(work: CompactionWork, plan: Plan, settings: Settings, signal: AbortSignal): Promise<Attempt> {
    try {
      const writer = await writerOf(graft, work, settings)
      const { text, finish, usage } = await write(graft, work, plan, writer, settings, signal)
      const made = checked(text, plan, writer.ref)
      const whole = finish !== undefined && !CUT.has(finish)
      return { ...(made.summary === undefined || whole ? made : { why: `the summary by ${writer.ref} was not whole (${finish ?? "it broke off"})` }), ...(usage && { usage }) }
    } catch (error) {
      return { why: work.signal.aborted ? "interrupted" : told(`made without a model: ${messageOf(error)}`) }
    }
  }

  function told(why: string): string {
    graft.log.warn(why)
    return why
  }

  function deadline(asked: AbortSignal): Disposable & { signal: AbortSignal } {
    const controller = new AbortController()
    const cancel = graft.timeout(LONGEST, () => controller.abort(new Error(`it took more than ${LONGEST / 60_000} minutes`)))
    return { signal: AbortSignal.any([asked, controller.signal, graft.signal]), [Symbol.dispose]: cancel }
  }
}

/** The cheapest way: all that was said, without long outputs, where that is enough. */
function pruned({ folded: messages, tokens, summary }: Plan): Attempt {
  const text = render(messages, PRUNED)
  return tokensIn(text) <= Math.min(summary, tokens / 2) ? { summary: text, note: "only long outputs of tools were cut" } : {}
}

/** The last way: half of what it stands for at most, so that it is always smaller. */
function byRules(plan: Plan): Attempt {
  const most = Math.min(plan.summary, Math.floor(plan.tokens / 2) - tokensIn(headed("")))
  return checked(foldByRules(plan.folded, most * BYTES_A_TOKEN), plan, "the rules")
}

/** A summary is one when it says something, and less than what it stands for. */
function checked(text: string, { tokens }: Plan, by: string): Attempt {
  const summary = text.trim().toWellFormed()
  if (summary === "") return { why: `${by} gave an empty summary` }
  const size = tokensIn(headed(summary))
  return size < tokens ? { summary } : { why: `the summary by ${by} is no smaller than what it stands for (${size} of ${tokens} tokens)` }
}

/** What was won is an estimate; where the provider counts less than that, it is won in proportion. */
function folded({ folded: messages, before, whole, tokens }: Plan, text: string, more: Pick<Folded, "method" | "usage" | "note">): Folded {
  const summary = headed(text)
  const won = Math.floor((tokens - tokensIn(summary)) * Math.min(1, before / whole))
  return { through: messages.at(-1)!.id, summary, before, after: before - Math.max(1, won), ...more }
}

const clock = (at: number): string => new Date(at).toTimeString().slice(0, 5)
