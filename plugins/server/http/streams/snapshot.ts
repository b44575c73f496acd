/** What a face needs to begin: how things are right now. What a plugin that is not live would say is left out. */
import { messageOf, type Graft } from "graft"
import type { Snapshot } from "../../contract.ts"
import { PROTOCOL } from "../protocol.ts"

/** Sessions that are looked through for those at work, latest first. */
const MOST_SESSIONS = 200

export async function snapshotOf(graft: Graft, started: number, location?: string): Promise<Snapshot> {
  const or = async <T>(fallback: T, ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask()
    } catch (error) {
      if ((error as { code?: unknown }).code !== "Unavailable") graft.log.warn(`left out of a snapshot: ${messageOf(error)}`)
      return fallback
    }
  }
  const { kernel } = graft
  const places = location === undefined ? kernel.locations() : [location]
  const [sessions, trust, ...asked] = await Promise.all([
    or([], async () => (await graft.session.list({ limit: MOST_SESSIONS, ...(location !== undefined && { location }) })).filter(({ status }) => status === "running" || status === "waiting" || status === "parked")),
    or([], () => graft.trust.pending()),
    ...places.map(async (place) => {
      using project = await graft.at(place)
      const [permissions, questions] = await Promise.all([or([], () => project.permission.pending()), or([], () => project.question.pending())])
      return { permissions, questions }
    }),
  ])
  const here = location === undefined ? {} : await or<Pick<Snapshot, "models" | "providers">>({}, async () => {
    using project = await graft.at(location)
    const [models, providers] = await Promise.all([project.model.list(), project.model.providers()])
    return { models: models.length, providers }
  })
  return {
    version: kernel.version, protocol: PROTOCOL, pid: process.pid, started, ...(location !== undefined && { location }), locations: kernel.locations(),
    plugins: kernel.inspect().realms.filter((realm) => realm.location === undefined || location === undefined || realm.location === location).flatMap(({ plugins }) => plugins.map(({ id, realm, status, gen, reason }) => ({ id, realm, status, gen, ...(reason && { reason }) }))),
    ...here, sessions, permissions: asked.flatMap(({ permissions }) => permissions), questions: asked.flatMap(({ questions }) => questions), trust,
  }
}
