/** What a candidate is before it may be live: right for `tsc`, where there is one, and a keeper of the laws, in a process of its own. */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { sayProblem, typeCheck } from "../lib/typecheck.ts"
import { keepTypings } from "../lib/typings.ts"
import type { Places } from "./places.ts"

/** `compilers`: where a tsc may be looked for besides the path. */
export interface Candidate { name: string; source: string; places: Places; compilers: readonly string[]; signal: AbortSignal }
export interface Checked { /** Why it may not be live. */ problems: string[]; /** What could not be looked at. */ notes: string[] }

/** Milliseconds for the laws; bytes of their report; problems of types that are told. */
const LAWS = 60_000
const MOST_REPORT = 1_000_000
const MOST_TYPES = 20

export async function check({ name, source, places, compilers, signal }: Candidate): Promise<Checked> {
  mkdirSync(places.bench, { recursive: true, mode: 0o700 })
  const { tsconfig } = keepTypings(places.bench, places.home, places.others)
  const folder = mkdtempSync(join(places.bench, "try-"))
  const file = join(folder, `${name}.ts`)
  try {
    writeFileSync(file, source)
    const types = await typeCheck(tsconfig, compilers, { files: [file], signal })
    if ("problems" in types && types.problems.length > 0) return { problems: types.problems.slice(0, MOST_TYPES).map((problem) => sayProblem({ ...problem, file: `${name}.ts` })), notes: [] }
    return { problems: await laws(file, folder, places, signal), notes: "reason" in types ? [`types were not checked: ${types.reason}`] : [] }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Report { laws: { law: string; title: string; broken?: { seen: string; where?: string; frame?: string; change: string } }[] }

function laws(file: string, folder: string, { home }: Places, signal: AbortSignal): Promise<string[]> {
  const lib = join(home, "plugins/lib")
  const argv = ["--disable-warning=ExperimentalWarning", "--import", pathToFileURL(join(lib, "testing-hook.mjs")).href, join(lib, "testing-laws.mjs"), file, "--json"]
  return new Promise((done) => {
    execFile(process.execPath, argv, { timeout: LAWS, killSignal: "SIGKILL", maxBuffer: MOST_REPORT, signal, cwd: folder }, (error, out, err) => {
      try {
        const { laws: tried } = JSON.parse(out.trim().split("\n").at(-1) ?? "") as Report
        done(tried.flatMap(({ law, title, broken }) => (broken ? [[`it breaks a law, "${law}": ${title}`, `  seen: ${broken.seen}`, ...(broken.where ? [`  at: ${broken.where}`] : []), ...(broken.frame ? [broken.frame] : []), `  change: ${broken.change}`].join("\n").replaceAll(`${folder}/`, "")] : [])))
      } catch {
        done([`the laws could not be tried: ${(err || error?.message || out).trim().split("\n").slice(0, 8).join("\n")}`])
      }
    })
  })
}
