/** The service `model`: queries over what was folded, and the choice of a model for a turn. */
import type { Graft } from "graft"
import { isHearsay, namedInConfig, type Purpose } from "./chain.ts"
import type { Model, ModelDatabase, ModelSource } from "./contract.ts"
import type { Database, ModelState } from "./database.ts"
import { ModelError } from "./errors.ts"
import { best, named, smallBeside, find, type Offer } from "./resolve.ts"
import { search } from "./search.ts"

/** How long a choice waits for a provider that is still coming up. */
const PATIENCE = 5_000
/** How long providers may take to say what they have: when somebody looks, and when only the demo is left. */
const SEEK = 3_500
const SEEK_NEAR = 500

export function makeModels(graft: Graft<ModelState>, database: Database, refresh: ModelDatabase["refresh"]): Omit<ModelDatabase, "register"> {
  const offer = (models = database.models()): Offer => ({ models, providers: [...database.speakers().values()], get: (ref) => database.get(ref) })

  /** Plugins that are on their way, here or in the process. */
  const loading = (matters: (id: string) => boolean): boolean =>
    graft.kernel.inspect().realms.some(({ location, plugins }) => (location === undefined || location === graft.location) && plugins.some(({ id, status }) => status === "loading" && matters(id)))

  /** What is named may come with any plugin: it is looked for until it is there, or nothing is loading any more; then its provider is asked. */
  async function patiently<T>(choose: () => T, wanted?: string): Promise<T> {
    const until = Date.now() + PATIENCE
    for (let asked = false; ;) {
      await database.settle()
      try {
        return choose()
      } catch (error) {
        if (!(error instanceof ModelError)) throw error
        if (await movement(() => true, until)) continue
        if (asked || !(await seek(({ provider }) => wanted?.startsWith(`${provider}/`) === true, SEEK))) return explained(error, wanted)
        asked = true
      }
    }
  }

  /** What is no model here may be one of a provider that is not ready. */
  function explained(error: ModelError, wanted: string | undefined): never {
    if (error.code === "model.unknown" && wanted !== undefined) named(wanted, offer(database.everyModel()))
    throw error
  }

  /** The choice among all must not depend on who is first: it waits for the providers, known by their plugins' names, and for nobody else. Servers of this machine come before the demo. */
  async function bestOfAll(): Promise<Model> {
    const until = Date.now() + PATIENCE
    while (await movement((id) => id.startsWith("provider-"), until));
    await database.settle()
    if (!offer().providers.some(({ ready, rank }) => ready && rank !== 0) && (await seek(({ near }) => near === true, SEEK_NEAR))) await database.settle()
    return best(offer())
  }

  /** Asks those that matter, all at once. False: there are none. */
  async function seek(matters: (source: ModelSource) => boolean, milliseconds: number): Promise<boolean> {
    const sources = graft.all("modelSource").rows().filter(({ item }) => matters(item))
    if (sources.length === 0) return false
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, milliseconds)
    await Promise.race([promise, Promise.allSettled(sources.map(({ item, run }) => run(async () => item.seek())))])
    clearTimeout(timer)
    return true
  }

  /** False when nothing that matters is loading, or the patience is over; else true once something has changed. */
  async function movement(matters: (id: string) => boolean, until: number): Promise<boolean> {
    const left = until - Date.now()
    if (left <= 0 || !loading(matters)) return false
    await Promise.race([database.changed(), graft.kernel.settled(left).catch(() => {})])
    return true
  }

  /** The first of these that can be used; where none can, what is wrong with the first. */
  async function firstOf(refs: readonly string[]): Promise<Model> {
    let problem: unknown
    for (const ref of refs) {
      try {
        return await patiently(() => named(ref, offer()), ref)
      } catch (error) {
        problem ??= error
      }
    }
    throw problem
  }

  async function chosen(purpose: Purpose, agent: string | undefined): Promise<Model> {
    const refs = await namedInConfig(graft, purpose, agent)
    if (refs.length > 0) {
      try {
        return await firstOf(refs)
      } catch (error) {
        if (!(await isHearsay(graft, purpose))) throw error
      }
    }
    return purpose === "small" ? smallBeside(await chosen("default", agent), offer()) : bestOfAll()
  }

  return {
    async list({ text, provider, all, seek: asks } = {}) {
      if (asks) await seek((source) => provider === undefined || source.provider === provider || source.provider === "openai-compatible", SEEK)
      await database.settle()
      const models = all ? database.everyModel() : database.models().filter((model) => model.usable)
      return search(provider === undefined ? models : models.filter((model) => model.provider === provider), text)
    },
    async get(ref) {
      await database.settle()
      return database.get(ref)
    },
    async resolve(ref, purpose = "default", { agent } = {}) {
      const hooked = await graft.decide("model.resolve", { ...(ref === undefined ? {} : { ref }), purpose })
      const wanted = hooked ?? ref
      return wanted === undefined ? chosen(purpose, agent) : firstOf([wanted])
    },
    async chain(ref, { agent } = {}) {
      return ref === undefined ? namedInConfig(graft, "default", agent) : [ref]
    },
    async providers() {
      await database.settle()
      return database.providers()
    },
    async why(ref, field) {
      await database.settle()
      const by = database.get(ref) ? undefined : database.deletedBy(ref)
      if (by !== undefined) throw new ModelError("model.unknown", `${ref} was taken away by a draft of ${by}`)
      return database.why(find(ref, offer(database.everyModel())), field)
    },
    refresh,
  }
}
