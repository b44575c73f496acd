/** The doors of a running instance: a private socket for a second terminal, and HTTP where somebody asks for it. */
import { definePlugin } from "graft"
import { callback } from "./callback.ts"
import { makeFace } from "./face.ts"
import { makeHttp } from "./http/http.ts"
import { RouteRow } from "./row.ts"
import { section } from "./section.ts"
import { makeDoor, type DoorState } from "./socket/door.ts"

export default definePlugin<DoorState>({
  per: "process",
  state: { version: 1, init: () => ({ open: false }) },
  slots: { route: { schema: RouteRow, key: ({ id }: { id: string }) => id } },
  async setup(graft) {
    graft.add("configSection", section)
    const door = makeDoor(graft)
    const http = makeHttp(graft, door)
    await door.takeOver()
    await http.takeOver()
    graft.on("cli.started", async ({ interactive }) => {
      if (!interactive) return
      door.openSoon()
      await http.serveIfWanted()
    })
    graft.on("llm.requested", () => door.openSoon())
    graft.provide("server", { ...door.service, ...http.service, ...makeFace(graft), callback })
  },
})
