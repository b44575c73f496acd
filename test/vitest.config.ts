/** Laws, specs and end-to-end runs. Plugins are loaded by the kernel, not by vitest; only their pure nouns are imported directly. */
import { mkdtempSync, rmSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const root = fileURLToPath(new URL("..", import.meta.url))
// What a developer keeps for other agents counts in Graft, and must not in its specs. Not in /tmp, of which a sandbox has its own.
const home = mkdtempSync(`${root}test/fixtures/.home-`)
process.on("exit", () => rmSync(home, { recursive: true, force: true }))
/** npm is told by the developer's own where its registry is. */
const npm = { npm_config_userconfig: process.env.npm_config_userconfig ?? join(homedir(), ".npmrc"), npm_config_cache: process.env.npm_config_cache ?? join(homedir(), ".npm") }

export default defineConfig({
  root,
  resolve: { alias: { graft: `${root}kernel/index.ts` } },
  test: { env: { HOME: home, XDG_CONFIG_HOME: "", CODEX_HOME: "", CLAUDE_CONFIG_DIR: "", PI_CODING_AGENT_DIR: "", ...npm }, globalSetup: `${root}test/packages.setup.ts`, setupFiles: [`${root}test/properties.setup.ts`], include: ["test/**/*.{law,spec,e2e}.test.ts"], exclude: ["test/crash/**", "**/node_modules/**"], pool: "forks", maxWorkers: 3, testTimeout: 20_000, hookTimeout: 20_000, teardownTimeout: 5_000 },
})
