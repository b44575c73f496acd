/** The instance of one generation, as seen from one realm: the kernel's own words, and every service and slot by its name. */
import type { Graft, Words } from "../instance.ts"
import type { Realm } from "../registry/realm.ts"
import { KernelError, type KernelErrorCode } from "../errors.ts"
import { makeBoard } from "../registry/board.ts"
import { makeHandle } from "../registry/handle.ts"
import { once } from "../registry/once.ts"
import type { Generation } from "./generation.ts"

const LEVELS = ["debug", "info", "warn", "error"] as const

/** `release` makes it the disposable instance that `at` gives out: there one calls and tells, and registers nothing. */
export function createInstance(generation: Generation, realm: Realm, release?: () => void): Graft & Disposable {
  const { unit } = generation
  const { kernel } = unit
  const handles = new Map<string, object>()
  const foreign = realm !== generation.realm
  const unless = (wrong: boolean, code: KernelErrorCode, message: string) => { if (wrong) throw new KernelError(code, message) }
  const here = (word: string) => unless(foreign, "NotLive", `${word} registers where a plugin lives; an instance from graft.at() only calls and tells`)
  const live = (word: string) => unless(generation.state === "staged", "NotLive", `${word} in setup: nothing is live yet; do it in a handler, or in onCommit`)
  const free = (service: string) => unless(service in words || service === "then", "Invalid", `"${service}" is a word of the kernel and cannot be a service: choose another name`)
  const log = Object.fromEntries(LEVELS.map((level) => [level, (...parts: unknown[]) => kernel.log(generation, level, parts)])) as unknown as Words["log"]

  const words: { [K in keyof Words]: Words[K] } = {
    id: unit.id,
    gen: generation.gen,
    location: realm.location,
    log,
    signal: generation.signal,
    retiring: generation.retiring,
    state: unit.state.view(generation),
    get options() { return generation.options },
    kernel: kernel.control,

    on: ((event: string, handler: never, options?: never) => (here("on"), generation.listen(event, handler, options))) as Words["on"],
    emit: ((event: string, payload: unknown) => generation.arm(() => kernel.bus.emit(realm, event, payload, generation.name))) as Words["emit"],
    mutate: (async (event: string, value: unknown) => (live("mutate"), kernel.bus.mutate(realm, event, value, generation.name))) as Words["mutate"],
    decide: (async (event: string, ask: unknown) => (live("decide"), kernel.bus.decide(realm, event, ask, generation.name))) as Words["decide"],

    provide: ((service: string, implementation: object) => (here("provide"), free(service), generation.provide(service, implementation))) as Words["provide"],
    use: ((service: string) => handle(service)) as Words["use"],
    add: ((slot: string, items: unknown, options?: { key?: string; order?: number }) => (here("add"), generation.add(slot, Array.isArray(items) ? items : [items], options))) as Words["add"],
    all: ((slot: string) => makeBoard(generation, realm, slot)) as Words["all"],
    at: (async (directory: string) => {
      const other = kernel.open(directory)
      return createInstance(generation, other, generation.hold(kernel.hold(other)))
    }) as Words["at"],

    keep: async (name, key, acquire, release, options) => (here("keep"), generation.open("keep"), unit.kept.keep(generation, name, key, acquire, release, options?.exclusive === true)),
    onOptions: (listener) => (generation.open("onOptions"), void (generation.optionsListener = listener as never)),
    onCommit: (work) => (unless(generation.state !== "staged", "NotLive", "onCommit belongs in setup"), void generation.commitWork.push(work)),
    defer: (cleanup) => generation.defer("defer", cleanup),
    fork: (work, options) => generation.fork(work, options?.hold),
    every: (milliseconds, work) => generation.timer(milliseconds, work, true),
    timeout: (milliseconds, work) => generation.timer(milliseconds, work, false),
  }

  const register = (slot: string) => (item: unknown) => words.add(slot as never, item as never)
  const handle = (service: string): never => once(handles, service, () => makeHandle(generation, realm, service, kernel, register(service))) as never

  return new Proxy(words, {
    get(target, name) {
      if (name === Symbol.dispose) return release
      if (typeof name === "symbol" || name === "then") return undefined
      return name in target ? (target as Record<string, unknown>)[name] : handle(name)
    },
    has: (_, name) => typeof name === "string",
    set: (_, name) => { throw new KernelError("Invalid", `graft.${String(name)} cannot be assigned; provide a service instead`) },
  }) as unknown as Graft & Disposable
}

