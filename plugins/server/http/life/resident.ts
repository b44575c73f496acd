/**
 * The one instance of this home that others find: it holds a name that the system takes from the dead. Who is newer asks
 * an older one to hand over, and never the other way round.
 */
import type { Graft } from "graft"
import type { Instance, Successor } from "../../contract.ts"
import { compareVersions } from "../protocol.ts"
import { callOn } from "./errand.ts"

const NAME = "resident"

/** `server.resident`: another instance serves this home. */
export class ResidentError extends Error {
  readonly code = "server.resident"
}

/** Whom to ask first: who serves and takes new work, the newest release before the newest process. */
export const residentOf = (instances: readonly Instance[]): Instance | undefined =>
  instances.filter(({ url, successor }) => url !== undefined && !successor).sort((a, b) => compareVersions(b.version, a.version) || b.started - a.started)[0]

export async function becomeResident(graft: Graft, { url, port }: { url: string; port: number }): Promise<void> {
  if (await graft.store.hold(NAME)) return
  const own = await graft.server.address()
  const resident = residentOf((await graft.server.instances()).filter(({ socket }) => socket !== own))
  if (!resident) throw new ResidentError("another instance is about to serve this home, or to end: try again in a moment")
  const { version } = graft.kernel
  const order = compareVersions(resident.version, version)
  if (order >= 0) throw new ResidentError(`instance ${resident.pid}${order > 0 ? `, which is newer (${resident.version}, this is ${version}),` : ""} serves this home already: ${resident.url}`)
  // Which free port it will be is not known yet.
  const by: Successor & { port: number } = { pid: process.pid, version, port, ...(port !== 0 && { url }) }
  await callOn(resident, { service: "server", method: "handOver", args: [by] })
  if (!(await graft.store.hold(NAME))) throw new ResidentError(`instance ${resident.pid} handed over, and somebody else took its place: ${resident.url}`)
}

export const resign = (graft: Graft): Promise<void> => graft.store.letGo(NAME)
