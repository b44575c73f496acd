/**
 * What the kernel promises, as a pure function: the disk and what people switched on and off give what is live. It knows
 * no time, no promises and no order of events; `random.law.test.ts` holds the kernel against it.
 */

/** What a plugin file holds. `shared`: it imports the helper; `needs`: it declares that service. */
export interface Content { kind: "good" | "syntax" | "empty" | "partial" | "throws"; version: number; shared: boolean; needs?: string }
export type Helper = { kind: "good" | "syntax"; version: number }
export interface Plugin {
  /** The content that serves, if any, and under which closure. */
  live: { content: Content; closure: string } | undefined
  gen: number
  /** Earlier closures to go back to, the newest first; what is live stands at its head. */
  good: { content: Content; closure: string }[]
  /** Undone: not taken again while the disk shows exactly this. */
  refused: string | undefined
  disabled: boolean
}
export interface Model { readonly files: Readonly<Record<string, Content>>; readonly helper: Helper | undefined; readonly plugins: Readonly<Record<string, Plugin>> }

export const unknown: Plugin = { live: undefined, gen: 0, good: [], refused: undefined, disabled: false }
const MOST_GOOD = 5

export const closureOf = (content: Content, helper: Helper | undefined): string =>
  JSON.stringify([content, content.shared ? helper : "none"])

const works = (content: Content, helper: Helper | undefined): boolean => content.kind === "good" && (!content.shared || helper?.kind === "good")

export const isLive = (model: Model, id: string): boolean => model.plugins[id]?.live !== undefined

/** L1, L3, L10–L12: each plugin is its last good closure, unless it waits, was switched off, or is gone. */
export function settle(model: Model): Model {
  let next = model
  // A need that comes or goes may move who needs it: at most once a plugin.
  for (const _ of Object.keys(model.plugins)) next = { ...next, plugins: Object.fromEntries(Object.keys(next.plugins).map((id) => [id, settleOne(next, id)])) }
  return next
}

function settleOne(model: Model, id: string): Plugin {
  const plugin = model.plugins[id]!
  const content = model.files[id]
  if (!content) return { ...plugin, live: undefined }
  if (plugin.disabled) return { ...plugin, live: undefined }
  const unmet = (wanted: Content) => wanted.needs !== undefined && !isLive(model, wanted.needs)
  const closure = closureOf(content, model.helper)
  if (plugin.live && unmet(plugin.live.content) && (plugin.refused === closure || !works(content, model.helper) || unmet(content))) return { ...plugin, live: undefined }
  if (plugin.live?.closure === closure) return plugin
  if (plugin.refused === closure) {
    const [back] = plugin.good
    return plugin.live || !back || back.closure === closure || unmet(back.content) ? plugin : { ...plugin, live: back, gen: plugin.gen + 1 }
  }
  return works(content, model.helper) && !unmet(content) ? commit(plugin, { content, closure }) : plugin
}

function commit(plugin: Plugin, live: { content: Content; closure: string }): Plugin {
  const older = plugin.good[0]?.closure === live.closure ? plugin.good.slice(1) : plugin.good
  return { ...plugin, live, gen: plugin.gen + 1, good: [live, ...older].slice(0, MOST_GOOD), refused: undefined }
}

/** L28: back to the newest closure before the live one, as a new generation. */
export function undo(model: Model, id: string): Model {
  const plugin = model.plugins[id]!
  const back = plugin.good.findIndex(({ closure }) => closure !== plugin.live!.closure)
  const refused = closureOf(model.files[id]!, model.helper)
  const undone: Plugin = back < 0 ? { ...plugin, live: undefined, good: [], refused } : { ...plugin, live: plugin.good[back]!, gen: plugin.gen + 1, good: plugin.good.slice(back), refused }
  return { ...model, plugins: { ...model.plugins, [id]: undone } }
}
