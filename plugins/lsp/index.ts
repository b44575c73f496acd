/** LSP: what language servers think of a file is told to whoever changed it. The servers, and all that speaks to them, are loaded at the first such file. */
import * as v from "valibot"
import { definePlugin } from "graft"
import { makeBeginning } from "./beginning.ts"
import { builtIns } from "./built-in.ts"
import type { LanguageServer } from "./contract.ts"
import { closePool, openPool, SHAPE } from "./pool.ts"
import { section } from "./section.ts"

const Row = v.looseObject({
  name: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/, 'a name has letters, digits, ".", "_" and "-"')),
  extensions: v.record(v.pipe(v.string(), v.startsWith(".", 'with the dot, e.g. ".ts"')), v.string()),
  command: v.pipe(v.array(v.string()), v.minLength(1, "a program, and what it is told")),
})

export default definePlugin({
  per: "location",
  slots: { lsp: { key: (server: LanguageServer) => server.name, schema: Row } },
  async setup(graft) {
    const { service, takeOver, listen, look, endAll, after } = makeBeginning(graft, await graft.keep("servers", SHAPE, openPool, closePool))
    graft.provide("lsp", service)
    graft.add("configSection", section)
    graft.add("lsp", [...builtIns], { order: 100 })
    graft.onCommit(listen)
    graft.all("lsp").onChange(() => void look())
    graft.on("config.changed", ({ paths }) => (paths.some((path) => path.split(".")[0] === "lsp") ? look() : undefined))
    graft.on("trust.revoked", ({ location }) => (location === graft.location ? endAll("the project is not trusted any more") : undefined))
    graft.on("tool.after", after, { order: 20, deadline: 30_000 })
    await takeOver()
  },
})
