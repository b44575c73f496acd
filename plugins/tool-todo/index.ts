/** The tool `todo`. */
import { definePlugin } from "graft"
import { makeTodo, type Told } from "./todo.ts"

export default definePlugin<Told>({
  per: "location",
  state: { version: 1, init: () => ({ lists: [] }) },
  setup(graft) {
    graft.tool.register(makeTodo(graft))
  },
})
