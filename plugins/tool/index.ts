/** The tools of a project: a registry over the slot `tool`, one settlement for every call, and the one way to change a file. */
import * as v from "valibot"
import { definePlugin, type PluginFact } from "graft"
import { inside } from "../lib/confine.ts"
import type { ToolDefinition, ToolRender, ToolReplace } from "./contract.ts"
import { makeFiles } from "./files.ts"
import { Registry, type ToolState } from "./registry.ts"
import { section } from "./section.ts"

const Definition = v.looseObject({
  name: v.pipe(v.string(), v.regex(/^[a-zA-Z0-9_-]{1,64}$/, "a tool's name has 1 to 64 letters, digits, _ and -")),
  description: v.pipe(v.string(), v.nonEmpty("a model needs a description")),
  input: v.custom<object>((input) => (typeof input === "object" || typeof input === "function") && input !== null, "a schema: valibot, zod, or JSON Schema"),
  execute: v.function("the work itself"),
})

export default definePlugin<ToolState>({
  per: "location",
  state: { version: 1, init: () => ({ tools: [], seen: {} }) },
  slots: {
    tool: { key: (tool: ToolDefinition) => tool.name, schema: Definition },
    toolReplace: { key: ({ tool }: ToolReplace) => tool, schema: v.looseObject({ tool: v.string() }) },
    toolWrap: { schema: v.looseObject({ tool: v.string(), execute: v.function("the work around the work") }) },
    toolRender: { key: ({ tool }: ToolRender) => tool, schema: v.looseObject({ tool: v.string() }) },
  },
  setup(graft) {
    const registry = new Registry(graft, graft.location!)
    graft.provide("tool", registry.service())
    const files = makeFiles(graft)
    graft.provide("file", files)
    graft.add("configSection", section)
    for (const slot of ["tool", "toolReplace", "toolWrap", "toolRender"] as const) graft.all(slot).onChange(() => { void registry.tell() })
    // With a plugin that is not ours a hook over what the others' tools say may have come, changed or gone.
    const ours = graft.kernel.roots().filter(({ kind }) => kind === "built-in").map(({ dir }) => dir)
    const others = ({ file }: PluginFact) => (file === undefined || ours.some((dir) => inside(dir, file)) ? undefined : registry.tell())
    for (const event of ["plugin.loaded", "plugin.reloaded", "plugin.reverted", "plugin.removed"] as const) graft.on(event, others)
    graft.fork(() => registry.tell())
    graft.fork(() => files.recovered())
  },
})
