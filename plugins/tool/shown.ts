/** What faces show of a call: by whoever registered for it; what they get wrong is theirs, and the call goes on without. */
import type { Tool } from "./arranged.ts"
import type { ShownCall } from "./contract.ts"

/** Characters. */
const MOST_TITLE = 500
const MOST_BODY = 20_000

export function shown({ render }: Tool, call: ShownCall): { title?: string; body?: string } {
  if (!render) return {}
  const part = (name: "title" | "body", most: number) => {
    try {
      const text: unknown = render.run(() => render.item[name]?.(structuredClone(call)))
      return typeof text === "string" && text !== "" ? { [name]: text.slice(0, most).toWellFormed() } : {}
    } catch {
      return {}
    }
  }
  return { ...part("title", MOST_TITLE), ...part("body", MOST_BODY) }
}
