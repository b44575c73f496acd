/**
 * The laws that a plugin keeps so that it can be changed while everything runs. Each is tried on the plugin itself, in a
 * kernel of its own, and a broken one says what was seen, at which line, and what to change.
 */
import type { Schema } from "graft"
import type { ToolDefinition } from "../../plugins/tool/contract.ts"
import { Audit, collect, grown, type Growth } from "./audit.ts"
import { turns } from "./clock.ts"
import { accepted, jsonSchemaOf, least, values } from "./fuzz.ts"
import { fileOf } from "./kernel.ts"
import { Lab, type LabOptions } from "./lab.ts"
import { LawsBroken, type Broken, type Law, type LawReport } from "./report.ts"

export interface LawsOptions extends LabOptions {
  /** How often it is loaded and unloaded; default 50. */
  loads?: number
  /** Values of its options, and inputs of a tool; default 25. */
  samples?: number
  seed?: number
  /** Calls of its tools that may be made. Without them only tools whose effects are no more than "read" are called, with made-up input. */
  calls?: readonly { tool: string; input: unknown }[]
  /** Milliseconds in which a call has to end once it was told to; default 2,000. */
  grace?: number
}

/** Interruptions of one setup, at most. */
const MOST_STEPS = 40
/** Loads before anything is counted: what is made once for all is no leak. */
const WARM = 3
/** Generations that may be in memory: the live one, one that goes, and what a promise still holds. */
const MOST_ALIVE = 3

/** Throws `LawsBroken`, which reads as its report; else gives the report. */
export async function checkLaws(plugin: string | URL, options: LawsOptions = {}): Promise<LawReport> {
  const report = await examine(plugin, options)
  if (report.laws.some(({ broken }) => broken)) throw new LawsBroken(report)
  return report
}

/** The same, as data only. */
export async function examine(plugin: string | URL, options: LawsOptions = {}): Promise<LawReport> {
  const started = performance.now()
  await using lab = await Lab.open(fileOf(plugin), options)
  const laws: Law[] = []
  const note = (law: string, title: string, outcome: Broken | string | undefined) => void laws.push({ law, title, ...(typeof outcome === "string" ? { skipped: outcome } : outcome ? { broken: outcome } : {}) })
  note("load", "it comes up by itself", lab.live ? undefined : notLive(lab))
  if (lab.live) {
    using audit = new Audit()
    const first = lab.contributions()
    const { loads = 50 } = options
    const round = await comeAndGo(lab, audit, loads, first)
    note("unload", `${loads} loads and unloads leave nothing behind (L21, L22)`, round.left)
    note("same", "each load gives the same (L10, L28)", round.different)
    note("memory", "no generation stays in memory (L22)", round.alive)
    note("abort", "interrupted on its way up, it leaves nothing behind (L3)", await interrupt(lab, audit))
    note("options", "every value that its options take is one it can start with", await tryOptions(lab, options))
    note("calls", "a call ends when it is told to, and its failure is an answer (L6)", await tryCalls(lab, options))
    note("cleanup", "its cleanups end, and do not fail (L8)", faultOf(lab, true))
    note("faults", "nothing it started failed unheard (L19, L23)", faultOf(lab, false))
  }
  return { plugin: lab.id, file: lab.file, laws, milliseconds: Math.round(performance.now() - started) }
}

function notLive({ trouble, lastFailure }: Lab): Broken {
  return { seen: trouble ?? "it is not live", ...placed(lastFailure), change: "make this load first: graft plugin dev <file> shows each try as you save" }
}

interface Round { left: Broken | undefined; different: Broken | undefined; alive: Broken | undefined }

async function comeAndGo(lab: Lab, audit: Audit, loads: number, first: readonly string[]): Promise<Round> {
  let different: Broken | undefined
  const once = async () => {
    await lab.unload()
    await lab.load()
    different ??= compare(lab, first)
  }
  for (let left = WARM; left > 0; left--) await once()
  await collect()
  const before = audit.count()
  const from = lab.generations.length
  for (let left = loads; left > 0; left--) await once()
  await collect()
  const left = await grown(audit, before, ({ count }) => count >= Math.max(2, loads / 4))
  const alive = lab.generations.slice(from).filter((generation) => generation.deref() !== undefined).length
  return {
    different,
    left: leftBehind(lab, left, `after ${loads} loads and unloads`),
    alive: alive <= MOST_ALIVE ? undefined : { seen: `${alive} of ${loads} generations are still in memory`, change: "something that lives longer holds a function of the plugin: a listener that is not taken off, a global list, a promise that never ends; take it back in graft.defer" },
  }
}

function compare(lab: Lab, first: readonly string[]): Broken | undefined {
  if (!lab.live) return notLive(lab)
  const now = lab.contributions()
  const [gone, more] = [first.filter((each) => !now.includes(each)), now.filter((each) => !first.includes(each))]
  if (gone.length === 0 && more.length === 0) return undefined
  return { seen: [...gone.map((each) => `the first load gave ${each}, a later one did not`), ...more.map((each) => `a later load gave ${each}, the first one did not`)].slice(0, 5).join("\n"), change: "what setup registers should depend on its options, its services and the disk only, not on what an earlier load left in the process" }
}

/** Ended while it loads, at each use of the instance in its setup (by a throw, and because nobody wants it any more), and in its commit. */
async function interrupt(lab: Lab, audit: Audit): Promise<Broken | undefined> {
  const stop = () => { throw Object.assign(new Error("interrupted, to see what it leaves behind"), { code: "Interrupted" }) }
  const tried = async (work: () => Promise<void>) => (await work(), await lab.unload())
  let steps = 0
  await lab.unload()
  await tried(() => lab.load({ step: (count) => { steps = count } }))
  const before = audit.count()
  await tried(() => {
    const loading = lab.load()
    lab.disable()
    return loading
  })
  for (let step = 1; step <= Math.min(steps, MOST_STEPS); step++) {
    await tried(() => lab.load({ step: (count) => { if (count === step) stop() } }))
    await tried(() => lab.load({ step: (count) => { if (count === step) lab.disable() } }))
  }
  await tried(() => lab.load({ commit: stop }))
  await turns(5)
  const left = await grown(audit, before, ({ origin }) => origin !== undefined && lab.locate(origin) !== undefined)
  await lab.load()
  if (!lab.live) return { ...notLive(lab), seen: `after it was interrupted it does not come up any more: ${lab.trouble}` }
  return leftBehind(lab, left, `after it was interrupted while it loaded, at each of the ${steps} steps of its setup, and at its commit`, "what setup opens has to be owned before its next await: ")
}

function leftBehind(lab: Lab, [worst, ...others]: readonly Growth[], when: string, advice = ""): Broken | undefined {
  if (!worst) return undefined
  const { kind, count, change, origin } = worst
  const rest = others.length > 0 ? `, and ${others.map((other) => `${other.count} × ${other.kind}`).slice(0, 3).join(", ")}` : ""
  return { seen: `${when}: ${count} more × ${kind}${rest}`, ...placed(origin && lab.locate(origin)), change: advice + change }
}

const placed = (place: { where?: string; frame?: string } | undefined): Pick<Broken, "where" | "frame"> => ({ ...(place?.where && { where: place.where }), ...(place?.frame && { frame: place.frame }) })

async function tryOptions(lab: Lab, { samples = 25, seed = 1, options }: LawsOptions): Promise<Broken | string | undefined> {
  const schema = lab.live!.definition.options as Schema | undefined
  if (!schema) return "it has no options"
  const shape = await jsonSchemaOf(schema)
  if (!shape) return "what its schema takes cannot be told"
  const crash = async (value: unknown): Promise<Error | undefined> => {
    if (!accepted(schema, value)) return undefined
    let found: Error | undefined
    await lab.configure(value, { failed: (error) => { found = error as Error } })
    return found
  }
  try {
    for (const value of values(shape, samples, seed)) {
      if (!(await crash(value))) continue
      const smallest = await least(value, async (smaller) => (await crash(smaller)) !== undefined)
      const error = (await crash(smallest))!
      return { seen: `its options take ${JSON.stringify(smallest)}, and setup crashes: ${error.message}`, ...placed(lab.locate(error)), change: "let the schema refuse it, or throw an error with a string `code` that says what is wrong with the value" }
    }
    return undefined
  } finally {
    await lab.configure(options ?? {})
  }
}

type Tool = Pick<ToolDefinition, "name" | "input" | "effects" | "execute">

async function tryCalls(lab: Lab, { calls, samples = 25, seed = 1, grace = 2_000 }: LawsOptions): Promise<Broken | string | undefined> {
  const own = () => lab.project.all("tool").rows().filter(({ owner }) => owner === lab.live?.name)
  const tools = own().map(({ item }) => item as Tool)
  if (tools.length === 0) return "it has no tools"
  const wanted: { tool: string; input: unknown }[] = []
  for (const { name, input, effects } of tools) {
    const given = calls?.filter(({ tool }) => tool === name) ?? []
    const shape = given.length === 0 && effects?.length !== undefined && effects.every((effect) => effect === "read") ? await jsonSchemaOf(input as Schema) : undefined
    wanted.push(...given, ...(shape ? [...values(shape, Math.min(samples, 10), seed)].map((value) => ({ tool: name, input: value })) : []))
  }
  if (wanted.length === 0) return `not called, for it may have effects: give calls: [{ tool: "${tools[0]!.name}", input: … }]`
  for (const { tool, input } of wanted) {
    const definition = own().find(({ key }) => key === tool)
    const value = definition && accepted((definition.item as Tool).input as Schema, input)
    if (!value) continue
    const broken = await tryCall(lab, tool, value.value, grace)
    if (broken) return broken
    await lab.load()
  }
  return undefined
}

/** Three times: to its end, told to stop, and with the plugin gone in the middle. */
async function tryCall(lab: Lab, tool: string, input: unknown, grace: number): Promise<Broken | undefined> {
  const shown = `${tool}(${JSON.stringify(input)})`
  for (const way of ["to its end", "told to stop", "unloaded in the middle"] as const) {
    const row = lab.project.all("tool").rows().find(({ key }) => key === tool)!
    const stop = new AbortController()
    const context = { session: "ses_laws", call: "call_laws", directory: lab.project.location!, location: lab.project.location!, signal: stop.signal, progress() {}, permit: async () => {} }
    const work = (async () => row.run(() => (row.item as Tool).execute(input as never, context)))()
    const ended = work.then(() => undefined, (error: unknown) => error)
    if (way === "to its end") setTimeout(() => stop.abort(), grace).unref()
    else {
      await turns(1)
      if (way === "told to stop") stop.abort()
      else void lab.unload().then(() => stop.abort())
    }
    const late = Symbol("late")
    const outcome = await Promise.race([ended, new Promise((resolve) => setTimeout(() => resolve(late), grace * 2).unref())])
    if (outcome === late) return { seen: `${shown}, ${way}: it had not ended ${grace / 1_000} s after its signal aborted`, change: "give context.signal to what it waits for (fetch, spawn, timers), or look at signal.aborted between steps" }
    if (way === "to its end" && outcome !== undefined && typeof (outcome as { code?: unknown }).code !== "string") return { seen: `${shown} crashed: ${(outcome as Error).message}`, ...placed(lab.locate(outcome)), change: "a failure that the model may read is an error with a string `code`, or { output, failed: true }; without one it is a fault of the plugin, and too many undo it" }
    lab.faults.splice(0, Infinity, ...lab.faults.filter(({ during }) => during !== `tool ${tool}`))
  }
  return undefined
}

function faultOf({ faults }: Lab, teardown: boolean): Broken | undefined {
  const fault = faults.find(({ kind }) => (kind === "teardown") === teardown)
  if (!fault) return undefined
  return { seen: `${fault.during}: ${fault.message}`, ...placed(fault), change: teardown ? "a cleanup has five seconds; it should close what it opened, and not mind if that is closed already" : "catch it where it happens: a handler, timer or fork that throws is counted against the plugin, and one that keeps throwing is undone" }
}
