/** HTTP as the rest of the plugin sees it: nothing of it is loaded before somebody asks for it. */
import { messageOf, type Graft } from "graft"
import type { Server } from "../contract.ts"
import type { Door, DoorState } from "../socket/door.ts"
import type { Life } from "./life/serving.ts"

export interface Http {
  /** In setup, when a generation before this one served. */
  takeOver(): Promise<void>
  /** Where the config asks for it; where it cannot be, the log says why. */
  serveIfWanted(): Promise<void>
  readonly service: Pick<Server, "serve" | "serving" | "handOver" | "drain" | "drained">
}

export function makeHttp(graft: Graft<DoorState>, door: Door): Http {
  let loading: Promise<Life> | undefined
  const life = (): Promise<Life> => (loading ??= import("./life/serving.ts").then(({ makeLife }) => makeLife(graft, door)))
  return {
    async takeOver() { if (graft.state.value.http) await (await life()).takeOver() },
    async serveIfWanted() {
      if (!(await graft.config.get("server.http"))) return
      await (await life()).serve().catch((error: unknown) => graft.log[(error as { code?: unknown }).code === "server.resident" ? "info" : "warn"](`HTTP is not served here: ${messageOf(error)}`))
    },
    service: {
      serve: async (options) => (await life()).serve(options),
      serving: async () => (await loading)?.serving(),
      handOver: async (by) => (await life()).handOver(by),
      drain: async (options) => (await life()).drain(options),
      drained: async () => (await life()).drained(),
    },
  }
}
