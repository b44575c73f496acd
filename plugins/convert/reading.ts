/** The way from a text of another program to what becomes of it. */
import { parseDocument, type Broken } from "../lib/jsonc.ts"
import { formatKeys, type Keys, type Tree } from "../lib/tree.ts"
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
  const parsed = file.endsWith(".toml") ? (await import("../lib/toml.ts")).parseToml(text) : await parseDocument(text, MOST)
  if ("message" in parsed) return parsed
  const moving = new Moving(parsed.tree)
  CONVERT[agent](moving, file, location)
  const converted = moving.end()
  return { ...converted, input: parsed.tree, line: (keys) => parsed.line(keys), place: (to) => parsed.line(placeOf(converted, to)) }
}

/** Whatever says the most of what stands there. */
function placeOf({ moved }: Converted, to: Keys): Keys {
  const wanted = formatKeys(to)
  const fits = (keys: Keys) => { const key = formatKeys(keys); return wanted === key || wanted.startsWith(`${key}.`) || key.startsWith(`${wanted}.`) || wanted === "" }
  return moved.filter((each) => fits(each.to)).sort((a, b) => b.to.length - a.to.length)[0]?.from ?? []
}
