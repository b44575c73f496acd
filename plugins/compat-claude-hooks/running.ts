/** All hooks of one event, beside each other, and what they want together. A hook that fails is said, and holds nothing back. */
import { messageOf, type Graft } from "graft"
import type { Leash } from "../lib/leash.ts"
import { answerOf, together } from "./answer.ts"
import type { Answer, Hook, HookEvent, HookInput, Ran } from "./contract.ts"
import { matches } from "./matcher.ts"
import { post } from "./post.ts"
import { runCommand, type Call } from "./shell.ts"
import { judge } from "./verdict.ts"

/** Seconds beside the hooks' own: until those that are late have been ended. */
const MARGIN = 5

export interface Asking {
  session: string
  directory: string
  /** What matchers are about, by all its names. */
  subjects?: readonly string[]
  /** What this event tells besides. */
  about?: Readonly<Record<string, unknown>>
  /** Seconds that even a patient hook may take. */
  most?: number
}

export class Running {
  readonly #graft: Graft
  readonly #leash: Leash
  readonly hooks: readonly Hook[]

  constructor(graft: Graft, leash: Leash, hooks: readonly Hook[]) {
    this.#graft = graft
    this.#leash = leash
    this.hooks = hooks
  }

  has(...events: HookEvent[]): boolean { return this.hooks.some(({ event }) => events.includes(event)) }

  /** Milliseconds that a handler may take which asks so many times, one after the other. */
  deadline(events: readonly HookEvent[], times = 1): number {
    const seconds = this.hooks.filter(({ event }) => events.includes(event)).map((hook) => hook.seconds)
    return (Math.max(0, ...seconds) + MARGIN) * 1_000 * times
  }

  async ask(event: HookEvent, { session, directory, subjects = [], about = {}, most = Infinity }: Asking): Promise<Answer> {
    const meant = this.hooks.filter((hook) => hook.event === event && matches(hook.matcher, subjects))
    const once = [...new Map(meant.map((hook) => [JSON.stringify(hook.work), hook])).values()]
    if (once.length === 0) return together([])
    const told: HookInput = { session_id: session, transcript_path: "", cwd: directory, permission_mode: "default", hook_event_name: event, ...about }
    const input = JSON.stringify(told)
    const answers = await Promise.all(once.map(async (hook) => {
      const call: Call = { input, directory, project: this.#graft.location!, seconds: Math.min(hook.seconds, most), signal: this.#graft.signal, leash: this.#leash }
      const work = this.#run(hook, call).then((ran) => this.#heard(hook, answerOf(hook, ran)))
      if (hook.work.type !== "command" || !hook.work.async) return work
      this.#graft.fork(async () => void (await work))
      return together([])
    }))
    return together(answers)
  }

  async #run({ work }: Hook, call: Call): Promise<Ran> {
    try {
      switch (work.type) {
        case "command": return await runCommand(work.command, call)
        case "http": return await post(work, call)
        case "prompt": return await judge(this.#graft, work, call)
        default: return work satisfies never
      }
    } catch (error) {
      return { kind: "failed", why: messageOf(error) }
    }
  }

  #heard({ event, source }: Hook, answer: Answer): Answer {
    if (answer.problem !== undefined) this.#graft.log.warn(`${source}: its hook of ${event} failed and holds nothing back: ${answer.problem}`)
    for (const message of answer.messages) this.#graft.log.info(`${source}: ${message}`)
    return answer
  }
}
