/** `graft permission`: what may happen in this project, which rule says so, and the answers that were given for good. */
import { locationOf, type Graft } from "graft"
import { mayUse } from "../../lib/tool-names.ts"
import type { Judged, Verdict } from "../../permission/contract.ts"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Style, Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp } from "../notices.ts"
import { oneLine, table } from "../table.ts"

const OPTIONS = {
  action: { type: "string", value: "name", about: "test: another action than bash, e.g. read, write, webfetch" },
  agent: { type: "string", short: "a", value: "name", about: "test: may this agent do it (graft agents)" },
  json: { type: "boolean", about: "list, test: JSON" },
} as const satisfies Options

const NOTES = `verbs:
  list                 the answers that were saved, and all rules, the nearest first
  test "<command>"     what would happen to it, and which rule says so; nothing is run
  forget <n|rule>      takes a saved answer back, by its number in the list or by its text

test exits with 0: it would run · 1: it is denied · 3: it would be asked about.`

const EXITS = { allow: EXIT.done, ask: EXIT.permission, deny: EXIT.failed } as const
const STYLES: Readonly<Record<Verdict["effect"], Style>> = { allow: "green", ask: "yellow", deny: "red" }

type Values = ReturnType<typeof parse<typeof OPTIONS>>["values"]

export const permission = (graft: Graft): Work => ({
  usage: usageOf("graft permission <verb> [what] [options]", OPTIONS, NOTES),
  async run(argv, terminal) {
    const { values, positionals: [word = "list", what, ...more] } = parse(argv, OPTIONS)
    if (more.length > 0) throw new UsageError(`"${more.join(" ")}" would be left out: put the whole in quotes, e.g. graft permission ${word} ${JSON.stringify([what, ...more].join(" "))}`)
    const verb = choose(word, ["list", "test", "forget"], "verb")
    using project = await graft.at(locationOf(terminal.directory))
    await comeUp(graft)
    switch (verb) {
      case "list": return list(project, values, terminal)
      case "test": return test(project, what, values, terminal)
      case "forget": return forget(project, what, terminal)
      default: return verb satisfies never
    }
  },
})

async function list(project: Graft, values: Values, terminal: Terminal): Promise<number> {
  const [saved, rules] = await Promise.all([project.permission.saved(), project.permission.rules()])
  if (values.json) return terminal.out(`${JSON.stringify({ saved, rules }, null, 2)}\n`), EXIT.done
  if (saved.length > 0) terminal.out(`${terminal.paint("bold", "answers for good")}\n${table(saved.map(({ rule, everywhere }, index) => [`  ${index + 1}`, oneLine(rule, 200), everywhere ? "everywhere" : "here"]), terminal.columns)}\n`)
  const others = rules.filter(({ source }) => !source.startsWith("saved"))
  terminal.out(`${terminal.paint("bold", "rules")}\n${table(others.map(({ effect, rule, source }) => [`  ${effect}`, oneLine(rule, 200), source]), terminal.columns)}`)
  terminal.out(terminal.paint("dim", "deny beats everything; then the nearest decides (flag, env, saved, project, user, default); what no rule allows is asked about\n"))
  return EXIT.done
}

async function test(project: Graft, what: string | undefined, { action = "bash", agent, json }: Values, terminal: Terminal): Promise<number> {
  if (what === undefined) throw new UsageError(`say what: graft permission test "git push"`)
  const found = await project.permission.explain({ action, resource: what, directory: terminal.directory })
  const barred = agent !== undefined && !mayUse((await project.agent.get(agent)).tools, action)
  const verdict: Verdict = barred ? { effect: "deny", rule: action, source: `agent ${agent}`, reason: `the agent "${agent}" may not use ${action}` } : found.verdict
  if (json) return terminal.out(`${JSON.stringify({ ...found, verdict }, null, 2)}\n`), EXITS[verdict.effect]
  terminal.out(`${terminal.paint(STYLES[verdict.effect], verdict.effect)}  ${oneLine(what, 200)}\n  ${because(verdict)}\n`)
  if (!barred && found.parts.length > 1) terminal.out(table(found.parts.map((part) => [`    ${part.effect}`, partOf(part), because(part)]), terminal.columns))
  const wanted = verdict.suggest ?? verdict.rule
  if (verdict.effect === "ask") terminal.out(`  to allow it: --allow '${wanted.replaceAll("'", "'\\''")}', or "permissions": { "allow": [${JSON.stringify(wanted)}] } in the config\n`)
  return EXITS[verdict.effect]
}

const partOf = ({ action, resource }: Judged): string => oneLine(action === "bash" ? resource : `${action} ${resource}`, 100)

function because({ effect, rule, source, reason }: Verdict): string {
  const why = reason ? `${oneLine(reason, 200)}; ` : ""
  if (source === "harmless") return "it needs no rule"
  if (effect === "ask" && source === "default" && !rule.includes(":")) return `${why}no rule allows it`
  return `${why}by the rule "${oneLine(rule, 200)}" (${source})`
}

async function forget(project: Graft, what: string | undefined, terminal: Terminal): Promise<number> {
  const saved = await project.permission.saved()
  if (what === undefined) throw new UsageError("say which: graft permission forget <n|rule> (graft permission list numbers them)")
  const rule = /^\d+$/.test(what) ? saved[Number(what) - 1]?.rule : what
  if (rule === undefined || !(await project.permission.forget(rule))) {
    terminal.err(`there is no saved answer ${JSON.stringify(what)}; ${saved.length === 0 ? "none is saved" : "graft permission list shows them"}\n`)
    return EXIT.failed
  }
  terminal.err(`forgotten: ${oneLine(rule, 200)}; it is asked about again\n`)
  return EXIT.done
}
