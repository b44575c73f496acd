/** Inside the sandbox a command writes to its project and to a /tmp of its own, sees no secrets of ours, reaches no network where that is off, and leaves no process; where a sandbox is required and there is none, nothing runs. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { homedir, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { definePlugin } from "graft"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { argumentsOf, findBubblewrap, temporaryOf } from "../../plugins/sandbox/bubblewrap.ts"
import { wantedOf } from "../../plugins/sandbox/section.ts"
import { eventually, makeJobbing } from "../fixtures/jobs.ts"
import { killAmid, living } from "../fixtures/killed.ts"
import { openProject, type Project } from "../fixtures/project.ts"

const found = await findBubblewrap()
const here = "program" in found
if (!here) process.stderr.write(`The sandbox is not tested here: ${found.reason}\n`)

let project: Project
beforeAll(async () => {
  project = await openProject({ only: ["tool", "permission", "tool-bash", "sandbox"], allow: ["bash"] })
  project.settings.sandbox = "require"
})
afterAll(async () => {
  rmSync(temporaryOf(project.directory), { recursive: true, force: true })
  await project[Symbol.asyncDispose]()
})
const bash = (command: string, more: object = {}, how: Parameters<Project["call"]>[2] = {}) => project.call("bash", { command, ...more }, how)
describe("the settings", () => {
  test.each([[undefined, { mode: "off", network: "on", write: [] }], ["auto", { mode: "auto", network: "on", write: [] }], [{ mode: "require", network: "off", write: ["~/x"] }, { mode: "require", network: "off", write: ["~/x"] }]])("%j", (value, wanted) => expect(wantedOf(value)).toEqual(wanted))

  test("nothing is confined, or looked for, that nobody asked for", async () => {
    project.settings.sandbox = undefined
    expect(await project.graft.sandbox.state()).toMatchObject({ state: "off" })
    expect((await bash("echo $$")).output).not.toBe("2")
    project.settings.sandbox = "require"
  })

  test.each([
    ["a list of hosts", { sandbox: { mode: "auto", network: ["example.org"] } }, /list of hosts/],
    ["a place that is not there", { sandbox: { mode: "auto", write: ["/no/such/place"] } }, /nothing is there/],
    ["a word that is none", { warnings: [{ path: "sandbox", message: "is one of off, auto, require", file: "/c.jsonc", line: 4 }] }, /c\.jsonc:4/],
  ])("that cannot be kept let no command run: %s", async (_, settings, why) => {
    Object.assign(project.settings, settings)
    expect(await bash("touch ran")).toMatchObject({ outcome: "error", output: expect.stringMatching(why) })
    expect(existsSync(join(project.directory, "ran"))).toBe(false)
    expect(await project.graft.sandbox.state()).toMatchObject({ state: "refused", reason: expect.stringMatching(why) })
    expect([...project.graft.all("caution")].map(({ id }) => id)).toContain("sandbox")
    expect(await project.graft.all("caution").get("sandbox")!.text()).toMatch(/no command runs/)
    Object.assign(project.settings, { sandbox: "require", warnings: undefined })
  })
})

describe.runIf(here)("a command", () => {
  test("writes to the project, and nowhere else", async () => {
    expect(await bash("echo in > inside; cat inside")).toMatchObject({ outcome: "ok", output: "in", metadata: { sandbox: true } })
    expect(readFileSync(join(project.directory, "inside"), "utf8")).toBe("in\n")
    for (const place of [homedir(), "/etc", "/usr", "/var/tmp"]) {
      expect(await bash(`echo out > ${place}/graft-outside`), place).toMatchObject({ outcome: "error" })
      expect(existsSync(join(place, "graft-outside")), place).toBe(false)
    }
    // What else lies in /tmp is not there: what is written in its place is not it.
    for (const place of [project.outside, dirname(project.directory)]) {
      await bash(`mkdir -p ${place}; echo out > ${place}/graft-outside`)
      expect(existsSync(join(place, "graft-outside")), place).toBe(false)
    }
    expect((await bash("touch /etc/x")).output).toMatch(/\(it ran in a sandbox: only the project and \/tmp can be written\)$/)
    expect((await bash("ln -s /var/tmp way; echo out > way/graft-through")).outcome).toBe("error")
    expect(existsSync("/var/tmp/graft-through")).toBe(false)
  })

  test("has a /tmp of its own that the next one finds again, and nobody's sockets in it", async () => {
    await bash("echo kept > /tmp/note")
    expect((await bash("cat /tmp/note; echo $TMPDIR")).output).toBe("kept\n/tmp")
    expect(existsSync("/tmp/note")).toBe(false)
    expect((await bash("ls /run")).output).not.toContain("dbus")
  })

  test("does not see what this program keeps to itself", async () => {
    mkdirSync(join(project.data, "data"), { recursive: true })
    writeFileSync(join(project.data, "data/auth.json"), "secret")
    expect((await bash(`cat ${project.data}/data/auth.json; ls ${project.data}/data`)).output).not.toContain("secret")
  })

  test("cannot change what is run later outside of it", async () => {
    mkdirSync(join(project.directory, ".graft/plugins"), { recursive: true })
    mkdirSync(join(project.directory, ".git/hooks"), { recursive: true })
    for (const file of [".graft/plugins/evil.ts", ".git/hooks/pre-commit"]) {
      expect((await bash(`echo x > ${file}`)).outcome, file).toBe("error")
      expect(existsSync(join(project.directory, file)), file).toBe(false)
    }
  })

  test("has a network, or none, as it is said", async () => {
    const server = createServer((socket) => socket.end("hello\n"))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as { port: number }
    const knock = `exec 5<>/dev/tcp/127.0.0.1/${port} && cat <&5`
    try {
      expect((await bash(knock)).output).toBe("hello")
      project.settings.sandbox = { mode: "require", network: "off" }
      expect(await bash(knock)).toMatchObject({ outcome: "error", output: expect.stringMatching(/and there is no network\)$/) })
    } finally {
      project.settings.sandbox = "require"
      server.close()
    }
  })

  test("keeps its exit code, its environment and its directory; what else may be written is said", async () => {
    mkdirSync(join(project.directory, "src"), { recursive: true })
    await project.kernel.put("hook", definePlugin({ per: "location", setup: (graft) => { graft.on("shell.env", (draft) => { draft.env.GREETING = "hi" }) } }), project.directory)
    expect(await bash("echo $GREETING; cd src; exit 3", {}, { session: "walks" })).toMatchObject({ outcome: "error", metadata: { exit: 3 }, output: expect.stringMatching(/^hi\n\(exit code 3\)\n\(the working directory is now src\)/) })
    expect((await bash("pwd", {}, { session: "walks" })).output).toBe(join(project.directory, "src"))
    project.settings.sandbox = { mode: "require", write: [project.outside] }
    expect((await bash(`echo x > ${project.outside}/allowed`)).outcome).toBe("ok")
    rmSync(join(project.outside, "allowed"))
    project.settings.sandbox = "require"
  })

  test("leaves no process: not one that left its session, not at the deadline, not when it is interrupted", async () => {
    const since = performance.now()
    expect((await bash("setsid sleep 7101 >/dev/null 2>&1 & env -i setsid nohup sleep 7102 & disown -a; echo started")).output).toContain("started")
    expect(await bash("env -i setsid sleep 7103 & trap '' TERM; sleep 7104; sleep 7104", { timeout: 1 })).toMatchObject({ outcome: "error" })
    const stop = new AbortController()
    expect(await bash("echo ready; env -i setsid sleep 7105", {}, { signal: stop.signal, progress: () => stop.abort() })).toMatchObject({ outcome: "interrupted" })
    expect(performance.now() - since).toBeLessThan(8_000)
    await eventually(() => [7101, 7102, 7103, 7104, 7105].flatMap((mark) => living(`sleep\0${mark}`))).toEqual([])
  })

  test("does not outlive this program, however that dies", async () => {
    await killAmid("env -i setsid sleep 7201 & sleep 7202 & echo up; sleep 7203", "require")
    await eventually(() => [7201, 7202, 7203].flatMap((mark) => living(`sleep\0${mark}`))).toEqual([])
  })

  test("sees only its own processes", async () => {
    expect(Number((await bash("ls /proc | grep -c '^[0-9]'")).output)).toBeLessThan(10)
    expect((await bash(`kill -0 ${process.pid}`)).outcome).toBe("error")
  })
})

describe.runIf(here)("a job", () => {
  test("is inside the same walls, and ends with them", async () => {
    await using home = makeJobbing()
    const { kernel, graft } = await home.kernel()
    const temporary = mkdtempSync(join(realpathSync(tmpdir()), "graft-sandbox-spec-"))
    const program = (found as { program: string }).program
    await kernel.put("walls", definePlugin({ per: "location", setup(graft) {
      graft.add("wall", { id: "sandbox", confine: async (start) => ({ ...start, program, args: [...argumentsOf({ project: home.directory, write: [], hidden: [], temporary, network: false }, start.directory), start.program, ...start.args], walls: [] }) })
    } }), home.directory)
    try {
      const session = await graft.session.create({ directory: home.directory })
      const shell = (command: string) => ({ spec: { kind: "shell" as const, command, directory: home.directory }, title: "job", delivery: "inform" as const })
      const { id } = await graft.job.open(session.id, shell("echo in > inside; echo out > /var/tmp/graft-outside"))
      expect(await graft.job.wait(id)).toMatchObject({ outcome: "failed", exit: 1 })
      expect([existsSync(join(home.directory, "inside")), existsSync("/var/tmp/graft-outside")]).toEqual([true, false])
      const long = await graft.job.open(session.id, shell("touch up; env -i setsid sleep 7106 & sleep 7107"))
      await eventually(() => existsSync(join(home.directory, "up"))).toBe(true)
      await graft.job.cancel(long.id, "enough")
      expect(await graft.job.wait(long.id)).toMatchObject({ outcome: "cancelled" })
      await eventually(() => [7106, 7107].flatMap((mark) => living(`sleep\0${mark}`))).toEqual([])
    } finally {
      rmSync(temporary, { recursive: true, force: true })
    }
  })
})
