/** `graft session show`: where a session stands, and what can be done about it. */
import { Unavailable } from "graft"
import type { Asked } from "./session.ts"
import type { SessionReport } from "../../../session/contract.ts"
import { EXIT } from "../../dispatch.ts"
import { titleOf } from "../../session.ts"
import { ago, count, dollars, oneLine, table } from "../../table.ts"

/** Activities and jobs that are shown, the latest. */
const MOST = 5

export async function show({ graft, session: { id }, terminal, values }: Asked): Promise<number> {
  const { events, damage } = await graft.session.check(id)
  const report = await graft.session.describe(id)
  const jobs = await graft.job.list({ session: id }).catch((error: unknown) => {
    if (error instanceof Unavailable) return []
    throw error
  })
  if (values.json) return terminal.out(`${JSON.stringify({ ...report, events, jobs, ...(damage && { damage }) })}\n`), EXIT.done
  const { session, inbox, activities, attempts, calls, children, reverted } = report
  const { usage, status, directory, model, agent, created, updated, parent, forked, archived } = session
  const told = ([outcome, times]: readonly [string, number]) => `${times} ${outcome}`
  const rows: (readonly [string, string])[] = [
    ["status", `${status}${archived === undefined ? "" : ", archived"}`], ["directory", directory], ["model", model ?? ""], ["agent", agent ?? ""],
    ["begun", ago(created)], ["last", ago(updated)], ["events", damage ? `${events} can be read` : count(events)],
    ["used", `${count(usage.input)} tokens in${usage.cacheRead ? ` (${count(usage.cacheRead)} cached)` : ""}, ${count(usage.output)} out · ${usage.cost === undefined ? "cost unknown" : dollars(usage.cost)}`],
    ["attempts", Object.entries(attempts).map(told).join(", ")],
    ["tools", [...Map.groupBy(calls, ({ name }) => name)].map(([name, all]) => `${name} ${all.map(({ outcome, count: times }) => told([outcome, times])).join(", ")}`).join("; ")],
    ["begun by", parent ?? ""], ["forked from", forked ?? ""], ["began", children.join(", ")],
  ]
  terminal.out(`${terminal.paint("bold", titleOf(session, 100))}  ${id}\n${table(rows.filter(([, value]) => value !== "").map(([name, value]) => [`  ${name}`, value]))}`)
  for (const line of advice(report, damage)) terminal.out(`${terminal.paint("yellow", line)}\n`)
  section("inbox", inbox.map(({ id: input, text, delivery, resume, kind, files }) => [`  ${input}`, delivery, resume ? "" : "goes along", kind ?? "", `${oneLine(text, 80)}${files ? ` (+ ${files.map(({ name }) => name).join(", ")})` : ""}`]))
  section("activities", activities.slice(-MOST).map(({ id: activity, state, by, turns, recoveries, outcome, reason, error }) => [`  ${activity}`, outcome ?? state, `by ${by}`, `${turns} turn${turns === 1 ? "" : "s"}${recoveries > 0 ? `, recovered ${recoveries} times` : ""}`, oneLine(error ? `${error.message} (${error.code})` : (reason ?? ""), 120)]))
  section("jobs", jobs.slice(0, MOST).map(({ id: job, state, outcome, title }) => [`  ${job}`, outcome ?? state, oneLine(title, 80)]))
  if (reverted.length > 0) terminal.out(`taken back from ${reverted.map(({ message, files }) => `${message}${files ? " with files" : ""}`).join(", ")} on; graft session restore ${id} brings it back\n`)
  return EXIT.done

  function section(name: string, rows: readonly (readonly string[])[]): void {
    if (rows.length > 0) terminal.out(`${name}\n${table(rows, terminal.interactive ? terminal.columns : undefined)}`)
  }
}

/** Why it stands still, and what one can do. */
export function advice({ session: { id }, activities, inbox }: SessionReport, damage: { seq: number; reason: string } | undefined): string[] {
  const lines: string[] = []
  if (damage) lines.push(`event ${damage.seq} cannot be read (${oneLine(damage.reason, 160)}); ${damage.seq > 1 ? `what stands before it can be saved: graft session export ${id} --until ${damage.seq - 1}` : "nothing of it can be saved"}`)
  const latest = activities.at(-1)
  const goOn = `graft session resume ${id}`
  if (latest?.state === "parked") {
    lines.push(({
      "turn-limit": `parked: it reached the turn limit with work left; ${goOn} gives it another 25 turns`,
      blocked: `parked: it needs permission${latest.rule ? ` (${latest.rule})` : ""}; graft resume ${id} asks you, ${goOn}${latest.rule ? ` --allow '${latest.rule}'` : ""} allows it`,
      loop: `parked: it repeats itself; say something else to go on, or ${goOn}`,
      "needs-decision": `parked: a request may or may not have reached the provider; ${goOn} sends it again, a new prompt leaves it`,
      "recovery-exhausted": `parked: it was recovered too often; ${goOn} tries once more, a new prompt begins anew`,
    } as Readonly<Record<string, string>>)[latest.reason ?? ""] ?? `parked: ${latest.reason ?? "without a reason"}; ${goOn}`)
  } else if (latest?.outcome === "failed") lines.push(`it failed: ${oneLine(latest.error?.message ?? latest.reason ?? "without a reason", 200)}; ${goOn} tries again`)
  else if (latest?.state === "interrupted") lines.push(`it was interrupted; ${goOn} goes on`)
  if (inbox.length > 0 && latest?.state !== "open" && !inbox.some(({ resume }) => resume)) lines.push("what waits goes along with your next prompt")
  return lines
}
