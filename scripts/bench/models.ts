/** The model database's figures: what 10,000 models cost to fold, one provider to edit, a query and a choice, against folding all of it anew. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel, type Graft } from "../../kernel/index.ts"
import type { ModelRow } from "../../plugins/model/contract.ts"
import { compare } from "../../plugins/model/diff.ts"
import { foldLayers, type Layer } from "../../plugins/model/fold.ts"
import model from "../../plugins/model/index.ts"
import { modelOf } from "../../plugins/model/rows.ts"
import { figure, median, ratio, type Figure } from "./table.ts"

const PROVIDERS = 20
const EACH = 500
const RUNS = 15

const rowsOf = (provider: string, name: string): ModelRow[] => Array.from({ length: EACH }, (_, n) => ({
  id: `m${n}`, provider, name: n === 7 ? name : `Model ${n}`, family: `f${n % 9}`,
  capabilities: { tools: true, parallelTools: n % 2 === 0, reasoning: n % 3 === 0, images: true }, limits: { context: 100_000 + n, output: 8_000 },
  cost: { input: 1, output: 2, cacheRead: 0.1 }, variants: { low: { reasoning: "low" }, high: { reasoning: "high" } }, status: "active",
}))

export async function modelFigures(): Promise<Figure[]> {
  const home = mkdtempSync(join(tmpdir(), "graft-bench-models-"))
  const location = join(home, "project")
  mkdirSync(join(location, ".git"), { recursive: true })
  const kernel = createKernel({ dataDir: home })
  try {
    const graft = await kernel.child(location)
    await kernel.put("model", model as never, location)
    const put = async (n: number, name: string): Promise<number> => {
      const rows = rowsOf(`p${n}`, name)
      const started = performance.now()
      await kernel.put(`p${n}`, { setup(own: Graft) {
        own.add("provider", { id: `p${n}`, name: `P ${n}`, ready: true, languageModel: () => { throw new Error("nobody asks") } })
        own.add("model", rows)
      } }, location)
      await graft.model.providers()
      return performance.now() - started
    }
    for (let n = 0; n < PROVIDERS; n++) await put(n, "Seven")
    const said = Array.from({ length: PROVIDERS }, (_, n) => rowsOf(`p${n}`, "Seven")).flat().map((row): [ModelRow, Layer[]] => [row, [{ by: "catalogue", row }, { by: "plugin@1", row: { limits: { context: 1 } } }, { by: "config", row: { name: "Mine" } }]])
    const fold = await times(() => { for (const [{ provider, id }, layers] of said) foldLayers(provider, id, layers) })
    const derive = () => Object.fromEntries(said.map(([{ provider, id }, layers]) => [`${provider}/${id}`, modelOf(foldLayers(provider, id, layers), undefined)]))
    const before = derive()
    const naive = await times(() => compare(before, derive()))
    const edit = await times((run) => put(3, `Seven ${run}`))
    const query = await times(() => graft.model.list({ text: "p7 model 41" }))
    const resolve = await times(() => graft.model.resolve("p7/m41"))
    return [
      figure(`${(PROVIDERS * EACH).toLocaleString("en")} models, each of what three say of it, folded, median`, fold, "ms", 50, "at most"),
      figure("one provider of 500 edited → its one model.updated, transaction and all, median", edit, "ms", 50, "at most"),
      ratio("that edit against folding and comparing everything anew", edit / naive, 0.5),
      figure("a query over all, median", query, "ms", 50, "at most"),
      figure("the choice of a named model, median", resolve, "ms", 1, "at most"),
    ]
  } finally {
    await kernel.close()
    rmSync(home, { recursive: true, force: true })
  }
}

async function times(work: (run: number) => unknown): Promise<number> {
  const found: number[] = []
  for (let run = 0; run < RUNS; run++) {
    const started = performance.now()
    await work(run)
    found.push(performance.now() - started)
  }
  return median(found)
}
