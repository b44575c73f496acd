/** One more vendor that speaks Chat Completions: a provider with a name and a key of its own, live when this file is saved. The catalogue, its own list, and `models` of its entry in the config say which models it has. */
import { definePlugin } from "graft"

export default definePlugin((graft) => {
  graft.endpoint.register({ id: "acme", name: "Acme", url: "https://api.acme.example/v1", env: ["ACME_API_KEY"] })
})
