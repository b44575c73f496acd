/** bash always comes back, and leaves no process: whatever its children hold, however they hide, however much they write. */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { definePlugin } from "graft"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { Collector } from "../../plugins/lib/collector.ts"
import { killAmid, living as alive } from "../fixtures/killed.ts"
import { openProject, type Project } from "../fixtures/project.ts"

let project: Project
beforeAll(async () => { project = await openProject({ only: ["tool", "permission", "tool-bash"], allow: ["bash"] }) })
afterAll(async () => project[Symbol.asyncDispose]())
const bash = (command: string, more: object = {}, how: Parameters<Project["call"]>[2] = {}) => project.call("bash", { command, ...more }, how)

/** Living processes that work in the project. */
const living = () => readdirSync("/proc").filter((pid) => {
  if (!/^\d+$/.test(pid)) return false
  try { return dirname(readlinkSync(`/proc/${pid}/cwd`)) === dirname(project.directory) && !/ Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1")) } catch { return false }
})
afterEach(() => expect(living()).toEqual([]))
const timed = async <T>(work: Promise<T>): Promise<[T, number]> => {
  const since = performance.now()
  return [await work, performance.now() - since]
}

describe("a command", () => {
  test("gives its output, both streams in their order, and says an exit code that is not 0", async () => {
    expect(await bash("echo out; echo err >&2; echo more")).toMatchObject({ outcome: "ok", output: "out\nerr\nmore", metadata: { exit: 0 } })
    expect(await bash("echo (")).toMatchObject({ outcome: "error", output: expect.stringMatching(/line 1: syntax error[^]*exit code 2/) })
    expect(await bash("echo no; exit 3")).toMatchObject({ outcome: "error", output: "no\n(exit code 3)", metadata: { exit: 3 } })
    expect(await bash("kill -9 $$")).toMatchObject({ outcome: "error", output: "(ended by SIGKILL)" })
    expect(await bash("true")).toMatchObject({ outcome: "ok", output: "(no output)" })
    expect(await bash("no-such-command-here")).toMatchObject({ outcome: "error", output: expect.stringMatching(/not found[^]*exit code 127/) })
  })

  test("runs in the session's directory", async () => {
    expect((await bash("pwd")).output).toBe(project.directory)
    expect((await bash("pwd", {}, { directory: project.outside })).output).toBe(project.outside)
    expect(await bash("pwd", {}, { directory: "/nowhere" })).toMatchObject({ outcome: "error", output: expect.stringContaining("could not be started in /nowhere") })
  })

  test("starts where the one before it ended, each session by itself, and over a restart", async () => {
    mkdirSync(join(project.directory, "src/deep"), { recursive: true })
    const there = { session: "walks" }
    expect(await bash("cd src", {}, there)).toMatchObject({ outcome: "ok", output: "(the working directory is now src)", metadata: { directory: join(project.directory, "src") } })
    expect(await bash("pwd && cd deep; exit 3", {}, there)).toMatchObject({ output: `${join(project.directory, "src")}\n(exit code 3)\n(the working directory is now src/deep)` })
    expect((await bash("pwd", {}, { session: "stays" })).output).toBe(project.directory)
    await using again = await openProject({ only: ["tool", "permission", "tool-bash"], allow: ["bash"], data: project.data, directory: project.directory })
    expect((await again.call("bash", { command: "pwd" }, there)).output).toBe(join(project.directory, "src/deep"))
    // A subshell, a job and a line that cannot be parsed move nothing.
    expect((await bash("(cd /); cd / &", {}, there)).output).not.toContain("working directory")
    expect((await bash("cd / (", {}, there)).outcome).toBe("error")
    rmSync(join(project.directory, "src"), { recursive: true })
    expect((await bash("pwd", {}, there)).output).toBe(project.directory)
    expect((await bash("cd /; cd -", {}, there)).output).not.toContain("working directory")
  })

  test("that changes directory is judged from there, also when another call moves meanwhile", async () => {
    const there = { session: "judged" }
    mkdirSync(join(project.directory, "out"), { recursive: true })
    await bash("cd out", {}, there)
    project.rules.flag = { allow: ["bash:echo *", "bash:cd *", "write:out/*"] }
    expect((await bash("echo a > file", {}, there)).outcome).toBe("ok")
    expect((await bash("echo a > file", {}, { session: "other" })).outcome).toBe("blocked")
    project.rules.flag = { allow: ["bash"] }
    await Promise.all([bash("sleep 0.1; cd ..", {}, there), bash("sleep 0.2; pwd > where", {}, there)])
    expect(readFileSync(join(project.directory, "out/where"), "utf8").trim()).toBe(join(project.directory, "out"))
  })

  test("keeps its own descriptors: what tells where it ended is not among those that scripts use", async () => {
    expect((await bash("exec 3>three 9>nine; echo x >&3; cd /; cat three", {}, { session: "fds" })).output).toContain("three")
    expect(readFileSync(join(project.directory, "three"), "utf8")).toBe("x\n")
  })

  test("has no stdin, no terminal and no editor; prompts fail instead of waiting", async () => {
    expect((await bash("cat; echo done")).output).toBe("done")
    expect((await bash("read -r x; echo \"$?\"")).output).toBe("1")
    expect((await bash("cat </dev/tty; test -t 0; echo \"$?\"")).output).toMatch(/\n1$/)
    expect((await bash("git init -q . && git -c user.name=a -c user.email=b@c commit --allow-empty")).outcome).toBe("error")
  })

  test("shows escape sequences and redrawn lines as they end up", async () => {
    expect((await bash("printf '\\033[31mred\\033[0m\\n10%%\\r50%%\\r100%%\\nend\\r\\n'")).output).toBe("red\n100%\nend")
  })

  test("shows no controls, and of binary output how much it was", async () => {
    expect((await bash("printf 'a\\0b\\bc\\a\\n'")).output).toBe("a␀bc")
    expect((await bash("printf 'gr\\303\\274n\\0'; head -c 100000 /dev/zero | wc -c")).output).toMatch(/^grün␀100000$/)
    expect((await bash("printf '\\377\\376\\000\\001%.0s' $(seq 1000)")).output).toMatch(/^\(4000 bytes of binary output are not shown/)
  })

  test("a hook gives it its environment", async () => {
    await project.kernel.put("hook", definePlugin({ per: "location", setup: (graft) => { graft.on("shell.env", (draft) => { draft.env.GREETING = `hi from ${draft.command.length}` }) } }), project.directory)
    expect((await bash("echo $GREETING")).output).toBe("hi from 14")
    await project.kernel.drop("hook", project.directory)
  })

  test("tells its progress while it runs", async () => {
    const seen: string[] = []
    const gate = join(project.directory, "gate")
    await bash(`echo working; while [ ! -e ${gate} ]; do sleep 0.01; done; echo finished`, {}, { progress: ({ output }) => { seen.push(output ?? ""); writeFileSync(gate, "") } })
    expect(seen[0]).toBe("working\n")
  })

  test.each([{ command: "" }, { command: "  " }, { command: "a\0b" }, { command: "x", timeout: 0 }, { command: "x", timeout: 601 }, { command: `echo ${"x".repeat(130_000)}` }])("never runs with wrong arguments: %j", async (input) => {
    expect((await project.call("bash", input)).outcome).toBe("invalid")
  })

  test("asks before it runs, and says what would allow it", async () => {
    project.rules.flag = {}
    expect(await bash("git log --oneline")).toMatchObject({ outcome: "blocked", rule: "bash:git log *" })
    project.rules.flag = { allow: ["bash:echo *"] }
    expect((await bash("echo a && echo b")).outcome).toBe("ok")
    expect((await bash("echo a && date")).outcome).toBe("blocked")
    expect((await bash("echo a > file")).outcome).toBe("blocked")
    project.rules.flag = { allow: ["bash"] }
  })
})

describe("coming back", () => {
  test("a child in the background that holds the output does not hold the call, and is ended", async () => {
    const [settlement, took] = await timed(bash("sleep 60 & echo started"))
    expect(settlement).toMatchObject({ outcome: "ok", output: expect.stringMatching(/^started\n\(processes left in the background were ended\)$/) })
    expect(took).toBeLessThan(2_000)
  })

  test("nor does one that left the group and the session, nor one that ignores TERM", async () => {
    const [settlement, took] = await timed(bash("setsid sleep 61 & setsid sh -c 'trap \"\" TERM; sleep 62' </dev/null >/dev/null 2>&1 & disown -a; echo started"))
    expect(settlement).toMatchObject({ outcome: "ok", output: expect.stringContaining("started") })
    expect(took).toBeLessThan(2_500)
  })

  test("the deadline ends the whole family", async () => {
    const [settlement, took] = await timed(bash("echo before; setsid sleep 63 & sleep 64", { timeout: 1 }))
    expect(settlement).toMatchObject({ outcome: "error", output: expect.stringMatching(/^before\n\(stopped: it ran longer than 1 s/) })
    expect(took).toBeLessThan(2_500)
  })

  test("an interrupt reaches everything within a second, though TERM is ignored", async () => {
    const stop = new AbortController()
    const settlement = bash("trap '' TERM; echo ready; while :; do sleep 0.05; done", {}, { signal: stop.signal, progress: () => stop.abort() })
    const [result, took] = await timed(settlement)
    expect(result).toMatchObject({ outcome: "interrupted", output: "ready\n(interrupted; it may have taken effect in part)" })
    expect(took).toBeLessThan(2_000)
  })

  test("endless output is stopped in bounded memory; beginning and end are kept, the rest is a blob", async () => {
    const before = process.memoryUsage().rss
    const settlement = await bash("echo first; yes 'a line of some length that goes on and on and on'")
    expect(settlement).toMatchObject({ outcome: "error", truncated: true, blob: expect.any(String), output: expect.stringMatching(/^first\n[^]*\(stopped: it wrote more than \d+ bytes/) })
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024)
    expect(Buffer.byteLength(settlement.output)).toBeLessThan(52_000)
  })

  test("nothing of it outlives this program, however that dies", async () => {
    await killAmid("setsid sleep 7301 & trap '' TERM; sleep 7302 & echo up; sleep 7303; sleep 7303")
    await expect.poll(() => [7301, 7302, 7303].flatMap((mark) => alive(`sleep\0${mark}`)), { timeout: 12_000 }).toEqual([])
  })

  test("five hundred children are gone as well", async () => {
    const [settlement, took] = await timed(bash("for i in $(seq 500); do sleep 65 & done; echo started"))
    expect(settlement.output).toContain("started")
    expect(took).toBeLessThan(8_000)
  })

  test("a gigabyte of output is stopped long before its end", async () => {
    const [settlement, took] = await timed(bash("head -c 1000000000 /dev/zero | tr '\\0' x; echo never"))
    expect(settlement).toMatchObject({ outcome: "error", output: expect.stringMatching(/\(stopped: it wrote more than \d+ bytes/) })
    expect(settlement.output).not.toContain("never")
    expect(settlement.bytes).toBeLessThan(4 * 1024 * 1024)
    expect(took).toBeLessThan(8_000)
  })

  // An editor may wait for a screen that is not there: then the deadline ends it.
  test.each(["cat", "read -r x", "git init -q . && git commit --allow-empty", "git rebase -i HEAD", "vi file", "less file", "python3 -i"])("what waits for a person comes back: %s", async (command) => {
    expect((await timed(bash(command, { timeout: 1 })))[1]).toBeLessThan(4_000)
  })
})

describe("the collector", () => {
  test("keeps beginning and end of what is too much, and counts the rest", () => {
    const collector = new Collector()
    collector.add(Buffer.from("BEGIN\n"))
    const line = Buffer.from(`${"x".repeat(1023)}\n`)
    for (let index = 0; index < 10_000; index++) collector.add(line)
    collector.add(Buffer.from("END"))
    const text = collector.text()
    expect(text).toMatch(/^BEGIN\n/)
    expect(text).toMatch(/END$/)
    const dropped = Number(/… (\d+) bytes were dropped here …/.exec(text)![1])
    expect(dropped).toBe(collector.total - 2 * 1024 * 1024)
    expect(collector.recent()).toMatch(/END$/)
  })

  test("what fits is whole, characters cut between chunks included", () => {
    const collector = new Collector()
    for (const byte of Buffer.from("grün →\n")) collector.add(Buffer.from([byte]))
    expect(collector.text()).toBe("grün →\n")
  })
})
