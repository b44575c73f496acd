import type { Mutate } from "graft"
import type { TurnRequest } from "../llm/contract.ts"
import type { Ended } from "../session/contract.ts"

/** One coordinator a location: one drain a session at a time, sessions beside each other. */
export interface Runner {
  /** Promotes eligible input, takes up what a dead process left, and works until none is left; nothing when there is none. Returns when the drain was joined, or was started and has decided what was left. */
  wake(session: string): Promise<void>
  /** Makes at least one provider attempt; refills the allowance of 25 turns. */
  run(session: string): Promise<void>
  interrupt(session: string, reason?: string): Promise<void>
  /** The end of the drain that runs now, or undefined when idle. */
  ended(session: string): Promise<Ended | undefined>
  active(): Promise<string[]>
  /** Takes up what dead processes left in this project, and says in which sessions: settled, gone on with, or parked for a decision. Who is alive keeps what he has. */
  discover(): Promise<string[]>
  /** A request as it was sent, rebuilt from the log and the blobs. Errors: `runner.attempt` (no such attempt), `runner.context` (what it was made of is gone). */
  request(session: string, attempt: string): Promise<PastRequest>
}

/** `same`: its hash is the one that stands in the log. Values of headers that are secret are their hashes. */
export interface PastRequest { attempt: string; request: TurnRequest; hash: string; same: boolean }

declare module "graft" {
  interface Services { runner: Runner }
  interface Events {
    /** The request as it will be sent. */
    "turn.request": Mutate<TurnRequest>
    /** What came back, before it is settled: text parts may be changed, tool calls dropped. */
    "turn.response": Mutate<{ session: string; model: string; finish: string; parts: ({ kind: "text" | "reasoning"; text: string } | { kind: "tool"; call: string; name: string; input: string })[] }>
  }
}
