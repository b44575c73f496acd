/** `graft why <noun> <name>`: which plugin set a value, and what it was before: of a model field by field, of the config by its layers, of a plugin its state, and of anything that plugins add by name. */
import type { Graft } from "graft"
import { near } from "../../lib/near.ts"
import { parse, UsageError, usageOf } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp } from "../notices.ts"
import { inspection, type Inspection } from "../remote.ts"
import { table } from "../table.ts"
import { config } from "./config.ts"
import { inspect, known } from "./plugin/views.ts"

export const why = (graft: Graft): Work => ({
  usage: usageOf("graft why <noun> <name> [field]", {}, `
  model <provider/id> [field]   who set each value of a model, e.g. graft why model anthropic/claude-sonnet-4 limits.context
  config <path>                 which layer and line a setting comes from
  plugin <name>                 its state, and why it is or is not running
  service <name>                who provides it, and who uses it
  tool|command|agent|… <name>   who adds it, and whom that hides: any slot, e.g. graft why tool bash`),
  async run(argv, terminal) {
    const { positionals: [noun, name, field] } = parse(argv, {})
    if (noun === undefined) throw new UsageError("say what to explain, e.g. graft why model demo/demo, graft why tool bash, graft why config model")
    if (name === undefined && noun !== "config") throw new UsageError(`say which ${noun}, e.g. graft why ${noun} ${noun === "model" ? "demo/demo" : "<name>"}`)
    if (noun === "model") return model(graft, terminal, name!, field)
    if (noun === "config") return config(graft).run(["explain", ...(name === undefined ? [] : [name])], terminal)
    if (noun === "plugin") return inspect({ graft, terminal, id: name!, values: {} })
    using kernel = await inspection(graft, terminal.directory)
    return noun === "service" ? await service(kernel, terminal, name!) : await row(kernel, terminal, noun, name!)
  },
})

async function model(graft: Graft, terminal: Terminal, ref: string, field?: string): Promise<number> {
  using project = await graft.at(terminal.directory)
  await comeUp(graft)
  const facts = await project.model.why(ref, field)
  for (const { field: name, value, history } of facts) {
    terminal.out(`${terminal.paint("bold", name)} = ${JSON.stringify(value)}\n`)
    for (const [index, { by, value: set }] of history.entries()) terminal.out(`  ${index === history.length - 1 ? "→" : " "} ${JSON.stringify(set)}  ${terminal.paint("dim", `by ${by}`)}\n`)
  }
  if (facts.length > 0) return EXIT.done
  const found = await project.model.get(ref)
  const provider = found && (await project.model.providers()).find(({ id }) => id === found.provider)
  terminal.err(found ? `${ref} is listed by ${provider?.name ?? found.provider}, which says ${field === undefined ? "nothing more of it" : `nothing of its ${field}`}\n` : `there is no model ${ref}; graft models --all lists what is known\n`)
  return EXIT.failed
}

async function service(kernel: Inspection, terminal: Terminal, name: string): Promise<number> {
  const plugins = (await kernel.inspect()).realms.flatMap((realm) => realm.plugins)
  const providers = plugins.filter(({ services }) => services.includes(name))
  if (providers.length === 0) return absent(terminal, "service", name, new Set(plugins.flatMap(({ services }) => services)))
  for (const { id, gen, file } of providers) terminal.out(`${terminal.paint("bold", name)}  provided by ${id}@${gen}  ${terminal.paint("dim", file ?? "")}\n`)
  const users = (pick: "needs" | "uses") => plugins.filter((plugin) => plugin[pick].includes(name)).map(({ id }) => id)
  terminal.out(table([["needed by", users("needs").join(", ") || "nobody"], ["used by", users("uses").join(", ") || "nobody yet"]]))
  return EXIT.done
}

/** Of several rows by one name the last in the table counts. */
async function row(kernel: Inspection, terminal: Terminal, slot: string, key: string): Promise<number> {
  const { realms } = await kernel.inspect()
  const slots = new Set(realms.flatMap(({ slots }) => Object.keys(slots)))
  if (!slots.has(slot)) return absent(terminal, "noun", slot, new Set(["model", "config", "plugin", "service", ...slots]))
  const owners = realms.flatMap(({ plugins }) => plugins).filter((plugin) => plugin.slots[slot]?.includes(key))
  if (owners.length === 0) return absent(terminal, slot, key, new Set(realms.flatMap(({ slots }) => slots[slot] ?? [])))
  for (const { id } of owners) for (const { gen, file, root, realm } of (await known(kernel, id)).slice(0, 1)) terminal.out(`${terminal.paint("bold", `${slot} ${key}`)}  added by ${id}@${gen} (${root ?? "put"}${realm === "root" ? "" : `, for ${realm}`})  ${terminal.paint("dim", file ?? "")}\n`)
  return EXIT.done
}

function absent(terminal: Terminal, what: string, name: string, names: ReadonlySet<string>): number {
  const close = near(name, names)
  terminal.err(`there is no ${what} "${name}"${close.length > 0 ? `; did you mean ${close.join(", ")}?` : `; there are: ${[...names].sort().slice(0, 40).join(", ")}`}\n`)
  return EXIT.failed
}
