/** A process whose plugin leaves rejections floating and throws outside of every handler; it lives on and prints whom it blames. */
import { createKernel, type Definition, type Graft } from "../../kernel/index.ts"
import { systemClock } from "../../kernel/clock.ts"

const kernel = createKernel({ contain: true })
const graft = kernel.graft as any
const blamed: string[] = []
const all = Promise.withResolvers<void>()
const EXPECTED = 7

const float = (where: string) => void Promise.reject(new Error(where))
const plugin = {
  setup(own: any) {
    own.on("law.told", () => { float("in a handler"); setImmediate(() => { throw new Error("in a callback of a handler") }) })
    own.provide("a", { call: async () => { float("in a method"); setImmediate(() => { throw new Error("in a callback of a method") }) } })
    own.add("thing", { name: "row", work: () => float("in a row") })
    own.timeout(1, () => float("in a timer"))
    if (own.gen === 2) float("in setup")
  },
} as unknown as Definition

graft.on("kernel.fault", ({ plugin, gen, kind, message }: { plugin: string; gen: number; kind: string; message: string }) => {
  if (blamed.push(`${plugin}@${gen} ${kind}: ${message}`) === EXPECTED) all.resolve()
})
await kernel.put("a", { setup() {} })
await kernel.put("a", plugin)
await kernel.put("caller", { setup(own: Graft) { own.onCommit(async () => { await (own as any).a.call() }) } } as unknown as Definition)
graft.emit("law.told", {})
const row = graft.all("thing").rows()[0]
row.run(() => row.item.work())
systemClock.after(5_000, all.resolve)
await all.promise
await kernel.close()
process.stdout.write(JSON.stringify(blamed.sort()))
process.exit(0)
