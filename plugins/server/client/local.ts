/** `graft/client/local`: the client of the instance that serves this home, found by its socket and the token's private file. Node and Bun. */
import { readFileSync } from "node:fs"
import { paths } from "../../lib/paths.ts"
import { tokenFile } from "../gate/token.ts"
import { residentOf } from "../http/life/resident.ts"
import { findInstances } from "../socket/instances.ts"
import { GraftError, type Place } from "./call.ts"
import { createClient as client, type Client, type ClientOptions } from "./index.ts"

export * from "./index.ts"

export interface LocalOptions extends ClientOptions {
  /** As GRAFT_HOME. Default: that, or where this system keeps such things. */
  home?: string
}

/** Errors: `client.absent`, where nobody serves this home. */
export async function findLocal(home?: string): Promise<Place> {
  const resident = residentOf(await findInstances(paths(home).run))
  if (!resident) throw new GraftError("client.absent", "no instance serves this home", { hint: "graft serve starts one" })
  try {
    return { url: resident.url!, token: readFileSync(tokenFile(home), "utf8").trim() }
  } catch (cause) {
    throw new GraftError("client.absent", `the token of this home cannot be read: ${tokenFile(home)}`, { cause })
  }
}

/** Where no `url` is given, the server is found, and found again after it has handed over to another one. */
export function createClient({ home, ...options }: LocalOptions = {}): Client {
  return client(options.url === undefined ? { find: () => findLocal(home), ...options } : options)
}
