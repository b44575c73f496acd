/** The way from a text of another program to what becomes of it. */
import { documentOf, parseDocument, type Broken, type Document } from "../lib/jsonc.ts"
import { formatKeys, isTree, type Keys, type Tree } from "../lib/tree.ts"
import { convertClaude } from "./claude.ts"
import { convertCodex } from "./codex.ts"
import { Moving, type Converted } from "./moving.ts"
import { convertOpencode } from "./opencode.ts"
import { convertPi } from "./pi.ts"
import type { Agent } from "./places.ts"

/** `input`: what stood there. `line`: of its keys; `place`: where what is said at keys of ours stands there. */
export interface Reading extends Converted { readonly input: Tree; line(keys: Keys): number | Promise<number>; place(to: Keys): number | Promise<number> }

/** Characters of a file that is read. */
const MOST = 8_388_608
const CONVERT: Readonly<Record<Agent, (moving: Moving, file: string, location?: string) => void>> = { claude: convertClaude, codex: convertCodex, opencode: convertOpencode, pi: convertPi }

export async function readForeign(agent: Agent, text: string, { file, location }: { file: string; location?: string }): Promise<Reading | Broken> {
  const parsed = file.endsWith(".toml") ? (await import("../lib/toml.ts")).parseToml(text) : (plainJson(text) ?? (await parseDocument(text, MOST)))
  if ("message" in parsed) return parsed
  try {
    const moving = new Moving(parsed.tree)
    CONVERT[agent](moving, file, location)
    const converted = moving.end()
    return { ...converted, input: parsed.tree, line: (keys) => parsed.line(keys), place: (to) => parsed.line(placeOf(converted, to)) }
  } catch (error) {
    if (error instanceof RangeError) return { line: 1, message: "it is nested too deep" }
    throw error
  }
}

/** Some files are megabytes of a program's memory, and are looked at on every start. */
function plainJson(text: string): Document | undefined {
  if (text.length > MOST) return undefined
  try {
    const tree: unknown = JSON.parse(text)
    return isTree(tree) ? documentOf(text, tree) : undefined
  } catch {
    return undefined
  }
}

/** Whatever says the most of what stands there. */
function placeOf({ moved }: Converted, to: Keys): Keys {
  const wanted = formatKeys(to)
  const fits = (keys: Keys) => { const key = formatKeys(keys); return wanted === key || wanted.startsWith(`${key}.`) || key.startsWith(`${wanted}.`) || wanted === "" }
  return moved.filter((each) => fits(each.to)).sort((a, b) => b.to.length - a.to.length)[0]?.from ?? []
}
