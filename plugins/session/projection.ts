/**
 * Event → rows. Pure: each event gives the writes that belong in its own commit. A change of state compares before it
 * sets (the tables of lib/machine.ts), and another number of rows than one refuses the whole append.
 */
import { ACTIVITY, ATTEMPT, CALL, from, INPUT, next, stepOf, type Machine } from "../lib/machine.ts"
import type { Projection, StoredEvent } from "../eventlog/contract.ts"
import type { SqlValue, Statement } from "../store/contract.ts"
import type { SessionFacts, Usage } from "./contract.ts"
import { DAMAGE, MIGRATIONS, TABLES } from "./tables.ts"

type Values = Record<string, SqlValue | undefined>
interface Where { session: string; seq: number; created: number }
type Project = { [T in keyof SessionFacts]?: (data: SessionFacts[T], at: Where) => Statement[] }

const PROJECT: Project = {
  "session.created": ({ parent, location, directory, title, agent, model }, { session, created }) => [
    insert("session", { id: session, parent, location, directory, title, agent, model, status: "idle", created, updated: created }),
  ],
  "session.updated": ({ title, model, archived, agent, was, usage }, { session, created }) => [
    { ...update("session", { title, model, agent, archived: archived === undefined ? undefined : archived ? created : null, updated: created }, { id: session, title: was }), ...(was !== undefined && { expect: 1 }) },
    ...used(session, usage),
  ],
  "session.forked": ({ from }, { session }) => [update("session", { forked: from }, { id: session })],
  "session.moved": ({ directory, location }, { session, created }) => [update("session", { directory, location, updated: created }, { id: session })],
  "session.reverted": ({ message, snapshot }, { session, created }) => [
    { sql: "UPDATE message SET hidden = 1 WHERE session = ? AND hidden IS NULL AND seq >= (SELECT seq FROM message WHERE session = ? AND id = ?)", params: [session, session, message] },
    { sql: "UPDATE session SET reverted = json_insert(coalesce(reverted, '[]'), '$[#]', json(?)), updated = ? WHERE id = ?", params: [JSON.stringify({ message, ...(snapshot !== undefined && { snapshot }) }), created, session] },
  ],
  "session.restored": (_, { session, created }) => [
    { sql: "UPDATE message SET hidden = NULL WHERE session = ? AND hidden = 1", params: [session] },
    { sql: "UPDATE session SET reverted = NULL, updated = ? WHERE id = ? AND reverted IS NOT NULL", params: [created, session], expect: 1 },
  ],
  "session.claimed": ({ owner }, { session }) => [update("session", { owner }, { id: session })],

  "session.input.admitted": ({ input, delivery, resume, text, hash, kind = "user", files, data }, { session, seq, created }) => [
    insert("session_input", { session, id: input, state: "pending", delivery, resume: resume ? 1 : 0, hash, text, admitted: seq, kind, files: json(files), data: json(data) }),
    update("session", { updated: created }, { id: session }),
  ],
  "session.input.delivery.changed": ({ input, delivery }, { session }) => [move("session_input", INPUT, "session.input.delivery.changed", { session, id: input }, { delivery })],
  "session.input.promoted": ({ input, activity }, { session, seq }) => [
    move("session_input", INPUT, "session.input.promoted", { session, id: input }, { text: null, files: null, data: null, promoted: seq, activity }),
    { sql: "INSERT INTO message (session, seq, id, role, first) SELECT ?, ?, ?, iif(kind = 'user', 'user', 'synthetic'), admitted FROM session_input WHERE session = ? AND id = ? AND kind NOT IN ('compact', 'move')", params: [session, seq, input, session, input] },
  ],
  "shell.started": ({ shell }, { session, seq, created }) => [
    ...makeFinal(session),
    insert("message", { session, seq, id: shell, role: "user", first: seq }),
    update("session", { updated: created }, { id: session }),
  ],
  "session.input.cancelled": ({ input }, { session }) => [move("session_input", INPUT, "session.input.cancelled", { session, id: input }, { text: null, files: null, data: null })],

  "activity.opened": ({ activity, ordinal, by, opener, allowance }, { session, seq, created }) => [
    ...makeFinal(session),
    insert("activity", { session, id: activity, ordinal, state: "open", by, opener, turn: 0, allowance, opened: seq }),
    update("session", { status: "running", updated: created }, { id: session }),
  ],
  "activity.turn.started": ({ activity, turn }, { session }) => [
    { sql: "UPDATE activity SET turn = ?, allowance = allowance - 1 WHERE session = ? AND id = ? AND state = 'open'", params: [turn, session, activity], expect: 1 },
  ],
  "activity.parked": ({ activity, reason, rule }, { session, created }) => [
    move("activity", ACTIVITY, "activity.parked", { session, id: activity }, { reason, rule }),
    endWaiting(session),
    update("session", { status: "parked", updated: created }, { id: session }),
  ],
  "activity.resumed": ({ activity, allowance }, { session, created }) => [
    move("activity", ACTIVITY, "activity.resumed", { session, id: activity }, { allowance, recoveries: 0, reason: null, rule: null }),
    update("session", { status: "running", updated: created }, { id: session }),
  ],
  "activity.settled": ({ activity, outcome, error, note }, { session, seq, created }) => [
    move("activity", ACTIVITY, "activity.settled", { session, id: activity }, { outcome, reason: note, error: json(error), settled: seq }),
    endWaiting(session),
    update("session", { status: outcome === "failed" ? "failed" : "idle", updated: created }, { id: session }),
  ],
  // What was pending stays pending, and goes along with the next input; it no longer starts anything by itself.
  "activity.interrupted": ({ activity, reason }, { session, seq, created }) => [
    move("activity", ACTIVITY, "activity.interrupted", { session, id: activity }, { reason, settled: seq }),
    endWaiting(session),
    { sql: "UPDATE session_input SET resume = 0 WHERE session = ? AND state = 'pending'", params: [session] },
    update("session", { status: "idle", updated: created }, { id: session }),
  ],
  "activity.recovery.started": ({ activity, recoveries }, { session }) => [move("activity", ACTIVITY, "activity.recovery.started", { session, id: activity }, { recoveries })],
  "activity.recovery.decided": (data, { session, seq, created }) => {
    const { activity, attempt, decision } = data
    const event = stepOf("activity.recovery.decided", data)
    const retry = decision === "retry"
    return [
      move("activity", ACTIVITY, event, { session, id: activity }, retry ? { reason: null, rule: null } : { reason: "the request that may have been sent was left", settled: seq }),
      move("provider_attempt", ATTEMPT, event, { session, id: attempt }, { outcome: retry ? "lost" : "abandoned" }),
      update("session", { status: retry ? "running" : "idle", updated: created }, { id: session }),
    ]
  },

  "session.compaction.ended": ({ compaction, through, usage }, { session, seq, created }) => [
    insert("message", { session, seq, id: `${compaction}:summary`, role: "synthetic", first: seq }),
    update("session", { boundary: through, updated: created }, { id: session }),
    ...used(session, usage),
  ],

  "provider.attempt.prepared": (data, { session }) => [
    endWaiting(session),
    insert("provider_attempt", { session, id: data.attempt, activity: data.activity, turn: data.turn, n: data.n, state: "prepared", model: data.model, class: data.class }),
  ],
  "provider.attempt.dispatched": ({ attempt }, { session }) => [move("provider_attempt", ATTEMPT, "provider.attempt.dispatched", { session, id: attempt })],
  "provider.attempt.output": ({ attempt, ref }, { session }) => [move("provider_attempt", ATTEMPT, "provider.attempt.output", { session, id: attempt }, { ref })],
  "provider.attempt.unknown": ({ attempt }, { session }) => [move("provider_attempt", ATTEMPT, "provider.attempt.unknown", { session, id: attempt })],
  "provider.attempt.retry.scheduled": ({ attempt, at }, { session }) => [move("provider_attempt", ATTEMPT, "provider.attempt.retry.scheduled", { session, id: attempt }, { not_before: at })],
  "provider.attempt.settled": ({ attempt, outcome, finish, usage, error }, { session }) => [
    move("provider_attempt", ATTEMPT, "provider.attempt.settled", { session, id: attempt }, { outcome, finish, usage: json(usage), error: json(error) }),
    ...used(session, usage),
  ],

  "message.created": ({ message, role }, { session, seq }) => [insert("message", { session, seq, id: message, role, first: seq })],

  "tool.called": ({ message, call, name, recovery, executed }, { session }) => [
    insert("tool_call", { session, message, call, name, executed: executed ?? "local", recovery, state: "called" }),
  ],
  "tool.asked": ({ message, call }, { session }) => [
    { sql: "UPDATE tool_call SET state = CASE state WHEN 'started' THEN state ELSE 'waiting' END WHERE session = ? AND message = ? AND call = ? AND state <> 'settled'", params: [session, message, call], expect: 1 },
  ],
  "tool.restarted": ({ message, call }, { session }) => [
    { sql: "UPDATE tool_call SET runs = runs + 1 WHERE session = ? AND message = ? AND call = ? AND state = 'started' AND recovery = 'rerun'", params: [session, message, call], expect: 1 },
  ],
  "tool.started": ({ message, call }, { session }) => [move("tool_call", CALL, "tool.started", { session, message, call }, { runs: 1 })],
  "tool.settled": ({ message, call, outcome }, { session }) => [move("tool_call", CALL, "tool.settled", { session, message, call }, { outcome })],
}

export const sessionProjection: Projection = {
  id: "session",
  types: Object.keys(PROJECT),
  migrations: MIGRATIONS,
  tables: TABLES,
  project(event: StoredEvent): readonly Statement[] {
    const project = PROJECT[event.type as keyof Project] as ((data: unknown, at: Where) => Statement[]) | undefined
    return project?.(event.data, { session: event.aggregate, seq: event.seq, created: event.created }) ?? []
  },
  forget: (session) => [...TABLES, DAMAGE].map((table) => ({ sql: `DELETE FROM ${table} WHERE ${table === "session" ? "id" : "session"} = ?`, params: [session] })),
}

/** What it cost is added to the session's sums. */
const used = (session: string, usage?: Usage): Statement[] => (usage === undefined ? [] : [{
  sql: "UPDATE session SET input = input + ?, output = output + ?, reasoning = reasoning + ?, cache_read = cache_read + ?, cache_write = cache_write + ?, cost = CASE WHEN ? IS NULL THEN cost ELSE COALESCE(cost, 0) + ? END WHERE id = ?",
  params: [usage.input, usage.output, usage.reasoning, usage.cacheRead, usage.cacheWrite, usage.cost ?? null, usage.cost ?? null, session],
}])

const json = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value))
const present = (values: Values): [string, SqlValue][] => Object.entries(values).filter((entry): entry is [string, SqlValue] => entry[1] !== undefined)

function insert(table: string, values: Values): Statement {
  const columns = present(values)
  return { sql: `INSERT INTO ${table} (${columns.map(([name]) => name).join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`, params: columns.map(([, value]) => value) }
}

function update(table: string, values: Values, key: Values): Statement {
  const [sets, wheres] = [present(values), present(key)]
  return { sql: `UPDATE ${table} SET ${sets.map(([name]) => `${name} = ?`).join(", ")} WHERE ${wheres.map(([name]) => `${name} = ?`).join(" AND ")}`, params: [...sets, ...wheres].map(([, value]) => value) }
}

/** Compare and set: from any state that allows the event, to the state that it leads to. */
function move(table: string, machine: Machine, event: string, key: Values, values: Values = {}): Statement {
  const states = from(machine, event)
  const set = update(table, { state: next(machine, states[0]!, event), ...values }, key)
  return { sql: `${set.sql} AND state IN (${states.map((state) => `'${state}'`).join(", ")})`, params: set.params, expect: 1 }
}

/** Work goes on from where the conversation was taken back to: what a revert hid does not come again. */
const makeFinal = (session: string): Statement[] => [
  { sql: "UPDATE message SET hidden = 2 WHERE session = ? AND hidden = 1", params: [session] },
  { sql: "UPDATE session SET reverted = NULL WHERE id = ? AND reverted IS NOT NULL", params: [session] },
]

const endWaiting = (session: string): Statement => ({ sql: "UPDATE provider_attempt SET state = 'settled' WHERE session = ? AND state = 'waiting'", params: [session] })
