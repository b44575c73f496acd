/** That a person can be asked here: a row of its own, also for the generation that takes over an open conversation. */
import type { Graft } from "graft"
import type { Away } from "./conversation.ts"
import type { Talk } from "../screen.ts"

export function addFace(graft: Graft<Away>, { answers }: Talk): void {
  graft.add("face", { id: "cli", answers })
}
