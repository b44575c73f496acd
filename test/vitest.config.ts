/** Laws, specs and end-to-end runs. Plugins are loaded by the kernel, not by vitest; only their pure nouns are imported directly. */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const root = fileURLToPath(new URL("..", import.meta.url))

export default defineConfig({
  root,
  resolve: { alias: { graft: `${root}kernel/index.ts` } },
  test: { globalSetup: `${root}test/packages.setup.ts`, include: ["test/**/*.{law,spec,e2e}.test.ts"], exclude: ["test/crash/**", "**/node_modules/**"], pool: "forks", maxWorkers: 2, testTimeout: 20_000, hookTimeout: 20_000, teardownTimeout: 5_000 },
})
