/** Any OpenAI-compatible endpoint: each entry of the config's `providers` that has a `url` is a provider with the models that it lists. */
import { definePlugin } from "graft"
import { Endpoints, type EndpointState } from "./endpoints.ts"
import { section } from "./section.ts"

export default definePlugin<EndpointState>({
  per: "location",
  state: { version: 1, init: () => ({ listed: {} }) },
  async setup(graft) {
    const endpoints = new Endpoints(graft)
    graft.add("configSection", section)
    graft.onCommit(() => endpoints.live())
    graft.on("config.changed", ({ paths }) => (paths.some((path) => path === "providers" || path.startsWith("providers.")) ? endpoints.read() : undefined))
    for (const event of ["auth.added", "auth.updated", "auth.removed"] as const) graft.on(event, ({ provider }: { provider: string }) => endpoints.keyed(provider))
    graft.on("llm.failed", (failure) => endpoints.failed(failure))
    graft.on("model.resolve", async ({ ref }) => void (await endpoints.wanted(ref)))
    await endpoints.open()
  },
})
