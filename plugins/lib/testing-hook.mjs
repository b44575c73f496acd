/**
 * For `node --import`: `graft` and `graft/testing` are the installed ones, whatever directory a spec lies in, and the
 * packages that a plugin may import without having them are the install's. JavaScript, because Node strips no types below
 * node_modules.
 */
import { existsSync } from "node:fs"
import { registerHooks } from "node:module"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const home = resolve(dirname(fileURLToPath(import.meta.url)), "../..")
/** A checkout is never stale; an installed package has no sources of the kit. */
const own = existsSync(join(home, "test/kit/index.ts"))
const FACES = own ? { graft: "kernel/index.ts", "graft/testing": "test/kit/index.ts" } : { graft: "dist/kernel.mjs", "graft/testing": "dist/testing.mjs" }
const SHARED = /^(effect|valibot|immer|@ai-sdk\/provider|@valibot\/to-json-schema)(\/|$)/

registerHooks({
  resolve(specifier, context, next) {
    if (Object.hasOwn(FACES, specifier)) return { url: pathToFileURL(join(home, FACES[specifier])).href, shortCircuit: true }
    try {
      return next(specifier, context)
    } catch (error) {
      if (!SHARED.test(specifier)) throw error
      return next(specifier, { ...context, parentURL: pathToFileURL(join(home, "package.json")).href })
    }
  },
})
