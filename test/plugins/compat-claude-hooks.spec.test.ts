/** Hooks that were written for Claude Code run where they stand: their exit codes and their JSON mean here what they mean there. */
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest"
import fc from "fast-check"
import { answerOf, together } from "../../plugins/compat-claude-hooks/answer.ts"
import type { Behaviour, Ran } from "../../plugins/compat-claude-hooks/contract.ts"
import { matches } from "../../plugins/compat-claude-hooks/matcher.ts"
import { inputOf, viewsOf } from "../../plugins/compat-claude-hooks/names.ts"
import { settingsIn } from "../../plugins/compat-claude-hooks/settings.ts"
import { verdictIn } from "../../plugins/compat-claude-hooks/verdict.ts"
import { isDocument, parseDocument } from "../../plugins/lib/jsonc.ts"
import { startOf } from "../../plugins/lib/processes.ts"
import { call, finish, says, text, type Script } from "../fixtures/conversation.ts"
import { openLife, type Life } from "../fixtures/life.ts"

const ID = "compat-claude-hooks"
const ONLY = ["config", "convert", "trust", "store", "eventlog", "session", "runner", "instruction", "tool", "permission", "tool-write", "tool-read", "tool-bash", "tool-edit", "tool-patch", ID]

let user: string
beforeEach(() => {
  user = realpathSync(mkdtempSync(join(tmpdir(), "graft-claude-")))
  vi.stubEnv("HOME", user)
  vi.stubEnv("CLAUDE_CONFIG_DIR", "")
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(user, { recursive: true, force: true })
})

type Written = Record<string, { matcher?: string; hooks: object[] }[]>
const command = (line: string, more: object = {}) => ({ type: "command", command: line, ...more })
const on = (event: string, ...hooks: object[]): Written => ({ [event]: [{ hooks }] })
const says2 = (reason: string) => `echo '${reason}' >&2; exit 2`
const answers = (json: object) => `cat > /dev/null; echo '${JSON.stringify(json)}'`
const own = (event: string, more: object) => ({ hookSpecificOutput: { hookEventName: event, ...more } })

function settings(path: string, hooks: Written, more: object = {}): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, JSON.stringify({ ...more, hooks }, null, 2))
}

interface World extends Life { /** Reads the settings again, as after an edit. */ look(): Promise<void>; logs(): string[]; asked(): string[] }

/** A project with these hooks in the user's settings. */
async function open(hooks: Written, scripts: Script[] = [], options: { config?: object; copy?: boolean; project?: Written } = {}): Promise<World> {
  settings(join(user, ".claude/settings.json"), hooks)
  const life = await openLife({ scripts, only: ONLY, git: false, ...options })
  const files = [join(user, ".claude/settings.json"), join(life.project, ".claude/settings.json")]
  const world: World = Object.assign(life, {
    async look() {
      life.kernel.emit("watch.changed", { paths: files })
      await life.kernel.settled()
    },
    logs: () => life.kernel.graft.kernel.logs().filter(({ plugin }) => plugin === ID).map(({ text: line }) => line),
    asked: () => life.requests.map(({ messages }) => JSON.stringify(messages.at(-1)?.content)),
  })
  if (options.project) settings(files[1]!, options.project)
  return world
}

/** One call of a tool in one prompt, and how it ended. */
async function once1(world: World, name: string, input: object): Promise<{ outcome?: string; output?: string }> {
  const session = await world.session()
  await world.say(session, "go")
  const parts = (await world.graft.session.messages(session)).flatMap((message) => message.parts)
  const found = parts.find((part) => part.kind === "tool" && part.name === name)
  expect(found, JSON.stringify(input)).toBeDefined()
  return found as { outcome?: string; output?: string }
}
const calling = (name: string, input: object): Script[] => [says(call("c1", name, input), finish("tool-calls")), says(...text("done"), finish())]

describe("what an end means", () => {
  const exit = (code: number, stdout = "", stderr = ""): Ran => ({ kind: "exit", code, stdout, stderr })
  const pre = { event: "PreToolUse", source: "s:1" } as const
  it.each([
    ["0 and silence is yes", "PreToolUse", exit(0), {}],
    ["0 and words are the model's where a session starts", "SessionStart", exit(0, "the branch is main\n"), { context: ["the branch is main"] }],
    ["0 and words are the model's where a person speaks", "UserPromptSubmit", exit(0, "it is late"), { context: ["it is late"] }],
    ["0 and words are nobody's elsewhere", "PreToolUse", exit(0, "checked"), {}],
    ["2 refuses a call, and stderr says why", "PreToolUse", exit(2, "ignored", "not on main\n"), { permission: { behaviour: "deny", reason: "not on main", source: "s:1" } }],
    ["2 refuses a prompt", "UserPromptSubmit", exit(2, "", "no secrets"), { block: "no secrets" }],
    ["2 holds a stop", "Stop", exit(2, "", "the tests fail"), { block: "the tests fail" }],
    ["2 without a word refuses as well", "PreToolUse", exit(2), { permission: { behaviour: "deny", reason: "it said no, and not why", source: "s:1" } }],
    ["2 leaves JSON unread", "Stop", exit(2, '{"continue":false}', "go on"), { block: "go on" }],
    ["1 is a fault, and holds nothing back", "PreToolUse", exit(1, "", "boom"), { problem: "exit code 1: boom" }],
    ["127 as well", "Stop", exit(127, "", ""), { problem: "exit code 127" }],
    ["rubbish is words", "UserPromptSubmit", exit(0, '{"decision": "bl'), { context: ['{"decision": "bl'] }],
    ["JSON of another shape is a fault", "PreToolUse", exit(0, '{"decision":"perhaps"}'), { problem: expect.stringContaining("its JSON is not what a hook may answer: decision: ") }],
    ["continue: false ends the work", "PostToolUse", exit(0, '{"continue":false,"stopReason":"enough"}'), { stop: "enough" }],
    ["systemMessage is a person's", "PostToolUse", exit(0, '{"systemMessage":"hi"}'), { messages: ["hi"] }],
    ["decision: block", "PostToolUse", exit(0, '{"decision":"block","reason":"lint fails"}'), { block: "lint fails" }],
    ["decision: block, as it was once said of a call", "PreToolUse", exit(0, '{"decision":"block","reason":"no"}'), { permission: { behaviour: "deny", reason: "no", source: "s:1" } }],
    ["decision: approve, as it was once said", "PreToolUse", exit(0, '{"decision":"approve","reason":"fine"}'), { permission: { behaviour: "allow", reason: "fine", source: "s:1" } }],
    ["permissionDecision counts more", "PreToolUse", exit(0, JSON.stringify({ decision: "approve", ...own("PreToolUse", { permissionDecision: "ask", permissionDecisionReason: "sure?" }) })), { permission: { behaviour: "ask", reason: "sure?", source: "s:1" } }],
    ["defer is no answer", "PreToolUse", exit(0, JSON.stringify(own("PreToolUse", { permissionDecision: "defer" }))), {}],
    ["a request for permission is answered by behavior", "PermissionRequest", exit(0, JSON.stringify(own("PermissionRequest", { decision: { behavior: "deny", message: "never" } }))), { permission: { behaviour: "deny", reason: "never", source: "s:1" } }],
    ["a model's no is a no", "PreToolUse", { kind: "verdict", ok: false, reason: "risky" }, { permission: { behaviour: "deny", reason: "risky", source: "s:1" } }],
    ["a model's yes is nothing", "Stop", { kind: "verdict", ok: true, reason: "" }, {}],
    ["what could not run is a fault", "PreToolUse", { kind: "failed", why: "it did not end within 1 s" }, { problem: "it did not end within 1 s" }],
  ] as [string, typeof pre.event, Ran, object][])("%s", (_, event, ran, expected) => {
    expect(answerOf({ ...pre, event }, ran)).toEqual({ context: [], messages: [], ...expected })
  })

  it("of several the strictest counts, in whatever order they end", () => {
    const one = fc.constantFrom<Behaviour>("allow", "ask", "deny")
    fc.assert(fc.property(fc.array(one, { maxLength: 6 }), (behaviours) => {
      const all = together(behaviours.map((behaviour) => ({ context: [], messages: [], permission: { behaviour, reason: behaviour, source: "" } })))
      expect(all.permission?.behaviour).toBe((["deny", "ask", "allow"] as const).find((strict) => behaviours.includes(strict)))
    }))
  })

  it.each([['{"ok": true}', true], ['```json\n{"ok": false, "reason": "no"}\n```', false], ["Sure: {\"ok\": true} .", true], ["yes", undefined], ['{"ok": "yes"}', undefined]])("a model that says %s", (said, ok) => {
    expect(verdictIn(said)).toEqual(ok === undefined ? undefined : expect.objectContaining({ kind: "verdict", ok }))
  })
})

describe("which hooks are meant", () => {
  it.each([["", ["Bash"], true], ["*", ["Bash"], true], ["Bash", ["Bash"], true], ["Bash", ["BashOutput"], false], ["Edit|Write", ["Write"], true], ["bash", ["Bash"], false], ["mcp__memory__.*", ["mcp__memory__add"], true], ["mcp__memory", ["mcp__memory__add"], false], ["^Notebook", ["NotebookEdit"], true], ["Task", ["Task", "Agent"], true], ["Agent", ["Task", "Agent"], true]])("%j and %j: %s", (matcher, subjects, expected) => {
    expect(matches(matcher, subjects)).toBe(expected)
  })

  it("names what it has no place for, with file and line, and the rest counts", async () => {
    const document = await parseDocument(`{
  "hooks": {
    "TeammateIdle": [{ "hooks": [] }],
    "PreToolUse": [
      { "matcher": "(", "hooks": [{ "type": "command", "command": "true" }] },
      { "matcher": "Bash", "hooks": [
        { "type": "agent", "prompt": "look" },
        { "type": "command" },
        { "type": "http", "url": "file:///etc" },
        { "type": "command", "command": "true", "if": "Bash(git *)", "timeout": 5 },
        { "type": "prompt", "prompt": "fine?" }
      ] }
    ],
    "Stop": "true"
  }
}`)
    if (!isDocument(document)) throw new Error("broken")
    const { hooks, problems } = await settingsIn(document, "~/s.json")
    expect(problems).toEqual([
      '~/s.json:3: there is no moment "TeammateIdle" here, so its hooks do not run',
      expect.stringMatching(/^~\/s\.json:5: its matcher is no regular expression, so its hooks do not run: /),
      '~/s.json:7: there are no hooks of the type "agent" here, so it does not run',
      '~/s.json:8: a hook of the type "command" needs a text as its "command", so this one does not run',
      '~/s.json:9: "file:///etc" is no http or https URL, so this hook does not run',
      '~/s.json:10: its "if" is not looked at: it runs whenever its matcher fits',
      "~/s.json:14: a list is expected, so nothing of it is used",
    ])
    expect(hooks).toEqual([
      { event: "PreToolUse", matcher: "Bash", work: { type: "command", command: "true", async: false }, seconds: 5, source: "~/s.json:10" },
      { event: "PreToolUse", matcher: "Bash", work: { type: "prompt", prompt: "fine?" }, seconds: 30, source: "~/s.json:11" },
    ])
  })
})

describe("the same tools by two names", () => {
  it.each([
    ["bash", { command: "ls", timeout: 5, background: true }, "Bash", { command: "ls", timeout: 5_000, run_in_background: true }],
    ["read", { path: "a.txt", offset: 3 }, "Read", { file_path: "/p/a.txt", offset: 3 }],
    ["write", { path: "/q/a", content: "x" }, "Write", { file_path: "/q/a", content: "x" }],
    ["edit", { path: "a", oldText: "x", newText: "y", all: true }, "Edit", { file_path: "/p/a", old_string: "x", new_string: "y", replace_all: true }],
    ["glob", { pattern: "*", path: "src" }, "Glob", { pattern: "*", path: "/p/src" }],
    ["grep", { pattern: "x", ignoreCase: true, context: 2 }, "Grep", { pattern: "x", "-i": true, "-C": 2 }],
    ["webfetch", { url: "https://x.y" }, "WebFetch", { url: "https://x.y" }],
    ["websearch", { query: "q" }, "WebSearch", { query: "q" }],
    ["task", { description: "d", prompt: "p", agent: "explore" }, "Task", { description: "d", prompt: "p", subagent_type: "explore" }],
    ["todo", { todos: [{ text: "a", state: "active" }, { text: "b" }] }, "TodoWrite", { todos: [{ content: "a", status: "in_progress", activeForm: "a" }, { content: "b", status: "pending", activeForm: "b" }] }],
    ["mine", { a: 1 }, "mine", { a: 1 }],
  ])("%s", (name, input, claude, told) => {
    const [view, ...more] = viewsOf(name, input, "/p")
    expect(more).toEqual([])
    expect([view!.names[0], view!.input]).toEqual([claude, told])
    // There and back, only paths have become absolute and defaults plain.
    expect(viewsOf(name, inputOf(name, view!.input), "/p")[0]!.input).toEqual(told)
  })

  it("a server's tool is named after the server", () => {
    expect(viewsOf("memory_add", { a: 1 }, "/p", "memory")).toEqual([{ names: ["mcp__memory__add"], input: { a: 1 } }])
  })

  it("a patch is one call for each file, in either format, so that whoever guards a file guards it here", () => {
    const envelope = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** Update File: src/a.ts\n*** Move to: src/b.ts\n@@\n-x\n+y\n*** Delete File: .env\n*** End Patch"
    expect(viewsOf("patch", { patch: envelope }, "/p").map(({ names, input }) => [names[0], input.file_path, input.content ?? input.new_string])).toEqual([["Write", "/p/new.txt", "hello"], ["Edit", "/p/src/a.ts", ""], ["Edit", "/p/src/b.ts", "y"], ["Edit", "/p/.env", ""]])
    expect(viewsOf("patch", { patch: "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n" }, "/p")).toEqual([{ names: ["Edit"], input: { file_path: "/p/x", old_string: "", new_string: "b" } }])
  })
})

describe("calls of tools", () => {
  it("a hook is told what it would be told there, and 2 refuses the call", async () => {
    const told = join(user, "told.json")
    await using world = await open(on("PreToolUse", command(`cat > ${told}; echo "$CLAUDE_PROJECT_DIR" >&2; exit 2`)), calling("bash", { command: "echo hi", timeout: 5 }))
    const { outcome, output } = await once1(world, "bash", {})
    expect([outcome, output]).toEqual(["denied", `a hook refused this call: ${world.project}`])
    expect(JSON.parse(readFileSync(told, "utf8"))).toEqual({
      session_id: expect.stringMatching(/./), transcript_path: "", cwd: world.project, permission_mode: "default", hook_event_name: "PreToolUse", tool_name: "Bash", tool_input: { command: "echo hi", timeout: 5_000 }, tool_use_id: "c1",
    })
  })

  it("updatedInput takes the place of the input", async () => {
    await using world = await open(on("PreToolUse", command(answers(own("PreToolUse", { updatedInput: { command: "echo changed" } })))), calling("bash", { command: "echo hi" }))
    expect(await once1(world, "bash", {})).toMatchObject({ outcome: "ok", output: expect.stringContaining("changed") })
  })

  it("allow asks nobody, ask asks somebody, deny beats both, identical ones run once", async () => {
    const count = join(user, "count")
    const decide = (permissionDecision: string) => answers(own("PreToolUse", { permissionDecision, permissionDecisionReason: permissionDecision }))
    const script = () => calling("bash", { command: "touch x" })
    const noRules = { config: { permissions: { allow: [] } } }
    {
      await using world = await open(on("PreToolUse", command(decide("allow"))), script(), noRules)
      expect((await once1(world, "bash", {})).outcome).toBe("ok")
    }
    {
      await using world = await open(on("PreToolUse", command(decide("allow")), command(decide("ask"))), script(), noRules)
      expect(await once1(world, "bash", {})).toMatchObject({ outcome: "blocked", output: expect.stringContaining("confirm bash needs permission") })
    }
    {
      const same = command(`echo one >> ${count}`)
      await using world = await open({ PreToolUse: [{ hooks: [command(decide("allow")), same, same] }, { matcher: "Bash", hooks: [same, command(decide("deny")), command(decide("ask"))] }, { matcher: "Read", hooks: [command(`echo other >> ${count}`)] }] }, script())
      expect(await once1(world, "bash", {})).toMatchObject({ outcome: "denied", output: "a hook refused this call: deny" })
      expect(readFileSync(count, "utf8")).toBe("one\n")
    }
  })

  it("a patch is refused for one of its files", async () => {
    const guard = `if grep -q '"file_path":"[^"]*[.]env"'; then echo 'leave .env alone' >&2; exit 2; fi`
    await using world = await open({ PreToolUse: [{ matcher: "Edit|Write|MultiEdit", hooks: [command(guard)] }] }, calling("patch", { patch: "*** Begin Patch\n*** Add File: a.txt\n+a\n*** Add File: .env\n+KEY=1\n*** End Patch" }))
    expect(await once1(world, "patch", {})).toMatchObject({ outcome: "denied", output: "a hook refused this call: leave .env alone" })
    expect(existsSync(join(world.project, "a.txt"))).toBe(false)
  })

  it("what comes after is added to what the model reads; a failed command is a PostToolUseFailure", async () => {
    const hooks = { ...on("PostToolUse", command(says2("format it")), command(answers(own("PostToolUse", { additionalContext: "by the way" })))), ...on("PostToolUseFailure", command(answers(own("PostToolUseFailure", { additionalContext: "try again" })))) }
    await using world = await open(hooks, [says(call("c1", "bash", { command: "echo hi" }), call("c2", "bash", { command: "exit 3" }), finish("tool-calls")), says(...text("done"), finish())])
    const session = await world.session()
    await world.say(session, "go")
    const outputs = (await world.graft.session.messages(session)).flatMap(({ parts }) => parts.flatMap((part) => (part.kind === "tool" ? part.output : [])))
    expect(outputs[0]).toMatch(/^hi\n[\s\S]*<hook event="PostToolUse">\nformat it\nby the way\n<\/hook>$/)
    expect(outputs[1]).toMatch(/<hook event="PostToolUseFailure">\ntry again\n<\/hook>$/)
  })

  it("PermissionRequest answers where a person would be asked, and only there", async () => {
    const count = join(user, "count")
    const hook = command(`echo asked >> ${count}; echo '${JSON.stringify(own("PermissionRequest", { decision: { behavior: "allow" } }))}'`)
    await using world = await open(on("PermissionRequest", hook), [says(call("c1", "bash", { command: "touch x" }), call("c2", "bash", { command: "pwd" }), finish("tool-calls")), says(...text("done"), finish())], { config: { permissions: { allow: ["bash:pwd"] } } })
    const session = await world.session()
    await world.say(session, "go")
    expect((await world.graft.session.messages(session)).flatMap(({ parts }) => parts.flatMap((part) => (part.kind === "tool" ? part.outcome : [])))).toEqual(["ok", "ok"])
    expect(readFileSync(count, "utf8")).toBe("asked\n")
  })

  it("a hook that hangs, floods, fails, prints rubbish or leaves children behind holds nothing back, and is said", async () => {
    const left = join(user, "left")
    const hooks = on("PreToolUse", command("sleep 30", { timeout: 0.3 }), command("yes", { timeout: 10 }), command("echo boom >&2; exit 7"), command("echo '{\"decision\": 3}'"), command("printf '\\377\\376 {{'"), command(`(sleep 2; touch ${left}) & echo $! > ${left}.pid`), command("exec 0<&-; exit 0"))
    await using world = await open(hooks, calling("bash", { command: "echo hi" }))
    expect((await once1(world, "bash", {})).outcome).toBe("ok")
    const failed = world.logs().map((line) => line.replace(/^~\/.*?: its hook of PreToolUse failed and holds nothing back: /, "")).sort()
    expect(failed).toEqual(["exit code 7: boom", "it did not end within 0.3 s", "it wrote more than 1048576 bytes", expect.stringMatching(/^its JSON is not what a hook may answer: decision: /)])
    // Gone when the hook was.
    expect(startOf(Number(readFileSync(`${left}.pid`, "utf8")))).toBeUndefined()
  })
})

describe("the course of a session", () => {
  it("words of SessionStart and UserPromptSubmit go along with the prompt; the start is told once", async () => {
    const hooks = { ...on("SessionStart", command("grep -o 'startup'")), ...on("UserPromptSubmit", command("sed 's/^/heard: /'")) }
    await using world = await open(hooks)
    const session = await world.session()
    await world.say(session, "first words")
    await world.say(session, "second words")
    const [first, second] = world.requests.map(({ messages }) => JSON.stringify(messages))
    expect(first).toContain('<hook event=\\"SessionStart\\">\\nstartup\\n</hook>')
    expect(first).toMatch(/heard: .*prompt\\+":\\+"first words/)
    expect(second!.split("SessionStart").length).toBe(first!.split("SessionStart").length)
    expect(second).toMatch(/heard: .*prompt\\+":\\+"second words/)
  })

  it("a prompt that a hook refuses is not admitted", async () => {
    await using world = await open(on("UserPromptSubmit", command(`if grep -q secret; then ${says2("no secrets here")}; fi`)))
    const session = await world.session()
    await expect(world.graft.session.prompt({ session, text: "my secret" })).rejects.toMatchObject({ code: "session.refused", message: "a hook refused this prompt: no secrets here" })
    await world.say(session, "hello")
    expect(world.requests).toHaveLength(1)
  })

  it("Stop holds the work until it is content, and is told that it did", async () => {
    const told = join(user, "told")
    await using world = await open(on("Stop", command(`cat >> ${told}; echo >> ${told}; grep -q '"stop_hook_active":true' ${told} || { echo 'run the tests' >&2; exit 2; }`)))
    const session = await world.session()
    await world.say(session, "work")
    expect(world.requests).toHaveLength(2)
    expect(world.asked()[1]).toContain("run the tests")
    const lines = readFileSync(told, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines.map(({ hook_event_name, stop_hook_active, last_assistant_message }) => [hook_event_name, stop_hook_active, last_assistant_message])).toEqual([["Stop", false, "answer 1"], ["Stop", true, "answer 2"]])
  })

  it("a Stop that never is content holds five times, and that is said", async () => {
    await using world = await open(on("Stop", command(answers({ decision: "block", reason: "more" }))))
    const session = await world.session()
    await world.say(session, "work")
    expect(world.requests).toHaveLength(6)
    expect(world.logs().at(-1)).toBe(`hooks of Stop have held session ${session} 5 times in a row; now it stops. Their last reason: more`)
  })

  it("continue: false ends the work", async () => {
    await using world = await open(on("PostToolUse", command(answers({ continue: false, stopReason: "enough" }))), calling("bash", { command: "echo hi" }))
    const session = await world.session()
    await world.graft.session.prompt({ session, text: "go" })
    expect(await world.graft.session.wait(session)).toMatchObject({ state: "interrupted", reason: "enough" })
    expect(world.requests).toHaveLength(1)
  })

  it("the end is told when the project closes, and not when this plugin is edited", async () => {
    const told = join(user, "told")
    {
      await using world = await open(on("SessionEnd", command(`cat >> ${told}`)), [], { copy: true })
      await world.say(await world.session(), "hello")
      const file = join(world.sources, ID, "talk.ts")
      writeFileSync(file, readFileSync(file, "utf8").replaceAll('about: { reason: "other" }, most', 'about: { reason: "other", edited: true }, most'))
      await world.kernel.reconcile([file])
      await world.kernel.settled()
      expect(existsSync(told)).toBe(false)
    }
    expect(JSON.parse(readFileSync(told, "utf8"))).toMatchObject({ hook_event_name: "SessionEnd", reason: "other", edited: true })
  })
})

describe("hooks that are no commands", () => {
  it("a URL is posted what a command would read; 2xx is heard, anything else holds nothing back", async () => {
    vi.stubEnv("TOKEN", "t0")
    vi.stubEnv("SECRET", "s0")
    const got: { headers: IncomingHttpHeaders; body: unknown }[] = []
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      got.push({ headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) })
      if (request.url === "/hang") return
      response.writeHead(request.url === "/broken" ? 500 : 200).end(request.url === "/flood" ? "x".repeat(2_000_000) : JSON.stringify({ decision: "block", reason: "says the server" }))
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    onTestFinished(() => { server.closeAllConnections(); server.close() })
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const http = (path: string, more: object = {}) => ({ type: "http", url: url + path, ...more })
    {
      await using world = await open(on("PreToolUse", http("/broken"), http("/hang", { timeout: 0.3 }), http("/flood"), { type: "http", url: "http://127.0.0.1:1/" }), calling("bash", { command: "echo hi" }))
      expect((await once1(world, "bash", {})).outcome).toBe("ok")
      expect(world.logs().map((line) => line.replace(/^.*holds nothing back: /, "").replaceAll(url, "")).sort()).toEqual([expect.stringMatching(/^\/broken answered 500$/), "/flood answered with more than 1048576 bytes", "/hang did not answer within 0.3 s", expect.stringMatching(/^http:\/\/127\.0\.0\.1:1\/ could not be asked: .*ECONNREFUSED/)])
    }
    await using world = await open(on("PreToolUse", http("/", { headers: { authorization: "Bearer $TOKEN", "x-other": "${SECRET}" }, allowedEnvVars: ["TOKEN"] })), calling("bash", { command: "echo hi" }))
    expect(await once1(world, "bash", {})).toMatchObject({ outcome: "denied", output: "a hook refused this call: says the server" })
    expect(got.at(-1)).toMatchObject({ headers: { authorization: "Bearer t0", "x-other": "", "content-type": "application/json" }, body: { tool_name: "Bash" } })
  })

  it("a question goes to the small model, and its no is a no", async () => {
    const judged: Script = says(...text('{"ok": false, "reason": "too risky"}'), finish())
    await using world = await open(on("PreToolUse", { type: "prompt", prompt: "Is this safe? $ARGUMENTS" }), [calling("bash", { command: "rm x" })[0]!, judged])
    expect(await once1(world, "bash", {})).toMatchObject({ outcome: "denied", output: "a hook refused this call: too risky" })
    expect(world.asked()[1]).toMatch(/Is this safe\? \{.*rm x/)
  })
})

describe("where hooks stand", () => {
  it("where there are none, nothing listens; an edit holds at once; a broken one changes nothing and says where", async () => {
    await using world = await open({})
    const listens = () => world.kernel.inspect().realms.flatMap(({ plugins }) => plugins.filter(({ id }) => id === ID).flatMap(({ events }) => events)).filter((event) => !["watch.changed", "config.changed", "trust.granted", "trust.revoked"].includes(event)).sort()
    const file = join(user, ".claude/settings.json")
    expect(listens()).toEqual([])
    settings(file, on("PreToolUse", command("true")))
    await world.look()
    expect(listens()).toEqual(["permission.evaluate", "tool.after", "tool.before"])
    writeFileSync(file, '{\n  "hooks": {{\n}')
    await world.look()
    expect(listens()).toEqual(["permission.evaluate", "tool.after", "tool.before"])
    expect(world.logs().at(-1)).toMatch(/^~\/\.claude\/settings\.json:2: .*; its hooks stay as they were$/)
    settings(file, on("PreToolUse", command("true")), { disableAllHooks: true })
    await world.look()
    expect(listens()).toEqual([])
  })

  it("a project's hooks run once it is trusted, and that is said once", async () => {
    const project = on("PreToolUse", command(says2("says the project")))
    await using world = await open({}, [...calling("bash", { command: "echo 1" }), ...calling("bash", { command: "echo 2" })], { project })
    await world.look()
    await world.look()
    expect(world.logs()).toEqual([`${world.project}/.claude/settings.json: its hook does not run until this project is trusted (graft trust allow)`])
    expect((await once1(world, "bash", {})).outcome).toBe("ok")
    await world.kernel.graft.trust.allow(world.project)
    await world.kernel.settled()
    expect((await once1(world, "bash", {})).output).toBe("a hook refused this call: says the project")
  })

  it.each([[{ claude: false }], [false]])("compat: %j leaves them alone", async (compat) => {
    await using world = await open(on("PreToolUse", command(says2("no"))), calling("bash", { command: "echo hi" }), { config: { compat } })
    expect((await once1(world, "bash", {})).outcome).toBe("ok")
  })
})
