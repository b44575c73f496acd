/** Any OpenAI-compatible endpoint: each entry of the config's `providers` that has a `url` is a provider with the models that it lists; and so is each row of the slot `endpoint`. */
import { definePlugin } from "graft"
import { Endpoints, type EndpointState } from "./endpoints.ts"
import { EndpointRows, section } from "./section.ts"
import { SERVICES } from "./services.ts"
import { Vendors } from "./vendors.ts"

export default definePlugin<EndpointState>({
  per: "location",
  slots: { endpoint: { schema: EndpointRows } },
  state: { version: 1, init: () => ({ listed: {} }) },
  async setup(graft) {
    const [endpoints, vendors] = [new Endpoints(graft), new Vendors(graft)]
    graft.add("configSection", section)
    graft.add("endpoint", [...SERVICES])
    graft.add("modelSource", { provider: "openai-compatible", seek: () => endpoints.seek() })
    graft.onCommit(() => endpoints.live())
    graft.on("config.changed", ({ paths }) => (paths.some((path) => path === "providers" || path.startsWith("providers.")) ? endpoints.read() : undefined))
    for (const event of ["auth.added", "auth.updated", "auth.removed"] as const) graft.on(event, ({ provider }: { provider: string }) => endpoints.keyed(provider))
    graft.all("endpoint").onChange(() => endpoints.read())
    graft.on("llm.failed", (failure) => endpoints.failed(failure))
    graft.on("model.resolve", async ({ ref }) => void (await Promise.all([endpoints.wanted(ref), vendors.settled()])))
    await Promise.all([vendors.open(SERVICES), endpoints.open()])
  },
})
