/** What a stream says before it ends, where it is whole. Within a text of the model each would be escaped. */

/** A chat says why it ends, that it is done, or what went wrong. */
export const CHAT_END = /"finish_reason" ?: ?"|"error" ?: ?[{"]|\ndata: ?\[DONE\]/
/** A Responses stream ends with the whole response, or with what went wrong. */
export const RESPONSES_END = /"type" ?: ?"(?:response\.(?:completed|incomplete|failed|done)|error)"/
/** The frames of Bedrock's stream have their names in plain letters. */
export const FRAMES_END = /messageStop|[a-z]Exception/
