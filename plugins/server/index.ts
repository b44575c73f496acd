/** A door for a second terminal: one private socket per running instance, calls and events as JSON lines. */
import { definePlugin } from "graft"
import { makeListener, type DoorState } from "./listener.ts"

export default definePlugin<DoorState>({
  per: "process",
  state: { version: 1, init: () => ({ open: false }) },
  async setup(graft) {
    const listener = makeListener(graft)
    await listener.takeOver()
    graft.on("cli.started", ({ interactive }) => { if (interactive) listener.openSoon() })
    graft.on("llm.requested", () => listener.openSoon())
    graft.provide("server", listener.service)
  },
})
