/** A form that a server wants filled in, asked of the person field by field; without a person, or without an answer, it stays empty. */
import type { ElicitRequestFormParams, ElicitResult } from "@modelcontextprotocol/client"
import type { Answer, Question } from "../question/contract.ts"

const MOST_FIELDS = 32
const MOST_CHOICES = 12
/** Characters of what the server says. */
const MOST_TEXT = 1_000

interface Choice { value: string; label: string }
type Field = Record<string, unknown>
type Value = string | number | boolean | string[]

export async function fill(server: string, { message, requestedSchema }: ElicitRequestFormParams, ask: (question: Pick<Question, "text" | "choices" | "several">) => Promise<Answer>): Promise<ElicitResult> {
  const says = `The MCP server "${server}" asks: ${message.slice(0, MOST_TEXT)}`
  const fields = Object.entries(requestedSchema.properties as Record<string, Field>)
  const required = new Set(requestedSchema.required)
  if (fields.length > MOST_FIELDS) return { action: "decline" }
  if (fields.length === 0) return { action: (await ask({ text: says, choices: [{ label: "yes" }, { label: "no" }] }))?.[0] === "yes" ? "accept" : "decline" }
  const content: Record<string, Value> = {}
  for (const [name, field] of fields) {
    const answer = await ask(questionOf(says, name, field, required.has(name)))
    const value = answer && valueOf(field, answer)
    if (value !== undefined) content[name] = value
    else if (required.has(name)) return { action: "cancel" }
  }
  return Object.keys(content).length > 0 ? { action: "accept", content } : { action: "cancel" }
}

function questionOf(says: string, name: string, field: Field, required: boolean): Pick<Question, "text" | "choices" | "several"> {
  const { title, description } = field
  const what = [typeof title === "string" ? title : name, typeof description === "string" ? description : ""].filter(Boolean).join(": ").slice(0, MOST_TEXT)
  const choices = choicesOf(field)
  return {
    text: `${says}\n${what}${required ? "" : " (may be left out)"}`,
    ...(choices && choices.length <= MOST_CHOICES && { choices: choices.map(({ label }) => ({ label })) }),
    ...(field.type === "array" && { several: true }),
  }
}

/** The five shapes in which the protocol says what may be chosen. */
function choicesOf(field: Field): Choice[] | undefined {
  if (field.type === "boolean") return [{ value: "true", label: "yes" }, { value: "false", label: "no" }]
  const { enum: values, enumNames, oneOf, anyOf } = (field.type === "array" ? field.items : field) as Field
  if (Array.isArray(values)) return values.map((value, index) => ({ value: String(value), label: String((Array.isArray(enumNames) && enumNames[index]) || value) }))
  const titled = oneOf ?? anyOf
  return Array.isArray(titled) ? titled.map((each: Field) => ({ value: String(each.const), label: String(each.title ?? each.const) })) : undefined
}

/** Undefined where it is none of what was asked for. */
function valueOf(field: Field, answer: readonly string[]): Value | undefined {
  const choices = choicesOf(field)
  const chosen = choices ? answer.map((each) => choices.find(({ label, value }) => label === each || value === each)?.value) : [...answer]
  const values = chosen.filter((value) => value !== undefined)
  if (values.length < chosen.length || values.length === 0) return undefined
  switch (field.type) {
    case "array": return values
    case "boolean": return values[0] === "true"
    case "number": case "integer": {
      const number = Number(values[0])
      return Number.isFinite(number) && (field.type === "number" || Number.isInteger(number)) ? number : undefined
    }
    default: return values[0]
  }
}
