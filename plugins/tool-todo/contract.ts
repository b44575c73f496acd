import type { Notify } from "graft"

export interface Todo { text: string; state: "pending" | "active" | "done" | "dropped" }

declare module "graft" {
  /** The plan of a session changed; the same list again is no change. */
  interface Events { "todo.updated": Notify<{ session: string; todos: Todo[] }> }
}
