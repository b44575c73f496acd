/** The tool `question`: what only the person can decide. */
import * as v from "valibot"
import type { Graft } from "graft"
import type { ToolDefinition } from "../tool/contract.ts"

/** A person may take a day; the call is given up after it, so that nothing waits for ever. */
const DAY = 24 * 60 * 60 * 1_000

const Text = (most: number) => v.pipe(v.string(), v.regex(/\S/, "some words"), v.maxLength(most))
const input = v.object({
  question: v.pipe(Text(2_000), v.description("One question, whole")),
  choices: v.optional(v.pipe(v.array(v.object({ label: Text(200), about: v.optional(v.pipe(Text(500), v.description("What it means"))) })), v.minLength(2), v.maxLength(12), v.description("Answers to choose from; another one may be written all the same"))),
  several: v.optional(v.pipe(v.boolean(), v.description("More than one choice may be taken")), false),
})

export const makeQuestion = (graft: Graft): ToolDefinition<typeof input> => ({
  name: "question",
  description: "Asks the person, and waits for the answer. For what only they can decide and what the work depends on; not for what you can find out, and not to ask whether to go on.",
  input,
  effects: ["read"],
  recovery: "rerun",
  limits: { milliseconds: DAY },
  async execute({ question, choices, several }, { session, call, signal }) {
    const answer = await graft.question.ask({ text: question, ...(choices && { choices }), ...(several && { several }), session, call }, { signal })
    signal.throwIfAborted()
    if (answer === undefined) return { output: "There is no answer: nobody is here who could give one, or they would rather not. Decide by yourself, say what you decided and why, and go on.", title: question }
    return { output: answer.join("\n"), title: `${question} ${answer.join(", ")}`, metadata: { answer } }
  },
})
