/** The hooks in one settings file. What Graft has no place for is named with its line, and the rest counts. */
import type { Document } from "../lib/jsonc.ts"
import { isTree, own, type Keys } from "../lib/tree.ts"
import type { Hook, HookEvent, HookWork } from "./contract.ts"
import { wrongMatcher } from "./matcher.ts"

/** `problems` begin with file:line. */
export interface Settings { hooks: readonly Hook[]; problems: readonly string[]; /** `disableAllHooks` stands there. */ off: boolean }

/** Hooks of one file, and seconds that they take at most. */
const MOST = 200
const MOST_SECONDS = 3_600
/** Seconds that each kind has, where it says nothing. */
const PATIENCE = { command: 60, http: 60, prompt: 30 } as const

/** Undefined where there is nothing to match; else what the matcher is about. */
const EVENTS: Readonly<Record<HookEvent, string | undefined>> = {
  PreToolUse: "tool", PostToolUse: "tool", PostToolUseFailure: "tool", PermissionRequest: "tool", UserPromptSubmit: undefined, Stop: undefined,
  SubagentStart: "agent", SubagentStop: "agent", SessionStart: "source", SessionEnd: "reason", PreCompact: "trigger", PostCompact: "trigger", Notification: "kind",
}

/** `shown`: the file as a person reads it. */
export async function settingsIn(document: Document, shown: string): Promise<Settings> {
  const { tree } = document
  const hooks: Hook[] = []
  const problems: string[] = []
  const where = async (keys: Keys) => `${shown}:${await document.line(keys)}`
  const say = async (keys: Keys, problem: string) => void problems.push(`${await where(keys)}: ${problem}`)
  const listAt = async (keys: Keys, value: unknown): Promise<readonly unknown[]> => {
    if (Array.isArray(value)) return value as unknown[]
    if (value !== undefined) await say(keys, "a list is expected, so nothing of it is used")
    return []
  }
  const all = own(tree, "hooks")
  if (all !== undefined && !isTree(all)) await say(["hooks"], "an object of lists by event is expected, so nothing of it is used")
  for (const [event, groups] of isTree(all) ? Object.entries(all) : []) {
    if (!Object.hasOwn(EVENTS, event)) {
      await say(["hooks", event], `there is no moment ${JSON.stringify(event)} here, so its hooks do not run`)
      continue
    }
    for (const [g, group] of (await listAt(["hooks", event], groups)).entries()) {
      const at = ["hooks", event, String(g)]
      const said = isTree(group) ? own(group, "matcher") : undefined
      const matcher = typeof said === "string" && EVENTS[event as HookEvent] !== undefined ? said.trim() : ""
      const wrong = wrongMatcher(matcher)
      if (wrong !== undefined) await say([...at, "matcher"], `its matcher is no regular expression, so its hooks do not run: ${wrong}`)
      for (const [h, hook] of (isTree(group) && wrong === undefined ? await listAt([...at, "hooks"], own(group, "hooks")) : []).entries()) {
        const keys = [...at, "hooks", String(h)]
        const read = readHook(hook)
        if (typeof read === "string") await say(keys, read)
        else if (hooks.length === MOST) await say(keys, `at most ${MOST} hooks of one file are used; this one does not run`)
        else {
          if (read.aside !== undefined) await say(keys, read.aside)
          hooks.push({ event: event as HookEvent, matcher, work: read.work, seconds: read.seconds, source: await where(keys) })
        }
      }
    }
  }
  return { hooks, problems, off: own(tree, "disableAllHooks") === true }
}

/** A hook, perhaps with a part that is passed over; or why it cannot run. */
function readHook(hook: unknown): { work: HookWork; seconds: number; aside?: string } | string {
  if (!isTree(hook)) return "a hook is an object with a type, so this one does not run"
  const text = (key: string): string | undefined => { const value = own(hook, key); return typeof value === "string" && value.trim() !== "" ? value : undefined }
  const type = own(hook, "type") ?? "command"
  const work = workIn(type, text, hook)
  if (typeof work === "string") return work
  const said = own(hook, "timeout")
  const seconds = typeof said === "number" && said > 0 ? Math.min(said, MOST_SECONDS) : PATIENCE[work.type]
  return { work, seconds, ...(own(hook, "if") !== undefined && { aside: 'its "if" is not looked at: it runs whenever its matcher fits' }) }
}

function workIn(type: unknown, text: (key: string) => string | undefined, hook: Readonly<Record<string, unknown>>): HookWork | string {
  const missing = (key: string) => `a hook of the type "${String(type)}" needs a text as its "${key}", so this one does not run`
  if (type === "command") {
    if (text("shell") === "powershell") return "its shell is not there, so it does not run"
    const command = text("command")
    return command === undefined ? missing("command") : { type, command, async: own(hook, "async") === true }
  }
  if (type === "http") {
    const url = text("url")
    if (url === undefined) return missing("url")
    if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) return `"${url}" is no http or https URL, so this hook does not run`
    const headers = own(hook, "headers")
    const allowed = own(hook, "allowedEnvVars")
    return { type, url, headers: isTree(headers) ? Object.fromEntries(Object.entries(headers).filter((each): each is [string, string] => typeof each[1] === "string")) : {}, allowedEnvVars: Array.isArray(allowed) ? allowed.map(String) : [] }
  }
  if (type === "prompt") {
    const [prompt, model] = [text("prompt"), text("model")]
    return prompt === undefined ? missing("prompt") : { type, prompt, ...(model !== undefined && { model }) }
  }
  return `there are no hooks of the type ${JSON.stringify(type)} here, so it does not run`
}
