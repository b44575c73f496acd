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
    const auth = makeAuth(graft, vault)
    graft.provide("auth", auth)
    // Another process may log in: whoever reads the file tells what changed in it.
    graft.add("watched", { id: "auth", path: vault.file })
    graft.on("watch.changed", ({ paths }) => (paths.includes(vault.file) ? auth.list() : undefined))
  },
})
