/** What callers may ask, checked where it comes in: they are plugins, and clients of the socket, who may send anything. */
import type { Delivery, Sessions } from "./contract.ts"
import { SessionError } from "./errors.ts"

/** Bytes of one input's text; characters of a title; files of one input. */
const MOST_TEXT = 1024 * 1024
const MOST_TITLE = 500
const MOST_FILES = 20
/** Ids of messages, parts and attempts have dots and colons in them: what a caller names cannot be mistaken for one. */
const ID = /^[A-Za-z][\w-]{0,99}$/
const DELIVERIES: readonly Delivery[] = ["steer", "queue"]

type Prompt = Parameters<Sessions["prompt"]>[0]
type Create = Parameters<Sessions["create"]>[0]
type Update = Parameters<Sessions["update"]>[1]

const refuse = (problem: string): never => { throw new SessionError("session.invalid", problem) }
const isText = (value: unknown, most = MOST_TITLE): boolean => typeof value === "string" && value.length <= most
const optional = (value: unknown, holds: (value: unknown) => boolean, problem: string): void => { if (value !== undefined && !holds(value)) refuse(problem) }

export function wantedPrompt(prompt: Prompt): Prompt {
  const { text, delivery, id, resume, files } = prompt
  if (typeof text !== "string") refuse("an input's text is a text")
  const bytes = text.length > MOST_TEXT ? text.length : Buffer.byteLength(text)
  if (bytes > MOST_TEXT) refuse(`an input has at most ${MOST_TEXT} bytes of text, and this has ${bytes}: put it into a file, and name or attach the file`)
  optional(files, (value) => Array.isArray(value) && value.length <= MOST_FILES && value.every((source) => typeof source === "string" && source !== ""), `an input's files are a list of paths and URLs, at most ${MOST_FILES}`)
  if (text.trim() === "" && !files?.length) throw new SessionError("session.empty", "an input needs text")
  if (delivery !== undefined) wantedDelivery(delivery)
  optional(id, (value) => ID.test(String(value)), 'an input\'s id begins with a letter and has letters, digits, "_" and "-", at most 100')
  optional(resume, (value) => typeof value === "boolean", "an input's resume is true or false")
  // Half a character cannot be stored, and would come back as another text.
  return { ...prompt, text: text.toWellFormed() }
}

export function wantedDelivery(delivery: Delivery): Delivery {
  return DELIVERIES.includes(delivery) ? delivery : refuse(`an input's delivery is ${DELIVERIES.join(" or ")}`)
}

export function wantedSession(init: Create): Create {
  const { directory, title, model, agent, id, parent } = init
  if (!isText(directory, 4_096)) refuse("a session's directory is a path")
  optional(id, (value) => ID.test(String(value)), 'a session\'s id begins with a letter and has letters, digits, "_" and "-", at most 100')
  wantedChange({ title, model })
  for (const [name, value] of Object.entries({ agent, parent })) optional(value, (given) => isText(given), `a session's ${name} is a name`)
  return init
}

export function wantedChange(change: Update): Update {
  const { title, model, archived, agent } = change
  optional(title, (value) => isText(value), `a title has at most ${MOST_TITLE} characters`)
  optional(model, (value) => isText(value), "a model is named by provider/id")
  optional(agent, (value) => isText(value), "an agent is a name")
  optional(archived, (value) => typeof value === "boolean", "archived is true or false")
  return change
}
