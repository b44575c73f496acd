/** A summary by rules: what was asked, what was called, what came of it. It says that no model made it. */

const MOST_ITEMS = 20
const MOST_LINE = 200
const MADE = "(Made by the rules of the built-in demo, which picked these lines; no model read the conversation.)"
const CALL = /^\[(\w[\w-]* [\s\S]*)\] (\w[\w-]*)$/

/** `conversation` has a heading for each message, "## User", and a line for each call, "[read {…}] ok". */
export function summarise(conversation: string): string {
  const messages = conversation.split(/^## (?=User$|Assistant$|Note$|Summary of what was before$)/m).filter(Boolean).map((message) => {
    const [who = "", ...lines] = message.split("\n")
    return { who, lines, text: lines.join("\n").trim() }
  })
  const by = (who: string) => messages.filter((message) => message.who === who)
  const calls = messages.flatMap(({ lines }) => lines.flatMap((line) => (CALL.test(line) ? [line.replace(CALL, "$1: $2")] : [])))
  const answer = by("Assistant").at(-1)?.lines.filter((line) => !CALL.test(line)).join("\n").trim()
  return [
    section("What was before", by("Summary of what was before").map(({ text }) => text.replace(MADE, "").trim())),
    section("What the user said", listed(by("User").map(({ text }) => text))),
    section("What was called", listed(calls)),
    section("The last answer begins", answer ? [answer.slice(0, MOST_LINE).toWellFormed()] : []),
    MADE,
  ].filter(Boolean).join("\n\n")
}

const section = (title: string, lines: readonly string[]): string => (lines.length > 0 ? `## ${title}\n${lines.join("\n")}` : "")
const listed = (items: readonly string[]): string[] => items.slice(-MOST_ITEMS).map((item) => `- ${item.split("\n", 1)[0]!.slice(0, MOST_LINE).toWellFormed()}`)
