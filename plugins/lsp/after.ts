/** After a tool read a file, its server is there when it is needed; after a tool changed files, the model reads what is wrong with them. */
import { relative } from "node:path"
import { changesOf } from "../lib/changes.ts"
import type { Findings } from "./contract.ts"
import { report } from "./report.ts"

interface Call { output: string; metadata?: Record<string, unknown> }
interface Diagnosing { diagnose(paths: readonly string[]): Promise<Findings[]>; warm(path: string): Promise<void> }
/** Files of one call that are asked about. */
const MOST = 10

export async function diagnoseAfter(servers: Diagnosing, location: string, call: Call): Promise<void> {
  const paths = [...new Set(changesOf(call.metadata).map(({ path }) => path))].slice(0, MOST)
  if (paths.length === 0 && typeof call.metadata?.path === "string") void servers.warm(call.metadata.path).catch(() => {})
  const said = (await servers.diagnose(paths)).map((findings) => report(findings, relative(location, findings.path))).filter(Boolean)
  if (said.length > 0) call.output = [call.output, ...said].join("\n")
}
