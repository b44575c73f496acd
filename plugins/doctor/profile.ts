/** What the CPU does for a while, by plugin: samples of V8's profiler, each given to the plugin whose file it was taken in. */
import { basename, sep } from "node:path"
import { fileURLToPath } from "node:url"
import type { Graft } from "graft"
import type { Profile } from "./contract.ts"

const LONGEST = 10_000
const MOST_FUNCTIONS = 20
interface Node { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }

export async function profile(graft: Graft, { milliseconds }: { milliseconds: number }): Promise<Profile> {
  const { Session } = await import("node:inspector/promises")
  const session = new Session()
  session.connect()
  try {
    await session.post("Profiler.enable")
    await session.post("Profiler.setSamplingInterval", { interval: 500 })
    await session.post("Profiler.start")
    await new Promise<void>((resolve) => { graft.timeout(Math.min(milliseconds, LONGEST), resolve) })
    const { profile: taken } = await session.post("Profiler.stop")
    return summed(taken as Parameters<typeof summed>[0], ownersOf(graft))
  } finally {
    session.disconnect()
  }
}

/** Whose a file is: of several that share one, theirs together. */
function ownersOf(graft: Graft): (file: string) => string | undefined {
  const plugins = graft.kernel.inspect().realms.flatMap((realm) => realm.plugins)
  const owners = new Map<string, Set<string>>()
  for (const { id, files } of plugins) for (const file of files) owners.set(file, (owners.get(file) ?? new Set()).add(id))
  return (file) => {
    const ids = owners.get(file)
    return ids && (ids.size === 1 ? [...ids][0] : `shared by ${ids.size}`)
  }
}

/** Time in a function counts for the plugin nearest above it on the stack: what a library does, it does for who called it. */
export function summed({ nodes, samples, timeDeltas }: { nodes: readonly Node[]; samples: readonly number[]; timeDeltas: readonly number[] }, ownerOf: (file: string) => string | undefined): Profile {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id] as const)))
  const owners = new Map<number, string>()
  const owner = (id: number): string => {
    const known = owners.get(id)
    if (known !== undefined) return known
    const { callFrame } = byId.get(id)!
    const parent = parents.get(id)
    const found = ownerOf(pathOf(callFrame.url)) ?? (parent === undefined ? IDLE.has(callFrame.functionName) ? "" : "graft and Node" : owner(parent))
    const answer = IDLE.has(callFrame.functionName) ? "" : found === "" ? "graft and Node" : found
    owners.set(id, answer)
    return answer
  }
  const plugins = new Map<string, Map<string, { name: string; where: string; milliseconds: number }>>()
  let [busy, whole] = [0, 0]
  for (const [n, id] of samples.entries()) {
    const spent = (timeDeltas[n] ?? 0) / 1_000
    whole += spent
    const whose = owner(id)
    if (whose === "") continue
    busy += spent
    const { functionName, url, lineNumber } = byId.get(id)!.callFrame
    const where = url === "" ? "" : `${basename(pathOf(url))}:${lineNumber + 1}`
    const functions = plugins.get(whose) ?? new Map<string, { name: string; where: string; milliseconds: number }>()
    plugins.set(whose, functions)
    const key = `${functionName} ${where}`
    const known = functions.get(key) ?? { name: functionName || "(anonymous)", where, milliseconds: 0 }
    functions.set(key, known)
    known.milliseconds += spent
  }
  const most = <T extends { milliseconds: number }>(all: readonly T[]): T[] => all.toSorted((a, b) => b.milliseconds - a.milliseconds)
  return { milliseconds: whole, busy, plugins: most([...plugins].map(([plugin, functions]) => ({ plugin, milliseconds: [...functions.values()].reduce((sum, each) => sum + each.milliseconds, 0), functions: most([...functions.values()]).slice(0, MOST_FUNCTIONS) }))) }
}

const IDLE: ReadonlySet<string> = new Set(["(idle)", "(root)"])
const pathOf = (url: string): string => (url.startsWith("file:") ? fileURLToPath(url) : url).replaceAll("/", sep)
