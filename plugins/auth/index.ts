/** Credentials of any integration: from the environment, a private file or a keychain. The one plugin that reads secrets. */
import { join } from "node:path"
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { makeAuth } from "./credentials.ts"
import { Logins, type Waiting } from "./login.ts"
import { section } from "./section.ts"
import { keychainsOf } from "./kept/keychains.ts"
import type { AuthState } from "./told.ts"
import { Vault } from "./kept/vault.ts"

export default definePlugin<AuthState>({
  per: "process",
  state: { version: 2, init: () => ({}), migrate: () => ({}) },
  async setup(graft) {
    const vault = new Vault(join(paths(graft.kernel.host.dataDir).data, "auth.json"), (message) => graft.log.warn(message), keychainsOf(graft))
    const waiting = await graft.keep<Waiting>("logins", "by name", () => new Map(), (kept) => kept.clear())
    const auth = makeAuth(graft, vault, new Logins(graft, waiting))
    graft.provide("auth", auth)
    graft.add("configSection", section)
    // Another process may log in: whoever reads the file tells what changed in it.
    graft.add("watched", { id: "auth", path: vault.file })
    graft.on("watch.changed", ({ paths }) => (paths.includes(vault.file) ? auth.list() : undefined))
    graft.on("config.changed", ({ paths }) => (paths.includes("auth.store") ? auth.move() : undefined))
    // A token that was refused is not used a second time.
    graft.on("llm.failed", ({ code, provider }) => (code === "llm.auth" ? auth.renew(provider).catch(() => {}) : undefined))
  },
})
