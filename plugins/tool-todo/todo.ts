/** `todo`: the plan of a session, written down where the person sees it and the model finds it again. The list stands in the call's result, so it is in the log. */
import * as v from "valibot"
import type { Graft } from "graft"
import type { ToolDefinition } from "../tool/contract.ts"
import type { Todo } from "./contract.ts"

const MOST = 100
/** Sessions whose list is remembered, to tell a change from none. */
const MOST_SESSIONS = 256

const input = v.object({
  todos: v.pipe(v.array(v.object({
    text: v.pipe(v.string(), v.regex(/\S/, "what is to be done"), v.maxLength(500)),
    state: v.optional(v.picklist(["pending", "active", "done", "dropped"]), "pending"),
  })), v.maxLength(MOST), v.check((todos) => todos.filter(({ state }) => state === "active").length <= 1, "at most one entry is active"), v.description("The whole list, in order; it replaces the one before")),
})

const MARK = { pending: "[ ]", active: "[>]", done: "[x]", dropped: "[-]" } as const

/** The list that each session was last told to have, the latest session last. */
export interface Told { lists: [session: string, list: string][] }

export function makeTodo(graft: Graft<Told>): ToolDefinition<typeof input> {
  return {
    name: "todo",
    description: "Keeps the plan of a longer task: give the whole list each time, one entry active while you work on it, done as soon as it is. Not for tasks of one or two steps.",
    input,
    effects: ["read"],
    async execute({ todos }, { session }) {
      const list = JSON.stringify(todos)
      if (!graft.state.value.lists.some((told) => told[0] === session && told[1] === list)) {
        graft.state.update((state) => { state.lists = [...state.lists.filter(([other]) => other !== session), [session, list] as [string, string]].slice(-MOST_SESSIONS) })
        graft.emit("todo.updated", { session, todos })
      }
      return { output: todos.map(line).join("\n") || "(the list is empty)", title: titleOf(todos), metadata: { todos } }
    },
  }
}

const line = ({ text, state }: Todo): string => `${MARK[state]} ${text.replace(/\s+/g, " ").trim()}`

function titleOf(todos: readonly Todo[]): string {
  const active = todos.find(({ state }) => state === "active")
  const done = todos.filter(({ state }) => state === "done" || state === "dropped").length
  return `${done} of ${todos.length} done${active ? `; now: ${active.text}` : ""}`
}
