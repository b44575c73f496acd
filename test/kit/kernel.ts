/**
 * A kernel for a test: the real built-ins over a temporary home and project, the plugin under test beside them, a model
 * that plays a script, and everything that was told kept for looking at. Nothing is a stand-in unless the test gives one.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join, parse } from "node:path"
import { fileURLToPath } from "node:url"
import { createKernel, definePlugin, type Clock, type EmbeddedKernel, type EventName, type Graft, type Root, type ServiceName, type Services } from "graft"
import { paths } from "../../plugins/lib/paths.ts"
import type { Ended, Message } from "../../plugins/session/contract.ts"
import type { Settlement } from "../../plugins/tool/contract.ts"
import { SCRIPTED, scriptedModel, type ScriptedModel, type Turn } from "./model.ts"

/** What an agent needs to answer. Faces, servers and providers stay out: a test brings its own. */
const BUILT_INS = ["config", "store", "eventlog", "auth", "model", "llm", "session", "runner", "compaction", "instruction", "agent", "skill", "command", "question", "permission", "job", "snapshot", "tool", "tool-read", "tool-write", "tool-edit", "tool-ls", "tool-glob", "tool-grep", "tool-bash", "tool-job", "tool-task", "tool-todo"]
/** Facts that are kept; the oldest go first. */
const MOST_TOLD = 10_000
/** Milliseconds of real time that a fact may be waited for. */
const PATIENCE = 5_000

export interface TestKernelOptions {
  /** Files of the plugins under test: a path, or `new URL("../dice.ts", import.meta.url)`. */
  plugins?: readonly (string | URL)[]
  /** Which built-ins run beside them; default: what an agent needs to answer. */
  builtIns?: readonly string[]
  /** Services in the place of the real ones: whoever provides them is left out, and other members are missing. */
  fakes?: { readonly [K in ServiceName]?: Partial<Services[K]> }
  /** Time; default the real one. See `TestClock`. */
  clock?: Clock
  /** What stands in the user's config.jsonc. */
  config?: Readonly<Record<string, unknown>>
  /** Rules of what may happen without asking; default everything, for only the test's own script calls. */
  allow?: readonly string[]
  /** What the model says, turn by turn. */
  model?: readonly Turn[]
}

export interface Told { event: string; payload: any; location?: string; by: string; at: number }
export interface Answer { session: string; ended: Ended; /** What the model said last. */ text: string; messages: Message[] }

export interface TestKernel extends AsyncDisposable {
  readonly kernel: EmbeddedKernel
  /** The instance of the test's project. */
  readonly graft: Graft
  /** Real paths of the project and of the home, both temporary. */
  readonly project: string
  readonly home: string
  readonly model: ScriptedModel
  /** Everything told so far, oldest first. */
  readonly told: readonly Told[]
  /** The next fact of this name that satisfies; five seconds of real time at most. */
  next(event: EventName, satisfies?: (payload: any) => boolean): Promise<any>
  /** One call of a tool, as a turn of a model makes it: its input is checked, its permission asked, its output bounded. */
  call(tool: string, input?: unknown, options?: { signal?: AbortSignal; session?: string }): Promise<Settlement>
  /** A prompt, answered by the scripted model, with all that lies between. `turns` are added to its script. */
  ask(prompt: string, ...turns: readonly Turn[]): Promise<Answer>
  /** Saves a file of the project, or (`plugin:name.ts`) a plugin, and waits until that is live, or has failed. */
  write(path: string, text: string): Promise<void>
}

export async function createTestKernel(options: TestKernelOptions = {}): Promise<TestKernel> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-test-")))
  const [home, directory, dropped] = [join(base, "home"), join(base, "project"), join(base, "plugins")]
  for (const made of [join(home, "config"), join(directory, ".git"), dropped]) mkdirSync(made, { recursive: true })
  const model = scriptedModel(...(options.model ?? []))
  const fakes = Object.entries(options.fakes ?? {}) as [ServiceName, object][]
  const tested = (options.plugins ?? []).map(fileOf).map(pluginAt)
  const wanted = [...(options.builtIns ?? BUILT_INS).filter((id) => !fakes.some(([service]) => service === id)), ...tested.map(({ id }) => id)]
  writeFileSync(join(home, "config/config.jsonc"), JSON.stringify({ model: SCRIPTED, permissions: { allow: options.allow ?? ["*"] }, catalogue: { refresh: false }, ...options.config }))
  const roots: Root[] = [{ dir: join(installedAt(), "plugins"), kind: "built-in" }, ...[...new Set(tested.map(({ root }) => root))].map((dir): Root => ({ dir, kind: "user" }))]
  const kernel = createKernel({ roots: [...roots, { dir: dropped, kind: "user" }], dataDir: home, cacheDir: join(paths().cache, "compiled"), first: ["config"], skip: othersIn(roots, wanted), ...(options.clock && { clock: options.clock }) })
  const told: Told[] = []
  kernel.on("*", (payload, { event, location, by, at }) => {
    told.push({ event, payload, by, at, ...(location === undefined ? {} : { location }) })
    if (told.length > MOST_TOLD) told.shift()
  })
  const close = async () => {
    await kernel.close()
    rmSync(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }
  const comeUp = async () => {
    for (const [service, members] of fakes) await kernel.put(`fake-${service}`, definePlugin({ per: "process", setup: (own) => own.provide(service, members as never) }))
    await kernel.start()
    const project = await kernel.child(directory)
    await kernel.graft.kernel.put("scripted-model", model.plugin, directory)
    await kernel.settled()
    const lame = troubles(kernel, tested.map(({ id }) => id))
    if (lame !== undefined) throw new Error(lame)
    return project
  }
  const graft = await comeUp().catch(async (error: unknown) => {
    await close()
    throw error
  })
  let serial = 0
  return {
    kernel, graft, project: directory, home, model, told,
    next: (event, satisfies = () => true) => next(kernel, event, satisfies),
    async call(tool, input = {}, { signal = new AbortController().signal, session = "ses_test" } = {}) {
      const set = await graft.tool.advertise()
      try {
        return await set.settle({ id: `call_${++serial}`, name: tool, input: typeof input === "string" ? input : JSON.stringify(input), session, directory }, { signal, started: async () => {} })
      } finally {
        set.dispose()
      }
    },
    async ask(prompt, ...turns) {
      model.play(...turns)
      const { id } = await graft.session.create({ directory })
      await graft.session.prompt({ session: id, text: prompt })
      const ended = await graft.session.wait(id)
      const messages = await graft.session.messages(id)
      const last = messages.findLast(({ role }) => role === "assistant")
      return { session: id, ended, messages, text: (last?.parts ?? []).flatMap((part) => (part.kind === "text" ? [part.text] : [])).join("\n") }
    },
    async write(path, text) {
      const plugin = path.startsWith("plugin:")
      const file = plugin ? join(dropped, path.slice("plugin:".length)) : join(directory, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      // Not just saved: a half-written file is none of a test's troubles, and no clock has to move.
      utimesSync(file, new Date(), new Date(Date.now() - 3_600_000 + ++serial * 1_000))
      if (!plugin) return
      await kernel.reconcile()
      await kernel.settled()
    },
    [Symbol.asyncDispose]: close,
  }
}

export const fileOf = (file: string | URL): string => (typeof file === "string" && !file.startsWith("file:") ? file : fileURLToPath(file))

/** As the kernel names it: `<root>/<id>.ts`, or `<root>/<id>/index.ts`. */
export function pluginAt(file: string): { id: string; root: string; file: string } {
  if (!existsSync(file)) throw new Error(`${file}: there is no such plugin`)
  const real = realpathSync.native(file)
  const { name, dir } = parse(real)
  return name === "index" ? { id: basename(dir), root: dirname(dir), file: real } : { id: name, root: dir, file: real }
}

/** The directory that Graft is installed in: the one above this file that has plugins. */
export function installedAt(): string {
  for (let at = import.meta.dirname; ; at = dirname(at)) {
    if (existsSync(join(at, "plugins/tool/index.ts"))) return at
    if (at === dirname(at)) throw new Error(`${import.meta.dirname} lies in no installed Graft`)
  }
}

/** Ids below these roots that a test did not ask for. */
export const othersIn = (roots: readonly Root[], wanted: readonly string[]): string[] => roots.flatMap(({ dir }) => readdirSync(dir).map((name) => parse(name).name)).filter((id) => !wanted.includes(id))

/** Why any of these is not live, as its author wants to read it. */
export function troubles(kernel: Pick<EmbeddedKernel, "inspect" | "journal">, ids: readonly string[]): string | undefined {
  const views = kernel.inspect().realms.flatMap(({ plugins }) => plugins)
  const lines = ids.flatMap((id) => {
    const found = views.filter((view) => view.id === id)
    if (found.some(({ status }) => status === "live")) return []
    const { where, frame, message } = kernel.journal(id).findLast(({ outcome }) => outcome === "failed") ?? {}
    return [`${id} is ${found[0]?.status ?? "not there"}: ${message ?? found[0]?.reason ?? "no root has it"}${where ? `\n  at ${where}` : ""}${frame ? `\n${frame}` : ""}`]
  })
  return lines.length > 0 ? lines.join("\n") : undefined
}

function next(kernel: EmbeddedKernel, event: string, satisfies: (payload: any) => boolean): Promise<any> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const late = setTimeout(() => reject(new Error(`no ${event} that satisfies was told within ${PATIENCE / 1_000} s`)), PATIENCE)
  const stop = kernel.on("*", (payload, meta) => { if (meta.event === event && satisfies(payload)) resolve(payload) })
  return promise.finally(() => (stop(), clearTimeout(late)))
}
