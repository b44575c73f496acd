/** Formatters: what a tool wrote gets the form that its project is used to. */
import * as v from "valibot"
import { definePlugin } from "graft"
import { openLeash } from "../lib/leash.ts"
import { makeBeginning } from "./beginning.ts"
import { builtIns } from "./built-in.ts"
import type { Formatter } from "./contract.ts"
import type { FormatterState } from "./formatting.ts"
import { section } from "./section.ts"

const Row = v.looseObject({
  name: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/, 'a name has letters, digits, ".", "_" and "-"')),
  extensions: v.array(v.pipe(v.string(), v.startsWith(".", 'with the dot, e.g. ".ts"'))),
  command: v.union([v.pipe(v.array(v.string()), v.minLength(1)), v.function()], "a program and what it is told, or what gives it"),
})

export default definePlugin<FormatterState>({
  per: "location",
  state: { version: 1, init: () => ({ begun: false, told: {}, said: [] }) },
  slots: { formatter: { key: (formatter: Formatter) => formatter.name, schema: Row } },
  async setup(graft) {
    const { service, look, after } = makeBeginning(graft, await graft.keep("leash", graft.location!, openLeash, (open) => open.close()))
    graft.provide("formatter", service)
    graft.add("configSection", section)
    graft.add("formatter", [...builtIns], { order: 100 })
    graft.all("formatter").onChange(() => void look())
    graft.on("config.changed", ({ paths }) => (paths.some((path) => path.split(".")[0] === "formatter") ? look() : undefined))
    graft.on("tool.after", after, { order: 10, deadline: 60_000 })
  },
})
