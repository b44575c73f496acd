/** Nothing happens that no rule or person allowed: rules decide by layer and precision, deny beats everything, and what is left is asked. */
import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join } from "node:path"
import fc from "fast-check"
import { definePlugin } from "graft"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { lazyGrammar, type Parse } from "../../plugins/permission/grammar.ts"
import { matchesPattern } from "../../plugins/permission/pattern.ts"
import { judge as judgeSeen, read } from "../../plugins/permission/judge.ts"
import { defaultRules, parseRule, type Effect, type Rule, type RuleLayer } from "../../plugins/permission/rules.ts"
import { SavedAnswers } from "../../plugins/permission/saved.ts"
import type { PermissionAsk } from "../../plugins/permission/contract.ts"
import { next, openProject, type Project } from "../fixtures/project.ts"

const here = "/home/someone/project"
let parse: Parse
beforeAll(async () => { parse = await lazyGrammar().open() })
const judge = (ask: PermissionAsk, rules: readonly Rule[], location: string) => judgeSeen(ask, rules, location, { line: read(ask, parse) })
/** What "always" would save of an ask that no rule knows. */
const suggest = (ask: PermissionAsk, location: string) => judge(ask, [parseRule("*", "ask", "flag", "flag")!], location).suggest!
const rule = (line: string): Rule => {
  const [layer, effect, ...text] = line.split(" ")
  return parseRule(text.join(" "), effect as Effect, layer as RuleLayer, layer!)!
}
const verdict = (rules: string[], action: string, resource: string, directory?: string) => judge({ action, resource, directory }, [...rules.map(rule), ...defaultRules], here).effect

describe("rules", () => {
  test.each<[given: string[], action: string, resource: string, effect: Effect]>([
    // What holds without any rule.
    [[], "read", `${here}/a.ts`, "allow"],
    [[], "read", here, "allow"],
    [[], "ls", here, "allow"],
    [[], "grep", `${here}/src`, "allow"],
    [[], "read", "/etc/passwd", "ask"],
    [[], "read", `${here}-other/a.ts`, "ask"],
    [[], "read", `${here}/.env`, "ask"],
    [[], "read", `${here}/app/.env.local`, "ask"],
    [[], "read", `${here}/.env.example`, "allow"],
    [[], "grep", `${here}/.env`, "ask"],
    [[], "write", `${here}/a.ts`, "ask"],
    [[], "edit", `${here}/a.ts`, "ask"],
    [[], "bash", "ls", "ask"],
    [[], "dice", "", "ask"],
    // A bare file action covers the project; elsewhere a pattern must say so.
    [["user allow write"], "write", `${here}/a.ts`, "allow"],
    [["user allow write"], "write", "/etc/passwd", "ask"],
    [["user allow write:/etc/*"], "write", "/etc/passwd", "allow"],
    [["user allow ls:/etc/*"], "ls", "/etc", "allow"],
    [["user allow read:~/notes/*"], "read", `${homedir()}/notes/a.md`, "allow"],
    [["user allow write:src/*"], "write", `${here}/src/deep/a.ts`, "allow"],
    [["user allow write:src/*"], "write", `${here}/lib/a.ts`, "ask"],
    [["user allow write:./src/*"], "write", `${here}/src/a.ts`, "allow"],
    [["user allow *"], "write", "/etc/passwd", "allow"],
    // Deny beats everything, near or far.
    [["flag allow *", "user deny write:*.lock"], "write", `${here}/package.lock`, "deny"],
    [["flag allow *", "user deny read:*.pem"], "read", "/etc/ssl/key.pem", "deny"],
    [["flag allow write", "user deny write"], "write", "/anywhere", "deny"],
    // The nearest layer, then the more precise rule, then ask.
    [["project ask edit", "user allow edit"], "edit", `${here}/a`, "ask"],
    [["flag allow edit", "project ask edit"], "edit", `${here}/a`, "allow"],
    [["saved allow edit", "project ask edit"], "edit", `${here}/a`, "allow"],
    [["user allow edit", "user ask edit:config/*"], "edit", `${here}/config/a`, "ask"],
    [["user ask edit", "user allow edit:docs/*"], "edit", `${here}/docs/a`, "allow"],
    [["user ask edit", "user allow edit"], "edit", `${here}/a`, "ask"],
    // A slash at the end is the directory with all that is in it; what is denied is denied with all that is in it.
    [["user allow write:src/"], "write", `${here}/src/deep/a.ts`, "allow"],
    [["user allow write:src"], "write", `${here}/src/deep/a.ts`, "ask"],
    [["flag allow write", "user deny write:secrets"], "write", `${here}/secrets/key`, "deny"],
    [["flag allow write", "user deny *:secrets/"], "write", `${here}/secrets/key`, "deny"],
    [["flag allow write", "user deny write:secrets"], "write", `${here}/secrets-not`, "allow"],
    [["flag allow *", "user deny read:../shared/*"], "read", "/home/someone/shared/a", "deny"],
    [["flag allow *", "user deny read:~"], "read", `${homedir()}/.ssh/id`, "deny"],
    [["user allow write:."], "write", `${here}/a`, "allow"],
    // What people write with a space is meant without it.
    [["flag allow *", "user deny write: secrets/*"], "write", `${here}/secrets/key`, "deny"],
    // Tools of others, by their name.
    [["user allow dice"], "dice", "", "allow"],
    [["user allow mcp_*"], "mcp_search", "", "allow"],
    [["user allow webfetch:https://example.org/*"], "webfetch", "https://example.org/a", "allow"],
    [["user allow webfetch:https://example.org/*"], "webfetch", "https://example.org.evil/a", "ask"],
  ])("%j: %s %s → %s", (given, action, resource, effect) => expect(verdict(given, action, resource)).toBe(effect))

  test("a search over a home directory that is itself the project asks", () => {
    expect(judge({ action: "grep", resource: homedir() }, defaultRules, homedir()).effect).toBe("ask")
    expect(judge({ action: "grep", resource: join(homedir(), "src") }, defaultRules, homedir()).effect).toBe("allow")
  })

  test("a verdict names its rule and where it stands; an ask says what would allow it", () => {
    expect(judge({ action: "bash", resource: "git push origin" }, [rule("user deny bash:git push*")], here)).toMatchObject({ effect: "deny", rule: "bash:git push*", source: "user" })
    expect(judge({ action: "bash", resource: "git status -s" }, defaultRules, here)).toMatchObject({ effect: "ask", suggest: "bash:git status *" })
  })

  test.each([
    ["bash", "git status -s", "bash:git status *"], ["bash", "npm test", "bash:npm test *"], ["bash", "npm run build", "bash:npm run build *"], ["bash", "ls -la", "bash:ls *"], ["bash", "node scripts/a.js x", "bash:node scripts/a.js *"], ["bash", "npx vitest run", "bash:npx vitest *"],
    ["bash", "make", "bash:make"], ["bash", "git -C .. log", "bash:git -C .. log"], ["bash", "npm run", "bash:npm run"], ["bash", "rm a.txt", "bash:rm a.txt"], ["bash", "curl https://example.org", "bash:curl https://example.org"], ["bash", "node -e 1", "bash:node -e 1"], ["bash", "a | b", "bash:a | b"], ["bash", "a > b", "bash:a > b"], ["bash", "X=1 a", "bash:X=1 a"],
    ["write", `${here}/a`, "write"], ["write", "/etc/hosts", "write:/etc/hosts"], ["read", "/usr/share/doc/a", "read:/usr/share/doc/*"], ["read", "/a", "read:/a"], ["read", join(homedir(), "a"), `read:${join(homedir(), "a")}`], ["read", `${here}/.env`, `read:${here}/.env`], ["ls", "/usr/share", "ls:/usr/share/*"], ["ls", "/", "ls:/"], ["dice", "", "dice"],
  ])("'always' for %s %s would save %s: no wider than what was seen", (action, resource, saved) => expect(suggest({ action, resource }, here)).toBe(saved))

  test("what an ask suggests allows the very same ask, and no other action", () => {
    const asks = fc.oneof(
      fc.record({ action: fc.constantFrom("read", "write", "edit", "ls"), resource: fc.string({ minLength: 1 }).filter((s) => !/[/\0]/.test(s) && s !== "." && s !== "..").map((name) => `/srv/${name}`) }),
      fc.record({ action: fc.constantFrom("read", "write", "ls", "grep"), resource: fc.constantFrom("/", "/etc", "/etc/hosts", homedir(), join(homedir(), "x"), dirname(here), here) }),
      fc.record({ action: fc.constant("bash"), resource: fc.string({ minLength: 1 }).filter((line) => line.trim() !== "") }),
      fc.record({ action: fc.constantFrom("dice", "webfetch"), resource: fc.string() }),
    )
    fc.assert(fc.property(asks, (ask) => {
      const suggested = parseRule(suggest(ask, here), "allow", "saved", "saved")!
      expect(judge(ask, [suggested], here).effect).toBe("allow")
      expect(judge({ ...ask, action: "other" }, [suggested], here).effect).toBe("ask")
    }))
  })

  test("denying something never allows anything, whatever the other rules are", () => {
    const layers = fc.constantFrom<RuleLayer>("flag", "saved", "project", "user")
    const anyRule = fc.record({ layer: layers, effect: fc.constantFrom<Effect>("allow", "ask", "deny"), text: fc.constantFrom("*", "bash", "bash:git *", "bash:*", "write", "write:*", "write:src/*", "read:/etc/*", "read", "bash:rm *", "bash:git push*") }).map(({ layer, effect, text }) => parseRule(text, effect, layer, layer)!)
    const ask = fc.constantFrom({ action: "bash", resource: "git push" }, { action: "bash", resource: "git log && rm -r x > src/y" }, { action: "write", resource: `${here}/src/a` }, { action: "read", resource: "/etc/passwd" })
    fc.assert(fc.property(fc.array(anyRule, { maxLength: 8 }), anyRule, ask, (rules, extra, asked) => {
      const before = judge(asked, rules, here).effect
      const after = judge(asked, [...rules, { ...extra, effect: "deny" }], here).effect
      expect(after === before || after === "deny" || (before === "allow" && after === "ask")).toBe(true)
    }))
  })

  test("a hostile pattern costs no exponential time", () => {
    const started = performance.now()
    expect(matchesPattern(`${"*a".repeat(200)}b`, "a".repeat(5_000))).toBe(false)
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test("patterns agree with their regular expressions", () => {
    const pattern = fc.array(fc.constantFrom("*", "a", "b", "\\*", "\\\\", ".", "/"), { maxLength: 8 }).map((parts) => parts.join(""))
    const text = fc.array(fc.constantFrom("a", "b", "*", "\\", ".", "/"), { maxLength: 8 }).map((parts) => parts.join(""))
    fc.assert(fc.property(pattern, text, (p, t) => {
      const source = p.replace(/\\\*|\\\\|[\s\S]/g, (token) => (token === "*" ? "[^]*" : token.startsWith("\\") && token.length === 2 ? `\\${token[1]}` : token.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")))
      expect(matchesPattern(p, t)).toBe(new RegExp(`^${source}$`).test(t))
    }))
  })
})

describe("the service", () => {
  let project: Project
  beforeAll(async () => { project = await openProject({ only: ["permission"], copy: true }) })
  afterAll(async () => project[Symbol.asyncDispose]())
  const face = () => project.kernel.put("face", definePlugin({ per: "process", setup: (graft) => { graft.add("face", { id: "test", answers: true }) } }))

  test("without a face that answers, an ask comes back unanswered at once", async () => {
    const answer = await project.graft.permission.request({ action: "bash", resource: "ls -la" })
    expect(answer).toMatchObject({ allowed: false, because: "unanswered", verdict: { suggest: "bash:ls *" } })
    project.settings["permissions.unattended"] = "deny"
    expect(await project.graft.permission.request({ action: "bash", resource: "ls -la" })).toMatchObject({ allowed: false, because: "denied", verdict: { effect: "deny", source: "permissions.unattended" } })
    project.settings["permissions.unattended"] = undefined
  })

  test("rules of every layer are seen with where they stand", async () => {
    project.rules.user = { deny: ["bash:rm *"] }
    expect(await project.graft.permission.rules()).toContainEqual({ effect: "deny", rule: "bash:rm *", source: "/user.jsonc:3" })
    expect(await project.graft.permission.evaluate({ action: "bash", resource: "rm x" })).toMatchObject({ effect: "deny", source: "/user.jsonc:3" })
  })

  test("a hook may answer, but not over a deny", async () => {
    await project.kernel.put("hook", definePlugin({ per: "location", setup: (graft) => { graft.on("permission.evaluate", (ask) => (ask.resource.startsWith("r") ? { effect: "allow" as const, rule: "hook", source: "hook@1" } : undefined)) } }), project.directory)
    expect(await project.graft.permission.evaluate({ action: "bash", resource: "run me" })).toMatchObject({ effect: "allow", rule: "hook" })
    expect(await project.graft.permission.evaluate({ action: "bash", resource: "rm x" })).toMatchObject({ effect: "deny" })
    await project.kernel.drop("hook", project.directory)
  })

  test("a person is asked, and 'once' holds once", async () => {
    await face()
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "make", session: "s", call: "c1" })
    const ask = await asked
    expect(ask).toMatchObject({ action: "bash", resource: "make", rule: "bash:make", location: project.directory })
    expect(await project.graft.permission.pending()).toHaveLength(1)
    await project.graft.permission.reply(ask.id, "once")
    expect(await answer).toMatchObject({ allowed: true })
    expect(await project.graft.permission.pending()).toEqual([])
    expect((await project.graft.permission.evaluate({ action: "bash", resource: "make" })).effect).toBe("ask")
  })

  test("'always' is saved for this project, privately, settles what else it covers, and can be forgotten", async () => {
    const first = next(project.graft, "permission.asked", ({ call }) => call === "c2")
    const second = next(project.graft, "permission.asked", ({ call }) => call === "c3")
    const answers = [project.graft.permission.request({ action: "bash", resource: "lint a", call: "c2" }), project.graft.permission.request({ action: "bash", resource: "lint b", call: "c3" })]
    await second
    await project.graft.permission.reply((await first).id, "always")
    expect(await Promise.all(answers)).toMatchObject([{ allowed: true }, { allowed: true }])
    const file = join(project.data, "data", "permissions.json")
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ [project.directory]: ["bash:lint *"] })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await project.graft.permission.evaluate({ action: "bash", resource: "lint c" })).toMatchObject({ effect: "allow", source: "saved" })
    expect(await project.graft.permission.forget("bash:lint *")).toBe(true)
    expect((await project.graft.permission.evaluate({ action: "bash", resource: "lint c" })).effect).toBe("ask")
  })

  test("'everywhere' is saved for every project, and 'no' may say why", async () => {
    const asked = next(project.graft, "permission.asked")
    const kept: string[] = []
    const answer = project.graft.permission.request({ action: "bash", resource: "fmt a", call: "c10" }, { replied: (_, reply) => void kept.push(reply) })
    await project.graft.permission.reply((await asked).id, "everywhere")
    // To the one call it is an answer like any other for good.
    expect([await answer, kept]).toMatchObject([{ allowed: true }, ["always"]])
    expect(await project.graft.permission.evaluate({ action: "bash", resource: "fmt b" })).toMatchObject({ effect: "allow", source: "saved everywhere" })
    mkdirSync(join(project.outside, ".git"))
    using other = await project.graft.at(project.outside)
    expect(await other.permission.saved()).toEqual([{ rule: "bash:fmt *", everywhere: true }])
    expect(await other.permission.forget("bash:fmt *")).toBe(true)
    expect(await project.graft.permission.saved()).toEqual([])
    const again = next(project.graft, "permission.asked")
    const refused = project.graft.permission.request({ action: "bash", resource: "fmt c", call: "c11" })
    await project.graft.permission.reply((await again).id, "deny", "  use prettier ")
    expect(await refused).toMatchObject({ allowed: false, because: "denied", said: "use prettier" })
  })

  test("it explains a line part by part, and says why one is not certain", async () => {
    project.rules.user = { allow: ["bash:git *"], deny: ["bash:rm *"] }
    const { verdict, parts } = await project.graft.permission.explain({ action: "bash", resource: "cd . && git log > out && make" })
    expect(verdict).toMatchObject({ effect: "ask", suggest: "bash:cd . && git log > out && make" })
    expect(parts.map(({ action, resource, effect, source }) => [action, resource.replace(project.directory, ""), effect, source])).toEqual([["bash", "cd .", "allow", "harmless"], ["bash", "git log", "allow", "/user.jsonc:3"], ["bash", "make", "ask", "default"], ["write", "/out", "ask", "default"]])
    expect(await project.graft.permission.explain({ action: "bash", resource: "eval $X" })).toMatchObject({ verdict: { effect: "ask" }, unclear: expect.stringContaining("eval") })
    project.rules.user = { deny: ["bash:rm *"] }
  })

  test("who allows everything is warned of it, by name and place", async () => {
    const { text } = project.graft.all("caution").get("permission")!
    expect(await text()).toBeUndefined()
    project.rules.user = { allow: ["bash"] }
    expect(await text()).toMatch(/^every command is allowed without a question, by the rule "bash" \(\/user\.jsonc:3\)/)
    project.rules.flag = { allow: ["*"] }
    expect(await text()).toMatch(/^everything is allowed/)
    project.rules = Object.assign(project.rules, { user: { deny: ["bash:rm *"] }, flag: {} })
  })

  test("a file of saved answers that is broken allows nothing, and is kept", async () => {
    const file = join(project.data, "data", "permissions.json")
    writeFileSync(file, "{ half")
    expect((await project.graft.permission.evaluate({ action: "bash", resource: "make" })).effect).toBe("ask")
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "make", call: "c4" })
    await project.graft.permission.reply((await asked).id, "always")
    expect(await answer).toMatchObject({ allowed: true })
    expect(readFileSync(`${file}.broken`, "utf8")).toBe("{ half")
    await project.graft.permission.forget("bash:make")
  })

  test("a file of saved answers that cannot be read allows nothing, and stops nobody", async () => {
    const file = join(project.data, "data", "permissions.json")
    rmSync(file, { force: true })
    mkdirSync(file)
    expect((await project.graft.permission.evaluate({ action: "bash", resource: "make" })).effect).toBe("ask")
    rmSync(file, { recursive: true })
  })

  test("answers that are saved at once all hold", async () => {
    const file = join(project.data, "both.json")
    await Promise.all(["a", "b", "c"].map(async (rule) => new SavedAnswers(file, () => {}).add("/p", rule)))
    expect([...(await new SavedAnswers(file, () => {}).rules("/p"))].sort()).toEqual(["a", "b", "c"])
  })

  test("files are judged by where they really are: what is written through a link, and rules that name one", async () => {
    const { directory, outside, graft } = project
    symlinkSync(outside, join(directory, "away"))
    mkdirSync(join(directory, "inner"))
    symlinkSync(join(directory, "inner"), join(directory, "near"))
    const effect = async (action: string, resource: string) => (await graft.permission.evaluate({ action, resource, directory })).effect
    project.rules.user = { allow: ["bash:echo *", "write", "write:away/*"], deny: ["write:near/*"] }
    expect(await effect("bash", "echo x > here")).toBe("allow")
    expect(await effect("bash", "echo x > away/there")).toBe("ask")
    expect(await effect("write", join(outside, "there"))).toBe("ask")
    expect(await effect("write", join(directory, "inner", "a"))).toBe("deny")
    expect(await effect("bash", "echo x > inner/a")).toBe("deny")
    project.rules.user = { allow: [`write:${join(outside, "..", "outside-link")}/*`] }
    symlinkSync(outside, join(outside, "..", "outside-link"))
    expect(await effect("write", join(outside, "there"))).toBe("allow")
    project.rules.user = { deny: ["bash:rm *"] }
  })

  test("what is no answer is refused, and the question stays", async () => {
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "sure", call: "c9" })
    const { id } = await asked
    await expect(project.graft.permission.reply(id, "maybe" as never)).rejects.toMatchObject({ code: "permission.reply" })
    const replied: string[] = []
    const remove = project.graft.on("permission.replied", ({ reply }) => void replied.push(reply))
    for (const none of ["constructor", "__proto__", "ask_0"]) await expect(project.graft.permission.reply(none, "once")).rejects.toMatchObject({ code: "permission.unknown" })
    // Two faces answer: the first one counts, and is told once.
    const both = await Promise.allSettled([project.graft.permission.reply(id, "deny"), project.graft.permission.reply(id, "once")])
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"])
    expect(await answer).toMatchObject({ allowed: false, because: "denied" })
    await project.kernel.settled()
    expect(replied).toEqual(["deny"])
    remove()
  })

  test("an interrupt ends the wait, and no answers to it", async () => {
    const stop = new AbortController()
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "sleep 1", call: "c5" }, { signal: stop.signal })
    const { id } = await asked
    stop.abort()
    expect(await answer).toMatchObject({ allowed: false, because: "interrupted" })
    await expect(project.graft.permission.reply(id, "once")).rejects.toMatchObject({ code: "permission.unknown" })
  })

  test("whoever keeps a question is told before a person is, and of the answer before it counts; an answer that was kept is the answer (C12, C41)", async () => {
    const told: string[] = []
    const ask = { action: "bash", resource: "kept", session: "s", call: "c8" }
    const asked = next(project.graft, "permission.asked", (pending: { call?: string }) => (told.push("asked"), pending.call === "c8"))
    const wait = { waiting: async () => void told.push("waiting"), replied: async (_: string, reply: string) => void told.push(`replied ${reply}`) }
    const answer = project.graft.permission.request(ask, wait).finally(() => told.push("answered"))
    const { id } = (await asked) as { id: string }
    await project.graft.permission.reply(id, "deny")
    expect(await answer).toMatchObject({ allowed: false, because: "denied" })
    expect(told).toEqual(["waiting", "asked", "replied deny", "answered"])
    for (const [reply, allowed] of [["once", true], ["deny", false]] as const) expect(await project.graft.permission.request(ask, { ...wait, known: (kept) => (kept === id ? reply : undefined) })).toMatchObject({ allowed })
    expect(told).toHaveLength(4)
    await expect(project.graft.permission.request(ask, { waiting: () => { throw new Error("the disk is full") } })).rejects.toThrow("the disk is full")
    expect(await project.graft.permission.pending()).toEqual([])
  })

  test("a question survives a reload of the plugin: asked once, answered on the next generation", async () => {
    let times = 0
    const remove = project.graft.on("permission.asked", () => void times++)
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "slow", session: "s", call: "c6" })
    const { id } = await asked
    const source = join(project.sources, "permission", "index.ts")
    writeFileSync(source, `${readFileSync(source, "utf8")}// saved again`)
    const reloaded = next<{ plugin: string }>(project.graft, "plugin.reloaded", ({ plugin }) => plugin === "permission")
    await project.kernel.reconcile([source])
    await reloaded
    expect((await project.graft.permission.pending()).map((ask) => ask.id)).toEqual([id])
    await project.graft.permission.reply(id, "deny")
    expect(await answer).toMatchObject({ allowed: false, because: "denied" })
    expect(times).toBe(1)
    remove()
  })

  test("when the last face leaves, nobody waits for it", async () => {
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "gone", call: "c7" })
    await asked
    await project.kernel.drop("face")
    expect(await answer).toMatchObject({ allowed: false, because: "unanswered" })
  })
})
