/** Questions to the person: a service for every plugin, and a tool for the model. */
import { definePlugin } from "graft"
import { makeQuestions, type Desk } from "./desk.ts"
import { makeQuestion } from "./tool.ts"

export default definePlugin<Desk>({
  per: "location",
  state: { version: 1, init: () => ({ pending: {} }) },
  setup(graft) {
    graft.provide("question", makeQuestions(graft))
    graft.tool.register(makeQuestion(graft))
  },
})
