/** From a request to stages of tool calls: "and" and commas join what is done at once, "then" and new lines what follows. */
import { RULES, type Rule, type Stages, type Step } from "./rules.ts"

export interface Understood {
  stages: Stages
  /** The rules that matched, in order. */
  rules: string[]
  /** What no rule matched. */
  unknown: string[]
}

const NEXT = /^(?:\s*(?:[,;.]?\s*(?:and\s+)?then\b,?|;|\n)\s*)+/i
const ALSO = /^\s*(?:,\s*(?:and\b)?|&|\band\b)\s*/i
/** Where a clause ends: outside of quotes, before what joins it to the next. */
const CLAUSE = /^(?:"[^"\n]*"|'[^'\n]*'(?!\w)|`[^`\n]*`|(?!\s*(?:[,;\n]|&\s|\band\s|[.]?\s+then\b|[.]\s+\S))[\s\S])+/i
const THANKS = /[\s,]+(?:please|thanks|thank you)[.!]*$/i
const POLITE = /^\s*(?:(?:please|now|also|can you|could you|would you|finally)\s+)+/i

export function understand(request: string): Understood {
  const found: Understood = { stages: [], rules: [], unknown: [] }
  let rest = request.trim()
  let stage = 0
  let verb: { rule: Rule; word: string } | undefined
  while (rest !== "") {
    const text = rest.replace(POLITE, "")
    const whole = matchIn(text, RULES.filter((rule) => rule.whole))
    const clause = whole ? whole.match[0] : (CLAUSE.exec(text)?.[0] ?? text.slice(0, 1))
    const matched = whole ?? clauseOf(clause.trim().replace(THANKS, ""), verb)
    if (matched) {
      if (!whole) verb = { rule: matched.rule, word: /^\w+/.exec(matched.match[0])![0] }
      found.rules.push(matched.rule.id)
      matched.rule.stages(matched.match).forEach((steps, index) => { for (const step of steps) put((found.stages[stage + index] ??= []), step) })
    } else if (/\w/.test(clause)) found.unknown.push(clause.trim())
    rest = text.slice(clause.length)
    const next = NEXT.exec(rest)?.[0] ?? /^\s*[.!?]+\s*/.exec(rest)?.[0]
    const also = next === undefined ? ALSO.exec(rest)?.[0] : undefined
    if (next !== undefined) [stage, verb] = [found.stages.length, undefined]
    rest = rest.slice((next ?? also ?? "").length).trimStart()
  }
  return found
}

interface Matched { rule: Rule; match: RegExpExecArray }

/** A clause by itself, or as another object of the verb before it: "read a and b". */
function clauseOf(clause: string, verb: { rule: Rule; word: string } | undefined): Matched | undefined {
  const own = matchIn(clause, RULES.filter((rule) => !rule.whole))
  if (own) return own
  const match = verb && !/\s/.test(clause) ? verb.rule.pattern.exec(`${verb.word} ${clause}`) : undefined
  return match ? { rule: verb!.rule, match } : undefined
}

function matchIn(text: string, rules: readonly Rule[]): Matched | undefined {
  for (const rule of rules) {
    const match = rule.pattern.exec(text)
    if (match) return { rule, match }
  }
  return undefined
}

/** The same call is made once; what is more than shown wins. */
function put(steps: Step[], step: Step): void {
  const same = steps.find((other) => other.tool === step.tool && JSON.stringify(other.input) === JSON.stringify(step.input))
  if (!same) steps.push(step)
  else if (same.use === "show") same.use = step.use
}
