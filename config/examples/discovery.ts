/**
 * A provider whose models are asked of a list of its own: `"plugins": { "discovery": { "url": "https://models.example/v1" } }`.
 * It is asked when somebody looks for models, and each one that is new, changed or gone is told as exactly that.
 */
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({ url: v.optional(v.pipe(v.string(), v.url()), "https://models.example/v1") })
const Listing = v.object({ models: v.array(v.object({ id: v.string(), title: v.optional(v.string()), window: v.optional(v.number()), price: v.optional(v.object({ in: v.number(), out: v.number() })) })) })

export default definePlugin({
  options: Options,
  setup(graft) {
    const { url } = graft.options
    // It speaks Chat Completions, so who speaks that speaks for it; the key is TEAM_API_KEY, or one from graft auth login.
    graft.endpoint.register({ id: "team", name: "The team's models", url, env: ["TEAM_API_KEY"] })

    let withdraw = () => {}
    const seek = async () => {
      const response = await fetch(`${url}/catalogue`, { signal: graft.signal })
      if (!response.ok) throw Object.assign(new Error(`${url}/catalogue answered ${response.status}`), { code: "team.catalogue" })
      const { models } = v.parse(Listing, await response.json())
      const before = withdraw
      withdraw = graft.add("model", models.map(({ id, title, window, price }) => ({ provider: "team", id, ...(title && { name: title }), limits: { context: window }, ...(price && { cost: { input: price.in, output: price.out } }) })))
      before()
    }
    graft.modelSource.register({ provider: "team", seek })
  },
})
