/** The database and the files beside it: one connection, opened when first needed, and kept while this code changes. */
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { closeHome, makeHome } from "./home.ts"
import { makeStore } from "./service.ts"

export default definePlugin({
  per: "process",
  async setup(graft) {
    const { data } = paths(graft.kernel.host.dataDir)
    const home = await graft.keep("database", data, () => makeHome(data), closeHome)
    const { service, finish } = makeStore(graft, home)
    graft.defer(finish)
    graft.provide("store", service)
  },
})
