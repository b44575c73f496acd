/**
 * Writes config/catalogue/: what is known of the models of each provider, from a published catalogue (npm, MIT).
 * One file a provider, one line a model, sorted, so that a start reads only the providers it has and a diff can be read.
 * Run by hand: `node scripts/generate-catalogue.ts`. Nothing is guessed: what the origin only assumes is left out.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { CatalogueModel } from "../plugins/model/catalogue.ts"

const PACKAGE = "@earendil-works/pi-ai"
const VERSION = "1.5.2"
const target = fileURLToPath(new URL("../config/catalogue", import.meta.url))

/** What the origin has of a chat model; only models that can call tools are in it. */
interface Origin {
  type: string
  id: string
  name: string
  provider: string
  reasoning: boolean
  free?: boolean
  input: string[]
  contextWindow: number
  maxTokens: number
  cost: { input: number; output: number; cacheRead: number; cacheWrite: number }
  promptCache?: unknown
  thinkingLevelMap?: Record<string, string | null>
}

/** The origin writes 4,096 where it does not know. */
const ASSUMED = 4_096
const EFFORTS = { off: "none", minimal: "minimal", low: "low", medium: "medium", high: "high", xhigh: "xhigh", max: "max" } as const

function convert(origin: Origin): CatalogueModel {
  const { cost, contextWindow, maxTokens } = origin
  const efforts = origin.reasoning ? effortsOf(origin.thinkingLevelMap ?? {}) : []
  const paid = cost.input > 0 || cost.output > 0
  const free = origin.free === true || origin.id.endsWith(":free")
  return {
    id: origin.id,
    ...(origin.name && origin.name !== origin.id ? { name: origin.name } : {}),
    capabilities: { tools: true, ...(origin.reasoning ? { reasoning: true } : {}), ...(origin.input.includes("image") ? { images: true } : {}), ...(origin.promptCache || cost.cacheRead > 0 ? { cache: true } : {}) },
    limits: { ...(contextWindow > 0 && contextWindow !== ASSUMED ? { context: contextWindow } : {}), ...(maxTokens > 0 && maxTokens !== ASSUMED ? { output: maxTokens } : {}) },
    // A price of nothing is a subscription's, or unknown; only what is called free is free.
    ...(paid || free ? { cost: { input: price(cost.input), output: price(cost.output), ...(cost.cacheRead > 0 ? { cacheRead: price(cost.cacheRead) } : {}), ...(cost.cacheWrite > 0 ? { cacheWrite: price(cost.cacheWrite) } : {}) } } : {}),
    ...(efforts.length > 0 ? { efforts } : {}),
  }
}

/** A level that is null is not there; the two highest are there only where named. */
function effortsOf(levels: Record<string, string | null>): string[] {
  return Object.entries(EFFORTS).flatMap(([level, effort]) => {
    const named = levels[level]
    return named === null || (named === undefined && (level === "xhigh" || level === "max")) ? [] : [effort]
  })
}

/** Float noise of a price a million tokens. */
const price = (value: number): number => Number(value.toPrecision(6))

const work = mkdtempSync(join(tmpdir(), "graft-catalogue-"))
try {
  execFileSync("npm", ["pack", `${PACKAGE}@${VERSION}`, "--silent"], { cwd: work })
  execFileSync("tar", ["xzf", readdirSync(work).find((name) => name.endsWith(".tgz"))!], { cwd: work })
  const data = join(work, "package/dist/providers/data")
  const { generatedAt } = JSON.parse(readFileSync(join(data, ".manifest.json"), "utf8")) as { generatedAt: string }
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target)
  const providers: Record<string, number> = {}
  for (const file of readdirSync(data).filter((name) => /^[a-z]/.test(name) && name.endsWith(".json")).sort()) {
    const groups = JSON.parse(readFileSync(join(data, file), "utf8")) as Record<string, Record<string, Origin>>
    const models = Object.values(groups).flatMap((group) => Object.values(group)).filter((model) => model.type === "chat").map(convert)
    if (models.length === 0) continue
    providers[file.slice(0, -".json".length)] = models.length
    models.sort((a, b) => (a.id < b.id ? -1 : 1))
    writeFileSync(join(target, file), `{"models":[\n${models.map((model) => JSON.stringify(model)).join(",\n")}\n]}\n`)
  }
  const total = Object.values(providers).reduce((sum, count) => sum + count, 0)
  writeFileSync(join(target, "index.json"), `${JSON.stringify({ origin: `${PACKAGE} ${VERSION} (npm)`, licence: "MIT", updated: generatedAt, models: total, providers }, null, 1)}\n`)
  process.stdout.write(`${total} models of ${Object.keys(providers).length} providers → ${target}\n`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
