/** How a piece of work ended, in words: what it cost, and what to do when it is not done. */
import type { Ended } from "../session/contract.ts"
import { count, dollars, duration } from "./table.ts"

export function summary({ usage, turns }: Ended, milliseconds: number): string {
  const cached = usage.cacheRead ? ` (${count(usage.cacheRead)} cached)` : ""
  return `${count(usage.input)} tokens in${cached}, ${count(usage.output)} out · ${usage.cost === undefined ? "cost unknown" : dollars(usage.cost)} · ${turns} turn${turns === 1 ? "" : "s"} · ${duration(milliseconds)}`
}

const PARKED: Readonly<Record<string, string>> = {
  "turn-limit": "it stopped at the turn limit",
  loop: "it made the very same call in five turns, with the very same result",
  "recovery-exhausted": "the process that ran it died four times",
}

/** `further`: how one goes on from here; `again`: how what may have been sent is sent again. */
export function explain({ state, reason, code }: Ended, further: string, again = "another run"): string {
  if (reason === "needs-decision") return `the last request may have been sent before its process died: ${again} sends it again, and is paid for; a new prompt leaves it`
  if (state === "interrupted") return `interrupted${reason && reason !== "interrupted" ? `: ${reason}` : ""}; ${further}`
  if (state === "parked") return `${PARKED[reason ?? ""] ?? `stopped: ${reason ?? "without a reason"}`}; ${further}`
  return `failed: ${reason ?? "without a reason"}${code ? ` (${code})` : ""}`
}
