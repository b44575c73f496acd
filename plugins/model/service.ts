/** The service `model`: queries over what was folded, and the choice of a model for a turn. */
import type { Graft } from "graft"
import type { Model, ModelDatabase } from "./contract.ts"
import type { Database, ModelState } from "./database.ts"
import { ModelError } from "./errors.ts"
import { best, find, named, smallBeside, type Offer } from "./resolve.ts"
import { search } from "./search.ts"

/** How long a choice waits for a provider that is still coming up. */
const PATIENCE = 5_000

export function makeModels(graft: Graft<ModelState>, database: Database): Omit<ModelDatabase, "register"> {
  const offer = (): Offer => ({ models: database.models(), providers: [...database.speakers().values()], get: (ref) => database.get(ref) })

  /** Plugins that are on their way, here or in the process. */
  const loading = (matters: (id: string) => boolean): boolean =>
    graft.kernel.inspect().realms.some(({ location, plugins }) => (location === undefined || location === graft.location) && plugins.some(({ id, status }) => status === "loading" && matters(id)))

  /** What is named may come with any plugin: it is looked for until it is there, or nothing is loading any more. */
  async function patiently<T>(choose: () => T): Promise<T> {
    const until = Date.now() + PATIENCE
    for (;;) {
      await database.settle()
      try {
        return choose()
      } catch (error) {
        if (!(error instanceof ModelError) || !(await movement(() => true, until))) throw error
      }
    }
  }

  /** The choice among all must not depend on who is first: it waits for the providers, known by their plugins' names, and for nobody else. */
  async function bestOfAll(): Promise<Model> {
    const until = Date.now() + PATIENCE
    while (await movement((id) => id.startsWith("provider-"), until));
    await database.settle()
    return best(offer())
  }

  /** False when nothing that matters is loading, or the patience is over; else true once something has changed. */
  async function movement(matters: (id: string) => boolean, until: number): Promise<boolean> {
    const left = until - Date.now()
    if (left <= 0 || !loading(matters)) return false
    await Promise.race([database.changed(), graft.kernel.settled(left).catch(() => {})])
    return true
  }

  async function configured(path: "model" | "small_model"): Promise<string | undefined> {
    const value = await graft.config.get<unknown>(path, graft.location).catch(() => undefined)
    return typeof value === "string" && value !== "" ? value : undefined
  }

  async function main(): Promise<Model> {
    const wanted = await configured("model")
    return wanted === undefined ? bestOfAll() : patiently(() => named(wanted, offer()))
  }

  return {
    async list({ text, provider, all } = {}) {
      await database.settle()
      const models = all ? database.everyModel() : database.models().filter((model) => model.usable)
      return search(provider === undefined ? models : models.filter((model) => model.provider === provider), text)
    },
    async get(ref) {
      await database.settle()
      return database.get(ref)
    },
    async resolve(ref, purpose = "default") {
      const hooked = await graft.decide("model.resolve", { ...(ref === undefined ? {} : { ref }), purpose })
      const wanted = hooked ?? ref ?? (purpose === "small" ? await configured("small_model") : undefined)
      if (wanted !== undefined) return patiently(() => named(wanted, offer()))
      return purpose === "small" ? smallBeside(await main(), offer()) : main()
    },
    async providers() {
      await database.settle()
      return database.providers()
    },
    async why(ref, field) {
      await database.settle()
      const by = database.get(ref) ? undefined : database.deletedBy(ref)
      if (by !== undefined) throw new ModelError("model.unknown", `${ref} was taken away by a draft of ${by}`)
      return database.why(find(ref, offer()), field)
    },
  }
}
