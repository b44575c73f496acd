/** For the vitest that an author has: the kit is the installed one, and loaded as it is. */
import { existsSync } from "node:fs"
import { join } from "node:path"

const home = process.env.GRAFT_HOME_DIRECTORY
const own = existsSync(join(home, "test/kit/index.ts"))
const face = (source, built) => join(home, own ? source : built)

export default {
  resolve: { alias: [
    { find: /^graft$/, replacement: face("kernel/index.ts", "dist/kernel.mjs") },
    { find: /^graft\/testing$/, replacement: face("test/kit/index.ts", "dist/testing.mjs") },
  ] },
  server: { fs: { strict: false } },
  test: { pool: "forks", include: ["**/*.{test,spec}.?(c|m)[jt]s?(x)"] },
}
