/** One message as a frame of an event stream (HTML, server-sent events): encoded once, for everybody. */
import { messageOf } from "graft"
import type { FeedMessage, SessionMessage } from "../../contract.ts"

/** With an `id` the client's last event id becomes this one; JSON has no line ends of its own. */
export function frameOf(message: SessionMessage | FeedMessage, id?: string): Buffer {
  return Buffer.from(`${id === undefined ? "" : `id: ${id}\n`}data: ${encode(message)}\n\n`)
}

/** What cannot be written as JSON is said to be so, in its place. */
function encode(message: SessionMessage | FeedMessage): string {
  try {
    return JSON.stringify(message)
  } catch (error) {
    const unencodable = `this cannot be written as JSON: ${messageOf(error)}`
    return JSON.stringify({ ...message, ..."payload" in message ? { payload: { unencodable } } : { data: { unencodable } } })
  }
}
