/**
 * A row of the log that cannot be read is that session's misfortune and nobody else's: whoever meets it looks where it is,
 * and the session says so from then on. What stands before it can still be read and exported.
 */
import { messageOf } from "graft"
import { codeOf, type Context } from "../context.ts"
import type { Sessions } from "../contract.ts"
import { SessionError } from "../errors.ts"
import { DAMAGE } from "../tables.ts"

type Checked = Awaited<ReturnType<Sessions["check"]>>
const PAGE = 1_024

export async function check(context: Context, id: string): Promise<Checked> {
  const { store } = context.graft
  const { damage: known } = await context.known(id)
  const checked = await readAll(context, id)
  const { damage } = checked
  if (damage && (damage.seq !== known?.seq || damage.reason !== known.reason)) await store.write((tx) => tx.run(`INSERT INTO ${DAMAGE} (session, seq, reason) VALUES (?, ?, ?) ON CONFLICT (session) DO UPDATE SET seq = excluded.seq, reason = excluded.reason`, [id, damage.seq, damage.reason]))
  if (!damage && known) await store.write((tx) => tx.run(`DELETE FROM ${DAMAGE} WHERE session = ?`, [id]))
  return checked
}

/** What `work` cannot read is looked for, and said. */
export async function orDamaged<T>(context: Context, id: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isUnreadable(error)) throw error
    const { damage } = await check(context, id)
    throw damage ? damagedAt(id, damage) : error
  }
}

const damagedAt = (id: string, { seq, reason }: { seq: number; reason: string }) =>
  new SessionError("session.damaged", `event ${seq} of session ${id} cannot be read (${reason})${seq > 1 ? `; what stands before it can: graft session export ${id} --until ${seq - 1}` : ""}`)

const isUnreadable = (error: unknown): boolean => codeOf(error) === "eventlog.corrupt" || codeOf(error) === "eventlog.upcast"

/** A page ends before what cannot be read; the next one says what it is. */
async function readAll({ graft }: Context, id: string): Promise<Checked> {
  let events = 0
  for (;;) {
    try {
      const page = await graft.eventlog.read({ aggregate: id, after: events, limit: PAGE })
      if (page.events.length === 0) return { events }
      events = page.events.at(-1)!.seq
    } catch (error) {
      if (!isUnreadable(error)) throw error
      return { events, damage: { seq: events + 1, reason: reasonOf(messageOf(error)) } }
    }
  }
}

const reasonOf = (message: string): string => (/cannot be read: (.*?)(?:\. What stands|$)/s.exec(message)?.[1] ?? message).slice(0, 300)
