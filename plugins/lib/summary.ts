/** The words by which a summary, the wish for one, and a command of the person are known: to who writes them, to the demo, and to the next summary. */

const HEADING = "Summary of the conversation so far. What it stands for is no longer part of this conversation:"
const [OPENS, CLOSES] = ["<conversation>", "</conversation>"]

/** A summary as a model is told it. */
export const headed = (summary: string): string => `${HEADING}\n\n${summary}`
/** The same without its heading. */
export const bare = (summary: string): string => (summary.startsWith(HEADING) ? summary.slice(HEADING.length).trimStart() : summary)
export const isSummary = (text: string): boolean => text.includes(HEADING)

/** What a model is asked to fold. */
export const toFold = (conversation: string, instructions?: string): string =>
  `${OPENS}\n${conversation}\n${CLOSES}\n\nWrite the summary of this conversation.${instructions ? ` The user says what it must hold above all: ${instructions}` : ""}`
/** The conversation in such a wish; undefined in every other text. */
export const conversationIn = (text: string): string | undefined =>
  text.startsWith(`${OPENS}\n`) && text.includes(`\n${CLOSES}\n`) ? text.slice(OPENS.length + 1, text.lastIndexOf(`\n${CLOSES}\n`)) : undefined

/** How a model is told of a command that the person ran. */
export const SHELL_TOLD = "I ran this in the shell:"
