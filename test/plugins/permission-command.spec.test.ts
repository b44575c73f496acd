/** `graft permission` says what may happen and which rule of which file decides, by the exit code too; what was allowed for good is listed, and taken back by its number or its text. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { createKernel, type EmbeddedKernel } from "graft"
import { afterAll, beforeAll, expect, test } from "vitest"
import { permission } from "../../plugins/cli/commands/permission.ts"
import type { Terminal } from "../../plugins/cli/contract.ts"

let base: string
let kernel: EmbeddedKernel
const project = () => join(base, "project")

beforeAll(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "graft-permission-")))
  mkdirSync(join(project(), ".git"), { recursive: true })
  mkdirSync(join(base, "home/config"), { recursive: true })
  mkdirSync(join(base, "home/data"), { recursive: true })
  writeFileSync(join(base, "home/config/config.jsonc"), '{\n  "permissions": {\n    "allow": ["bash:git *"],\n    "deny": ["bash:git push*"]\n  }\n}\n')
  writeFileSync(join(base, "home/data/permissions.json"), JSON.stringify({ [project()]: ["bash:npm test *"], "*": ["bash:ls *"] }), { mode: 0o600 })
  kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], dataDir: join(base, "home"), only: ["config", "permission", "store", "eventlog", "session", "agent"] })
  await kernel.start()
})
afterAll(async () => {
  await kernel.close()
  rmSync(base, { recursive: true, force: true })
})

async function call(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""]
  const terminal: Terminal = {
    out: (text) => { out += text }, err: (text) => { err += text }, paint: (_, text) => text, ask: async () => undefined, input: Readable.from([]), color: false, cursor: false, interactive: false, together: false, columns: 200, rows: 24,
    directory: project(), signal: new AbortController().signal, trap: () => () => {},
  }
  return { code: await permission(kernel.graft).run(argv, terminal), out, err }
}

test.each<[line: string, code: number, says: RegExp]>([
  ["git log", 0, /^allow {2}git log\n {2}by the rule "bash:git \*" \(.*config\.jsonc:3\)\n$/],
  ["git p''ush", 1, /^deny {2}git p''ush\n {2}by the rule "bash:git push\*" \(.*config\.jsonc:4\)\n$/],
  ["npm test", 0, /by the rule "bash:npm test \*" \(saved\)/],
  ["ls src", 0, /by the rule "bash:ls \*" \(saved everywhere\)/],
  ["cd src && git log | wc -l", 3, /^ask {2}cd src.*\n.*no rule allows it\n +allow +cd src +it needs no rule\n +allow +git log .*\n +ask +wc -l .*\n +to allow it: --allow 'bash:wc \*', or/],
  ["eval $X", 3, /it cannot be read for certain: "eval" of what is not certain/],
])("test %j exits with %i and says why", async (line, code, says) => {
  const tested = await call("test", line)
  expect(tested.out).toMatch(says)
  expect(tested.code).toBe(code)
})

test("other actions, and what an agent may not use at all", async () => {
  expect(await call("test", join(project(), ".env"), "--action", "read")).toMatchObject({ code: 3, out: expect.stringContaining('by the rule "read:*.env" (default)') })
  expect(await call("test", "git log", "--agent", "plan")).toMatchObject({ code: 1, out: expect.stringContaining('the agent "plan" may not use bash') })
  await expect(call("test", "git log", "--agent", "plam")).rejects.toThrow(/did you mean "plan"/)
  expect(JSON.parse((await call("test", "git push", "--json")).out)).toMatchObject({ verdict: { effect: "deny", rule: "bash:git push*" }, parts: [{ resource: "git push" }] })
})

test("answers are numbered, and taken back by number or text; what is none is told", async () => {
  expect((await call()).out).toMatch(/^answers for good\n +1 +bash:npm test \* +here\n +2 +bash:ls \* +everywhere\n\nrules\n/)
  expect(await call("forget", "2")).toMatchObject({ code: 0, err: "forgotten: bash:ls *; it is asked about again\n" })
  expect((await call("test", "ls src")).code).toBe(3)
  expect((await call("forget", "bash:npm test *")).code).toBe(0)
  expect(await call("forget", "1")).toMatchObject({ code: 1, err: expect.stringContaining("none is saved") })
  await expect(call("forget")).rejects.toMatchObject({ code: "cli.usage" })
  await expect(call("tst")).rejects.toThrow(/did you mean "test"/)
})
