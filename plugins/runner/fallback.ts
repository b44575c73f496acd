/** Who speaks where a model cannot: the next one that the config names (`model: ["a", "b"]`), for the rest of the activity. The next input begins with the first again. */
import type { Graft } from "graft"
import type { Session } from "../session/contract.ts"
import type { Failing } from "./retry.ts"

/** A wait that is longer than this is not waited for, where another model may speak meanwhile. */
export const WORTH_WAITING = 10_000
/** Another model is not asked for what was refused, or taken back; what does not fit is folded. */
const FINAL = new Set(["llm.aborted", "llm.content-filter", "llm.overflow"])
const MOST_MODELS = 8

/** Its ref, or undefined: there is none, or the failure is not of the kind that another model would help with. */
export async function nextModel(graft: Graft, { model, agent }: Pick<Session, "model" | "agent">, failed: string, { code }: Failing): Promise<string | undefined> {
  if (!code.startsWith("llm.") || FINAL.has(code)) return undefined
  const own = agent === undefined ? undefined : await graft.agent.get(agent).catch(() => undefined)
  const named = await graft.model.chain(model ?? own?.model, own && { agent: own.name })
  const refs = await Promise.all(named.slice(0, MOST_MODELS).map((each) => graft.model.resolve(each).then(({ ref }) => ref, () => undefined)))
  const at = refs.indexOf(failed)
  return at < 0 ? undefined : refs.slice(at + 1).find((ref) => ref !== undefined && ref !== failed)
}
