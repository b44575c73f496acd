/** The built-ins keep the laws that they ask of others: every eighth here, each of them with GRAFT_LAWS=all. */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { examine, sayReport } from "../kit/index.ts"

const PLUGINS = join(import.meta.dirname, "../../plugins")
const all = process.env.GRAFT_LAWS === "all"
const tried = readdirSync(PLUGINS).filter((id) => existsSync(join(PLUGINS, id, "index.ts"))).filter((_, index) => all || index % 8 === 0)

test.each(tried)("%s keeps every law", async (id) => {
  const report = await examine(join(PLUGINS, id, "index.ts"), all ? { loads: 25, samples: 10 } : { loads: 3, samples: 3 })
  expect(report.laws.filter(({ broken }) => broken).map(({ law }) => law), sayReport(report)).toEqual([])
}, 60_000)
