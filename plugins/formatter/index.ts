/** Formatters: what a tool wrote gets the form that its project is used to. */
import * as v from "valibot"
import { definePlugin } from "graft"
import { openLeash } from "../lib/leash.ts"
import { formatAfter } from "./after.ts"
import { builtIns } from "./built-in.ts"
import type { Formatter } from "./contract.ts"
import { Formatting, type FormatterState } from "./formatting.ts"
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
    const leash = await graft.keep("leash", graft.location!, openLeash, (open) => open.close())
    const formatting = new Formatting(graft, leash)
    const service = formatting.service()
    graft.provide("formatter", service)
    graft.add("configSection", section)
    graft.add("formatter", [...builtIns], { order: 100 })
    graft.all("formatter").onChange(() => void formatting.look())
    graft.on("config.changed", ({ paths }) => (paths.some((path) => path.split(".")[0] === "formatter") ? formatting.look() : undefined))
    graft.on("tool.after", (call) => formatAfter(service, graft.location!, call), { order: 10, deadline: 60_000 })
  },
})
