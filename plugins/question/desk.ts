/**
 * Questions that wait for a person. They live in the plugin's state, so a reload neither loses nor repeats one: the wait
 * ends with `Moved`, is made again on the next generation, and joins the same question by its id.
 */
import { createHash } from "node:crypto"
import { Moved, type Graft } from "graft"
import type { Answer, PendingQuestion, Question, Questions } from "./contract.ts"

const MOST_PENDING = 64
const MOST_ANSWER = 10_000

export interface Desk { pending: Record<string, PendingQuestion & { answer?: string[] }> }

/** `question.unknown`, `question.answer`, `question.full`. */
export class QuestionError extends Error {
  readonly code: "question.unknown" | "question.answer" | "question.full"
  constructor(code: QuestionError["code"], message: string) {
    super(message)
    this.code = code
  }
}

export function makeQuestions(graft: Graft<Desk>): Questions {
  const location = graft.location!
  /** Called whenever a question was answered. */
  const bells = new Map<string, Set<() => void>>()
  const faces = graft.all("face")
  const isAnybodyThere = () => [...faces].some((face) => face.answers)
  /** Ids come from outside: the words that every object has are none. */
  const find = (id: string) => (Object.hasOwn(graft.state.value.pending, id) ? graft.state.value.pending[id] : undefined)
  const ring = (id: string) => { for (const wake of bells.get(id) ?? []) wake() }

  faces.onChange(() => { if (!isAnybodyThere()) for (const id of bells.keys()) ring(id) })

  function open(question: Question): string {
    const id = `que_${createHash("sha256").update(JSON.stringify([question.session, question.call, question.text])).digest("hex").slice(0, 16)}`
    if (find(id)) return id
    if (Object.keys(graft.state.value.pending).length >= MOST_PENDING) throw new QuestionError("question.full", `${MOST_PENDING} questions are open already`)
    const pending: PendingQuestion = { ...question, id, location, since: Date.now() }
    graft.state.update((desk) => { desk.pending[id] = pending })
    graft.emit("question.asked", pending)
    return id
  }

  /** Until there is an answer, or nobody any more to give or to get one. */
  async function wait(id: string, signal: AbortSignal | undefined): Promise<Answer> {
    while (find(id)?.answer === undefined && isAnybodyThere() && !signal?.aborted) {
      if (graft.retiring.aborted) throw new Moved()
      const { promise, resolve } = Promise.withResolvers<void>()
      const waiting = bells.get(id) ?? new Set()
      bells.set(id, waiting.add(resolve))
      for (const end of [signal, graft.retiring]) end?.addEventListener("abort", () => resolve(), { once: true })
      await promise
      waiting.delete(resolve)
      if (waiting.size === 0) bells.delete(id)
    }
    const found = find(id)
    if (found === undefined) return undefined
    graft.state.update((desk) => { delete desk.pending[id] })
    if (found.answer === undefined) graft.emit("question.replied", { id, ...(found.session && { session: found.session }), answered: false })
    return found.answer?.length ? found.answer : undefined
  }

  return {
    async ask(question, { signal } = {}) {
      if (!isAnybodyThere()) return undefined
      return wait(open(question), signal)
    },
    pending: async () => Object.values(graft.state.value.pending).filter(({ answer }) => answer === undefined),
    async reply(id, answer) {
      const found = find(id)
      if (!found || found.answer !== undefined) throw new QuestionError("question.unknown", `no question "${id}" is open`)
      if (answer.length > 1 && !found.several) throw new QuestionError("question.answer", "one answer is wanted")
      if (answer.some((each) => each.trim() === "" || each.length > MOST_ANSWER)) throw new QuestionError("question.answer", `an answer is a text of at most ${MOST_ANSWER} characters`)
      graft.state.update((desk) => { desk.pending[id]!.answer = [...answer] })
      graft.emit("question.replied", { id, ...(found.session && { session: found.session }), answered: answer.length > 0 })
      ring(id)
    },
  }
}
