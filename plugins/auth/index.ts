/** Credentials: from the environment, and from a private file. The one plugin that reads secrets. */
import { join } from "node:path"
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { makeAuth, type AuthState } from "./credentials.ts"
import { Vault } from "./vault.ts"

export default definePlugin<AuthState>({
  per: "process",
  state: { version: 1, init: () => ({}) },
  setup(graft) {
    const vault = new Vault(join(paths(graft.kernel.host.dataDir).data, "auth.json"), (message) => graft.log.warn(message))
    graft.provide("auth", makeAuth(graft, vault))
  },
})
